using System.Globalization;
using Faultline.Cases.Projections;
using Faultline.Diagnosis.Findings;
using Faultline.Store;
using Faultline.Telemetry.GenAi;

namespace Faultline.Cases.Lifecycle;

/// <summary>Copies what a case is about out of the telemetry, so that it stays when the telemetry goes.</summary>
internal sealed class SnapshotBuilder(TelemetryStore store)
{
    private const int TracesMax = 3;
    private const int ItemsMax = 12;
    private const int TextCharactersMax = 8_000;

    public async Task<ContextSnapshot> BuildAsync(Finding finding, CancellationToken cancel)
    {
        List<SnapshotItem> prompts = [], chunks = [], outputs = [], scores = [];
        foreach (var trace in finding.BadTraces.Take(TracesMax))
        {
            foreach (var span in await store.Traces.SpansOfAsync(finding.Project, trace, cancel))
            {
                var reference = $"{trace}/{span.Summary.SpanId}";
                var content = span.ReadContent();
                Keep(prompts, reference, Lines(content.System, content.Input) is { Length: > 0 } asked ? asked : content.InputText);
                foreach (var document in content.Documents)
                {
                    Keep(chunks, reference, Words(document));
                }

                Keep(chunks, reference, content.ToolResult);
                Keep(outputs, reference, Lines([], content.Output) is { Length: > 0 } answered ? answered : content.ToolResult.Length > 0 ? "" : content.OutputText);
                foreach (var score in span.Scores.Take(ItemsMax - scores.Count))
                {
                    scores.Add(new SnapshotItem(reference, string.Create(CultureInfo.InvariantCulture, $"{score.Name} {score.Value:G4} {score.Label}").Trim()));
                }
            }
        }

        return new ContextSnapshot([.. finding.BadTraces.Select(trace => trace.ToString())], prompts, chunks, outputs, scores, finding.Symptoms);
    }

    /// <summary>One line a message, led by who said it.</summary>
    private static string Lines(IReadOnlyList<ContentPart> system, IReadOnlyList<ContentMessage> messages) => string.Join('\n', (string[])
    [
        .. system.Where(part => part.Text.Length > 0).Select(part => $"system: {part.Text}"),
        .. messages.SelectMany(message => message.Parts.Where(part => part.Text.Length + part.Name.Length > 0).Select(part => $"{message.Role}: {Words(part)}")),
    ]);

    private static string Words(ContentPart part) => part.Type switch
    {
        "tool_call" or "server_tool_call" => $"calls {part.Name}({part.Text})",
        _ => part.Text,
    };

    private static string Words(ContentDocument document)
    {
        var score = document.Score is { } value ? value.ToString("G4", CultureInfo.InvariantCulture) : "";
        return string.Join(' ', ((string[])[document.Id, score, document.Content]).Where(word => word.Length > 0));
    }

    private static void Keep(List<SnapshotItem> items, string reference, string text)
    {
        if (items.Count < ItemsMax && text.Length > 0)
        {
            items.Add(new SnapshotItem(reference, text.Length <= TextCharactersMax ? text : text[..TextCharactersMax] + $" … ({text.Length:N0} characters in all)"));
        }
    }
}
