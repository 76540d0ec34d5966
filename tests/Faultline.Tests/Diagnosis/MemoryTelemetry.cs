using Faultline.Diagnosis.Facts;
using Faultline.Store.Scores;
using Faultline.Store.Traces;
using Faultline.Telemetry;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.GenAi;
using Faultline.Telemetry.Spans;

namespace Faultline.Tests.Diagnosis;

/// <summary>Committed batches kept in memory, answering diagnosis' questions as the store does.</summary>
internal sealed class MemoryTelemetry(MemorySamples samples)
{
    private readonly List<SpanSummary> _spans = [];
    private readonly Dictionary<TraceId, List<StoredSpan>> _traces = [];
    private readonly List<StoredScore> _scores = [];

    public TelemetrySource Source => new(
        (_, filter, _) => Task.FromResult<IReadOnlyList<SpanSummary>>([.. _spans
            .Where(span => span.StartUnixNanos >= filter.FromUnixNanos && span.StartUnixNanos <= filter.ToUnixNanos && (filter.Service is null || string.Equals(span.Service, filter.Service, StringComparison.Ordinal))
                && (filter.Name is null || string.Equals(span.Name, filter.Name, StringComparison.Ordinal))
                && filter.Attributes.All(wanted => span.Attributes.Any(one => string.Equals(one.Key, wanted.Key, StringComparison.Ordinal) && string.Equals(one.Value, wanted.Value, StringComparison.Ordinal))))
            .OrderByDescending(span => span.StartUnixNanos).Take(filter.Limit)]),
        (_, traces, _, _, _) => Task.FromResult<IReadOnlyList<SpanSummary>>([.. traces.SelectMany(trace => _traces.GetValueOrDefault(trace) ?? []).Select(span => span.Summary)]),
        (_, traces, _, _, _) => Task.FromResult<IReadOnlyList<StoredSpan>>([.. traces.SelectMany(trace => _traces.GetValueOrDefault(trace) ?? [])]),
        (_, service, name, from, to, limit, _) => Task.FromResult<IReadOnlyList<StoredScore>>([.. _scores
            .Where(score => string.Equals(score.Service, service, StringComparison.Ordinal) && string.Equals(score.Name, name, StringComparison.Ordinal) && score.UnixNanos >= from && score.UnixNanos <= to)
            .OrderByDescending(score => score.UnixNanos).Take(limit)]),
        samples.Select);

    public bool HasSpan(string reference) =>
        reference.Split('/') is [var trace, var span] && TraceId.TryParse(trace, out var id) && _traces.TryGetValue(id, out var spans) && spans.Exists(one => string.Equals(one.Summary.SpanId.ToString(), span, StringComparison.Ordinal));

    /// <summary>TRACE/SPAN of some span that was over by then.</summary>
    public string AnySpanBefore(DateTimeOffset at) => _spans.First(span => span.StartUnixNanos < at.ToUnixTimeMilliseconds() * 1_000_000) is var one ? $"{one.TraceId}/{one.SpanId}" : "";

    public void Commit(TelemetryBatch batch)
    {
        var spans = batch.Spans;
        for (var i = 0; i < spans.Count; i++)
        {
            var summary = new SpanSummary(
                spans.TraceId[i], spans.SpanId[i], spans.ParentSpanId[i], spans.ServiceName(i), spans.Resources.Environment(spans.Resource[i]), spans.Resources.Release(spans.Resource[i]),
                spans.Name.Text(i), spans.Kind[i], spans.StartUnixNanos[i], spans.EndUnixNanos[i] - spans.StartUnixNanos[i], spans.Status[i], spans.StatusMessage.Text(i),
                Fields(spans.GenAi, i), Attributes(spans.Attributes, i));
            _spans.Add(summary);
            var stored = new StoredSpan(
                summary, "", 0, spans.EndUnixNanos[i], batch.ReceivedUnixNanos, Attributes(spans.Bodies, i), [], [], Attributes(spans.Resources.Attributes, spans.Resource[i]), "", 0, "", "", [], 0, "", 0, 0, 0, []);
            (_traces.TryGetValue(summary.TraceId, out var trace) ? trace : _traces[summary.TraceId] = []).Add(stored);
        }

        var scores = batch.Scores;
        for (var i = 0; i < scores.Count; i++)
        {
            _scores.Add(new StoredScore(scores.ServiceName.Text(i), scores.TraceId[i], scores.SpanId[i], "", scores.Name.Text(i), scores.Value[i], "", "", "app", scores.UnixNanos[i]));
        }
    }

    private static List<StoredAttribute> Attributes(AttributeColumn column, int row)
    {
        List<StoredAttribute> attributes = [];
        for (var entry = column.Start(row); entry < column.End(row); entry++)
        {
            attributes.Add(new StoredAttribute(column.Keys.Text(entry), column.Values.Text(entry), column.Types[entry]));
        }

        return attributes;
    }

    private static GenAiFields Fields(GenAiColumns g, int i)
    {
        static long? Number(long value) => value == GenAiColumns.Absent ? null : value;
        static double? Real(double value) => double.IsNaN(value) ? null : value;
        var finish = g.FinishReasons.Text(i);
        return new GenAiFields(
            g.Operation.Text(i), g.Provider.Text(i), g.ModelRequested.Text(i), g.ModelResponded.Text(i), g.ResponseId.Text(i), finish.Length == 0 ? [] : finish.Split(','),
            Number(g.InputTokens[i]), Number(g.OutputTokens[i]), null, null, null, g.UsageBasis.Text(i), g.Counted[i] != 0, Number(g.FirstChunkNanos[i]),
            g.Agent.Text(i), g.Tool.Text(i), g.ToolArgumentsHash.Text(i), g.DataSource.Text(i), g.PromptName.Text(i), g.PromptVersion.Text(i), "", "",
            Number(g.DocumentCount[i]), Real(g.DocumentTopScore[i]), Real(g.DocumentMeanScore[i]), g.InputPreview.Text(i), g.OutputPreview.Text(i), g.Source.Text(i));
    }
}
