using Faultline.Store.Traces;
using Faultline.Web.Traces;

namespace Faultline.Web.Api;

/// <summary>What was said in a trace, span by span in the order of their starts; spans that say nothing are left out.</summary>
public sealed record TraceContentAnswer(IReadOnlyList<SpanContentAnswer> Spans)
{
    internal static TraceContentAnswer Of(IReadOnlyList<StoredSpan> spans) => new(
        [.. from span in spans
            let content = SpanContent.Of(span)
            where content.Messages.Count + content.Documents.Count > 0 || content.RetrievalQuery.Length + content.ToolArguments.Length + content.ToolResult.Length > 0
            select new SpanContentAnswer(
                span.Summary.SpanId.ToString(), content.Messages, content.RetrievalQuery, content.Documents, content.ToolArguments, content.ToolResult)]);
}

/// <param name="Messages">From attributes, else from span events, else from log records.</param>
public sealed record SpanContentAnswer(
    string SpanId, IReadOnlyList<ChatMessage> Messages, string RetrievalQuery, IReadOnlyList<RetrievedDocument> Documents, string ToolArguments, string ToolResult);
