using System.Globalization;

namespace Faultline.Lab.Worlds.Words;

/// <summary>A document of a knowledge base.</summary>
/// <param name="Statements">What it says now.</param>
/// <param name="OldStatements">What its earlier edition said: the same facts with other figures.</param>
/// <param name="AgeDays">Since it was last changed.</param>
internal sealed record Document(string Id, string Topic, string Entity, IReadOnlyList<string> Questions, IReadOnlyList<string> Statements, IReadOnlyList<string> OldStatements, double AgeDays)
{
    public string Text => string.Join(' ', Statements);

    public string OldText => string.Join(' ', OldStatements);
}

/// <summary>The documents of one system: every topic of its domain for every entity, with figures of its own.</summary>
internal sealed class Library
{
    public Library(Domain domain, Rng rng)
    {
        Domain = domain;
        foreach (var entity in domain.Entities)
        {
            foreach (var topic in domain.Topics)
            {
                string Fill(string text) => Library.Fill(text, entity, rng);
                Documents.Add(new Document(
                    $"{domain.Name}-{topic.Name}-{Documents.Count:00}",
                    topic.Name,
                    entity,
                    [.. topic.Questions.Select(Fill)],
                    [.. topic.Statements.Select(Fill)],
                    [.. topic.Statements.Select(Fill)],
                    rng.Tailed(30, 0.8)));
            }
        }
    }

    public Domain Domain { get; }

    public List<Document> Documents { get; } = [];

    /// <summary>Fills <c>{e} {n} {d} {m} {p}</c>.</summary>
    public static string Fill(string text, string entity, Rng rng)
    {
        text = text.Replace("{e}", entity, StringComparison.Ordinal);
        text = Slot(text, "{n}", () => rng.Between(2, 60).ToString(CultureInfo.InvariantCulture));
        text = Slot(text, "{d}", () => rng.Between(2, 30).ToString(CultureInfo.InvariantCulture));
        text = Slot(text, "{p}", () => rng.Between(3, 45).ToString(CultureInfo.InvariantCulture));
        return Slot(text, "{m}", () => $"{rng.Between(3, 480)} euros");
    }

    private static string Slot(string text, string slot, Func<string> value) =>
        text.Contains(slot, StringComparison.Ordinal) ? text.Replace(slot, value(), StringComparison.Ordinal) : text;
}

/// <summary>What answers look like when things go well, and when they do not.</summary>
internal static class Answers
{
    public static string Grounded(WordPools words, Document document, Rng rng)
    {
        var said = rng.Shuffled(document.Statements).Take(rng.Between(1, document.Statements.Count));
        var closer = rng.Chance(0.4) ? " " + rng.Pick(words["closers"]) : "";
        return $"{rng.Pick(words["openers"])} {string.Join(' ', said)}{closer}";
    }

    /// <summary>Fluent, sure and wrong: other figures, and a thing no document says.</summary>
    public static string Invented(WordPools words, Document document, Domain domain, Rng rng)
    {
        var topic = domain.Topics.First(topic => topic.Name == document.Topic);
        var said = topic.Statements.Select(statement => Library.Fill(statement, document.Entity, rng)).Take(2).Append(rng.Pick(words["inventions"]));
        return $"{rng.Pick(words["openers"])} {string.Join(' ', said)}";
    }

    /// <summary>Faithful to the context, which is old.</summary>
    public static string Outdated(WordPools words, Document document, Rng rng) =>
        $"{rng.Pick(words["openers"])} {string.Join(' ', document.OldStatements.Take(2))}";

    public static string NotFound(WordPools words, Rng rng) => rng.Pick(words["not-found"]);

    public static string Refusal(WordPools words, Rng rng) => rng.Pick(words["refusals"]);

    /// <summary>Sentences that repeat, break off and come in the wrong order.</summary>
    public static string Garbled(WordPools words, Document document, Rng rng)
    {
        var tokens = rng.Shuffled(document.Text.Split(' '));
        var stuck = string.Join(' ', tokens.Take(rng.Between(3, 6)));
        return rng.Chance(0.5)
            ? $"{string.Join(' ', tokens)} {stuck} {stuck} {stuck} {stuck}"
            : $"{rng.Pick(words["openers"])} {document.Statements[0]} {document.Statements[0]} {document.Statements[0]} and {stuck} and {stuck}";
    }

    public static string Verbose(WordPools words, string answer, int sentences, Rng rng) =>
        answer + " " + string.Join(' ', Enumerable.Range(0, sentences).Select(_ => rng.Pick(words["filler"])));
}
