namespace Faultline.Metrics.Derived;

/// <summary>An attribute that becomes a label where it is present.</summary>
/// <param name="Default">Its value where it is not; null: then the label is not there either.</param>
public sealed record SpanDimension(string Name, string? Default = null)
{
    public static implicit operator SpanDimension(string name) => new(name);
}

/// <summary>What the latency histogram counts in.</summary>
public enum DurationUnit
{
    Seconds,
    Milliseconds,
}

/// <summary>How metrics are made from spans.</summary>
public sealed record DerivedMetricsOptions
{
    /// <summary>First word of the RED metrics' names, or empty: what the collector's Prometheus exporter calls <c>namespace</c>.</summary>
    public string Namespace { get; init; } = "llm";

    /// <summary>The words after it: what the collector's spanmetrics connector calls <c>namespace</c>.</summary>
    public string SpanNamespace { get; init; } = "traces.span.metrics";

    /// <summary>Last word of the histogram's name.</summary>
    public string LatencyName { get; init; } = "latency";

    public DurationUnit Unit { get; init; }

    /// <summary>Upper bounds in <see cref="Unit"/>, rising; +Inf is implied.</summary>
    public IReadOnlyList<double> Buckets { get; init; } = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300];

    /// <summary>Whether there is a histogram at all.</summary>
    public bool Histogram { get; init; } = true;

    /// <summary>Attributes (the span's, else its resource's) that become labels.</summary>
    public IReadOnlyList<SpanDimension> Dimensions { get; init; } = ["env", "component", "model"];

    /// <summary>More of them for the calls alone.</summary>
    public IReadOnlyList<SpanDimension> CallsDimensions { get; init; } = [];

    /// <summary>More of them for the histogram alone.</summary>
    public IReadOnlyList<SpanDimension> HistogramDimensions { get; init; } = [];

    /// <summary>More of them for span events, the event's attributes before the resource's; null: events are not counted.</summary>
    public IReadOnlyList<SpanDimension>? EventDimensions { get; init; }

    /// <summary>Of <c>service.name</c>, <c>span.name</c>, <c>span.kind</c> and <c>status.code</c> those that become no label.</summary>
    public IReadOnlySet<string> Excluded { get; init; } = new HashSet<string>(StringComparer.Ordinal);

    /// <summary>Instrumentation scopes whose name and version become labels.</summary>
    public IReadOnlyList<string> Scopes { get; init; } = [];

    public bool Exemplars { get; init; } = true;

    /// <summary>RED series of a service that sent nothing for so long are forgotten; zero: never.</summary>
    public TimeSpan ServiceExpiration { get; init; }

    /// <summary>A RED series that nothing was added to for so long is forgotten; zero: never.</summary>
    public TimeSpan SeriesExpiration { get; init; }

    /// <summary>Spans that ended longer before they arrived are only counted as late: counters count at arrival.</summary>
    public TimeSpan MaxLateness { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>More series of one metric go into one overflow series.</summary>
    public int SeriesPerMetricMax { get; init; } = 20_000;

    /// <summary>Dimensions that are different attributes and would be the same label.</summary>
    public static IEnumerable<(string Label, IReadOnlyList<string> Names)> AlikeAsLabels(IEnumerable<SpanDimension> dimensions) =>
        from dimension in dimensions.DistinctBy(dimension => dimension.Name, StringComparer.Ordinal)
        group dimension.Name by ExporterName.OfLabel(dimension.Name) into alike
        where alike.Count() > 1
        select (alike.Key, (IReadOnlyList<string>)[.. alike]);

    internal string CallsMetric => Metric("calls");

    internal string LatencyMetric => Metric(LatencyName);

    internal string EventsMetric => Metric("events");

    private string Metric(string name) =>
        ExporterName.Of(string.Join('_', ((IEnumerable<string>)[Namespace, SpanNamespace, name]).Where(part => part.Length > 0)));
}
