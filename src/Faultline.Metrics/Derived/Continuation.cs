using System.Globalization;
using System.Text;
using Faultline.Metrics.Exposition;
using Faultline.Store.Samples;
using Faultline.Telemetry.Samples;

namespace Faultline.Metrics.Derived;

/// <summary>Taking up the counters where an earlier process left them.</summary>
public sealed partial class DerivedMetrics
{
    /// <summary>Batches up to this <see cref="Faultline.Telemetry.TelemetryBatch.ReceivedUnixNanos"/> are not counted, whatever their project: earlier processes did.</summary>
    public void BeginBehind(long receivedUnixNanos)
    {
        lock (_lock)
        {
            (_notBefore, _readThrough) = (receivedUnixNanos, receivedUnixNanos);
        }
    }

    /// <summary>Sets a project's counters to what its last full scrape stored. Called before the first batch.</summary>
    /// <param name="readThrough">The batches that are in the scrape; they are not counted when they are shown again.</param>
    /// <param name="scrape">The scrape's samples, one a series. Series that today's settings would not make (other buckets, other dimensions) begin anew.</param>
    /// <returns>How many of our series go on.</returns>
    public int Continue(string project, long readThrough, IReadOnlyList<SeriesData> scrape)
    {
        lock (_lock)
        {
            _countedBefore[project] = readThrough;
            var values = new Dictionary<(string Metric, Labels Labels), Dictionary<string, double>>();
            foreach (var stored in scrape)
            {
                var labels = stored.Labels.Without(Labels.MetricName).Without("job").Without("instance");
                var (metric, line) = Split(stored.Labels[Labels.MetricName], labels["le"]);
                var key = (metric, labels.Without("le"));
                if (!values.TryGetValue(key, out var lines))
                {
                    values.Add(key, lines = new Dictionary<string, double>(StringComparer.Ordinal));
                }

                lines[line] = stored.Values[^1];
            }

            var continued = 0;
            foreach (var ((metric, labels), lines) in values)
            {
                if (SeriesOf(metric, project, labels) is var (series, bounds) && series is not null && TryFill(series, bounds, lines))
                {
                    series.SeenUnixNanos = readThrough;
                    continued++;
                }
            }

            return continued;
        }
    }

    /// <summary>A stored name as metric and line: a bucket by its bound, <c>_sum</c>, <c>_count</c>, or <c>_total</c>.</summary>
    private static (string Metric, string Line) Split(string name, string bound)
    {
        foreach (var suffix in (ReadOnlySpan<string>)["_bucket", "_sum", "_count", "_total"])
        {
            if (name.EndsWith(suffix, StringComparison.Ordinal))
            {
                return (name[..^suffix.Length], suffix is "_bucket" ? bound : suffix);
            }
        }

        return (name, "");
    }

    /// <summary>The series that a stored one goes on in, and its bounds; null when there is none.</summary>
    private (SeriesState? Series, IReadOnlyList<double> Bounds) SeriesOf(string metric, string project, Labels labels) => metric switch
    {
        "llm_tokens" => (SeriesOf(_tokens, project, labels, "service_name", "model", "type"), []),
        "llm_evaluation_score" => (SeriesOf(_scores, project, labels, "service_name", "evaluation_name", ""), []),
        "llm_time_to_first_token_seconds" => (SeriesOf(_firstToken, project, labels, "service_name", "model", ""), FirstTokenBounds),
        _ => _spans.SeriesOf(metric, project, labels),
    };

    private SeriesState SeriesOf(SeriesTable table, string project, Labels labels, string name1, string name2, string name3) =>
        labels["otel_metric_overflow"].Length > 0
            ? table.Overflow(project, out _)
            : Find(table, project, name1, Encoding.UTF8.GetBytes(labels[name1]), name2, Encoding.UTF8.GetBytes(labels[name2]), out _, name3, name3.Length > 0 ? Encoding.UTF8.GetBytes(labels[name3]) : default);

    /// <summary>False, and nothing set, when the stored lines are not this series': a bound is missing, or something is no count.</summary>
    private static bool TryFill(SeriesState series, IReadOnlyList<double> bounds, Dictionary<string, double> lines)
    {
        if (bounds.Count == 0)
        {
            series.Count = lines.GetValueOrDefault("_total", lines.GetValueOrDefault("_count"));
            series.Sum = lines.GetValueOrDefault("_sum");
            series.Buckets.AsSpan().Fill((long)series.Count);
            return true;
        }

        var buckets = new long[series.Buckets.Length];
        var below = 0L;
        for (var i = 0; i < buckets.Length; i++)
        {
            if (!lines.TryGetValue(i < bounds.Count ? TextFormat.Number(bounds[i]) : "+Inf", out var upTo) || !(upTo >= below))
            {
                return false;
            }

            (buckets[i], below) = ((long)upTo - below, (long)upTo);
        }

        if (lines.Keys.Count(key => !key.StartsWith('_')) != buckets.Length)
        {
            return false;
        }

        buckets.CopyTo(series.Buckets, 0);
        series.Count = below;
        series.Sum = lines.GetValueOrDefault("_sum");
        return true;
    }
}
