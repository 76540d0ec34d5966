using Faultline.Diagnosis.Baselines;
using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Findings;

namespace Faultline.Diagnosis.Facts;

/// <summary>One feature before and after the onset, from the stored feature samples.</summary>
/// <param name="Before">Weighted median (shares: mean) of the windows before, in the feature's unit.</param>
/// <param name="After">The same after.</param>
/// <param name="Z">How far it moved in standard deviations of the windows before; positive is up.</param>
/// <param name="From">Start of what was compared, for the reference.</param>
internal sealed record Shift(
    string Service, string Environment, Feature Feature, string Dimension, double Before, double After, double Z, double Sigma,
    int WindowsBefore, int WindowsAfter, double CountAfter, DateTimeOffset From, DateTimeOffset To)
{
    /// <summary>Standard deviations from which a shift is no chance.</summary>
    public const double ZMin = 3.5;

    /// <summary>Windows needed on each side; fewer are no comparison.</summary>
    public const int WindowsMin = 2;

    private double ScaledBefore => Feature.ToScale(Before);

    private double Change => Feature.ToScale(After) - ScaledBefore;

    public bool IsKnown => WindowsBefore >= WindowsMin && WindowsAfter >= 1;

    /// <summary>Moved by more than chance, and by enough to matter.</summary>
    public bool IsAbnormal => IsKnown && Math.Abs(Z) >= ZMin && Math.Abs(Change) >= Feature.EffectFloor(ScaledBefore);

    public bool Rose => IsAbnormal && Z > 0;

    public bool Fell => IsAbnormal && Z < 0;

    /// <summary>In the direction that is bad for it; either direction where neither is.</summary>
    public bool IsBad => Feature.BadWhen switch { BadWhen.Rises => Rose, BadWhen.Falls => Fell, _ => IsAbnormal };

    public string Words => IsAbnormal
        ? Sentences.Moved(Feature, Service, Dimension, Before, After)
        : $"{Sentences.Subject(Feature, Service, Dimension)} stayed at {Sentences.Figure(Feature, After)} (before: {Sentences.Figure(Feature, Before)})";

    public string Query => Sentences.Selector(FeatureWindows.ValueMetric, Service, Environment, Feature, Dimension);

    public Evidence Evidence => new("series", $"{Query}@{Rfc3339(From)}..{Rfc3339(To)}", Sentences.Capital(Words) + ".");

    public Symptom Figure
    {
        get
        {
            var half = Math.Max(3 * Sigma, Feature.EffectFloor(ScaledBefore));
            return new Symptom(Feature.Name, Words, Query, Before, Feature.FromScale(ScaledBefore - half), Feature.FromScale(ScaledBefore + half), After, Feature.Unit);
        }
    }

    public static string Rfc3339(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Compares the windows before with those after.</summary>
    /// <param name="before">Value and count of each window; empty gives a shift that is not known.</param>
    public static Shift Between(
        string service, string environment, Feature feature, string dimension,
        IReadOnlyList<(double Value, double Count)> before, IReadOnlyList<(double Value, double Count)> after, DateTimeOffset from, DateTimeOffset to)
    {
        if (before.Count == 0 || after.Count == 0)
        {
            var only = before.Count > 0 ? Typical(feature, before) : double.NaN;
            return new Shift(service, environment, feature, dimension, only, after.Count > 0 ? Typical(feature, after) : double.NaN, 0, 0, before.Count, after.Count, after.Sum(window => window.Count), from, to);
        }

        var usual = Typical(feature, before);
        var now = Typical(feature, after);
        var centre = feature.ToScale(usual);
        double sigma;
        double error;
        if (feature.Statistic == Statistic.Share)
        {
            // Two proportions, pooled, with half a success added on each side so that 0 of 5 against 1 of 5 is no certainty.
            double n = before.Sum(window => window.Count), m = after.Sum(window => window.Count);
            var pooled = ((usual * n) + (now * m) + 1) / (n + m + 2);
            sigma = Math.Sqrt(pooled * (1 - pooled));
            error = sigma * Math.Sqrt((1 / Math.Max(n, 1)) + (1 / Math.Max(m, 1)));
        }
        else
        {
            Span<double> values = before.Count <= 512 ? stackalloc double[before.Count] : new double[before.Count];
            for (var i = 0; i < values.Length; i++)
            {
                values[i] = feature.ToScale(before[i].Value);
            }

            sigma = Math.Max(RobustStatistics.ScaledMad(values, centre), feature.SpreadFloor(centre));

            // The median of several windows is steadier than one; not more than three times, because windows are not independent.
            error = sigma / Math.Min(3, Math.Sqrt(after.Count));
        }

        var z = (feature.ToScale(now) - centre) / error;
        return new Shift(service, environment, feature, dimension, usual, now, z, sigma, before.Count, after.Count, after.Sum(window => window.Count), from, to);
    }

    private static double Typical(Feature feature, IReadOnlyList<(double Value, double Count)> windows)
    {
        if (feature.Statistic == Statistic.Share)
        {
            return windows.Sum(window => window.Value * window.Count) / Math.Max(windows.Sum(window => window.Count), 1e-9);
        }

        Span<double> values = windows.Count <= 256 ? stackalloc double[windows.Count] : new double[windows.Count];
        Span<double> weights = windows.Count <= 256 ? stackalloc double[windows.Count] : new double[windows.Count];
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = windows[i].Value;
            weights[i] = Math.Max(windows[i].Count, 1);
        }

        return RobustStatistics.WeightedMedian(values, weights);
    }
}
