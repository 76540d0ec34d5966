using System.Diagnostics;
using System.Text.Json;
using Faultline.Diagnosis.Evaluators;

namespace Faultline.Bench;

/// <summary>
/// What each evaluator costs on cases of <c>faultline bench groundedness</c> (cases.jsonl), and how well relevance tells a text's own context from another
/// one of the same folder.
/// </summary>
internal static class EvaluatorBench
{
    private const int CasesMax = 100;

    public static async Task<int> RunAsync(string folder, bool json)
    {
        var resources = LanguageResources.Load(await LanguagePackage.EnsureAsync(Path.Combine(AppContext.BaseDirectory, "native", "language"), Console.Error.WriteLine));
        if (resources.Missing is { } missing)
        {
            Console.Error.WriteLine(missing);
            return 1;
        }

        var all = File.ReadLines(Path.Combine(folder, "cases.jsonl")).Select(line => JsonSerializer.Deserialize<Case>(line, JsonSerializerOptions.Web)!).ToList();
        var every = Math.Max(1, all.Count / CasesMax);
        var cases = all.Where((_, i) => i % every == 0).ToList();
        foreach (var evaluator in BuiltInEvaluators.All(resources))
        {
            evaluator.Evaluate(Call(cases[0]));
            var costs = new List<double>();
            foreach (var one in cases.Skip(1))
            {
                var started = Stopwatch.GetTimestamp();
                evaluator.Evaluate(Call(one));
                costs.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
            }

            costs.Sort();
            Say(json, new { evaluator = evaluator.Name, cases = costs.Count, median_ms = Math.Round(costs[costs.Count / 2], 3), p95_ms = Math.Round(costs[costs.Count * 95 / 100], 3), mean_ms = Math.Round(costs.Average(), 3) });
        }

        var contexts = cases.Select(one => one.Context).Distinct(StringComparer.Ordinal).ToList();
        foreach (var (name, evaluate) in new[] { ("answer_relevance", new AnswerRelevanceEvaluator(resources).Evaluate), ("retrieval_relevance", new Evaluator(new RetrievalRelevanceEvaluator(resources).Evaluate)) })
        {
            double above = 0, ownRight = 0, otherRight = 0;
            foreach (var one in cases)
            {
                var other = contexts[(contexts.IndexOf(one.Context) + (contexts.Count / 2)) % contexts.Count];
                var (own, foreign) = (evaluate(new EvaluatedCall(one.Answer, [one.Context], one.Context)).Score, evaluate(new EvaluatedCall(one.Answer, [other], other)).Score);
                above += own > foreign ? 1 : own == foreign ? 0.5 : 0;
                ownRight += own >= 0.5 ? 1 : 0;
                otherRight += foreign < 0.5 ? 1 : 0;
            }

            Say(json, new { evaluator = name, pairs = cases.Count, own_above_other = Math.Round(above / cases.Count, 4), balanced_accuracy = Math.Round((ownRight + otherRight) / 2 / cases.Count, 4) });
        }

        return 0;
    }

    private static EvaluatedCall Call(Case one) => new(one.Answer, [one.Context], one.Answer);

    private static void Say(bool json, object row) =>
        Console.WriteLine(json ? JsonSerializer.Serialize(row) : string.Join("  ", row.GetType().GetProperties().Select(property => $"{property.Name} {property.GetValue(row)}")));

    private sealed record Case(string Id, string Context, string Answer);
}
