using System.Globalization;
using Faultline.Cases.Projections;
using Faultline.Diagnosis.Findings;
using Faultline.Store;
using Faultline.Store.Traces;

namespace Faultline.Cases.Lifecycle;

/// <summary>Copies what a case is about out of the telemetry, so that it stays when the telemetry goes.</summary>
internal sealed class SnapshotBuilder(TelemetryStore store)
{
    private const int TracesMax = 3;
    private const int ItemsMax = 12;
    private const int TextCharactersMax = 8_000;

    private static readonly string[] Prompts = ["gen_ai.system_instructions", "gen_ai.input.messages", "input.value", "gen_ai.prompt", "ai.prompt.messages"];
    private static readonly string[] Chunks = ["gen_ai.retrieval.documents", "gen_ai.tool.call.result"];
    private static readonly string[] Outputs = ["gen_ai.output.messages", "output.value", "gen_ai.completion", "ai.response.text"];

    public async Task<ContextSnapshot> BuildAsync(Finding finding, CancellationToken cancel)
    {
        List<SnapshotItem> prompts = [], chunks = [], outputs = [], scores = [];
        foreach (var trace in finding.BadTraces.Take(TracesMax))
        {
            foreach (var span in await store.Traces.SpansOfAsync(finding.Project, trace, cancel))
            {
                var reference = $"{trace}/{span.Summary.SpanId}";
                foreach (var body in span.Bodies)
                {
                    Keep(prompts, Prompts, body, reference);
                    Keep(chunks, Chunks, body, reference);
                    Keep(outputs, Outputs, body, reference);
                }

                foreach (var score in span.Scores.Take(ItemsMax - scores.Count))
                {
                    scores.Add(new SnapshotItem(reference, string.Create(CultureInfo.InvariantCulture, $"{score.Name} {score.Value:G4} {score.Label}").Trim()));
                }
            }
        }

        return new ContextSnapshot([.. finding.BadTraces.Select(trace => trace.ToString())], prompts, chunks, outputs, scores, finding.Symptoms);
    }

    private static void Keep(List<SnapshotItem> items, string[] keys, StoredAttribute body, string reference)
    {
        if (items.Count < ItemsMax && keys.Contains(body.Key, StringComparer.Ordinal))
        {
            items.Add(new SnapshotItem(reference, body.Value.Length <= TextCharactersMax ? body.Value : body.Value[..TextCharactersMax] + $" … ({body.Value.Length:N0} characters in all)"));
        }
    }
}
