using Faultline.Diagnosis.Baselines;
using Faultline.Diagnosis.Features;

namespace Faultline.Diagnosis.Detectors;

/// <summary>A closed window beside what was expected of it, on the feature's scale.</summary>
/// <param name="End">Unix seconds.</param>
/// <param name="Deviation">How far it is off in the bad direction; negative when it is better than expected.</param>
/// <param name="EffectFloor">The smallest change worth a word.</param>
/// <param name="Spread">Standard deviation of a usual window, widened by how alike neighbours are.</param>
/// <param name="Gap">Windows since the last one with data.</param>
internal readonly record struct JudgedWindow(long Index, long End, double Scaled, double Count, double Deviation, double EffectFloor, double Spread, long Gap)
{
    /// <summary>Of a share: the part of the observations that is bad; NaN of anything else.</summary>
    public double Bad { get; init; } = double.NaN;

    /// <summary>The part that is usually bad.</summary>
    public double UsuallyBad { get; init; }

    /// <summary>Times a binomial variance that the share's sums have.</summary>
    public double Dispersion { get; init; } = 1;

    /// <summary>Of a count: logarithm of how much likelier it is when the rate has risen; NaN of anything else.</summary>
    public double Evidence { get; init; } = double.NaN;

    /// <summary>Standard error of what was expected.</summary>
    public double CentreError { get; init; }

    /// <summary>How many times further than <paramref name="Spread"/> a sum over many windows strays.</summary>
    public double Lasting { get; init; } = 1;

    /// <summary>Part of the usual windows that are wild.</summary>
    public double Wild { get; init; }

    /// <summary>Whether it has a likelihood; else its deviations are added up.</summary>
    public bool IsLikely => !double.IsNaN(Bad) || !double.IsNaN(Evidence);
}

/// <summary>The constants of a sum, in standard deviations but for the last.</summary>
/// <param name="Drift">What a window may be off without adding anything.</param>
/// <param name="Cap">The most that one window counts for, before the drift is taken off: a single wild window is never enough.</param>
/// <param name="Threshold">Sum at which it fires.</param>
/// <param name="ThresholdAfterChange">The same while something is known to have changed; more than one window can add.</param>
/// <param name="EffectOff">Part of the smallest change worth a word that is taken off each window's deviation.</param>
/// <param name="AddsMany">Whether it fires by many windows: then it is by how means of many stray that they are measured.</param>
/// <param name="CapApart">The cap of a window that has no neighbour: one of another minute is a witness of its own.</param>
/// <param name="MayBeWild">Whether a window counts for less where usual ones are wild now and then.</param>
/// <param name="ShareChanges">Of shares, which have a likelihood: the change that is tested for, in smallest changes, but never more than half of the way to "always".</param>
/// <param name="ShareCap">The most that one window adds to a share's sum, natural logarithm of the likelihood ratio.</param>
/// <param name="ShareThreshold">Where that sum fires.</param>
/// <param name="ShareThresholdAfterChange">The same while something is known to have changed.</param>
internal sealed record ExcursionRule(
    double Drift, double Cap, double Threshold, double ThresholdAfterChange, double EffectOff, double CapApart, double ShareChanges, double ShareCap, double ShareThreshold, double ShareThresholdAfterChange, bool AddsMany = false, bool MayBeWild = true);

/// <summary>
/// A one-sided CUSUM over standardised deviations, of a share over log-likelihood ratios (Page 1954, "Continuous Inspection Schemes"; Reynolds
/// and Stoumbos 1999, "A CUSUM Chart for Monitoring a Proportion When Inspecting Continuously"), and what it saw since it left nought. It
/// fires over its threshold when the mean of those windows is beyond the smallest change worth a word.
/// </summary>
/// <param name="windowsMin">Windows with data that it takes at least.</param>
internal sealed class Excursion(ExcursionRule rule, int windowsMin)
{
    /// <summary>Windows without a neighbour, and so far apart that two of them are as good as three.</summary>
    private const long ApartWindows = 30 / FeatureWindows.LengthSeconds;

    /// <summary>Part of the threshold that must be there without the window that adds most: however wild, one is no witness.</summary>
    private const double WithoutLargest = 1 / 3.0;

    private double _sum;
    private double _largest;
    private int _windows;
    private double _weight;
    private double _deviation;

    /// <summary>Time that it takes at least.</summary>
    public long SecondsMin { get; set; }

    public bool IsAtRest => _sum <= 0;

    /// <summary>First window since the sum was nought.</summary>
    public long OnsetIndex { get; private set; }

    /// <summary>What was expected at the onset, for a window of the usual size.</summary>
    public Expectation Expected { get; private set; }

    /// <summary>Mean of the windows since the onset, on the scale, weighted by their observations.</summary>
    public double Observed { get; private set; }

    /// <summary>Mean observations a window since the onset.</summary>
    public double ObservedCount { get; private set; }

    public void Reset() => _sum = 0;

    /// <summary>Takes up what an earlier process had seen: it had fired, and began then.</summary>
    public void Resume(long onset, Expectation expected) => Begin(onset, expected);

    private void Begin(long onset, Expectation expected)
    {
        (OnsetIndex, Expected) = (onset, expected);
        Observed = ObservedCount = _deviation = _weight = _largest = 0;
        _windows = 0;
    }

    /// <param name="changed">Something is known to have changed: less is enough.</param>
    /// <param name="times">What the threshold is multiplied by.</param>
    /// <returns>Whether it fires.</returns>
    public bool Step(in JudgedWindow window, IBaseline baseline, bool changed, double times)
    {
        var full = ThresholdFor(window);
        var threshold = times * (!changed ? full : window.IsLikely ? rule.ShareThresholdAfterChange : rule.ThresholdAfterChange);
        var before = _sum;
        var adds = Adds(window);
        _sum = Math.Max(0, _sum + adds);
        if (_sum <= 0)
        {
            return false;
        }

        if (before <= 0)
        {
            Begin(window.Index, baseline.Expect(window.End, Math.Max(1, baseline.UsualCount)));
        }

        _largest = Math.Max(_largest, adds);
        Observe(window);
        if (_sum < threshold || !IsLongEnough(window) || (!window.IsLikely && _sum - _largest < WithoutLargest * threshold))
        {
            return false;
        }

        if (_deviation < window.EffectFloor)
        {
            // Certain, but too small to matter: keep looking, and do not let the sum grow without end.
            _sum = Math.Min(_sum, Math.Max(full, threshold));
            return false;
        }

        return true;
    }

    /// <summary>Goes on with the sum after it fired, no higher than its threshold.</summary>
    /// <returns>Whether it is back at nought.</returns>
    public bool FallsBack(in JudgedWindow window)
    {
        _sum = Math.Clamp(_sum + Adds(window), 0, ThresholdFor(window));
        return IsAtRest;
    }

    private double ThresholdFor(in JudgedWindow window) => window.IsLikely ? rule.ShareThreshold : rule.Threshold;

    private bool IsLongEnough(in JudgedWindow window)
    {
        var passed = window.Index - OnsetIndex;
        return (passed + 1) * FeatureWindows.LengthSeconds >= SecondsMin
            && (_windows >= windowsMin || (SecondsMin == 0 && _windows == windowsMin - 1 && passed >= ApartWindows));
    }

    private double Adds(in JudgedWindow window) => !double.IsNaN(window.Evidence) ? Math.Min(window.Evidence, rule.ShareCap)
        : double.IsNaN(window.Bad) ? Math.Min((window.Deviation - Off(window)) / (window.Spread * Lasting(window)), Cap(window)) - rule.Drift
        : Math.Min(window.Count * LikelihoodRatio(window) / (window.Dispersion * Lasting(window) * Lasting(window)), rule.ShareCap);

    /// <summary>The most that the window counts for. Where usual ones are wild now and then, nine tenths of how much likelier it is if every other window were wild: two in a row are then no alarm.</summary>
    private double Cap(in JudgedWindow window)
    {
        var cap = window.Gap > NeighbourWindows ? rule.CapApart : rule.Cap;
        return rule.MayBeWild && window.Wild > 0 ? Math.Min(cap, 0.9 * Math.Log(0.5 / window.Wild)) : cap;
    }

    /// <summary>What a baseline that is a little wrong for hours may be off: a part of what is worth a word, or what is known of it no better.</summary>
    private double Off(in JudgedWindow window) => Math.Max(rule.EffectOff * window.EffectFloor, ErrorsOff * window.CentreError);

    private double Lasting(in JudgedWindow window) => rule.AddsMany ? window.Lasting : 1;

    /// <summary>Standard errors of the centre that it may be off: it is not, in 39 of 40 hours.</summary>
    private const double ErrorsOff = 2;

    /// <summary>Of one observation, the mean over those of the window.</summary>
    private double LikelihoodRatio(in JudgedWindow window)
    {
        var usual = window.UsuallyBad;
        if (1 - usual <= window.EffectFloor)
        {
            return -1;          // it cannot get worse by as much
        }

        var worse = usual + Math.Min(rule.ShareChanges * window.EffectFloor, (1 - usual) / 2);
        return (window.Bad * Math.Log(worse / usual)) + ((1 - window.Bad) * Math.Log((1 - worse) / (1 - usual)));
    }

    /// <summary>Windows this close are neighbours.</summary>
    private const long NeighbourWindows = 2;

    public void Observe(in JudgedWindow window)
    {
        var weight = Math.Max(window.Count, 1);
        _weight += weight;
        Observed += (window.Scaled - Observed) * weight / _weight;
        _deviation += (window.Deviation - _deviation) * weight / _weight;
        _windows++;
        ObservedCount += (window.Count - ObservedCount) / _windows;
    }
}
