using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Faultline.Diagnosis.Evaluators;
using Faultline.Diagnosis.Evaluators.Groundedness;

namespace Faultline.Cli.Bench;

/// <summary>How far every statement of an answer is supported by its context.</summary>
internal static class GroundednessBench
{
    private const int CasesAtOnce = 64;

    public static BenchTask Task { get; } = new("groundedness", "Support of an answer by its context: cases.jsonl with context and answer.", RunAsync);

    private static async Task RunAsync(IReadOnlyList<string> folders, TextWriter output, CancellationToken cancel)
    {
        var evaluator = new GroundednessEvaluator(await ResourcesAsync(cancel));
        foreach (var folder in folders)
        {
            foreach (var cases in CaseFiles.Cases(folder).Chunk(CasesAtOnce))
            {
                cancel.ThrowIfCancellationRequested();
                foreach (var line in cases.AsParallel().AsOrdered().Select(one => Predict(one, evaluator)))
                {
                    await output.WriteLineAsync(line);
                }
            }
        }
    }

    // A case without a statement or without a context has no score; half is "cannot tell".
    private static string Predict(JsonElement one, GroundednessEvaluator evaluator)
    {
        var question = one.ValueKind == JsonValueKind.Object && one.TryGetProperty("question", out var asked) && asked.ValueKind == JsonValueKind.String ? asked.GetString()! : "";
        var id = one.Required("id", JsonValueKind.String).GetString();
        var context = one.Required("context", JsonValueKind.String).GetString()!;
        var evaluation = evaluator.Evaluate(new EvaluatedCall(question, [context], one.Required("answer", JsonValueKind.String).GetString()!));
        var score = evaluation.IsSkipped ? 0.5 : evaluation.Score;
        return string.Create(CultureInfo.InvariantCulture, $"{{\"id\":\"{JavaScriptEncoder.UnsafeRelaxedJsonEscaping.Encode(id!)}\",\"score\":{score:0.####}}}");
    }

    private static async Task<LanguageResources> ResourcesAsync(CancellationToken cancel)
    {
        try
        {
            var resources = LanguageResources.Load(await LanguagePackage.EnsureAsync(Path.Combine(AppContext.BaseDirectory, "native", "language"), Console.Error.WriteLine, cancel));
            if (resources.Missing is { } missing)
            {
                await Console.Error.WriteLineAsync($"Scores rest on words alone: {missing}");
            }

            return resources;
        }
        catch (InvalidOperationException problem)
        {
            await Console.Error.WriteLineAsync($"Scores rest on words alone: {problem.Message}");
            return LanguageResources.None;
        }
    }
}
