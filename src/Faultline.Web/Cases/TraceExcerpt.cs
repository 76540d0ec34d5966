using Faultline.Store.Scores;
using Faultline.Store.Traces;
using Faultline.Telemetry.Spans;
using Faultline.Web.Traces;

namespace Faultline.Web.Cases;

/// <summary>What to put beside what when a bad trace is compared with a good one.</summary>
/// <param name="Asked">The last thing that a person said.</param>
/// <param name="Documents">Retrieved, best first.</param>
/// <param name="Answered">The last thing that a model said.</param>
/// <param name="Tools">Tools by how often they were called.</param>
/// <param name="Prompt">Template and version.</param>
public sealed record TraceExcerpt(
    TraceId TraceId, long StartUnixNanos, long DurationNanos, int SpanCount, int ErrorCount, string Asked, IReadOnlyList<RetrievedDocument> Documents, string Answered,
    IReadOnlyList<KeyValuePair<string, int>> Tools, IReadOnlyList<StoredScore> Scores, string Model, string Prompt, long Tokens)
{
    public static TraceExcerpt Of(IReadOnlyList<StoredSpan> spans)
    {
        var contents = spans.Select(span => (Span: span, Content: SpanContent.Of(span))).ToList();
        var calls = contents.Where(pair => pair.Content.Messages.Count > 0).ToList();
        string Said(bool output, string role) => calls.SelectMany(pair => pair.Content.Messages).LastOrDefault(message => message.IsOutput == output && (role.Length == 0 || message.Role == role) && message.Parts.Any(part => part.Kind == "text"))
            ?.Parts.Where(part => part.Kind == "text").Select(part => part.Text).FirstOrDefault() ?? "";
        var query = contents.Select(pair => pair.Content.RetrievalQuery).FirstOrDefault(text => text.Length > 0);
        var chat = spans.Select(span => span.Summary.GenAi).LastOrDefault(genAi => genAi.PromptName.Length > 0 || genAi.ModelResponded.Length > 0);
        var start = spans.Min(span => span.Summary.StartUnixNanos);
        return new TraceExcerpt(
            spans[0].Summary.TraceId, start, spans.Max(span => span.Summary.StartUnixNanos + span.Summary.DurationNanos) - start, spans.Count,
            spans.Count(span => span.Summary.Status == SpanStatus.Error),
            query ?? Said(output: false, "user"),
            [.. contents.SelectMany(pair => pair.Content.Documents).OrderByDescending(document => document.Score ?? double.MinValue).Take(4)],
            Said(output: true, ""),
            [.. spans.Where(span => span.Summary.GenAi.Tool.Length > 0).GroupBy(span => span.Summary.GenAi.Tool, StringComparer.Ordinal).Select(group => KeyValuePair.Create(group.Key, group.Count())).OrderByDescending(pair => pair.Value)],
            [.. spans.SelectMany(span => span.Scores).GroupBy(score => score.Name, StringComparer.Ordinal).Select(group => group.MinBy(score => score.Value)!)],
            chat?.ModelResponded ?? "", chat is { PromptName.Length: > 0 } ? chat.PromptName + (chat.PromptVersion.Length > 0 ? " v" + chat.PromptVersion : "") : "",
            spans.Where(span => span.Summary.GenAi.Counted).Sum(span => (span.Summary.GenAi.InputTokens ?? 0) + (span.Summary.GenAi.OutputTokens ?? 0)));
    }
}
