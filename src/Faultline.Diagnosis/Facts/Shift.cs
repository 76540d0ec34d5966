using Faultline.Diagnosis.Baselines;
using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Findings;

namespace Faultline.Diagnosis.Facts;

/// <summary>A feature in one stored window.</summary>
internal readonly record struct StoredWindow(long Index, double Value, double Count);

/// <summary>Whose requests a shift is of.</summary>
/// <param name="Example">TRACE/SPAN of one that is far off.</param>
internal sealed record ShiftPart(SymptomPart Whose, string Example);

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

    /// <summary>Less than that does not even point the way that a detector saw.</summary>
    private const double ZAgreeing = 1;

    /// <summary>Of a share every single observation counts over all windows, so more can be asked: two of three requests by chance look like an outage.</summary>
    private const double ZAgreeingShare = 2;

    /// <summary>Windows needed on each side; fewer are no comparison.</summary>
    public const int WindowsMin = 2;

    /// <summary>So few wild windows are no shift: to be one, a quarter of them must be as far off as counts.</summary>
    private const double MoveMax = 4;

    /// <summary>Requests come in bursts: their counts vary by more than Poisson's.</summary>
    private const double Overdispersion = 1.5;

    /// <summary>Five minutes without a request are quiet; more are a gap.</summary>
    private const long GapMax = 30;

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

    /// <summary>Set when it is of one part of the requests: read of traces, not of the stored series, which is of all.</summary>
    public ShiftPart? Part { get; init; }

    /// <summary>A score that an evaluator of ours gives: it says the same of the same text for ever, so what moved are the texts.</summary>
    public bool IsOurs { get; init; }

    public Evidence Evidence => Part is { } part
        ? new("span", part.Example, $"For {part.Whose.Attribute} {part.Whose.Value} {Words}.")
        : new("series", $"{Query}@{Rfc3339(From)}..{Rfc3339(To)}", Sentences.Capital(Words) + ".");

    public Symptom Figure
    {
        get
        {
            var half = Math.Max(3 * Sigma, Feature.EffectFloor(ScaledBefore));
            return new Symptom(Feature.Name, Words, Query, Before, Feature.FromScale(ScaledBefore - half), Feature.FromScale(ScaledBefore + half), After, Feature.Unit);
        }
    }

    public static string Rfc3339(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>
    /// What the detector is sure of is so, though over all windows since the onset it may not stand out: a fault that grows, that
    /// comes and goes, or that had its onset put too early.
    /// </summary>
    public Shift AsDetected(IReadOnlyList<Symptom> symptoms)
    {
        if (IsAbnormal || !IsKnown || Math.Abs(Z) < (Feature.Statistic == Statistic.Share ? ZAgreeingShare : ZAgreeing) || symptoms.FirstOrDefault(symptom => string.Equals(symptom.Part?.WholeQuery ?? symptom.Query, Query, StringComparison.Ordinal)) is not { } symptom)
        {
            return this;
        }

        var detected = this with { After = symptom.Observed, Z = Math.CopySign(Math.Max(Math.Abs(Z), ZMin), Z) };
        return detected.IsAbnormal && detected.Change > 0 == Z > 0 ? detected : this;
    }

    /// <summary>Compares the windows before with those after.</summary>
    /// <param name="before">In the order of time; empty gives a shift that is not known.</param>
    public static Shift Between(
        string service, string environment, Feature feature, string dimension,
        IReadOnlyList<StoredWindow> before, IReadOnlyList<StoredWindow> after, DateTimeOffset from, DateTimeOffset to)
    {
        if (before.Count == 0 || after.Count == 0)
        {
            var only = before.Count > 0 ? Typical(feature, before) : double.NaN;
            return new Shift(service, environment, feature, dimension, only, after.Count > 0 ? Typical(feature, after) : double.NaN, 0, 0, before.Count, after.Count, after.Sum(window => window.Count), from, to);
        }

        if (feature.Statistic == Statistic.Count)
        {
            return Rates(service, environment, feature, dimension, before, after, from, to);
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

        var shift = Of(now);
        return shift.IsAbnormal || feature.Statistic == Statistic.Share ? shift : Of(feature.FromScale(centre + MeanMove(feature, centre, sigma, after))) is { IsAbnormal: true } flapping ? flapping : shift;

        Shift Of(double value) => new(
            service, environment, feature, dimension, usual, value, (feature.ToScale(value) - centre) / error, sigma, before.Count, after.Count, after.Sum(window => window.Count), from, to);
    }

    /// <summary>Counts are compared as rates, with the spread that counts have.</summary>
    private static Shift Rates(
        string service, string environment, Feature feature, string dimension,
        IReadOnlyList<StoredWindow> before, IReadOnlyList<StoredWindow> after, DateTimeOffset from, DateTimeOffset to)
    {
        double n = before.Sum(window => window.Value), m = after.Sum(window => window.Value);
        double usual = n / Covered(before), now = m / Covered(after);
        var error = Overdispersion * Math.Sqrt((1 / Math.Max(n, 1)) + (1 / Math.Max(m, 1)));
        return new Shift(service, environment, feature, dimension, usual, now, (feature.ToScale(now) - feature.ToScale(usual)) / error, Overdispersion / Math.Sqrt(Math.Max(usual, 1)), before.Count, after.Count, m, from, to);
    }

    /// <summary>Windows in which nothing happened are not stored and count all the same; a long gap is no quiet time but one that was left out.</summary>
    private static long Covered(IReadOnlyList<StoredWindow> windows)
    {
        var covered = 1L;
        for (var i = 1; i < windows.Count; i++)
        {
            covered += Math.Min(windows[i].Index - windows[i - 1].Index, GapMax);
        }

        return covered;
    }

    /// <summary>Mean distance of the windows from the centre, none counting for more than a few times what is worth a word: what comes and goes moves no median.</summary>
    private static double MeanMove(Feature feature, double centre, double sigma, IReadOnlyList<StoredWindow> windows)
    {
        var limit = MoveMax * Math.Max(sigma, feature.EffectFloor(centre));
        return windows.Sum(window => Math.Clamp(feature.ToScale(window.Value) - centre, -limit, limit) * Math.Max(window.Count, 1)) / windows.Sum(window => Math.Max(window.Count, 1));
    }

    private static double Typical(Feature feature, IReadOnlyList<StoredWindow> windows)
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
