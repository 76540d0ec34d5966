using Faultline.Diagnosis.Baselines;
using Faultline.Diagnosis.Features;

namespace Faultline.Diagnosis.Detectors;

/// <summary>What a window did to a detector.</summary>
internal enum Turn
{
    None,

    /// <summary>The series is abnormal from <see cref="Deviation.OnsetIndex"/> on.</summary>
    Raised,

    /// <summary>It has been usual again for long enough.</summary>
    Cleared,
}

/// <summary>
/// Says when a series has left what is usual for it, in its bad direction, for long enough; and when it is back. Learns its
/// baseline from the windows that turned out to be usual.
/// </summary>
/// <remarks>
/// A one-sided CUSUM over standardised deviations (Page 1954, "Continuous Inspection Schemes"): it adds up how far each
/// window is beyond half of the smallest change worth a word, less a drift, never below nought, and fires over a threshold
/// when the mean of the windows since the onset is beyond the whole of it. One window counts for no more than a cap, so
/// that a single wild window is never enough; three clear ones are.
/// </remarks>
internal sealed class Deviation(Feature feature)
{
    /// <summary>Standard deviations that a window may be off without adding anything.</summary>
    public const double Drift = 1;

    /// <summary>Most standard deviations that one window adds, before the drift is taken off.</summary>
    public const double Cap = 5.5;

    /// <summary>Sum at which it fires: three windows at the cap.</summary>
    public const double Threshold = 12;

    /// <summary>Usual windows with data in a row that end it.</summary>
    public const int UsualToClear = 6;

    /// <summary>Below this many standard deviations a window is usual again.</summary>
    private const double UsualSigma = 2;

    /// <summary>Windows held back from the baseline while the sum is above nought.</summary>
    private const int HeldMax = 60;

    /// <summary>Evidence older than this with no window since is no evidence.</summary>
    private const long GapWindowsMax = 3600 / FeatureWindows.LengthSeconds;

    /// <summary>A fault that is left open this long is learnt as the new usual.</summary>
    private const long LearnAgainWindows = 24 * 3600 / FeatureWindows.LengthSeconds;

    private readonly Queue<(long End, double Scaled, double Count)> _held = new();
    private double _sum;
    private int _excursion;
    private int _usualRun;
    private long _lastIndex = long.MinValue;
    private double _observedWeight;
    private double _countWeight;
    private double _rate;

    /// <summary>Observations a window lately, windows without data included; two minutes' memory.</summary>
    public double RecentCountPerWindow => _rate;

    public Baseline Baseline { get; } = new(feature);

    public Feature Feature => feature;

    public bool Abnormal { get; private set; }

    /// <summary>First abnormal window.</summary>
    public long OnsetIndex { get; private set; }

    /// <summary>Last window judged; <see cref="long.MinValue"/> before the first.</summary>
    public long LastIndex => _lastIndex;

    /// <summary>What was expected when it began, for a window of the usual size.</summary>
    public Expectation Expected { get; private set; }

    /// <summary>Mean of the abnormal windows, on the scale.</summary>
    public double ObservedScaled { get; private set; }

    /// <summary>Mean observations a window since the onset.</summary>
    public double ObservedCount { get; private set; }

    /// <param name="learn">False while a finding of the service is open: what happens then is not usual.</param>
    public Turn Step(long index, double value, double count, bool learn)
    {
        if (count < feature.CountMin || !double.IsFinite(value))
        {
            return Turn.None;
        }

        var end = FeatureWindows.EndSeconds(index);
        var scaled = feature.ToScale(value);
        NoteRate(index, count);
        if (index <= _lastIndex || !feature.MayAlarm || (!Baseline.MayAlarm && !Abnormal))
        {
            // Stragglers, history that comes out of order, and the first windows: learnt from, not judged.
            _lastIndex = Math.Max(_lastIndex, index);
            if (learn && !Abnormal)
            {
                Baseline.Learn(end, scaled, count);
            }

            return Turn.None;
        }

        var gap = index - _lastIndex;
        _lastIndex = index;
        var expected = Baseline.Expect(end, count);
        var deviation = feature.BadWhen == BadWhen.Falls ? expected.Centre - scaled : scaled - expected.Centre;
        var floor = feature.EffectFloor(expected.Centre);
        return Abnormal
            ? StepAbnormal(index, end, scaled, count, learn, deviation < floor || deviation < UsualSigma * expected.Sigma)
            : StepUsual(index, end, scaled, count, learn, gap, expected, (deviation - (floor / 2)) / (expected.Sigma * expected.Inflation));
    }

    private Turn StepUsual(long index, long end, double scaled, double count, bool learn, long gap, Expectation expected, double beyond)
    {
        if (gap > GapWindowsMax)
        {
            _sum = 0;
        }

        var before = _sum;
        _sum = Math.Max(0, _sum + Math.Min(beyond, Cap) - Drift);
        if (learn)
        {
            _held.Enqueue((end, scaled, count));
        }

        if (_sum <= 0)
        {
            _excursion = 0;
            LearnHeld(0);
            return Turn.None;
        }

        if (before <= 0)
        {
            OnsetIndex = index;
            _excursion = 0;
            _observedWeight = _countWeight = 0;
            ObservedScaled = ObservedCount = 0;
            Expected = Baseline.Expect(end, Math.Max(1, Baseline.UsualCount));
        }

        _excursion++;
        Observe(scaled, count);
        LearnHeld(HeldMax);
        if (_sum < Threshold || _excursion < feature.WindowsMin)
        {
            return Turn.None;
        }

        if (Math.Abs(ObservedScaled - expected.Centre) < feature.EffectFloor(expected.Centre))
        {
            // Certain, but too small to matter: keep looking, and do not let the sum grow without end.
            _sum = Threshold;
            return Turn.None;
        }

        Abnormal = true;
        _usualRun = 0;
        _held.Clear();
        return Turn.Raised;
    }

    private Turn StepAbnormal(long index, long end, double scaled, double count, bool learn, bool usual)
    {
        if (learn || index - OnsetIndex > LearnAgainWindows)
        {
            Baseline.Learn(end, scaled, count);
        }

        if (!usual)
        {
            _usualRun = 0;
            Observe(scaled, count);
            return Turn.None;
        }

        if (++_usualRun < UsualToClear)
        {
            return Turn.None;
        }

        Abnormal = false;
        _sum = 0;
        _excursion = 0;
        return Turn.Cleared;
    }

    private void NoteRate(long index, double count)
    {
        if (_lastIndex == long.MinValue)
        {
            _rate = count;
        }
        else if (index > _lastIndex)
        {
            var gap = index - _lastIndex;
            _rate += ((count / gap) - _rate) * (1 - Math.Exp(-gap / RateWindows));
        }
    }

    /// <summary>Windows after which a change of rate is seen by two thirds.</summary>
    private const double RateWindows = 12;

    private void Observe(double scaled, double count)
    {
        var weight = Math.Max(count, 1);
        _observedWeight += weight;
        ObservedScaled += (scaled - ObservedScaled) * weight / _observedWeight;
        _countWeight++;
        ObservedCount += (count - ObservedCount) / _countWeight;
    }

    private void LearnHeld(int keep)
    {
        while (_held.Count > keep)
        {
            var (end, scaled, count) = _held.Dequeue();
            Baseline.Learn(end, scaled, count);
        }
    }
}
