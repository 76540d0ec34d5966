using System.Text;
using Faultline.Metrics.Exposition;
using Faultline.Telemetry;
using Faultline.Telemetry.GenAi;
using Faultline.Telemetry.Samples;
using Faultline.Telemetry.Spans;
using Microsoft.Extensions.Logging;

namespace Faultline.Metrics.Derived;

/// <summary>
/// RED and GenAI metrics from committed spans and scores: cumulative, counted at arrival, with exemplars. The RED metrics have the
/// names, labels and values of the OpenTelemetry Collector's spanmetrics connector.
/// </summary>
/// <remarks>Source: opentelemetry-collector-contrib, connector/spanmetricsconnector.</remarks>
public sealed class DerivedMetrics : IBatchReader
{
    private static readonly double[] FirstTokenBounds = [0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60];
    private static readonly string[] KindNames = ["SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER", "SPAN_KIND_CLIENT", "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER"];
    private static readonly string[] StatusNames = ["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"];

    private readonly DerivedMetricsOptions _options;
    private readonly ILogger _log;
    private readonly Lock _lock = new();
    private readonly (string Label, byte[] Attribute, bool IsEnvironment, bool IsModel)[] _dimensions;
    private readonly SeriesTable _red;
    private readonly SeriesTable _tokens;
    private readonly SeriesTable _scores;
    private readonly SeriesTable _firstToken;
    private readonly List<byte> _key = [];
    private long _late;
    private long _counted;
    private bool _warned;

    public DerivedMetrics(DerivedMetricsOptions options, ILogger log)
    {
        _options = options;
        _log = log;
        _dimensions = [.. options.Dimensions.Select(name => (LabelName(name), Encoding.UTF8.GetBytes(name), name is "env", name is "model"))];
        _red = new SeriesTable(options.SeriesPerMetricMax, options.BucketsSeconds.Count + 1);
        _tokens = new SeriesTable(options.SeriesPerMetricMax, 0);
        _scores = new SeriesTable(options.SeriesPerMetricMax, 0);
        _firstToken = new SeriesTable(options.SeriesPerMetricMax, FirstTokenBounds.Length + 1);
    }

    /// <summary>Raised (on the reader's thread) when a batch brought a series that was not there before.</summary>
    public event Action? SeriesAdded;

    /// <summary>Projects that have series.</summary>
    public IReadOnlyList<string> Projects
    {
        get
        {
            lock (_lock)
            {
                return [.. _red.All.Concat(_scores.All).Select(series => series.Project).Distinct(StringComparer.Ordinal)];
            }
        }
    }

    public void Committed(TelemetryBatch batch)
    {
        var added = false;
        lock (_lock)
        {
            var latenessNanos = _options.MaxLateness.Ticks * 100;
            for (var row = 0; row < batch.Spans.Count; row++)
            {
                if (batch.ReceivedUnixNanos - batch.Spans.EndUnixNanos[row] > latenessNanos)
                {
                    _late++;
                    continue;
                }

                added |= CountSpan(batch, row);
            }

            for (var row = 0; row < batch.Scores.Count; row++)
            {
                if (batch.ReceivedUnixNanos - batch.Scores.UnixNanos[row] <= latenessNanos && !double.IsNaN(batch.Scores.Value[row]))
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

    /// <summary>The metrics now. With a project: its own, without a label for it; without: all, labelled where not <c>default</c>.</summary>
    public IReadOnlyList<MetricFamily> Snapshot(string? project = null)
    {
        lock (_lock)
        {
            var red = _red.All.Where(series => Wanted(series, project)).ToList();
            return
            [
                MetricFamily.Counter($"{_options.Namespace}_traces_span_metrics_calls", "Spans, by service, name, kind and status.", [.. red.Select(series => new MetricSample("", Identity(series, project), series.Count, Latest(series)))]),
                new MetricFamily($"{_options.Namespace}_traces_span_metrics_latency", "histogram", "Duration of spans in seconds.", "", Histogram(red, _options.BucketsSeconds, project)),
                MetricFamily.Counter($"{_options.Namespace}_tokens", "Tokens of model calls, each call counted once. Input and output are inclusive.", Values(_tokens, project)),
                new MetricFamily($"{_options.Namespace}_evaluation_score", "summary", "Evaluation scores, by evaluation.", "", Histogram(_scores.All.Where(series => Wanted(series, project)), [], project)),
                new MetricFamily($"{_options.Namespace}_time_to_first_token_seconds", "histogram", "From the start of a streamed call to its first chunk.", "seconds", Histogram(_firstToken.All.Where(series => Wanted(series, project)), FirstTokenBounds, project)),
            ];
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
                MetricFamily.Gauge("faultline_derived_series", "Series of derived metrics.", MetricFamily.Of(_red.All.Count(), ("metric", "span_metrics")), MetricFamily.Of(_tokens.All.Count(), ("metric", "tokens")), MetricFamily.Of(_scores.All.Count(), ("metric", "evaluation_score")), MetricFamily.Of(_firstToken.All.Count(), ("metric", "time_to_first_token"))),
                MetricFamily.Counter("faultline_derived_overflow", "Observations that went into an overflow series because metrics.derived.series_per_metric_max was reached.", MetricFamily.Of(_red.Overflowed + _tokens.Overflowed + _scores.Overflowed + _firstToken.Overflowed)),
            ];
        }
    }

    private bool CountSpan(TelemetryBatch batch, int row)
    {
        var spans = batch.Spans;
        var resource = spans.Resource[row];
        _counted++;
        _key.Clear();
        Append(Encoding.UTF8.GetBytes(batch.Project));
        Append(spans.Resources.Attributes.Find(resource, "service.name"u8) is var entry and >= 0 ? spans.Resources.Attributes.Values[entry] : "unknown_service"u8);
        Append(spans.Name[row]);
        _key.Add((byte)spans.Kind[row]);
        _key.Add((byte)spans.Status[row]);
        foreach (var dimension in _dimensions)
        {
            Append(Dimension(spans, row, resource, dimension));
        }

        var seconds = Math.Max(0, spans.EndUnixNanos[row] - spans.StartUnixNanos[row]) / 1e9;
        var series = _red.Get(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_key), batch.Project, () => RedLabels(spans, row, resource), out var added);
        if (added && _red.Overflowed > 0 && !_warned)
        {
            _warned = true;
            WarnOfCardinality();
        }

        Observe(series, seconds, _options.BucketsSeconds, spans, row);
        added |= CountGenAi(batch, row);
        return added;
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
            added |= AddTokens(batch, row, "input", gen.InputTokens[row]);
            added |= AddTokens(batch, row, "output", gen.OutputTokens[row]);
            added |= AddTokens(batch, row, "cache_read", gen.CacheReadTokens[row]);
            added |= AddTokens(batch, row, "reasoning", gen.ReasoningTokens[row]);
        }

        if (gen.FirstChunkNanos[row] is not GenAiColumns.Absent and var nanos)
        {
            var service = batch.Spans.ServiceName(row);
            var series = Named(_firstToken, batch.Project, out var isNew, ("service_name", service), ("model", Model(gen, row)));
            Observe(series, nanos / 1e9, FirstTokenBounds, batch.Spans, row);
            added |= isNew;
        }

        return added;
    }

    private bool AddTokens(TelemetryBatch batch, int row, string type, long tokens)
    {
        if (tokens == GenAiColumns.Absent)
        {
            return false;
        }

        Named(_tokens, batch.Project, out var added, ("service_name", batch.Spans.ServiceName(row)), ("model", Model(batch.Spans.GenAi, row)), ("type", type)).Count += tokens;
        return added;
    }

    private bool CountScore(TelemetryBatch batch, int row)
    {
        var series = Named(_scores, batch.Project, out var added, ("service_name", batch.Scores.ServiceName.Text(row)), ("evaluation_name", batch.Scores.Name.Text(row)));
        series.Count++;
        series.Sum += batch.Scores.Value[row];
        return added;
    }

    private SeriesState Named(SeriesTable table, string project, out bool added, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        _key.Clear();
        Append(Encoding.UTF8.GetBytes(project));
        foreach (var (_, value) in labels)
        {
            Append(Encoding.UTF8.GetBytes(value));
        }

        var made = Labels.Of(labels);
        return table.Get(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_key), project, () => made, out added);
    }

    private static void Observe(SeriesState series, double seconds, IReadOnlyList<double> bounds, SpanBatch spans, int row)
    {
        var bucket = 0;
        while (bucket < bounds.Count && seconds > bounds[bucket])
        {
            bucket++;
        }

        series.Count++;
        series.Sum += seconds;
        series.Buckets[bucket]++;
        var end = spans.EndUnixNanos[row] / 1e9;

        // The newest trace of each bucket stands for it, renewed at most once a second: an exemplar is two strings.
        if (series.Exemplars[bucket] is not { } old || end - old.UnixSeconds >= 1)
        {
            series.Exemplars[bucket] = new Exemplar(spans.TraceId[row].ToString(), spans.SpanId[row].ToString(), seconds, end);
        }
    }

    private Labels RedLabels(SpanBatch spans, int row, int resource)
    {
        var labels = new List<KeyValuePair<string, string>>
        {
            new("service_name", spans.Resources.ServiceName(resource)),
            new("span_name", spans.Name.Text(row)),
            new("span_kind", KindNames[Math.Min((int)spans.Kind[row], KindNames.Length - 1)]),
            new("status_code", StatusNames[Math.Min((int)spans.Status[row], StatusNames.Length - 1)]),
        };
        foreach (var dimension in _dimensions)
        {
            labels.Add(new(dimension.Label, Encoding.UTF8.GetString(Dimension(spans, row, resource, dimension))));
        }

        return Labels.Of(labels);
    }

    private static ReadOnlySpan<byte> Dimension(SpanBatch spans, int row, int resource, (string Label, byte[] Attribute, bool IsEnvironment, bool IsModel) dimension)
    {
        if (spans.Attributes.Find(row, dimension.Attribute) is var own and >= 0)
        {
            return spans.Attributes.Values[own];
        }

        var attributes = spans.Resources.Attributes;
        if (attributes.Find(resource, dimension.Attribute) is var shared and >= 0)
        {
            return attributes.Values[shared];
        }

        if (dimension.IsEnvironment)
        {
            var named = attributes.Find(resource, "deployment.environment.name"u8) is var current and >= 0 ? current : attributes.Find(resource, "deployment.environment"u8);
            return named >= 0 ? attributes.Values[named] : default;
        }

        if (dimension.IsModel && spans.GenAi.Count > row)
        {
            return spans.GenAi.ModelRequested[row] is { IsEmpty: false } requested ? requested : spans.GenAi.ModelResponded[row];
        }

        return default;
    }

    private static string Model(GenAiColumns gen, int row) => gen.ModelRequested[row].IsEmpty ? gen.ModelResponded.Text(row) : gen.ModelRequested.Text(row);

    private static bool Wanted(SeriesState series, string? project) => project is null || string.Equals(series.Project, project, StringComparison.Ordinal);

    private static Labels Identity(SeriesState series, string? project) =>
        project is not null || series.Project is "default" ? series.Labels : series.Labels.With("project", series.Project);

    private static Exemplar? Latest(SeriesState series) => series.Exemplars.MaxBy(exemplar => exemplar?.UnixSeconds ?? double.NegativeInfinity);

    private static List<MetricSample> Values(SeriesTable table, string? project) =>
        [.. table.All.Where(series => Wanted(series, project)).Select(series => new MetricSample("", Identity(series, project), series.Count))];

    private static List<MetricSample> Histogram(IEnumerable<SeriesState> all, IReadOnlyList<double> bounds, string? project)
    {
        var lines = new List<MetricSample>();
        foreach (var series in all)
        {
            long running = 0;
            var bucket = 0;
            foreach (var line in series.Shape(bounds))
            {
                var labels = project is not null || series.Project is "default" ? line.Labels : line.Labels.With("project", series.Project);
                switch (line.Suffix)
                {
                    case "_bucket":
                        running += series.Buckets[bucket];
                        lines.Add(new MetricSample(line.Suffix, labels, running, series.Exemplars[bucket]));
                        bucket++;
                        break;
                    case "_sum":
                        lines.Add(new MetricSample(line.Suffix, labels, series.Sum));
                        break;
                    default:
                        lines.Add(new MetricSample(line.Suffix, labels, series.Count));
                        break;
                }
            }
        }

        return lines;
    }

    private void WarnOfCardinality()
    {
        var worst = _red.All.SelectMany(series => series.Labels.Pairs.ToArray()).GroupBy(pair => pair.Key, StringComparer.Ordinal)
            .Select(group => (Name: group.Key, Values: group.Select(pair => pair.Value).Distinct(StringComparer.Ordinal).ToList()))
            .MaxBy(group => group.Values.Count);
        _log.CardinalityReached(_options.SeriesPerMetricMax, worst.Name, worst.Values.Count, worst.Values[^1]);
    }

    private void Append(ReadOnlySpan<byte> part)
    {
        // The length in front keeps "a","bc" and "ab","c" apart.
        _key.Add((byte)part.Length);
        _key.Add((byte)(part.Length >> 8));
        _key.AddRange(part);
    }

    private static string LabelName(string attribute) => string.Concat(attribute.Select(character => char.IsAsciiLetterOrDigit(character) ? character : '_'));
}
