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
/// Two sums look at the same windows (<see cref="Excursion"/>): <see cref="Sudden"/> fires within three clear windows and asks for more
/// than chance brings in so few; <see cref="Slow"/> sees what is small beside the noise of one window, or comes and goes, and needs longer.
/// Their constants were chosen together on the laboratory's dev worlds: docs/detection.md.
/// </remarks>
internal sealed class Deviation(Feature feature, IBaseline baseline)
{
    /// <summary>Two clear windows, and never one alone; half of the smallest change worth a word is taken off first.</summary>
    private static readonly ExcursionRule Sudden = new(
        Drift: 1, Cap: 5.5, Threshold: 8, ThresholdAfterChange: 5.8, EffectOff: 0.5, CapApart: 7.5, ShareChanges: double.PositiveInfinity, ShareCap: 7, ShareThreshold: 10.5, ShareThresholdAfterChange: 8.4);

    /// <summary>Of scores, which have two modes, good answers and wrong ones: a few wrong ones in a row are usual now and then, and each is wild.</summary>
    private static readonly ExcursionRule SuddenScore = Sudden with { Threshold = 12, ThresholdAfterChange = 7.2, MayBeWild = false };

    /// <summary>
    /// At least four windows at the cap, or a shift of one and a half standard deviations over some nine. What is taken off first keeps a
    /// baseline that is a little wrong for hours, where there is much traffic, from adding up to an alarm.
    /// </summary>
    private static readonly ExcursionRule Slow = new(
        Drift: 0.4, Cap: 3, Threshold: 9, ThresholdAfterChange: 6, EffectOff: 0.4, CapApart: 3, ShareChanges: 2, ShareCap: 4, ShareThreshold: 10.5, ShareThresholdAfterChange: 8.4, AddsMany: true);

    private static readonly ExcursionRule SlowScore = Slow with { Threshold = 10, MayBeWild = false };

    /// <summary>Usual windows with data in a row that end it.</summary>
    public const int UsualToClear = 6;

    /// <summary>Below this many standard deviations a window is usual again.</summary>
    private const double UsualSigma = 2;

    /// <summary>Windows held back from the baseline while the sum is above nought.</summary>
    private const int HeldMax = 60;

    /// <summary>Standard deviations that a drifting share may be off for many windows: it is, one hour in forty.</summary>
    private const double StraysUsual = 2;

    /// <summary>Evidence older than this with no window since is no evidence.</summary>
    private const long GapWindowsMax = 3600 / FeatureWindows.LengthSeconds;

    /// <summary>A fault that is left open this long is learnt as the new usual.</summary>
    private const long LearnAgainWindows = 24 * 3600 / FeatureWindows.LengthSeconds;

    private readonly Queue<(long End, double Scaled, double Count)> _held = new();
    private readonly Excursion _sudden = new(feature.IsScore ? SuddenScore : Sudden, feature.WindowsMin) { SecondsMin = feature.SecondsMin };
    private readonly Excursion _slow = new(feature.IsScore ? SlowScore : Slow, feature.WindowsMin);
    private Excursion? _fired;
    private int _usualRun;
    private long _lastIndex = long.MinValue;
    private double _rate;

    /// <summary>Observations a window lately, windows without data included; two minutes' memory.</summary>
    public double RecentCountPerWindow => _rate;

    public IBaseline Baseline => baseline;

    public Feature Feature => feature;

    /// <summary>Whether it must last for its feature's <see cref="Feature.SecondsMin"/> before it is told; not where what is missing cannot be late.</summary>
    public bool MustLast
    {
        set => _sudden.SecondsMin = value ? feature.SecondsMin : 0;
    }

    public bool Abnormal { get; private set; }

    /// <summary>How far off the last judged window was whose hour is known of other days, in standard deviations of a window of its size, widened where neighbours are alike, up positive.</summary>
    public double Standardised { get; private set; }

    /// <summary>That window; <see cref="long.MinValue"/> before the first.</summary>
    public long StandardisedIndex { get; private set; } = long.MinValue;

    /// <summary>First abnormal window.</summary>
    public long OnsetIndex => _fired?.OnsetIndex ?? 0;

    /// <summary>Last window judged; <see cref="long.MinValue"/> before the first.</summary>
    public long LastIndex => _lastIndex;

    /// <summary>What was expected when it began, for a window of the usual size.</summary>
    public Expectation Expected => _fired?.Expected ?? default;

    /// <summary>Mean of the abnormal windows, on the scale.</summary>
    public double ObservedScaled => _fired?.Observed ?? 0;

    /// <summary>Mean observations a window since the onset.</summary>
    public double ObservedCount => _fired?.ObservedCount ?? 0;

    /// <param name="learn">False while a finding of the service is open: what happens then is not usual.</param>
    /// <param name="changed">Something of the service was changed shortly before: less evidence is needed, as after a release a human looks closer too.</param>
    /// <param name="evidence">What the thresholds are multiplied by: more than 1 for one of many series that are looked at for the same thing.</param>
    public Turn Step(long index, double value, double count, bool learn, bool changed = false, double evidence = 1)
    {
        if (count < feature.CountMin || !double.IsFinite(value))
        {
            return Turn.None;
        }

        var end = FeatureWindows.EndSeconds(index);
        var scaled = feature.ToScale(value);
        if (feature.Statistic == Statistic.Rate)
        {
            LearnPiece(index, scaled, count, learn);
            return Turn.None;
        }

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
        if (expected.IsSeasonal)
        {
            (Standardised, StandardisedIndex) = ((scaled - expected.Centre) / expected.Spread, index);
        }

        var window = new JudgedWindow(index, end, scaled, count, deviation, floor, expected.Spread, gap) { CentreError = expected.CentreError, Lasting = expected.Lasting, Wild = expected.Wild };
        if (feature.Statistic == Statistic.Share)
        {
            var falls = feature.BadWhen == BadWhen.Falls;
            window = window with
            {
                Bad = Math.Clamp(falls ? 1 - scaled : scaled, 0, 1),
                UsuallyBad = Math.Min(1, (falls ? 1 - expected.Rate : expected.Rate) + (StraysUsual * expected.Strays)),
                Dispersion = expected.Dispersion,
            };
        }

        return Abnormal
            ? StepAbnormal(window, learn, deviation < floor || deviation < UsualSigma * expected.Sigma)
            : StepUsual(window, learn, gap, changed, evidence);
    }

    /// <summary>Judges how many came in some minutes, by the likelihood of the count when the rate has risen by the smallest change worth a word.</summary>
    /// <remarks>Counts scatter more than Poisson's do, by what the learnt pieces show; that many times fewer are they worth (McCullagh and Nelder 1989, quasi-likelihood).</remarks>
    public Turn StepRate(long index, int calls, double minutes)
    {
        if (index <= _lastIndex || _lastIndex == long.MinValue || (!Baseline.MayAlarm && !Abnormal))
        {
            _lastIndex = Math.Max(_lastIndex, index);
            return Turn.None;
        }

        NoteRate(index, calls);
        var gap = index - _lastIndex;
        _lastIndex = index;
        var end = FeatureWindows.EndSeconds(index);
        var usual = Math.Exp(Baseline.Expect(end, 1).Centre);
        var pieceCount = Math.Max(1, usual * Traffic.Seconds / 60);
        var expected = Baseline.Expect(end, pieceCount);
        if (!expected.IsSeasonal)
        {
            // Without a day to look back on a morning and a surge are the same.
            _sudden.Reset();
            return Turn.None;
        }

        var scaled = Math.Log(calls / minutes);
        var deviation = scaled - expected.Centre;
        var floor = feature.EffectFloor(expected.Centre);
        var dispersion = Math.Max(1, expected.Spread * expected.Spread * pieceCount);
        var window = new JudgedWindow(index, end, scaled, calls, deviation, floor, expected.Spread, gap)
        {
            Evidence = ((calls * floor) - (usual * minutes * (Math.Exp(floor) - 1))) / dispersion,
        };
        return Abnormal ? StepAbnormal(window, learn: false, deviation < floor) : StepUsual(window, learn: false, gap, changed: false, feature.Evidence);
    }

    private void LearnPiece(long index, double scaled, double count, bool learn)
    {
        if (Abnormal ? learn || index - OnsetIndex > LearnAgainWindows : learn && _sudden.IsAtRest)
        {
            Baseline.Learn(FeatureWindows.EndSeconds(index), scaled, count);
        }
        else if (!Abnormal && learn)
        {
            _held.Enqueue((FeatureWindows.EndSeconds(index), scaled, count));
        }
    }

    /// <summary>Takes up what an earlier process had found: abnormal since a window, until the windows that follow are usual.</summary>
    public void Resume(long onset)
    {
        _fired = _sudden;
        _sudden.Resume(onset, Baseline.Expect(FeatureWindows.EndSeconds(onset), Math.Max(1, Baseline.UsualCount)));
        (Abnormal, _usualRun) = (true, 0);
    }

    /// <summary>Forgets what was usual.</summary>
    public void Restart()
    {
        Baseline.Restart();
        _sudden.Reset();
        _slow.Reset();
        _held.Clear();
        Abnormal = false;
    }

    private Turn StepUsual(in JudgedWindow window, bool learn, long gap, bool changed, double evidence)
    {
        if (gap > GapWindowsMax)
        {
            _sudden.Reset();
            _slow.Reset();
        }

        if (learn)
        {
            _held.Enqueue((window.End, window.Scaled, window.Count));
        }

        // Both see every window; the sudden one, which knows the onset better, is asked first.
        var isSudden = _sudden.Step(window, Baseline, changed, evidence);
        var isSlow = feature.AddsUp && feature.Statistic != Statistic.Rate && _slow.Step(window, Baseline, changed, evidence);
        if (!isSudden && !isSlow)
        {
            LearnHeld(_sudden.IsAtRest ? 0 : HeldMax);
            return Turn.None;
        }

        _fired = isSudden ? _sudden : _slow;
        Abnormal = true;
        _usualRun = 0;
        _held.Clear();
        return Turn.Raised;
    }

    private Turn StepAbnormal(in JudgedWindow window, bool learn, bool usual)
    {
        if (learn || (feature.Statistic != Statistic.Rate && window.Index - OnsetIndex > LearnAgainWindows))
        {
            Baseline.Learn(window.End, window.Scaled, window.Count);
        }

        if (!usual)
        {
            _fired!.Observe(window);
        }

        // What was seen only by adding up is over only when it adds up to nothing: each of its windows alone may look usual.
        _usualRun = usual ? _usualRun + 1 : 0;
        if (!(ReferenceEquals(_fired, _slow) ? _slow.FallsBack(window) : _usualRun >= UsualToClear))
        {
            return Turn.None;
        }

        Abnormal = false;
        _sudden.Reset();
        _slow.Reset();
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

    private void LearnHeld(int keep)
    {
        while (_held.Count > keep)
        {
            var (end, scaled, count) = _held.Dequeue();
            Baseline.Learn(end, scaled, count);
        }
    }
}
