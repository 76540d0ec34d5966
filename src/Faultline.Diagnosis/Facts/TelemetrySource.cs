using Faultline.Metrics.PromQL;
using Faultline.Store;
using Faultline.Store.Scores;
using Faultline.Store.Traces;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Facts;

internal delegate Task<IReadOnlyList<SpanSummary>> FindSpans(string project, TraceFilter filter, CancellationToken cancel);

internal delegate Task<IReadOnlyList<SpanSummary>> SummariseTraces(string project, IReadOnlyList<TraceId> traces, long fromUnixNanos, long toUnixNanos, CancellationToken cancel);

internal delegate Task<IReadOnlyList<StoredSpan>> ReadTraces(string project, IReadOnlyList<TraceId> traces, long fromUnixNanos, long toUnixNanos, CancellationToken cancel);

internal delegate Task<IReadOnlyList<StoredScore>> FindScores(string project, string service, string name, long fromUnixNanos, long toUnixNanos, int limit, CancellationToken cancel);

/// <summary>The questions that diagnosis asks of stored telemetry, so that it can be measured without a store.</summary>
internal sealed record TelemetrySource(FindSpans Spans, SummariseTraces Traces, ReadTraces Whole, FindScores Scores, SelectSeries Series)
{
    public static TelemetrySource Of(TelemetryStore store) => new(
        (project, filter, cancel) => store.Traces.SpansAsync(project, filter, cancel),
        (project, traces, from, to, cancel) => store.Traces.SummariesOfAsync(project, traces, from, to, cancel),
        (project, traces, from, to, cancel) => store.Traces.SpansOfAsync(project, traces, from, to, cancel),
        (project, service, name, from, to, limit, cancel) => store.Scores.ScoresAsync(project, service, name, from, to, limit, cancel: cancel),
        (project, matchers, from, to, cancel) => store.Samples.SelectAsync(project, matchers, from, to, cancel));
}
