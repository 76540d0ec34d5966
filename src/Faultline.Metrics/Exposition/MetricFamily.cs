using Faultline.Telemetry.Samples;

namespace Faultline.Metrics.Exposition;

/// <summary>A trace that stands for the observations of a series.</summary>
/// <param name="Value">The observation, in the metric's unit.</param>
/// <param name="UnixSeconds">When it was observed.</param>
public sealed record Exemplar(string TraceId, string SpanId, double Value, double UnixSeconds);

/// <summary>One line of an exposition: the family's name and <paramref name="Suffix"/>, labels, value.</summary>
/// <param name="Suffix">Empty, <c>_total</c>, <c>_bucket</c>, <c>_sum</c> or <c>_count</c>.</param>
/// <param name="Labels">Without <c>__name__</c>; a bucket's have <c>le</c>.</param>
public readonly record struct MetricSample(string Suffix, Labels Labels, double Value, Exemplar? Exemplar = null);

/// <summary>A metric and its samples at one moment.</summary>
/// <param name="Name">Without suffix: a counter's <c>_total</c> is its samples'.</param>
/// <param name="Type">counter, gauge, histogram, summary or unknown.</param>
/// <param name="Unit">Last word of the name (seconds, bytes …), or empty.</param>
public sealed record MetricFamily(string Name, string Type, string Help, string Unit, IReadOnlyList<MetricSample> Samples)
{
    public static MetricFamily Counter(string name, string help, params IReadOnlyList<MetricSample> samples) =>
        new(name, "counter", help, "", [.. samples.Select(sample => sample with { Suffix = "_total" })]);

    public static MetricFamily Gauge(string name, string help, params IReadOnlyList<MetricSample> samples) => new(name, "gauge", help, "", samples);

    public static MetricSample Of(double value, params ReadOnlySpan<(string Name, string Value)> labels) => new("", Labels.Of(labels), value);
}
