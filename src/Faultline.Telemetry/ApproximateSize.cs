using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Logs;
using Faultline.Telemetry.Samples;
using Faultline.Telemetry.Scores;
using Faultline.Telemetry.Spans;

namespace Faultline.Telemetry;

/// <summary>Bytes that batches take as rows, near enough for limits on memory.</summary>
internal static class ApproximateSize
{
    // The numbers and ids of a row, and an offset for each of its texts.
    private const int SpanFixedBytes = 400;
    private const int LogFixedBytes = 200;
    private const int ScoreFixedBytes = 150;
    private const int SampleFixedBytes = 56;
    private const int EntryBytes = 9;

    public static long Of(SpanBatch spans) => spans.Count == 0 ? 0 :
        ((long)spans.Count * SpanFixedBytes)
        + Of(spans.Resources, spans.Scopes, spans.Resource.Values, spans.Scope.Values)
        + Of(spans.Attributes) + Of(spans.Bodies) + Of(spans.Events.Attributes) + Of(spans.Links.Attributes)
        + Of(spans.Name) + Of(spans.TraceState) + Of(spans.StatusMessage) + Of(spans.Events.Name) + Of(spans.Links.TraceState)
        + Of(spans.GenAi.InputPreview) + Of(spans.GenAi.OutputPreview)
        + ((long)(spans.Events.UnixNanos.Count + spans.Links.Flags.Count) * 32);

    public static long Of(LogBatch logs) => logs.Count == 0 ? 0 :
        ((long)logs.Count * LogFixedBytes)
        + Of(logs.Resources, logs.Scopes, logs.Resource.Values, logs.Scope.Values)
        + Of(logs.Attributes) + Of(logs.Body) + Of(logs.SeverityText) + Of(logs.EventName);

    public static long Of(ScoreBatch scores) =>
        ((long)scores.Count * ScoreFixedBytes) + Of(scores.Explanation) + Of(scores.Label) + Of(scores.ResponseId) + Of(scores.Name);

    public static long Of(SampleBatch samples)
    {
        var bytes = (long)samples.Count * SampleFixedBytes;
        foreach (var series in samples.Series)
        {
            foreach (var (name, value) in series.Pairs)
            {
                bytes += name.Length + value.Length + EntryBytes;
            }
        }

        foreach (var metadata in samples.Metadata)
        {
            bytes += metadata.Name.Length + metadata.Help.Length;
        }

        return bytes;
    }

    private static long Of(ByteColumn column) => column.Buffer.Length;

    private static long Of(AttributeColumn column) => Of(column.Keys) + Of(column.Values) + ((long)column.Types.Count * EntryBytes);

    private static long Of(ResourceColumns resources, ScopeColumns scopes, ReadOnlySpan<int> resource, ReadOnlySpan<int> scope)
    {
        var bytes = 0L;
        foreach (var row in resource)
        {
            bytes += Of(resources.Attributes, row) + resources.SchemaUrl[row].Length;
        }

        foreach (var row in scope)
        {
            bytes += Of(scopes.Attributes, row) + scopes.Name[row].Length + scopes.SchemaUrl[row].Length;
        }

        return bytes;
    }

    private static long Of(AttributeColumn column, int row)
    {
        var (start, end) = (column.Start(row), column.End(row));
        return start == end ? 0 : Span(column.Keys, start, end) + Span(column.Values, start, end) + ((long)(end - start) * EntryBytes);
    }

    private static int Span(ByteColumn column, int start, int end) => column.Ends[end - 1] - (start == 0 ? 0 : column.Ends[start - 1]);
}
