using Faultline.Diagnosis.Detectors.Joint;
using Faultline.Diagnosis.Features;

namespace Faultline.Diagnosis.Findings;

/// <summary>Writes the PromQL that has an answer only when the fault is gone and there was data to judge by.</summary>
internal static class Verification
{
    /// <summary>Ranges to choose from, in seconds: the shortest in which enough is usually observed.</summary>
    private static readonly int[] RangesSeconds = [60, 300, 900, 3600];

    private const double ObservationsWanted = 6;
    private const int ObservationsMin = 3;
    private const int ObservationsMax = 30;

    /// <summary>What is small beside a window's noise is seen over minutes only.</summary>
    private const int TogetherSeconds = 300;

    /// <summary>Part of what was observed lately in such a range that must be there: traffic after a fix may be less.</summary>
    private const double ObservationsShare = 0.3;

    /// <summary>For a series that left its band: it must be back, by more than half of the way, and inside the band.</summary>
    public static string Back(ServiceFeatures service, FeatureSeries series)
    {
        var symptom = Sentences.SymptomOf(service, series);
        var middle = series.Feature.FromScale((series.Detector.Expected.Centre + series.Detector.ObservedScaled) / 2);
        var falls = series.Feature.BadWhen == BadWhen.Falls;
        var bound = falls ? Math.Max(symptom.Low, middle) : Math.Min(symptom.High, middle);

        // Of what has a sample every five minutes only, two must be there.
        return Query("avg_over_time", falls ? ">" : "<", bound, ObservationsWanted, service, series, ReferenceEquals(series.Feature, FeatureTable.CallRate) ? 2 * Traffic.Seconds : 0);
    }

    /// <summary>For features that were strange together: the two that told most are back, each by more than half of the way.</summary>
    public static string Back(ServiceFeatures service, IReadOnlyList<TellingFeature> telling) => string.Join(" and on(service_name, environment) ", telling.Take(2).Select(one =>
    {
        var symptom = Sentences.SymptomOf(service, one, FeatureWindows.EndSeconds(one.Series.Detector.LastIndex));
        var feature = one.Series.Feature;
        var middle = feature.FromScale((feature.ToScale(symptom.Usual) + feature.ToScale(symptom.Observed)) / 2);
        return $"({Query("avg_over_time", one.Deviations < 0 ? ">" : "<", middle, ObservationsWanted, service, one.Series, TogetherSeconds)})";
    }));

    /// <summary>For a loop: no trace may come near the number of repeats that fired. Few traces are enough to say so, and looping ones end seldom.</summary>
    public static string NoLoop(ServiceFeatures service, FeatureSeries repeats, int threshold) =>
        Query("max_over_time", "<", threshold, ObservationsMin, service, repeats);

    /// <summary>For a limit that somebody set: on its good side, over the range that it is set for.</summary>
    public static string Within(ServiceFeatures service, FeatureSeries series, double limit, bool below, TimeSpan over) =>
        Query(series.Feature.Statistic == Statistic.Max ? "max_over_time" : "avg_over_time", below ? "<=" : ">=", limit, ObservationsMin, service, series, (int)over.TotalSeconds);

    private static string Query(string function, string comparison, double bound, double wanted, ServiceFeatures service, FeatureSeries series, int rangeMin = 0)
    {
        var perSecond = series.Detector.RecentCountPerWindow / FeatureWindows.LengthSeconds;
        var range = Array.Find(RangesSeconds, seconds => perSecond * seconds >= wanted) is > 0 and var found ? Math.Max(found, rangeMin) : Math.Max(RangesSeconds[^1], rangeMin);
        var needed = Math.Clamp((int)(perSecond * range * ObservationsShare), ObservationsMin, ObservationsMax);
        var value = Sentences.Selector(FeatureWindows.ValueMetric, service, series);
        var count = Sentences.Selector(FeatureWindows.CountMetric, service, series);

        // Both sides lose the metric's name in the range function, so their labels are the same and `and` matches them.
        return $"({function}({value}[{range}s]) {comparison} {Sentences.Literal(bound)}) and (sum_over_time({count}[{range}s]) >= {needed})";
    }
}
