using System.Text;
using Faultline.Metrics.Exposition;
using Faultline.Telemetry;
using Faultline.Telemetry.Samples;
using Faultline.Telemetry.Spans;
using Microsoft.Extensions.Logging;

namespace Faultline.Metrics.Derived;

/// <summary>
/// RED and GenAI metrics from committed spans and scores: cumulative, counted at arrival, with exemplars. The RED metrics have the
/// names, labels and values of the OpenTelemetry Collector's spanmetrics connector.
/// </summary>
/// <remarks>
/// Source: opentelemetry-collector-contrib, connector/spanmetricsconnector. Counters go on over a restart: the last scrape that is stored
/// says what they were and which batches were in them (<see cref="Continue"/>), and the store shows the batches behind it again.
/// </remarks>
public sealed partial class DerivedMetrics : IBatchReader
{
    private static readonly double[] FirstTokenBounds = [0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60];

    private readonly DerivedMetricsOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly Lock _lock = new();
    private readonly SeriesKey _key = new();
    private readonly SpanMetrics _spans;
    private readonly SeriesTable _tokens;
    private readonly SeriesTable _scores;
    private readonly SeriesTable _firstToken;
    private readonly SeriesTable[] _tables;
    private readonly HashSet<SeriesTable> _warned = [];
    private readonly Dictionary<string, long> _countedBefore = new(StringComparer.Ordinal);
    private long _notBefore;
    private long _readThrough;
    private long _late;
    private long _counted;

    /// <param name="time">For the expiry of idle series.</param>
    public DerivedMetrics(DerivedMetricsOptions options, ILogger log, TimeProvider? time = null)
    {
        _options = options;
        _log = log;
        _time = time ?? TimeProvider.System;
        _spans = new SpanMetrics(options, _key, Overflow);
        _tokens = new SeriesTable("tokens", options.SeriesPerMetricMax, 0);
        _scores = new SeriesTable("evaluation_score", options.SeriesPerMetricMax, 0);
        _firstToken = new SeriesTable("time_to_first_token", options.SeriesPerMetricMax, FirstTokenBounds.Length + 1);
        _tables = [.. _spans.Tables, _tokens, _scores, _firstToken];
    }

    public bool SeesStored => true;

    /// <summary>Raised (on the reader's thread) when a batch brought a series that was not there before.</summary>
    public event Action? SeriesAdded;

    /// <summary>Projects that have series.</summary>
    public IReadOnlyList<string> Projects
    {
        get
        {
            lock (_lock)
            {
                return [.. _tables.SelectMany(table => table.All).Select(series => series.Project).Distinct(StringComparer.Ordinal)];
            }
        }
    }

    public void Committed(TelemetryBatch batch)
    {
        var added = false;
        lock (_lock)
        {
            _readThrough = Math.Max(_readThrough, batch.ReceivedUnixNanos);
            if (batch.ReceivedUnixNanos <= _countedBefore.GetValueOrDefault(batch.Project, _notBefore))
            {
                return;
            }

            _spans.ReadResources(batch.Spans.Resources);
            var latenessNanos = _options.MaxLateness.Ticks * 100;
            for (var row = 0; row < batch.Spans.Count; row++)
            {
                if (batch.ReceivedUnixNanos - batch.Spans.EndUnixNanos[row] > latenessNanos)
                {
                    _late++;
                    continue;
                }

                _counted++;
                added |= _spans.Count(batch, row) | CountGenAi(batch, row);
            }

            for (var row = 0; row < batch.Scores.Count; row++)
            {
                if (batch.ReceivedUnixNanos - batch.Scores.UnixNanos[row] <= latenessNanos && double.IsFinite(batch.Scores.Value[row]))
                {
                    added |= CountScore(batch, row);
                }
            }
        }

        if (added)
        {
            SeriesAdded?.Invoke();
        }
    }

    /// <summary>Forgets every series of a project.</summary>
    public void Forget(string project) => Remove(series => Wanted(series, project));

    /// <summary>Forgets exemplars of some traces, and series one of whose labels is one of some values.</summary>
    public void Forget(string project, IReadOnlySet<TraceId> traces, IReadOnlySet<string> values)
    {
        Remove(series => Wanted(series, project) && values.Count > 0 && series.Labels.Pairs.ToArray().Any(pair => values.Contains(pair.Value)));
        lock (_lock)
        {
            foreach (var series in _tables.SelectMany(table => table.All).Where(series => Wanted(series, project)))
            {
                for (var bucket = 0; bucket < series.Exemplars.Length; bucket++)
                {
                    if (series.Exemplars[bucket] is { } exemplar && TraceId.TryParse(exemplar.TraceId, out var trace) && traces.Contains(trace))
                    {
                        series.Exemplars[bucket] = null;
                    }
                }
            }
        }
    }

    private void Remove(Predicate<SeriesState> gone)
    {
        lock (_lock)
        {
            foreach (var table in _tables)
            {
                table.Remove(gone);
            }
        }
    }

    /// <summary>The metrics now. With a project: its own, without a label for it; without: all, labelled where not <c>default</c>.</summary>
    public IReadOnlyList<MetricFamily> Snapshot(string? project = null)
    {
        lock (_lock)
        {
            Expire();
            return
            [
                .. _spans.Families(project),
                MetricFamily.Counter("llm_tokens", "Tokens of model calls, each call counted once. Input and output are inclusive.", Values(_tokens, project)),
                new MetricFamily("llm_evaluation_score", "summary", "Evaluation scores, by evaluation.", "", Histogram(_scores.All.Where(series => Wanted(series, project)), [], project)),
                new MetricFamily("llm_time_to_first_token_seconds", "histogram", "From the start of a streamed call to its first chunk.", "seconds", Histogram(_firstToken.All.Where(series => Wanted(series, project)), FirstTokenBounds, project)),
            ];
        }
    }

    /// <summary>
    /// What <see cref="Snapshot"/> has for every project with series and for those in <paramref name="besides"/>, at one moment, and which
    /// batches are in it: all up to <c>ReadThrough</c>, a <see cref="TelemetryBatch.ReceivedUnixNanos"/>, and none behind.
    /// </summary>
    public IReadOnlyList<(string Project, IReadOnlyList<MetricFamily> Families, long ReadThrough)> SnapshotByProject(params IEnumerable<string> besides)
    {
        lock (_lock)
        {
            Expire();
            return [.. Projects.Concat(besides).Distinct(StringComparer.Ordinal).Select(project => (project, Snapshot(project), Math.Max(_readThrough, _countedBefore.GetValueOrDefault(project))))];
        }
    }

    /// <summary>The guard's own metrics, for the internals.</summary>
    public IReadOnlyList<MetricFamily> Internals()
    {
        lock (_lock)
        {
            return
            [
                MetricFamily.Counter("faultline_derived_spans", "Spans counted into derived metrics.", MetricFamily.Of(_counted)),
                MetricFamily.Counter("faultline_derived_late_spans", "Spans that ended longer ago than metrics.derived.max_lateness when they arrived, and were not counted.", MetricFamily.Of(_late)),
                MetricFamily.Gauge("faultline_derived_series", "Series of derived metrics.", [.. _tables.Select(table => MetricFamily.Of(table.Count, ("metric", table.Metric)))]),
                MetricFamily.Gauge("faultline_derived_series_limit", "Most series of one derived metric (metrics.derived.series_per_metric_max).", MetricFamily.Of(_options.SeriesPerMetricMax)),
                MetricFamily.Counter("faultline_derived_overflow", "Observations that went into an overflow series because metrics.derived.series_per_metric_max was reached.", [.. _tables.Select(table => MetricFamily.Of(table.Overflowed, ("metric", table.Metric)))]),
            ];
        }
    }

    private bool CountGenAi(TelemetryBatch batch, int row)
    {
        var gen = batch.Spans.GenAi;
        if (gen.Count <= row || gen.Operation[row].IsEmpty)
        {
            return false;
        }

        var added = false;
        if (gen.Counted[row] == 1)
        {
            added |= AddTokens(batch, row, "input"u8, gen.InputTokens[row]);
            added |= AddTokens(batch, row, "output"u8, gen.OutputTokens[row]);
            added |= AddTokens(batch, row, "cache_read"u8, gen.CacheReadTokens[row]);
            added |= AddTokens(batch, row, "reasoning"u8, gen.ReasoningTokens[row]);
        }

        // Absent is the smallest number there is, and a negative time is a sender's mistake.
        if (gen.FirstChunkNanos[row] is >= 0 and var nanos)
        {
            var series = Find(_firstToken, batch.Project, "service_name", _spans.ServiceName(batch.Spans, row), "model", SpanDimensions.Model(gen, row), out var isNew);
            series.Observe(nanos / 1e9, FirstTokenBounds, batch.Spans, row);
            added |= isNew;
        }

        return added;
    }

    private bool AddTokens(TelemetryBatch batch, int row, ReadOnlySpan<byte> type, long tokens)
    {
        // Absent is the smallest number there is; a negative count would make a counter fall.
        if (tokens < 0)
        {
            return false;
        }

        var service = _spans.ServiceName(batch.Spans, row);
        Find(_tokens, batch.Project, "service_name", service, "model", SpanDimensions.Model(batch.Spans.GenAi, row), out var added, "type", type).Count += tokens;
        return added;
    }

    private bool CountScore(TelemetryBatch batch, int row)
    {
        var series = Find(_scores, batch.Project, "service_name", batch.Scores.ServiceName[row], "evaluation_name", batch.Scores.Name[row], out var added);
        series.Count++;
        series.Sum += batch.Scores.Value[row];
        return added;
    }

    /// <summary>A series by two labels, or three; their texts are made only when it is new.</summary>
    private SeriesState Find(SeriesTable table, string project, string name1, ReadOnlySpan<byte> value1, string name2, ReadOnlySpan<byte> value2, out bool added, string name3 = "", ReadOnlySpan<byte> value3 = default)
    {
        _key.Begin(project);
        _key.Append(value1);
        _key.Append(value2);
        _key.Append(value3);
        added = false;
        if (table.Find(_key.Bytes) is { } found)
        {
            return found;
        }

        if (table.IsFull)
        {
            return Overflow(table, project, out added);
        }

        added = true;
        return table.Add(_key.Bytes, project, Labels.Of((name1, Encoding.UTF8.GetString(value1)), (name2, Encoding.UTF8.GetString(value2)), (name3, Encoding.UTF8.GetString(value3))));
    }

    private SeriesState Overflow(SeriesTable table, string project, out bool added)
    {
        if (_warned.Add(table))
        {
            WarnOfCardinality(table);
        }

        return table.Overflow(project, out added);
    }

    /// <summary>Forgets RED series that are idle for as long as the options say; a counter that comes again begins at zero.</summary>
    private void Expire()
    {
        if (_options.ServiceExpiration > TimeSpan.Zero || _options.SeriesExpiration > TimeSpan.Zero)
        {
            _spans.Expire((_time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100);
        }
    }

    internal static bool Wanted(SeriesState series, string? project) => project is null || string.Equals(series.Project, project, StringComparison.Ordinal);

    private static List<MetricSample> Values(SeriesTable table, string? project) =>
        [.. table.All.Where(series => Wanted(series, project)).Select(series => new MetricSample("", series.Identity(project is null), series.Count))];

    internal static List<MetricSample> Histogram(IEnumerable<SeriesState> all, IReadOnlyList<double> bounds, string? project)
    {
        var lines = new List<MetricSample>();
        foreach (var series in all)
        {
            long running = 0;
            var bucket = 0;
            foreach (var line in series.Shape(bounds, project is null))
            {
                switch (line.Suffix)
                {
                    case "_bucket":
                        running += series.Buckets[bucket];
                        lines.Add(new MetricSample(line.Suffix, line.Labels, running, series.Exemplars[bucket]));
                        bucket++;
                        break;
                    case "_sum":
                        lines.Add(new MetricSample(line.Suffix, line.Labels, series.Sum));
                        break;
                    default:
                        lines.Add(new MetricSample(line.Suffix, line.Labels, series.Count));
                        break;
                }
            }
        }

        return lines;
    }

    private void WarnOfCardinality(SeriesTable table)
    {
        var worst = table.All.SelectMany(series => series.Labels.Pairs.ToArray()).GroupBy(pair => pair.Key, StringComparer.Ordinal)
            .Select(group => (Name: group.Key, Values: group.Select(pair => pair.Value).Distinct(StringComparer.Ordinal).ToList()))
            .MaxBy(group => group.Values.Count);
        _log.CardinalityReached(table.Metric, _options.SeriesPerMetricMax, worst.Name, worst.Values.Count, worst.Values[^1]);
    }
}
