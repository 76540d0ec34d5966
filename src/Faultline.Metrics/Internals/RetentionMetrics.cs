using Faultline.Metrics.Exposition;
using Faultline.Store.Tiers;

namespace Faultline.Metrics.Internals;

/// <summary>Retention for <c>:8888</c>.</summary>
public static class RetentionMetrics
{
    public static IEnumerable<MetricFamily> Families(RetentionFigures figures)
    {
        yield return MetricFamily.Counter("faultline_retention_replaced_days", "Received days that were taken out of the hot window, or gone through again because a kept trace was due.", MetricFamily.Of(figures.Days));
        yield return MetricFamily.Counter("faultline_retention_dropped_rows", "Rows dropped with those days.", MetricFamily.Of(figures.RowsDropped));
        yield return MetricFamily.Counter("faultline_retention_dropped_samples", "Samples of metrics that were older than retention.metrics and were dropped.", MetricFamily.Of(figures.SamplesDropped));
        yield return MetricFamily.Counter("faultline_retention_failures", "Runs that the store did not let end; the next one does it again.", MetricFamily.Of(figures.Failures));
        if (figures.LastRun is { } run)
        {
            yield return MetricFamily.Gauge(
                "faultline_retention_kept_traces", "Traces that outlive the hot window, by the rule that keeps them; estimated where there are many.",
                [.. run.Kept.OrderBy(rule => rule.Key, StringComparer.Ordinal).Select(rule => MetricFamily.Of(rule.Value, ("rule", rule.Key)))]);
            yield return MetricFamily.Gauge("faultline_retention_success_timestamp_seconds", "When a run last came to its end.", MetricFamily.Of(run.EndedAt.ToUnixTimeMilliseconds() / 1000.0));
            yield return MetricFamily.Gauge("faultline_retention_run_seconds", "How long that took.", MetricFamily.Of(run.Took.TotalSeconds));
        }
    }
}
