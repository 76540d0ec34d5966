using Faultline.Lab.Worlds.Words;

namespace Faultline.Lab.Worlds.Topologies;

/// <summary>Looking things up.</summary>
internal static class RetrievalSteps
{
    public static void Embed(this RequestRun run, string role, Span parent)
    {
        var span = run.Open(Work.Embedding, "embed query", role, parent);
        span.Query = run.Request.Question;
        span.Target = run.Conditions.OtherEmbedding && run.System.EmbeddingShown ? run.System.NextEmbeddingModel : run.System.EmbeddingModel;
        run.Wait(run.Rng.Tailed(0.045, 0.35));
        run.Close(span);
    }

    public static IReadOnlyList<Passage> Retrieve(this RequestRun run, string role, string index, Span parent)
    {
        var (c, rng, system) = (run.Conditions, run.Rng, run.System);
        var hit = c.Hits(index);
        var span = run.Open(Work.Retrieval, index, role, parent);
        span.Query = run.Request.Question;
        span.Target = index;
        span.TopK = Math.Max(1, (int)Math.Round(system.TopK * (hit ? c.TopKFactor : 1)));
        run.Wait(rng.Tailed(0.07, 0.4));
        if (rng.Chance(hit ? c.RetrievalErrors + 0.002 : 0.002))
        {
            run.Wait(2);
            run.Fail(span, "unavailable", $"index {index}: connection refused");
            span.Passages = [];
            return [];
        }

        var passages = hit && rng.Chance(c.EmptyShare) ? [] : Draw(run, span.TopK, hit);
        span.Passages = passages;
        run.Close(span);
        return passages;
    }

    /// <summary>Embeds and looks up in a service of its own.</summary>
    public static IReadOnlyList<Passage> Search(this RequestRun run, string role, string name, Span parent)
    {
        var search = run.Hop(role, name, parent);
        run.Embed(role, search);
        var passages = run.Retrieve(role, run.System.Indexes[0], search);
        run.Leave(search, parent);
        return passages;
    }

    private static List<Passage> Draw(RequestRun run, int count, bool hit)
    {
        var (c, rng, system) = (run.Conditions, run.Rng, run.System);
        var wanted = run.Request.Document;
        var unknownTopic = run.Request.Kind is "new-topic" or "foreign";
        var found = rng.Chance(0.95 * (hit ? c.Relevance : 1) * (unknownTopic ? 0.15 : 1));
        var level = system.ScoreLevel * (hit ? c.ScoreFactor : 1) * (unknownTopic ? 0.78 : 1);
        var passages = new List<Passage>(count);
        if (found)
        {
            var stale = hit && rng.Chance(c.StaleShare);
            passages.Add(Make(wanted, Math.Clamp(rng.Normal(level * (stale ? 0.93 : 1), 0.035), 0.01, 0.99), stale, true));
        }

        var documents = system.Library.Documents;
        for (var i = passages.Count; i < count; i++)
        {
            var other = rng.Chance(0.4) ? documents.Find(d => d.Topic == wanted.Topic && d.Entity != wanted.Entity && rng.Chance(0.3)) ?? rng.Pick(documents) : rng.Pick(documents);
            var near = other.Topic == wanted.Topic || other.Entity == wanted.Entity;
            passages.Add(Make(other, Math.Clamp(rng.Normal(level * (near ? 0.8 : 0.66), 0.05), 0.01, 0.99), hit && rng.Chance(c.StaleShare), false));
        }

        passages.Sort((a, b) => b.Score.CompareTo(a.Score));
        passages.RemoveAll(passage => hit && passage.Score < c.ScoreFloor);
        return passages;

        Passage Make(Document document, double score, bool stale, bool right)
        {
            var text = stale ? document.OldText : document.Text;
            var factor = hit ? c.ChunkFactor : 1;
            if (factor < 1)
            {
                text = text[..Math.Max(12, (int)(text.Length * factor))];
            }
            else if (factor > 1.2)
            {
                text = string.Join(' ', Enumerable.Range(0, (int)factor).Select(_ => rng.Pick(system.Library.Documents).Text).Append(text));
            }

            return new Passage(document, text, Math.Round(score, 4), document.AgeDays + (stale ? 90 : 0) + (hit ? c.StaleDays : 0), right && !(factor < 0.45), stale);
        }
    }

    public static IReadOnlyList<Passage> Rerank(this RequestRun run, string role, IReadOnlyList<Passage> passages, int keep, Span parent)
    {
        var (c, rng) = (run.Conditions, run.Rng);
        if (c.RerankSkipped)
        {
            return [.. Muddle(passages, rng).Take(keep)];
        }

        var span = run.Open(Work.Rerank, "rerank", role, parent);
        span.Query = run.Request.Question;
        span.Target = run.System.RerankModel;
        span.TopK = keep;
        span.PassagesIn = passages;
        run.Wait(rng.Tailed(0.12, 0.3) * c.RerankSlow);
        if (rng.Chance(c.RerankErrors + 0.002))
        {
            run.Wait(rng.Between(1.0, 3.0));
            run.Fail(span, "timeout", "rerank: deadline exceeded", 504);
            return [.. Muddle(passages, rng).Take(keep)];
        }

        var sorted = passages.Select(passage => passage with { Score = Math.Round(Math.Clamp(rng.Normal(passage.Right ? 0.9 : 0.35, 0.08), 0, 1), 4) })
            .OrderByDescending(passage => passage.Score).Take(keep).ToList();
        span.Passages = sorted;
        run.Close(span);
        return sorted;
    }

    /// <summary>Where a reranker is relied on, raw order often buries the right passage.</summary>
    private static List<Passage> Muddle(IReadOnlyList<Passage> passages, Rng rng) =>
        [.. passages.OrderByDescending(passage => passage.Score + (passage.Right ? rng.Between(-0.35, 0.02) : 0))];
}
