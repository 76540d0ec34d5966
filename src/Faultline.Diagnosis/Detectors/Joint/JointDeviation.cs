using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Topics;

namespace Faultline.Diagnosis.Detectors.Joint;

/// <summary>A feature of a service as it was, on average, since its windows became strange.</summary>
/// <param name="Deviations">Standard deviations, up positive.</param>
internal readonly record struct TellingFeature(FeatureSeries Series, double Deviations);

/// <summary>
/// Says when the features of one service, each still usual by itself, are in a combination that they are usually not in. What each is off is taken from its own baseline, so the day's
/// rhythm is gone; a feature without data is taken as usual.
/// </summary>
/// <remarks>
/// Judged is a moving average over some windows (Roberts 1959): a small shift stays and noise does not. The forest is learnt anew now and then of half of the last usual windows, and its depths
/// of the other half say how rare a depth is. It fires when the evidence is enough and at least two features were off by a standard deviation or more, one of them in its bad direction.
/// </remarks>
internal sealed class JointDeviation(ulong seed)
{
    /// <summary>With fewer features that have data a window says nothing that they do not say themselves.</summary>
    internal const int FeaturesMin = 3;

    /// <summary>Usual windows before anything is judged.</summary>
    internal const int WindowsBeforeAlarm = 256;

    /// <summary>Usual windows after which the forest is learnt anew, at the latest.</summary>
    private const int LearnEvery = 256;

    /// <summary>Part of a window in the moving average.</summary>
    private const float Newest = 0.4f;

    /// <summary>The average of independent windows has a standard deviation that is so many times smaller.</summary>
    private static readonly float Sharper = MathF.Sqrt((2 - Newest) / Newest);

    /// <summary>Windows that it takes at least.</summary>
    private const int WindowsMin = 3;

    /// <summary>Standard deviations from which on a feature is told.</summary>
    private const double TellingMin = 1;

    private const int TellingMax = 3;

    /// <summary>Windows as strange as one in ten, and no stranger, in a row that end it.</summary>
    private const int UsualToClear = 12;

    private const double UsualP = 0.1;

    /// <summary>Windows held back from learning while the sum is above nought.</summary>
    private const int HeldMax = 60;

    /// <summary>What was longer ago with no window since does not count.</summary>
    private const long GapWindowsMax = 3600 / FeatureWindows.LengthSeconds;

    private readonly List<FeatureSeries> _columns = [];
    private readonly float[] _average = new float[JointWindows.Width];
    private readonly sbyte[] _raw = new sbyte[JointWindows.Width];
    private readonly sbyte[] _vector = new sbyte[JointWindows.Width];
    private readonly long[] _sums = new long[JointWindows.Width];
    private readonly sbyte[] _held = new sbyte[HeldMax * JointWindows.Width];
    private readonly float[] _heldDepths = new float[HeldMax];
    private readonly JointWindows _usual = new();
    private readonly ConformalEvidence _evidence = new();
    private readonly sbyte[] _full = new sbyte[2 * JointWindows.Width];
    private JointRelation[] _relations = [];
    private SortedDictionary<long, (int Features, sbyte[] Deviations)>? _recalled;
    private IsolationForest? _forest;
    private int _forests;

    /// <summary>Features that the forest knows: those that had a baseline when it was planted.</summary>
    private int _planted;
    private int _forestAt;
    private int _heldFrom;
    private int _heldCount;
    private int _windows;
    private int _usualRun;
    private long _lastIndex = long.MinValue / 2;

    public bool Abnormal { get; private set; }

    /// <summary>First window since the sum was nought.</summary>
    public long OnsetIndex { get; private set; }

    public long LastIndex => _lastIndex;

    /// <summary>Evidence against chance so far, natural logarithm.</summary>
    public double Evidence => _evidence.Sum;

    /// <summary>Half of what it takes to fire: of a finding that an earlier process made, more than nothing speaks for it.</summary>
    public bool IsLikely => _evidence.Sum >= ConformalEvidence.Threshold / 2;

    /// <summary>The two or three features that carry most of it, the strongest first.</summary>
    public IReadOnlyList<TellingFeature> Telling { get; private set; } = [];

    /// <summary>Two of them usually move together and do not, or the other way round.</summary>
    public bool Parted { get; private set; }

    /// <summary>Judges a window whose features were judged by themselves just now.</summary>
    /// <param name="learn">False while a finding of the service is open.</param>
    public Turn Step(long index, IReadOnlyList<FeatureSeries> series, bool learn)
    {
        if (index <= _lastIndex || Read(index, series) < FeaturesMin)
        {
            return Turn.None;
        }

        Average(index);
        if (_forest is null)
        {
            if (learn)
            {
                Learn(_vector, float.NaN);
            }

            return Turn.None;
        }

        var depth = Depth(_vector);
        var p = _evidence.P(depth);
        if (_evidence.IsAtRest)
        {
            (OnsetIndex, _windows) = (index, 0);
            Array.Clear(_sums);
        }

        _evidence.Step(p);
        if (Abnormal)
        {
            if (learn)
            {
                Learn(_vector, depth);
            }

            return StepAbnormal(p);
        }

        if (learn)
        {
            Hold(depth);
        }

        if (_evidence.IsAtRest)
        {
            LearnHeld(0);
            return Turn.None;
        }

        _windows++;
        for (var i = 0; i < _columns.Count; i++)
        {
            _sums[i] += _raw[i];
        }

        return _evidence.Sum >= ConformalEvidence.Threshold && _windows >= WindowsMin ? Fire() : Turn.None;
    }

    /// <summary>Notes a stored window of one feature; <see cref="Relearn"/> learns of them.</summary>
    public void Recall(long index, FeatureSeries series)
    {
        if (ColumnOf(series) is { } column)
        {
            _recalled ??= [];
            var (features, deviations) = _recalled.GetValueOrDefault(index, (0, new sbyte[JointWindows.Width]));
            deviations[column] = JointWindows.ToSteps(series.Feature, series.Detector.Standardised);
            _recalled[index] = (features + 1, deviations);
        }
    }

    /// <summary>Learns of the stored windows that were noted, as if they had just been.</summary>
    public void Relearn()
    {
        foreach (var (index, window) in _recalled ?? [])
        {
            if (window.Features >= FeaturesMin)
            {
                window.Deviations.CopyTo(_raw, 0);
                Average(index);
                _usual.Add(_vector);
            }
        }

        _recalled = null;
        if (_usual.Count >= WindowsBeforeAlarm)
        {
            Plant();
            for (var i = 0; i < _usual.Count; i++)
            {
                _evidence.Note(_evidence.P(Depth(_usual[i])));
            }
        }
    }

    /// <summary>Takes up what an earlier process had found: as certain as when it fired, until what follows says otherwise.</summary>
    public void Resume(long onset)
    {
        if (_forest is not null)
        {
            OnsetIndex = onset;
            _evidence.Resume();
        }
    }

    /// <summary>What each feature of the window is off.</summary>
    /// <returns>Features with data.</returns>
    private int Read(long index, IReadOnlyList<FeatureSeries> series)
    {
        Array.Clear(_raw);
        var seen = 0;
        for (var i = 0; i < series.Count; i++)
        {
            var one = series[i];
            if (one.Detector.StandardisedIndex == index && ColumnOf(one) is { } column)
            {
                _raw[column] = JointWindows.ToSteps(one.Feature, one.Detector.Standardised);
                seen++;
            }
        }

        return seen;
    }

    private int? ColumnOf(FeatureSeries series)
    {
        if (series.JointColumn is null && series.Feature is { Of: null, IsPoorScore: false } && _columns.Count < JointWindows.Width)
        {
            series.JointColumn = _columns.Count;
            _columns.Add(series);
        }

        return series.JointColumn;
    }

    private void Average(long index)
    {
        if (index - _lastIndex > GapWindowsMax)
        {
            Array.Clear(_average);
            _evidence.Reset();
        }

        _lastIndex = index;
        for (var i = 0; i < _columns.Count; i++)
        {
            _average[i] += (_raw[i] - _average[i]) * Newest;
            _vector[i] = JointWindows.ToSteps(JointWindows.FromSteps(_average[i] * Sharper));
        }
    }

    private Turn Fire()
    {
        Telling = FindTelling();
        if (Telling.Count < 2)
        {
            // Certain, but too small to matter, or one figure's own affair: it has to be seen anew, and what was is usual.
            _evidence.Reset();
            LearnHeld(0);
            return Turn.None;
        }

        Parted = Array.Exists(_relations, relation => DeviationOf(relation.First) * relation.Slope * DeviationOf(relation.Second) < 0);
        Abnormal = true;
        _usualRun = 0;
        _heldCount = 0;
        return Turn.Raised;
    }

    /// <summary>How far a feature was off that is told; 0 of one that is not.</summary>
    private double DeviationOf(int column) => Telling.FirstOrDefault(told => told.Series.JointColumn == column).Deviations;

    private Turn StepAbnormal(double p)
    {
        _usualRun = p > UsualP ? _usualRun + 1 : 0;
        if (!_evidence.IsAtRest && _usualRun < UsualToClear)
        {
            return Turn.None;
        }

        Abnormal = false;
        _evidence.Reset();
        return Turn.Cleared;
    }

    /// <summary>
    /// One feature at a time is put back to what is usual, or to what the one says that usually tells most of it; first the one by which most of the strangeness goes.
    /// </summary>
    private List<TellingFeature> FindTelling()
    {
        Span<sbyte> vector = stackalloc sbyte[JointWindows.Width];
        for (var i = 0; i < _columns.Count; i++)
        {
            vector[i] = JointWindows.ToSteps(Mean(i) * Sharper);
        }

        List<TellingFeature> found = [];
        void Tell(int column)
        {
            if (found.Count < TellingMax && !found.Exists(told => told.Series.JointColumn == column))
            {
                found.Add(new TellingFeature(_columns[column], Mean(column)));
            }
        }

        while (found.Count < TellingMax)
        {
            var (best, back, partner, most) = (-1, (sbyte)0, -1, float.MinValue);
            for (var i = 0; i < _planted; i++)
            {
                if (Math.Abs(Mean(i)) < TellingMin || found.Exists(told => told.Series.JointColumn == i))
                {
                    continue;
                }

                var kept = vector[i];
                vector[i] = 0;
                var depth = Depth(vector);
                (best, back, partner, most) = depth > most ? (i, (sbyte)0, -1, depth) : (best, back, partner, most);
                if (Array.Find(_relations, relation => relation.First == i) is { Left: > 0 } relation)
                {
                    var told = vector[i] = relation.Told(vector);
                    depth = Depth(vector);
                    (best, back, partner, most) = depth > most ? (i, told, relation.Second, depth) : (best, back, partner, most);
                }

                vector[i] = kept;
            }

            if (best < 0)
            {
                break;
            }

            vector[best] = back;
            Tell(best);
            if (partner >= 0)
            {
                Tell(partner);
            }
        }

        return found.Exists(IsWorse) ? found : [];
    }

    private static bool IsWorse(TellingFeature told) => Math.Abs(told.Deviations) >= TellingMin
        && (FeatureTable.IsBadBothWays(told.Series.Feature) || told.Deviations > 0 == (told.Series.Feature.BadWhen == BadWhen.Rises));

    private float Depth(ReadOnlySpan<sbyte> vector) => _forest!.Depth(Complete(vector));

    /// <summary>The features, and after them what of each the one does not tell that tells most of it.</summary>
    private ReadOnlySpan<sbyte> Complete(ReadOnlySpan<sbyte> vector)
    {
        vector[.._planted].CopyTo(_full);
        for (var i = 0; i < _relations.Length; i++)
        {
            _full[_planted + i] = _relations[i].Of(vector);
        }

        return _full.AsSpan(0, _planted + _relations.Length);
    }

    private double Mean(int column) => JointWindows.FromSteps((double)_sums[column] / _windows);

    private void Hold(float depth)
    {
        if (_heldCount == HeldMax)
        {
            LearnHeld(HeldMax - 1);
        }

        var at = (_heldFrom + _heldCount++) % HeldMax;
        _vector.CopyTo(_held, at * JointWindows.Width);
        _heldDepths[at] = depth;
    }

    private void LearnHeld(int keep)
    {
        while (_heldCount > keep)
        {
            var at = _heldFrom;
            _heldFrom = (_heldFrom + 1) % HeldMax;
            _heldCount--;
            Learn(_held.AsSpan(at * JointWindows.Width, JointWindows.Width), _heldDepths[at]);
        }
    }

    /// <param name="depth">By the forest there is; NaN while there is none.</param>
    private void Learn(ReadOnlySpan<sbyte> vector, float depth)
    {
        _usual.Add(vector);
        if (_forest is not null)
        {
            _evidence.Note(_evidence.P(depth));
        }

        if (_usual.Added >= WindowsBeforeAlarm && _usual.Added - _forestAt >= Math.Min(LearnEvery, _usual.Added / 2))
        {
            Plant();
        }
        else if (_forest is not null)
        {
            _evidence.Learn(depth);
        }
    }

    /// <summary>A new forest of every other usual window; what it says of the rest is what is usual.</summary>
    private void Plant()
    {
        _forestAt = _usual.Added;
        _relations = _usual.Relations(_columns.Count);
        _planted = _columns.Count;
        var columns = _planted + _relations.Length;
        var half = (_usual.Count + 1) / 2;
        var vectors = new sbyte[half * columns];
        for (var i = 0; i < half; i++)
        {
            Complete(_usual[2 * i]).CopyTo(vectors.AsSpan(i * columns));
        }

        _forest = new IsolationForest(vectors, columns, new SeededRandom(seed + (ulong)_forests++).NextBits());
        _evidence.Clear();
        for (var i = 1; i < _usual.Count; i += 2)
        {
            _evidence.Learn(Depth(_usual[i]));
        }

        // What is held was measured by the forest of before.
        for (var i = 0; i < _heldCount; i++)
        {
            var at = (_heldFrom + i) % HeldMax;
            _heldDepths[at] = Depth(_held.AsSpan(at * JointWindows.Width, JointWindows.Width));
        }
    }
}
