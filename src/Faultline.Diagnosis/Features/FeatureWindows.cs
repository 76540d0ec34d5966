using Faultline.Telemetry.Samples;

namespace Faultline.Diagnosis.Features;

/// <summary>The grid of event time, and how features are named in the sample store.</summary>
internal static class FeatureWindows
{
    public const long LengthSeconds = 10;

    public const long LengthNanos = LengthSeconds * 1_000_000_000;

    /// <summary>How long a window waits, on the telemetry's clock, for spans that are exported late.</summary>
    public const long LatenessNanos = 5_000_000_000;

    /// <summary>The window's value: mean, quantile, share … by feature. Stamped with the window's end.</summary>
    public const string ValueMetric = "faultline_feature";

    /// <summary>Observations behind the value; same labels, same stamp.</summary>
    public const string CountMetric = "faultline_feature_count";

    /// <summary>The same of one segment's requests; stored only of what left its usual band, from shortly before on and for <see cref="SegmentsStoredFor"/>.</summary>
    public const string SegmentValueMetric = "faultline_segment_feature";

    public const string SegmentCountMetric = "faultline_segment_feature_count";

    /// <summary>Windows in which what a segment showed stays stored: a day, so that it can be seen that it is over.</summary>
    public const long SegmentsStoredFor = 24 * 3600 / LengthSeconds;

    public static long IndexOf(long unixNanos) => Math.DivRem(unixNanos, LengthNanos).Quotient;

    public static long StartSeconds(long index) => index * LengthSeconds;

    public static long EndSeconds(long index) => (index + 1) * LengthSeconds;

    public static long EndMillis(long index) => (index + 1) * LengthSeconds * 1000;

    /// <summary>The window whose sample is stamped so.</summary>
    public static long IndexOfEndMillis(long unixMillis) => (unixMillis / (LengthSeconds * 1000)) - 1;

    public static Labels LabelsOf(string metric, string service, string environment, Feature feature, string dimension, Segment? segment = null)
    {
        List<KeyValuePair<string, string>> pairs =
        [
            new(Labels.MetricName, metric), new("service_name", service), new("environment", environment), new("feature", feature.Name),
        ];
        if (feature.Dimension is { } name)
        {
            pairs.Add(new(name, dimension));
        }

        if (segment is not null)
        {
            pairs.Add(new("segment_key", segment.Key));
            pairs.Add(new("segment", segment.Value));
        }

        return Labels.Of(pairs);
    }
}
