using System.Text;
using Faultline.Metrics.Exposition;
using Faultline.Telemetry;
using Faultline.Telemetry.Samples;
using Faultline.Telemetry.Spans;

namespace Faultline.Metrics.Derived;

/// <summary>The series that takes what would be one too many.</summary>
internal delegate SeriesState TakeOverflow(SeriesTable table, string project, out bool added);

/// <summary>Calls, latency and events of spans, by the rules of the collector's spanmetrics connector. docs/metrics.md says where ours differ.</summary>
internal sealed class SpanMetrics
{
    private const string Service = "service.name";
    private const string Name = "span.name";
    private const string Kind = "span.kind";
    private const string Status = "status.code";
    private const string ScopeName = "span.instrumentation.scope.name";
    private const string ScopeVersion = "span.instrumentation.scope.version";
    private static readonly string[] KindNames = ["SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER", "SPAN_KIND_CLIENT", "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER"];
    private static readonly string[] StatusNames = ["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"];

    private readonly DerivedMetricsOptions _options;
    private readonly SeriesKey _key;
    private readonly TakeOverflow _overflow;
    private readonly SpanDimensions _dimensions = new();
    private readonly bool _withService;
    private readonly bool _withName;
    private readonly bool _withKind;
    private readonly bool _withStatus;
    private readonly byte[][] _scopes;
    private readonly double[] _bounds;
    private readonly double _nanosPerUnit;
    private readonly Metric _calls;
    private readonly Metric? _latency;
    private readonly Metric? _events;

    public SpanMetrics(DerivedMetricsOptions options, SeriesKey key, TakeOverflow overflow)
    {
        (_options, _key, _overflow) = (options, key, overflow);
        _withService = !options.Excluded.Contains(Service);
        _withName = !options.Excluded.Contains(Name);
        _withKind = !options.Excluded.Contains(Kind);
        _withStatus = !options.Excluded.Contains(Status);
        _scopes = [.. options.Scopes.Where(scope => scope.Length > 0).Select(Encoding.UTF8.GetBytes)];
        _bounds = [.. options.Buckets];
        _nanosPerUnit = options.Unit == DurationUnit.Seconds ? 1e9 : 1e6;

        var calls = _dimensions.Add([.. options.Dimensions, .. options.CallsDimensions]);
        var latency = _dimensions.Add([.. options.Dimensions, .. options.HistogramDimensions]);
        var buckets = options.Buckets.Count + 1;
        if (options.Histogram && calls.AsSpan().SequenceEqual(latency))
        {
            // A histogram counts its calls too, so one table is both.
            _calls = _latency = new Metric(new SeriesTable("span_metrics", options.SeriesPerMetricMax, buckets), calls, _bounds);
        }
        else
        {
            _calls = new Metric(new SeriesTable("span_metrics", options.SeriesPerMetricMax, 1), calls, []);
            _latency = options.Histogram ? new Metric(new SeriesTable("span_metrics_latency", options.SeriesPerMetricMax, buckets), latency, _bounds) : null;
        }

        if (options.EventDimensions is { } events)
        {
            _events = new Metric(new SeriesTable("span_metrics_events", options.SeriesPerMetricMax, 1), _dimensions.Add([.. options.Dimensions, .. events]), []);
        }

        Tables = [.. ((IEnumerable<Metric?>)[_calls, _latency, _events]).OfType<Metric>().Select(metric => metric.Table).Distinct()];
    }

    public IReadOnlyList<SeriesTable> Tables { get; }

    /// <summary>Called with each batch's resources before its spans.</summary>
    public void ReadResources(ResourceColumns resources) => _dimensions.ReadResources(resources);

    public ReadOnlySpan<byte> ServiceName(SpanBatch spans, int row) => _dimensions.ServiceName(spans, spans.Resource[row]);

    /// <summary>Counts a span and its events; true when that took a new series.</summary>
    public bool Count(TelemetryBatch batch, int row)
    {
        var spans = batch.Spans;
        _dimensions.ReadSpan(spans, row);
        _key.Begin(batch.Project);
        AppendCommon(spans, row);
        var common = _key.Length;
        var duration = Math.Max(0, spans.EndUnixNanos[row] - spans.StartUnixNanos[row]) / _nanosPerUnit;
        var added = Add(_calls, batch, row, duration);
        if (_latency is not null && _latency != _calls)
        {
            _key.Length = common;
            added |= Add(_latency, batch, row, duration);
        }

        if (_events is not null)
        {
            for (var one = spans.Events.Start(row); one < spans.Events.End(row); one++)
            {
                _dimensions.ReadEvent(spans.Events, one);
                _key.Length = common;
                added |= Add(_events, batch, row, duration);
            }
        }

        return added;
    }

    /// <summary>What is counted now, of one project or of all.</summary>
    public IEnumerable<MetricFamily> Families(string? project)
    {
        yield return MetricFamily.Counter(_options.CallsMetric, "Spans, by service, name, kind and status.", Counts(_calls, project));
        if (_latency is not null)
        {
            var (help, unit) = (_options.Unit == DurationUnit.Seconds ? "Duration of spans in seconds." : "Duration of spans in milliseconds.", UnitWord());
            yield return new MetricFamily(_options.LatencyMetric, "histogram", help, unit, DerivedMetrics.Histogram(_latency.Table.All.Where(series => DerivedMetrics.Wanted(series, project)), _options.Buckets, project));
        }

        if (_events is not null)
        {
            yield return MetricFamily.Counter(_options.EventsMetric, "Events of spans.", Counts(_events, project));
        }
    }

    /// <summary>Forgets what is idle; of a service that sends, a series stays as long as <see cref="DerivedMetricsOptions.SeriesExpiration"/> lets it.</summary>
    public void Expire(long nowUnixNanos)
    {
        bool IsIdle(long seen, TimeSpan most) => most > TimeSpan.Zero && nowUnixNanos - seen >= most.Ticks * 100;

        var services = new Dictionary<(string, string), long>();
        foreach (var series in Tables.SelectMany(table => table.All))
        {
            var service = (series.Project, series.Labels["service_name"]);
            services[service] = Math.Max(services.GetValueOrDefault(service), series.SeenUnixNanos);
        }

        foreach (var table in Tables)
        {
            table.Remove(series => IsIdle(series.SeenUnixNanos, _options.SeriesExpiration) || IsIdle(services[(series.Project, series.Labels["service_name"])], _options.ServiceExpiration));
        }
    }

    /// <summary>The series of stored labels and its bounds; null where today's settings would make none like it. A histogram that is also the calls says all of them.</summary>
    public (SeriesState? Series, IReadOnlyList<double> Bounds) SeriesOf(string metric, string project, Labels labels)
    {
        var of = metric == _options.LatencyMetric ? _latency : metric == _options.CallsMetric && _calls != _latency ? _calls : metric == _options.EventsMetric ? _events : null;
        return of is null ? (null, []) : (SeriesOf(of, project, labels), of.Bounds);
    }

    private SeriesState? SeriesOf(Metric metric, string project, Labels labels)
    {
        if (labels["otel_metric_overflow"].Length > 0)
        {
            return metric.Table.Overflow(project, out _);
        }

        var kind = _withKind ? Array.IndexOf(KindNames, labels["span_kind"]) : 0;
        var status = _withStatus ? Array.IndexOf(StatusNames, labels["status_code"]) : 0;
        if (kind < 0 || status < 0 || metric.Table.IsFull || labels.Pairs.ToArray().Any(pair => !IsLabel(metric, pair.Key)))
        {
            return null;
        }

        _key.Begin(project);
        AppendCommon(
            Encoding.UTF8.GetBytes(labels["service_name"]), Encoding.UTF8.GetBytes(labels["span_name"]), (byte)kind, (byte)status,
            Encoding.UTF8.GetBytes(labels[ExporterName.OfLabel(ScopeName)]), Encoding.UTF8.GetBytes(labels[ExporterName.OfLabel(ScopeVersion)]));
        foreach (var dimension in metric.Dimensions)
        {
            _key.Append(Encoding.UTF8.GetBytes(labels[_dimensions.Label(dimension)]));
        }

        return metric.Table.Find(_key.Bytes) ?? metric.Table.Add(_key.Bytes, project, labels);
    }

    private bool IsLabel(Metric metric, string name) => name switch
    {
        "service_name" => _withService,
        "span_name" => _withName,
        "span_kind" => _withKind,
        "status_code" => _withStatus,
        "span_instrumentation_scope_name" or "span_instrumentation_scope_version" => _scopes.Length > 0,
        _ => Array.Exists(metric.Dimensions, dimension => string.Equals(_dimensions.Label(dimension), name, StringComparison.Ordinal)),
    };

    private bool Add(Metric metric, TelemetryBatch batch, int row, double duration)
    {
        foreach (var dimension in metric.Dimensions)
        {
            _key.Append(_dimensions.Value(batch.Spans, row, dimension));
        }

        var added = false;
        var series = metric.Table.Find(_key.Bytes);
        if (series is null)
        {
            added = true;
            series = metric.Table.IsFull ? _overflow(metric.Table, batch.Project, out added) : metric.Table.Add(_key.Bytes, batch.Project, LabelsOf(metric, batch.Spans, row));
        }

        series.SeenUnixNanos = batch.ReceivedUnixNanos;
        series.Observe(duration, metric.Bounds, batch.Spans, row, _options.Exemplars);
        return added;
    }

    private void AppendCommon(SpanBatch spans, int row) => AppendCommon(
        ServiceName(spans, row), spans.Name[row], (byte)spans.Kind[row], (byte)spans.Status[row], IsScopeNamed(spans, row) ? spans.Scopes.Name[spans.Scope[row]] : default, IsScopeNamed(spans, row) ? spans.Scopes.Version[spans.Scope[row]] : default);

    private void AppendCommon(ReadOnlySpan<byte> service, ReadOnlySpan<byte> name, byte kind, byte status, ReadOnlySpan<byte> scope, ReadOnlySpan<byte> version)
    {
        _key.Append(_withService ? service : default);
        _key.Append(_withName ? name : default);
        _key.Append(_withKind ? kind : (byte)0);
        _key.Append(_withStatus ? status : (byte)0);
        if (_scopes.Length > 0)
        {
            _key.Append(scope);
            _key.Append(version);
        }
    }

    private bool IsScopeNamed(SpanBatch spans, int row)
    {
        if (_scopes.Length == 0)
        {
            return false;
        }

        var name = spans.Scopes.Name[spans.Scope[row]];
        foreach (var scope in _scopes)
        {
            if (name.SequenceEqual(scope))
            {
                return true;
            }
        }

        return false;
    }

    private Labels LabelsOf(Metric metric, SpanBatch spans, int row)
    {
        var labels = new List<KeyValuePair<string, string>>();
        void Label(bool isThere, string attribute, string value)
        {
            if (isThere)
            {
                labels.Add(new(ExporterName.OfLabel(attribute), value));
            }
        }

        Label(_withService, Service, Encoding.UTF8.GetString(ServiceName(spans, row)));
        Label(_withName, Name, spans.Name.Text(row));
        Label(_withKind, Kind, KindNames[Math.Min((int)spans.Kind[row], KindNames.Length - 1)]);
        Label(_withStatus, Status, StatusNames[Math.Min((int)spans.Status[row], StatusNames.Length - 1)]);
        if (IsScopeNamed(spans, row))
        {
            Label(true, ScopeName, spans.Scopes.Name.Text(spans.Scope[row]));
            Label(true, ScopeVersion, spans.Scopes.Version.Text(spans.Scope[row]));
        }

        foreach (var dimension in metric.Dimensions)
        {
            labels.Add(new(_dimensions.Label(dimension), Encoding.UTF8.GetString(_dimensions.Value(spans, row, dimension))));
        }

        return Labels.Of(labels);
    }

    // Our own name says nothing of a unit.
    private string UnitWord() =>
        _options.LatencyMetric.EndsWith("_seconds", StringComparison.Ordinal) ? "seconds" : _options.LatencyMetric.EndsWith("_milliseconds", StringComparison.Ordinal) ? "milliseconds" : "";

    private static IReadOnlyList<MetricSample> Counts(Metric metric, string? project) =>
        [.. metric.Table.All.Where(series => DerivedMetrics.Wanted(series, project)).Select(series => new MetricSample("", series.Identity(project is null), series.Count, Latest(series)))];

    private static Exemplar? Latest(SeriesState series) => series.Exemplars.MaxBy(exemplar => exemplar?.UnixSeconds ?? double.NegativeInfinity);

    /// <param name="Dimensions">Of all that are known.</param>
    /// <param name="Bounds">Empty: it only counts.</param>
    private sealed record Metric(SeriesTable Table, int[] Dimensions, double[] Bounds);
}
