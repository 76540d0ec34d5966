using System.Buffers.Binary;
using System.Text;
using Faultline.Metrics.Exposition;
using Faultline.Telemetry;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.GenAi;
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
    private static readonly string[] KindNames = ["SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER", "SPAN_KIND_CLIENT", "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER"];
    private static readonly string[] StatusNames = ["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"];

    private readonly DerivedMetricsOptions _options;
    private readonly ILogger _log;
    private readonly Lock _lock = new();
    private readonly (string Label, byte[] Attribute, bool IsEnvironment, bool IsModel)[] _dimensions;
    private readonly double[] _bounds;
    private readonly int[] _own;
    private int[] _shared = [];
    private readonly SeriesTable _red;
    private readonly SeriesTable _tokens;
    private readonly SeriesTable _scores;
    private readonly SeriesTable _firstToken;
    private readonly SeriesTable[] _tables;
    private readonly HashSet<SeriesTable> _warned = [];
    private byte[] _key = new byte[256];
    private int _keyLength;
    private (string Name, byte[] Utf8) _project = ("", []);
    private readonly Dictionary<string, long> _countedBefore = new(StringComparer.Ordinal);
    private long _notBefore;
    private long _readThrough;
    private long _late;
    private long _counted;

    public DerivedMetrics(DerivedMetricsOptions options, ILogger log)
    {
        _options = options;
        _log = log;
        _dimensions = [.. options.Dimensions.Select(name => (LabelName(name), Encoding.UTF8.GetBytes(name), name is "env", name is "model"))];
        _own = new int[_dimensions.Length];
        _bounds = [.. options.BucketsSeconds];
        _red = new SeriesTable("span_metrics", options.SeriesPerMetricMax, options.BucketsSeconds.Count + 1);
        _tokens = new SeriesTable("tokens", options.SeriesPerMetricMax, 0);
        _scores = new SeriesTable("evaluation_score", options.SeriesPerMetricMax, 0);
        _firstToken = new SeriesTable("time_to_first_token", options.SeriesPerMetricMax, FirstTokenBounds.Length + 1);
        _tables = [_red, _tokens, _scores, _firstToken];
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

            ReadResources(batch.Spans.Resources);
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
            var red = _red.All.Where(series => Wanted(series, project)).ToList();
            return
            [
                MetricFamily.Counter($"{_options.Namespace}_traces_span_metrics_calls", "Spans, by service, name, kind and status.", [.. red.Select(series => new MetricSample("", series.Identity(project is null), series.Count, Latest(series)))]),
                new MetricFamily($"{_options.Namespace}_traces_span_metrics_latency", "histogram", "Duration of spans in seconds.", "", Histogram(red, _options.BucketsSeconds, project)),
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

    private bool CountSpan(TelemetryBatch batch, int row)
    {
        var spans = batch.Spans;
        var resource = spans.Resource[row];
        _counted++;
        BeginKey(batch.Project);
        Append(ServiceName(spans, resource));
        Append(spans.Name[row]);
        Append((byte)spans.Kind[row], (byte)spans.Status[row]);
        FindOwn(spans, row);
        for (var dimension = 0; dimension < _dimensions.Length; dimension++)
        {
            Append(Dimension(spans, row, resource, dimension));
        }

        var added = false;
        var series = _red.Find(Key);
        if (series is null)
        {
            added = true;
            series = _red.IsFull ? Overflow(_red, batch.Project, out added) : _red.Add(Key, batch.Project, RedLabels(spans, row, resource));
        }

        var seconds = Math.Max(0, spans.EndUnixNanos[row] - spans.StartUnixNanos[row]) / 1e9;
        Observe(series, seconds, _bounds, spans, row);
        return CountGenAi(batch, row) | added;
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
            var series = Find(_firstToken, batch.Project, "service_name", ServiceName(batch.Spans, batch.Spans.Resource[row]), "model", Model(gen, row), out var isNew);
            Observe(series, nanos / 1e9, FirstTokenBounds, batch.Spans, row);
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

        var service = ServiceName(batch.Spans, batch.Spans.Resource[row]);
        Find(_tokens, batch.Project, "service_name", service, "model", Model(batch.Spans.GenAi, row), out var added, "type", type).Count += tokens;
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
        BeginKey(project);
        Append(value1);
        Append(value2);
        Append(value3);
        added = false;
        if (table.Find(Key) is { } found)
        {
            return found;
        }

        if (table.IsFull)
        {
            return Overflow(table, project, out added);
        }

        added = true;
        return table.Add(Key, project, Labels.Of((name1, Encoding.UTF8.GetString(value1)), (name2, Encoding.UTF8.GetString(value2)), (name3, Encoding.UTF8.GetString(value3))));
    }

    private SeriesState Overflow(SeriesTable table, string project, out bool added)
    {
        if (_warned.Add(table))
        {
            WarnOfCardinality(table);
        }

        return table.Overflow(project, out added);
    }

    private static void Observe(SeriesState series, double seconds, double[] bounds, SpanBatch spans, int row)
    {
        var bucket = 0;
        while (bucket < bounds.Length && seconds > bounds[bucket])
        {
            bucket++;
        }

        series.Count++;
        series.Sum += seconds;
        series.Buckets[bucket]++;
        var end = spans.EndUnixNanos[row] / 1e9;

        // The newest trace of each bucket stands for it, renewed at most once a second: an exemplar is two strings.
        if (series.Exemplars[bucket] is not { } old || Math.Abs(end - old.UnixSeconds) >= 1)
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
        for (var dimension = 0; dimension < _dimensions.Length; dimension++)
        {
            labels.Add(new(_dimensions[dimension].Label, Encoding.UTF8.GetString(Dimension(spans, row, resource, dimension))));
        }

        return Labels.Of(labels);
    }

    /// <summary>Notes what a batch's resources say of the service's name and of each dimension: their entries, or -1.</summary>
    private void ReadResources(ResourceColumns resources)
    {
        var each = _dimensions.Length + 1;
        if (_shared.Length < resources.Count * each)
        {
            _shared = new int[Math.Max(resources.Count * each, _shared.Length * 2)];
        }

        for (var resource = 0; resource < resources.Count; resource++)
        {
            var shared = _shared.AsSpan(resource * each, each);
            shared[0] = resources.Attributes.Find(resource, "service.name"u8);
            for (var dimension = 0; dimension < _dimensions.Length; dimension++)
            {
                shared[dimension + 1] = Shared(resources.Attributes, resource, _dimensions[dimension].Attribute, _dimensions[dimension].IsEnvironment);
            }
        }
    }

    private static int Shared(AttributeColumn attributes, int resource, byte[] attribute, bool isEnvironment)
    {
        if (attributes.Find(resource, attribute) is var entry and >= 0)
        {
            return entry;
        }

        return !isEnvironment ? -1
            : attributes.Find(resource, "deployment.environment.name"u8) is var named and >= 0 ? named
            : attributes.Find(resource, "deployment.environment"u8);
    }

    /// <summary>Notes the entry of each dimension that the span itself has; else -1.</summary>
    private void FindOwn(SpanBatch spans, int row)
    {
        _own.AsSpan().Fill(-1);
        var end = spans.Attributes.End(row);
        for (var entry = spans.Attributes.Start(row); entry < end; entry++)
        {
            var key = spans.Attributes.Keys[entry];
            for (var dimension = 0; dimension < _own.Length; dimension++)
            {
                if (_own[dimension] < 0 && key.SequenceEqual(_dimensions[dimension].Attribute))
                {
                    _own[dimension] = entry;
                }
            }
        }
    }

    /// <summary>The value of a dimension, after <see cref="FindOwn"/>: the span's, its resource's, or what is known of it otherwise.</summary>
    private ReadOnlySpan<byte> Dimension(SpanBatch spans, int row, int resource, int dimension)
    {
        if (_own[dimension] >= 0)
        {
            return spans.Attributes.Values[_own[dimension]];
        }

        if (_shared[(resource * (_dimensions.Length + 1)) + dimension + 1] is var shared and >= 0)
        {
            return spans.Resources.Attributes.Values[shared];
        }

        return _dimensions[dimension].IsModel && spans.GenAi.Count > row ? Model(spans.GenAi, row) : default;
    }

    private ReadOnlySpan<byte> ServiceName(SpanBatch spans, int resource) =>
        _shared[resource * (_dimensions.Length + 1)] is var entry and >= 0 && spans.Resources.Attributes.Values[entry] is { IsEmpty: false } name ? name : "unknown_service"u8;

    private static ReadOnlySpan<byte> Model(GenAiColumns gen, int row) => gen.ModelRequested[row] is { IsEmpty: false } requested ? requested : gen.ModelResponded[row];

    private static bool Wanted(SeriesState series, string? project) => project is null || string.Equals(series.Project, project, StringComparison.Ordinal);

    private static Exemplar? Latest(SeriesState series) => series.Exemplars.MaxBy(exemplar => exemplar?.UnixSeconds ?? double.NegativeInfinity);

    private static List<MetricSample> Values(SeriesTable table, string? project) =>
        [.. table.All.Where(series => Wanted(series, project)).Select(series => new MetricSample("", series.Identity(project is null), series.Count))];

    private static List<MetricSample> Histogram(IEnumerable<SeriesState> all, IReadOnlyList<double> bounds, string? project)
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

    private ReadOnlySpan<byte> Key => _key.AsSpan(0, _keyLength);

    private void BeginKey(string project)
    {
        if (!string.Equals(_project.Name, project, StringComparison.Ordinal))
        {
            _project = (project, Encoding.UTF8.GetBytes(project));
        }

        _keyLength = 0;
        Append(_project.Utf8);
    }

    private void Append(ReadOnlySpan<byte> part)
    {
        // The length in front keeps "a","bc" and "ab","c" apart.
        Reserve(sizeof(int) + part.Length);
        BinaryPrimitives.WriteInt32LittleEndian(_key.AsSpan(_keyLength), part.Length);
        part.CopyTo(_key.AsSpan(_keyLength + sizeof(int)));
        _keyLength += sizeof(int) + part.Length;
    }

    private void Append(byte first, byte second)
    {
        Reserve(2);
        _key[_keyLength++] = first;
        _key[_keyLength++] = second;
    }

    private void Reserve(int bytes)
    {
        if (_keyLength + bytes > _key.Length)
        {
            Array.Resize(ref _key, Math.Max(_keyLength + bytes, _key.Length * 2));
        }
    }

    private static string LabelName(string attribute)
    {
        var name = string.Concat(attribute.Select(character => char.IsAsciiLetterOrDigit(character) ? character : '_'));
        return name.Length > 0 && char.IsAsciiDigit(name[0]) ? "key_" + name : name;
    }
}
