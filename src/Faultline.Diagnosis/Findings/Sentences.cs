using System.Globalization;
using Faultline.Diagnosis.Baselines;
using Faultline.Diagnosis.Detectors;
using Faultline.Diagnosis.Detectors.Joint;
using Faultline.Diagnosis.Features;
using Faultline.Telemetry.Samples;

namespace Faultline.Diagnosis.Findings;

/// <summary>Figures and selectors as people and PromQL write them.</summary>
internal static class Sentences
{
    /// <summary>PromQL selector of one feature series; the environment is always named, because an empty one is a value too.</summary>
    public static string Selector(string metric, string service, string environment, Feature feature, string dimension)
    {
        var text = $"{metric}{{service_name={Quote(service)},environment={Quote(environment)},feature={Quote(feature.Name)}";
        return feature.Dimension is { } name ? $"{text},{name}={Quote(dimension)}}}" : text + "}";
    }

    public static string Selector(string metric, ServiceFeatures service, FeatureSeries series) =>
        series.Segment is not null ? Selector(string.Equals(metric, FeatureWindows.CountMetric, StringComparison.Ordinal) ? series.CountLabels : series.ValueLabels) :
        Selector(metric, service.Service, service.Environment, series.Feature.Of ?? series.Feature, series.Dimension);

    /// <summary>PromQL selector of exactly one series.</summary>
    public static string Selector(Labels series)
    {
        List<string> matchers = [];
        foreach (var (name, value) in series.Pairs)
        {
            if (!string.Equals(name, Labels.MetricName, StringComparison.Ordinal))
            {
                matchers.Add($"{name}={Quote(value)}");
            }
        }

        return $"{series.Name}{{{string.Join(',', matchers)}}}";
    }

    public static string Number(double value) => value switch
    {
        _ when !double.IsFinite(value) => "unknown",
        _ when Math.Abs(value) >= 1000 => value.ToString("0", CultureInfo.InvariantCulture),
        _ when Math.Abs(value) >= 10 => value.ToString("0.#", CultureInfo.InvariantCulture),
        _ => value.ToString("0.##", CultureInfo.InvariantCulture),
    };

    /// <summary>A figure with its unit: 0.45, 12 %, 340 ms, 2.1 s, 1800 tokens.</summary>
    public static string Figure(Feature feature, double value) => feature switch
    {
        { Statistic: Statistic.Share } => Number(value * 100) + " %",
        { Unit: "s" } when Math.Abs(value) < 1 => Number(value * 1000) + " ms",
        { Unit: "s" } => Number(value) + " s",
        { Unit: "tokens" } => Number(Math.Round(value)) + " tokens",
        { Unit: "documents" } => Number(value),
        _ => Number(value),
    };

    /// <summary>"relevance of support-bot", "median latency of the tool search in planner".</summary>
    public static string Subject(Feature feature, string service, string dimension) =>
        feature.Dimension is null || dimension.Length == 0 ? $"{feature.Words} of {service}" : $"{feature.Words} {dimension} in {service}";

    public static string Moved(Feature feature, string service, string dimension, double from, double to) =>
        $"{Subject(feature, service, dimension)} {(to < from ? "fell" : "rose")} from {Figure(feature, from)} to {Figure(feature, to)}";

    public static string Capital(string sentence) => sentence.Length == 0 ? sentence : char.ToUpperInvariant(sentence[0]) + sentence[1..];

    /// <summary>What a series that is abnormal now shows.</summary>
    public static Symptom SymptomOf(ServiceFeatures service, FeatureSeries series)
    {
        var feature = series.Feature;
        var detector = series.Detector;
        var (low, high) = Band(feature, detector.Expected);
        var usual = feature.FromScale(detector.Expected.Centre);
        var observed = feature.FromScale(detector.ObservedScaled);
        return new Symptom(
            feature.Name,
            Moved(feature, series.Segment is { } whose ? $"{service.Service} for {whose.Words}" : service.Service, series.Dimension, usual, observed),
            Selector(FeatureWindows.ValueMetric, service, series),
            usual, low, high, observed, feature.Unit)
        {
            Part = series is { Segment: { } segment, Whole: { } whole } ? new SymptomPart(segment.Key, segment.Value, Selector(FeatureWindows.ValueMetric, service, whole)) : null,
        };
    }

    /// <summary>What a series shows that is strange only together with others.</summary>
    /// <param name="now">Unix seconds that its usual value is told of.</param>
    public static Symptom SymptomOf(ServiceFeatures service, TellingFeature telling, long now)
    {
        var series = telling.Series;
        var rises = telling.Deviations > 0;
        var feature = FeatureTable.JudgedBy(series.Feature).FirstOrDefault(judged => judged.BadWhen == (rises ? BadWhen.Rises : BadWhen.Falls)) ?? series.Feature;
        var expected = series.Detector.Baseline.Expect(now, Math.Max(1, series.Detector.Baseline.UsualCount));
        var (low, high) = Band(feature, expected);
        var usual = feature.FromScale(expected.Centre);
        var observed = feature.FromScale(expected.Centre + (telling.Deviations * expected.Spread));
        observed = feature.Statistic == Statistic.Share ? Math.Clamp(observed, 0, 1) : observed;
        return new Symptom(
            feature.Name, Moved(feature, service.Service, series.Dimension, usual, observed), Selector(FeatureWindows.ValueMetric, service, series), usual, low, high, observed, feature.Unit);
    }

    /// <summary>"Median latency and output tokens a model call of support-bot parted: 1.4 s (usually 1.1 s), 96 tokens (usually 120 tokens)".</summary>
    public static string Together(ServiceFeatures service, IReadOnlyList<TellingFeature> telling, IReadOnlyList<Symptom> symptoms, bool parted)
    {
        var names = telling.Select(one => one.Series.Dimension.Length == 0 ? one.Series.Feature.Words : $"{one.Series.Feature.Words} {one.Series.Dimension}").ToList();
        var figures = telling.Select((one, i) => $"{Figure(one.Series.Feature, symptoms[i].Observed)} (usually {Figure(one.Series.Feature, symptoms[i].Usual)})");
        return Capital($"{string.Join(", ", names.SkipLast(1))} and {names[^1]} of {service.Service} {(parted ? "parted" : "moved at once, each little")}: {string.Join(", ", figures)}");
    }

    /// <summary>Edges of the usual band in the feature's unit: three standard deviations, and never less than a change worth a word.</summary>
    public static (double Low, double High) Band(Feature feature, Expectation expected)
    {
        var half = Math.Max(3 * expected.Sigma, feature.EffectFloor(expected.Centre));
        var low = feature.FromScale(expected.Centre - half);
        var high = feature.FromScale(expected.Centre + half);
        return feature.Statistic == Statistic.Share ? (Math.Max(0, low), Math.Min(1, high)) : (low, high);
    }

    private static string Quote(string value) =>
        "\"" + value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal) + "\"";

    /// <summary>A PromQL number: six significant decimals, no exponent.</summary>
    public static string Literal(double value) => value.ToString("0.######", CultureInfo.InvariantCulture);
}
