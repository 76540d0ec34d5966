using System.Text.Json;
using Faultline.Telemetry;
using Faultline.Telemetry.GenAi;
using Faultline.Telemetry.Otlp;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Evaluators.Live;

/// <summary>A call that waits to be judged.</summary>
/// <param name="Question">What the user asked, or a retrieval's query.</param>
/// <param name="Documents">Of a retrieval: what it found.</param>
/// <param name="Schema">JSON Schema that the answer was to follow; null when none was asked for.</param>
/// <param name="IsCut">A length limit cut the text.</param>
/// <param name="DueAt">Timestamp of the time provider.</param>
internal sealed record PendingCall(
    Judged Judges, string Project, string Service, string Environment, TraceId Trace, SpanId Span, string ResponseId, long StartUnixNanos, long EndUnixNanos,
    string Question, IReadOnlyList<string> Documents, string Answer, string? Schema, bool IsCut, long DueAt)
{
    /// <summary>Empty where none is told.</summary>
    public string Session { get; init; } = "";

    /// <summary>The call failed: it has no answer to judge, and its prompt belongs to a topic all the same.</summary>
    public bool Failed { get; init; }

    /// <summary>An answer was recorded, and nothing is in it.</summary>
    public bool IsEmpty { get; init; }

    /// <summary>What tools returned, as the prompt tells it.</summary>
    public IReadOnlyList<string> ToolResults { get; init; } = [];

    /// <summary>The answer asks for tools: what it says besides is no result of theirs.</summary>
    public bool AsksTools { get; init; }
}

/// <summary>Finds model calls and retrievals in a committed batch, and reads what was said in them.</summary>
internal static class CallReader
{
    private const int DocumentsMax = 100;

    /// <summary>What a row is to evaluators; null: nothing.</summary>
    public static Judged? KindOf(SpanBatch spans, int row)
    {
        var gen = spans.GenAi;
        if (gen.Count != spans.Count || spans.Status[row] == SpanStatus.Error)
        {
            return null;
        }

        var operation = gen.Operation[row];
        if (operation.SequenceEqual("retrieval"u8) || operation.SequenceEqual("rerank"u8))
        {
            return Judged.Retrieval;
        }

        return IsCall(gen, row) ? Judged.Answer : null;
    }

    /// <summary>A model call that no evaluator judges, because it failed.</summary>
    public static bool IsFailedCall(SpanBatch spans, int row) => spans.GenAi.Count == spans.Count && spans.Status[row] == SpanStatus.Error && IsCall(spans.GenAi, row);

    // A framework's span around a client's span of the same call says the same answer: one is enough.
    private static bool IsCall(GenAiColumns gen, int row)
    {
        var operation = gen.Operation[row];
        return (operation.SequenceEqual("chat"u8) || operation.SequenceEqual("completion"u8)) && (gen.Counted[row] != 0 || gen.UsageBasis[row].IsEmpty);
    }

    /// <summary>A tool's span that may tell what it returned.</summary>
    public static bool IsTool(SpanBatch spans, int row) =>
        spans.GenAi.Count == spans.Count && spans.Status[row] != SpanStatus.Error && spans.GenAi.Operation[row].SequenceEqual("tool"u8) && !spans.GenAi.OutputPreview[row].IsEmpty;

    /// <summary>What a tool's span tells that it returned.</summary>
    public static Retrieval ReadTool(SpanBatch spans, int row)
    {
        var span = OtlpSpan.Of(spans, row);
        var content = GenAiContent.Read(span.Attributes, span.Events, spans.GenAi.Operation.Text(row));
        return new Retrieval(Math.Max(span.StartUnixNanos, span.EndUnixNanos), "", [ToolText.Of(content.ToolResult)], OfTool: true);
    }

    public static PendingCall Read(TelemetryBatch batch, int row, Judged kind, long dueAt)
    {
        var spans = batch.Spans;
        var gen = spans.GenAi;
        var span = OtlpSpan.Of(spans, row);
        var content = GenAiContent.Read(span.Attributes, span.Events, gen.Operation.Text(row));
        var isAnswer = kind == Judged.Answer;
        return new PendingCall(
            kind, batch.Project, spans.ServiceName(row), spans.Resources.Environment(spans.Resource[row]), span.TraceId, span.SpanId, isAnswer ? gen.ResponseId.Text(row) : "",
            span.StartUnixNanos, Math.Max(span.StartUnixNanos, span.EndUnixNanos),
            isAnswer ? content.Input.LastOrDefault(message => message.Role == "user" && message.Words.Length > 0)?.Words ?? "" : content.RetrievalQuery,
            [.. content.Documents.Select(document => document.Content).Where(text => text.Length > 0).Take(DocumentsMax)],
            isAnswer ? string.Join('\n', content.Output.Select(message => message.Words).Where(words => words.Length > 0)) : "",
            isAnswer ? SchemaOf(span.Attributes) : null, content.IsTruncated, dueAt)
        {
            Session = gen.Session.Text(row),
            Failed = spans.Status[row] == SpanStatus.Error,
            ToolResults = isAnswer ? [.. content.Input.SelectMany(static message => message.Parts).Where(static part => part.Type == "tool_call_response" && !part.Said.IsEmpty).Select(static part => ToolText.Of(part.Text)).Take(DocumentsMax)] : [],
            AsksTools = isAnswer && content.Output.Any(static message => message.Parts.Any(static part => part.Type == "tool_call")),
            IsEmpty = isAnswer && gen.Traits.Count == gen.Count && gen.Traits.OutputForm[row] == ContentForm.Empty,
        };
    }

    // An answer that was asked for as JSON follows at least the empty schema.
    private static string? SchemaOf(IReadOnlyList<OtlpAttribute> attributes)
    {
        var parameters = attributes.FirstOrDefault(one => one.Key == "llm.invocation_parameters")?.Value;
        if (parameters is { Length: > 0 } && parameters.Contains("response_format", StringComparison.Ordinal))
        {
            try
            {
                using var document = JsonDocument.Parse(parameters);
                if (document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty("response_format", out var format) && format.ValueKind == JsonValueKind.Object)
                {
                    return format.TryGetProperty("json_schema", out var named) && named.ValueKind == JsonValueKind.Object && named.TryGetProperty("schema", out var schema) ? schema.GetRawText()
                        : format.TryGetProperty("type", out var type) && type.ValueEquals("json_object") ? "{}"
                        : null;
                }
            }
            catch (JsonException)
            {
                return null;        // cut off, or no JSON: what was asked for is not known
            }
        }

        return attributes.FirstOrDefault(one => one.Key == "gen_ai.output.type")?.Value == "json" ? "{}" : null;
    }
}
