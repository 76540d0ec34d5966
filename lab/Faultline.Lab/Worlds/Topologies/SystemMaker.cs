using Faultline.Lab.Worlds.Dialects;
using Faultline.Lab.Worlds.Words;
using static Faultline.Lab.Worlds.Topologies.Abilities;

namespace Faultline.Lab.Worlds.Topologies;

/// <summary>Makes one definite system of a shape: names, models, sizes, what is instrumented and what is not.</summary>
internal static class SystemMaker
{
    private const double ScoresShare = 0.75;
    private const double TextsShare = 0.8;

    /// <param name="spansPerSecond">At an average moment; decides the traffic.</param>
    public static GenAiSystem Make(Topology topology, Dialect dialect, string stem, double spansPerSecond, Rng rng)
    {
        var words = WordPools.Of(topology.Split);
        var domain = rng.Pick(words.Domains);
        var library = new Library(domain, rng);
        var abilities = Choose(topology, rng);
        string Named(string text) => text.Replace("{domain}", domain.Name, StringComparison.Ordinal);
        List<string> Some(string section, int count) => [.. rng.Shuffled(words[section]).Take(count).Select(Named)];

        var embeddings = Some("embedding-models", 2);
        var database = rng.Pick(words.Rows("databases"));
        var systemLines = words["system-lines"];
        return new GenAiSystem
        {
            Topology = topology,
            Abilities = abilities,
            Words = words,
            Library = library,
            Services = [.. topology.Roles.Select(role => new Service(role, $"{stem}-{role}", $"{rng.Between(1, 4)}.{rng.Between(0, 30)}.{rng.Between(0, 9)}", rng.Between(1, 3)))],
            Routes = Routes(words, abilities, rng),
            Indexes = Some("indexes", abilities.HasFlag(MultiIndex) ? 2 : 1),
            Tools = [.. rng.Shuffled(words.Rows("tools")).Take(4).Select(row => (Named(row[0]), row[1]))],
            Agents = Some("agents", 3),
            Templates = Some("templates", 2),
            Tenants = Some("tenants", rng.Between(3, 6)),
            EmbeddingModel = embeddings[0],
            NextEmbeddingModel = embeddings[1],
            RerankModel = rng.Pick(words["rerank-models"]),
            MemoryStore = rng.Pick(words["memory-stores"]),
            Guardrail = rng.Pick(words["guardrails"]),
            Database = (database[0], database[1]),
            Dependency = rng.Pick(words["dependencies"]),
            JudgeModel = rng.Pick(words.Rows("models"))[4],
            ScoreNames = rng.Pick(words.Rows("score-names")),
            ScoreForm = !abilities.HasFlag(Scores) ? ScoreForm.None : Form(dialect, rng),
            ScoreShare = rng.Between(0.5, 1.0),
            Dialect = dialect,
            TemplatesShown = rng.Chance(0.85),
            TenantsShown = rng.Chance(0.8),
            EmbeddingShown = rng.Chance(0.7),
            TopK = rng.Between(4, 6),
            ScoreLevel = rng.Between(0.72, 0.88),
            SystemText = Named(string.Join(' ', systemLines.Take(1).Concat(rng.Shuffled(systemLines.Skip(1)).Take(rng.Between(3, 5))))),
            FewShotText = string.Join('\n', words["examples"]),
            Temperature = Math.Round(rng.Between(0.0, 0.7), 1),
            MaxTokens = rng.Pick<int>([400, 512, 800, 1024]),
            Rate = spansPerSecond / topology.SpansPerTrace,
        };
    }

    private static Abilities Choose(Topology topology, Rng rng)
    {
        var abilities = topology.Always;
        foreach (var ability in Enum.GetValues<Abilities>())
        {
            if (ability != None && (topology.Perhaps & ability) == ability && rng.Chance(0.55))
            {
                abilities |= ability;
            }
        }

        if (!abilities.HasFlag(SelfHosted))
        {
            abilities |= Hosted;
        }

        var texts = rng.Chance(TextsShare);
        return abilities | (texts ? Texts : None) | (!texts || rng.Chance(ScoresShare) ? Scores : None);
    }

    private static List<ModelRoute> Routes(WordPools words, Abilities abilities, Rng rng)
    {
        var selfHosted = abilities.HasFlag(SelfHosted);
        var rows = rng.Shuffled(words.Rows(selfHosted ? "self-hosted" : "models"));
        var count = !selfHosted && rng.Chance(0.4) ? 2 : 1;
        return [.. rows.Take(count).Select(row => new ModelRoute(
            row[0], row[1], row[2], row[3], row[4], row[5], rng.Between(0.3, 0.9), rng.Between(0.007, 0.02), selfHosted ? 8192 : 128_000))];
    }

    private static ScoreForm Form(Dialect dialect, Rng rng) =>
        dialect.Name is "openinference" or "openlit" && rng.Chance(0.5) ? ScoreForm.Inline
        : rng.Chance(0.5) ? ScoreForm.SpanEvents
        : ScoreForm.LateLogs;
}
