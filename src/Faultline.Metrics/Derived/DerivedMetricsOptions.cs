namespace Faultline.Metrics.Derived;

/// <summary>How metrics are made from spans.</summary>
public sealed record DerivedMetricsOptions
{
    /// <summary>First word of the RED metrics' names.</summary>
    public string Namespace { get; init; } = "llm";

    /// <summary>Upper bounds in seconds, rising; +Inf is implied.</summary>
    public IReadOnlyList<double> BucketsSeconds { get; init; } = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300];

    /// <summary>Attributes (the span's, else its resource's) that become labels where they are present.</summary>
    public IReadOnlyList<string> Dimensions { get; init; } = ["env", "component", "model"];

    /// <summary>Spans that ended longer before they arrived are only counted as late: counters count at arrival.</summary>
    public TimeSpan MaxLateness { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>More series of one metric go into one overflow series.</summary>
    public int SeriesPerMetricMax { get; init; } = 20_000;
}
