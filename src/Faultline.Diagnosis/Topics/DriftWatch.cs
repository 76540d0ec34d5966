namespace Faultline.Diagnosis.Topics;

/// <summary>What a look at a window has to say.</summary>
internal enum DriftTurn
{
    None,
    Raised,

    /// <summary>Back to what was usual.</summary>
    Cleared,

    /// <summary>It has lasted for so long that it is what is usual now.</summary>
    Accepted,
}

/// <summary>One comparison of a window with what is usual.</summary>
/// <param name="Units">Sessions (or traces) of the window.</param>
/// <param name="Distance">Squared maximum mean discrepancy; about 0 when nothing differs.</param>
/// <param name="P">Of the permutation test.</param>
/// <param name="Usual">The median distance of usual windows.</param>
/// <param name="Limit">A drift is at least this far.</param>
internal sealed record DriftLook(long FromNanos, long ToNanos, int Units, double Distance, double P, double Usual, double Limit, DriftTurn Turn);

/// <summary>Holds the texts of each window against a sample of what was usual.</summary>
/// <remarks>
/// Repeated looks: a look is at most every ten minutes, so at most 144 a day, and each may be wrong with probability <see cref="FalseAlarmsPerDay"/>/144. The
/// expected number of false alarms a day is then at most <see cref="FalseAlarmsPerDay"/>, however the looks depend on each other (Bonferroni's inequality needs no
/// independence). That holds for texts that come in any order; those of real users come in daily rhythms, so besides a window must be
/// farther than windows of the last week were, twice in a row, and nothing is said in the first day.
/// </remarks>
internal sealed class DriftWatch(ulong seed)
{
    public const double FalseAlarmsPerDay = 0.01;
    public const int LooksPerDay = 144;
    public const double LookLevel = FalseAlarmsPerDay / LooksPerDay;

    /// <summary>Vectors of what is usual; half a KB each.</summary>
    public const int ReferenceMax = 256;

    /// <summary>Vectors of a window.</summary>
    public const int WindowMax = 128;

    /// <summary>A window is closed when it has as many sessions, and <see cref="WindowNanosMin"/>.</summary>
    public const int UnitsMin = 60;

    /// <summary>Some 10 % to 15 % of the texts on another subject are this far.</summary>
    public const double DistanceMin = 0.01;

    /// <summary>Times as far as nearly all windows of the last week.</summary>
    public const double BeyondUsual = 1.5;

    public static readonly long WindowNanosMin = TimeSpan.FromMinutes(10).Ticks * 100;
    public static readonly long ColdNanos = TimeSpan.FromDays(1).Ticks * 100;
    public static readonly long AcceptedAfterNanos = TimeSpan.FromDays(1).Ticks * 100;

    private const int UnitsRemembered = 4_096;
    private const int UsualMax = 7 * LooksPerDay;
    private const int InARow = 2;
    private const double BackP = 0.05;

    /// <summary>Of two windows in a row one must be as unlikely as <see cref="LookLevel"/>; the bound above rests on that one alone. The other, this.</summary>
    private const double SuspectP = 0.01;

    private readonly List<float[]> _reference = [];
    private readonly List<float[]> _window = [];
    private readonly HashSet<UInt128> _units = [];
    private readonly Queue<(long Nanos, double Distance)> _usual = new();
    private SeededRandom _random = new(seed);
    private long _firstNanos = long.MinValue;
    private long _windowFrom = long.MinValue;
    private long _suspectFrom;
    private int _windowUnits;
    private double _unitsLearnt;
    private int _suspects;
    private bool _isSure;
    private int _back;
    private double _openLimit;

    /// <summary>When the drift that is open began; null when none is.</summary>
    public long? OpenSinceNanos { get; private set; }

    public bool HasReference => _reference.Count >= ReferenceMax;

    /// <summary>Whether the call counted for the window: one a session.</summary>
    public bool Add(UInt128 unit, float[] vector, long nanos)
    {
        if (_windowFrom == long.MinValue)
        {
            _windowFrom = nanos;
            _firstNanos = _firstNanos == long.MinValue ? nanos : _firstNanos;
        }

        if (_units.Count >= UnitsRemembered || !_units.Add(unit))
        {
            return false;
        }

        // Every unit is as likely to be kept as any other (Vitter 1985, algorithm R).
        _windowUnits++;
        if (_window.Count < WindowMax)
        {
            _window.Add(DriftTest.Features(vector));
        }
        else if (_random.Next(_windowUnits) is var place && place < WindowMax)
        {
            _window[place] = DriftTest.Features(vector);
        }

        return true;
    }

    /// <summary>Whether the window has enough to be looked at.</summary>
    public bool IsDue(long nanos) => _windowFrom != long.MinValue && nanos - _windowFrom >= WindowNanosMin && _windowUnits >= UnitsMin;

    /// <summary>Closes the window.</summary>
    /// <returns>What it says; null while what is usual is being learnt.</returns>
    public DriftLook? Close(long nanos)
    {
        DriftLook? look = null;
        if (HasReference)
        {
            var (distance, p) = DriftTest.Compare(_reference, _window, _random.NextBits());
            look = Judge(nanos, distance, p);
        }
        else
        {
            Learn(nanos);
        }

        _window.Clear();
        _units.Clear();
        _windowUnits = 0;
        _windowFrom = long.MinValue;
        return look;
    }

    public DriftState ToState() => new(
        _firstNanos, _suspectFrom, _unitsLearnt, _suspects, _isSure, _back, _openLimit, OpenSinceNanos, [.. _usual.Select(one => one.Nanos)], [.. _usual.Select(one => one.Distance)],
        Packed.Pack([.. _reference.SelectMany(features => features)]));

    public void Restore(DriftState state)
    {
        (_firstNanos, _suspectFrom, _unitsLearnt, _suspects, _isSure, _back, _openLimit, OpenSinceNanos) =
            (state.FirstNanos, state.SuspectFrom, state.UnitsLearnt, state.Suspects, state.IsSure, state.Back, state.OpenLimit, state.OpenSinceNanos);
        foreach (var (at, distance) in state.UsualNanos.Zip(state.UsualDistances))
        {
            _usual.Enqueue((at, distance));
        }

        _reference.AddRange(Packed.Unpack(state.Reference).Chunk(DriftTest.Dimensions));
    }

    private DriftLook Judge(long nanos, double distance, double p)
    {
        var limit = OpenSinceNanos is null ? Limit() : _openLimit;
        var look = new DriftLook(_windowFrom, nanos, _windowUnits, distance, p, UsualAt(0.5), limit, DriftTurn.None);
        if (OpenSinceNanos is { } since)
        {
            _back = distance < 0.7 * limit || p > BackP ? _back + 1 : 0;
            if (_back >= InARow)
            {
                OpenSinceNanos = null;
                return look with { Turn = DriftTurn.Cleared };
            }

            return nanos - since < AcceptedAfterNanos ? look : Accept(look);
        }

        if (p > SuspectP || distance < limit || nanos - _firstNanos < ColdNanos)
        {
            _suspects = 0;
            _isSure = false;
            Note(nanos, distance);
            Learn(nanos);
            return look;
        }

        _suspectFrom = _suspects == 0 ? _windowFrom : _suspectFrom;
        _isSure |= p <= LookLevel;
        if (++_suspects < InARow || !_isSure)
        {
            return look;
        }

        _suspects = 0;
        _isSure = false;
        _back = 0;
        _openLimit = limit;
        OpenSinceNanos = _suspectFrom;
        return look with { FromNanos = _suspectFrom, Turn = DriftTurn.Raised };
    }

    // Nobody minded for a day: what is said now is learnt, and what was usual is not any more.
    private DriftLook Accept(DriftLook look)
    {
        OpenSinceNanos = null;
        _reference.Clear();
        _usual.Clear();
        _unitsLearnt = 0;
        Learn(look.ToNanos);
        return look with { Turn = DriftTurn.Accepted };
    }

    private void Note(long nanos, double distance)
    {
        _usual.Enqueue((nanos, distance));
        while (_usual.Count > UsualMax || nanos - _usual.Peek().Nanos > Topic.HalfLifeNanos)
        {
            _usual.Dequeue();
        }
    }

    // In the first days all that came counts alike; later, what came a week ago counts half.
    private void Learn(long nanos)
    {
        _unitsLearnt += _windowUnits;
        var fading = 1 - double.Exp2(-(nanos - _windowFrom) / (double)Topic.HalfLifeNanos);
        var share = Math.Max(fading, _windowUnits / _unitsLearnt);
        foreach (var features in _window)
        {
            if (_reference.Count < ReferenceMax)
            {
                _reference.Add(features);
            }
            else if (_random.NextDouble() < share * ReferenceMax / _window.Count)
            {
                _reference[_random.Next(ReferenceMax)] = features;
            }
        }
    }

    private double Limit() => Math.Max(DistanceMin, BeyondUsual * UsualAt(0.98));

    private double UsualAt(double quantile)
    {
        if (_usual.Count == 0)
        {
            return 0;
        }

        double[] sorted = [.. _usual.Select(one => one.Distance).Order()];
        return sorted[Math.Min(sorted.Length - 1, (int)(quantile * sorted.Length))];
    }
}

/// <summary>What a restart needs of a <see cref="DriftWatch"/>; the open window is not among it.</summary>
internal sealed record DriftState(
    long FirstNanos, long SuspectFrom, double UnitsLearnt, int Suspects, bool IsSure, int Back, double OpenLimit, long? OpenSinceNanos, IReadOnlyList<long> UsualNanos,
    IReadOnlyList<double> UsualDistances, string Reference);
