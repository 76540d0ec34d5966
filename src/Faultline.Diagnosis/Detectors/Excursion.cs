using Faultline.Diagnosis.Baselines;

namespace Faultline.Diagnosis.Detectors;

/// <summary>A closed window beside what was expected of it, on the feature's scale.</summary>
/// <param name="End">Unix seconds.</param>
/// <param name="Deviation">How far it is off in the bad direction; negative when it is better than expected.</param>
/// <param name="EffectFloor">The smallest change worth a word.</param>
/// <param name="Spread">Standard deviation of a usual window, widened by how alike neighbours are.</param>
internal readonly record struct JudgedWindow(long Index, long End, double Scaled, double Count, double Deviation, double EffectFloor, double Spread);

/// <summary>The constants of a sum, in standard deviations but for the last.</summary>
/// <param name="Drift">What a window may be off without adding anything.</param>
/// <param name="Cap">The most that one window counts for, before the drift is taken off: a single wild window is never enough.</param>
/// <param name="Threshold">Sum at which it fires.</param>
/// <param name="EffectOff">Part of the smallest change worth a word that is taken off each window's deviation.</param>
internal sealed record ExcursionRule(double Drift, double Cap, double Threshold, double EffectOff);

/// <summary>
/// A one-sided CUSUM over standardised deviations (Page 1954, "Continuous Inspection Schemes"), and what it saw since it left nought. It
/// fires over its threshold when the mean of those windows is beyond the smallest change worth a word.
/// </summary>
internal sealed class Excursion(ExcursionRule rule, int windowsMin)
{
    private double _sum;
    private int _windows;
    private double _weight;
    private double _deviation;

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

    /// <param name="thresholdShare">Part of the threshold that is enough: less than 1 while something is known to have changed.</param>
    /// <returns>Whether it fires.</returns>
    public bool Step(in JudgedWindow window, IBaseline baseline, double thresholdShare)
    {
        var threshold = rule.Threshold * thresholdShare;
        var before = _sum;
        _sum = Math.Max(0, _sum + Adds(window));
        if (_sum <= 0)
        {
            return false;
        }

        if (before <= 0)
        {
            OnsetIndex = window.Index;
            Expected = baseline.Expect(window.End, Math.Max(1, baseline.UsualCount));
            Observed = ObservedCount = _deviation = _weight = 0;
            _windows = 0;
        }

        Observe(window);
        if (_sum < threshold || _windows < windowsMin)
        {
            return false;
        }

        if (_deviation < window.EffectFloor)
        {
            // Certain, but too small to matter: keep looking, and do not let the sum grow without end.
            _sum = Math.Min(_sum, Math.Max(rule.Threshold, threshold));
            return false;
        }

        return true;
    }

    /// <summary>Goes on with the sum after it fired, no higher than its threshold.</summary>
    /// <returns>Whether it is back at nought.</returns>
    public bool FallsBack(in JudgedWindow window)
    {
        _sum = Math.Clamp(_sum + Adds(window), 0, rule.Threshold);
        return IsAtRest;
    }

    private double Adds(in JudgedWindow window) =>
        Math.Min((window.Deviation - (rule.EffectOff * window.EffectFloor)) / window.Spread, rule.Cap) - rule.Drift;

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
