namespace Faultline.Diagnosis.Changes;

/// <summary>A value of an aspect.</summary>
internal sealed class SeenValue(string text)
{
    public string Text { get; } = text;

    public long FirstUnixNanos { get; set; } = long.MaxValue;

    public long LastUnixNanos { get; set; }

    /// <summary>First observation after <see cref="SeenAspect.AbsentNanos"/> without one.</summary>
    public long ReturnedUnixNanos { get; set; }

    public int Observations { get; set; }

    /// <summary>Known: learnt, told, or stored by an earlier process.</summary>
    public bool Known { get; set; }

    public bool WasDominant { get; set; }

    public long StoredUnixNanos { get; set; }

    private double _recent;
    private long _recentAt;

    /// <summary>Observations with a half-life of a minute.</summary>
    public double Recent(long unixNanos) => _recent * double.Exp2(Math.Min(0, (_recentAt - unixNanos) / (double)SeenAspect.HalfLifeNanos));

    public void Count(long unixNanos)
    {
        var at = Math.Max(unixNanos, _recentAt);
        _recent = Recent(at) + 1;
        _recentAt = at;
        Observations++;
    }
}

/// <summary>What a service's aspect was seen to be: which values are usual, which one nearly everything has. Event time only.</summary>
/// <remarks>
/// A value that comes after the aspect has been known for long enough is a change; it is told once however often it comes and goes
/// (a canary's share). That nearly everything went back to an earlier value is a change too, a few times a day at most.
/// </remarks>
internal sealed class SeenAspect(Aspect aspect, string service, string environment, string subject)
{
    /// <summary>Values of one aspect. One that has more is an id, and says nothing of changes.</summary>
    internal const int ValuesMax = 64;

    /// <summary>Observations that a value needs: a stray span is no release.</summary>
    internal const int ObservationsMin = 3;

    /// <summary>Observations of other values that must have been there before a value can be a new one.</summary>
    internal const int LearntMin = 20;

    /// <summary>First sights told within a day; what has more is an id or a rhythm.</summary>
    internal const int FirstsADayMax = 6;

    /// <summary>Returns told within a day.</summary>
    internal const int ReturnsADayMax = 2;

    internal const long HalfLifeNanos = 60_000_000_000;

    internal const long AbsentNanos = 180_000_000_000;

    private const long CheckNanos = 60_000_000_000;
    private const long DayNanos = 86_400_000_000_000;

    /// <summary>Part of the recent observations that makes a value the dominant one.</summary>
    private const double DominantShare = 0.9;

    /// <summary>Recent observations below which nothing is said of shares.</summary>
    private const double RecentMin = 3;

    private readonly Dictionary<string, SeenValue> _values = new(StringComparer.Ordinal);
    private readonly Queue<long> _firsts = new();
    private readonly Queue<long> _returns = new();
    private long _observations;
    private long _checkedAt = long.MinValue;
    private SeenValue? _leader;
    private SeenValue? _dominant;
    private long _leaderSince;
    private int _leads;

    public Aspect Aspect { get; } = aspect;

    public string Service { get; } = service;

    public string Environment { get; } = environment;

    public string Subject { get; } = subject;

    public long FirstUnixNanos { get; private set; } = long.MaxValue;

    /// <summary>The value that nearly everything has, or null where that cannot be said.</summary>
    public SeenValue? Dominant => _dominant;

    /// <summary>Has had more values than can be followed: nothing is told of it.</summary>
    public bool IsFull => _values.Count >= ValuesMax;

    /// <summary>What an earlier process stored.</summary>
    public void Restore(string text, long firstUnixNanos, long lastUnixNanos)
    {
        FirstUnixNanos = Math.Min(FirstUnixNanos, firstUnixNanos);
        if (ValueOf(text) is { } value)
        {
            value.FirstUnixNanos = Math.Min(value.FirstUnixNanos, firstUnixNanos);
            value.LastUnixNanos = Math.Max(value.LastUnixNanos, lastUnixNanos);
            value.StoredUnixNanos = Math.Max(value.StoredUnixNanos, lastUnixNanos);
            value.Known = true;
            value.WasDominant = true;
            _observations += LearntMin;
        }
    }

    /// <returns>The value, when something may have to be told or stored of it; else null.</returns>
    public SeenValue? Observe(string text, long unixNanos)
    {
        FirstUnixNanos = Math.Min(FirstUnixNanos, unixNanos);
        _observations++;
        if (ValueOf(text) is not { } value)
        {
            return null;
        }

        if (unixNanos - value.LastUnixNanos >= AbsentNanos)
        {
            value.ReturnedUnixNanos = unixNanos;
        }

        value.FirstUnixNanos = Math.Min(value.FirstUnixNanos, unixNanos);
        value.LastUnixNanos = Math.Max(value.LastUnixNanos, unixNanos);
        value.Count(unixNanos);
        return value.Observations == ObservationsMin || (value.Known && unixNanos - value.StoredUnixNanos >= SeenChanges.StoreEveryNanos) || unixNanos - CheckNanos >= _checkedAt
            ? value : null;
    }

    /// <summary>What is to be told of a value that has just been observed; nothing is told twice.</summary>
    /// <param name="learnNanos">How long the aspect must have been known before a value is new.</param>
    public (SeenTurn Turn, long AtUnixNanos, string Before) Judge(SeenValue value, long learnNanos)
    {
        if (!value.Known && value.Observations >= ObservationsMin)
        {
            value.Known = true;
            var isNew = value.FirstUnixNanos - FirstUnixNanos >= learnNanos && _observations - value.Observations >= LearntMin;
            if (!isNew)
            {
                return (SeenTurn.Learnt, 0, "");
            }

            var before = _dominant ?? _values.Values.Where(other => !ReferenceEquals(other, value)).MaxBy(other => other.LastUnixNanos);
            return IsFull || !Allow(_firsts, value.FirstUnixNanos, FirstsADayMax) ? (SeenTurn.Muted, 0, "") : (SeenTurn.First, value.FirstUnixNanos, before?.Text ?? "");
        }

        return value.LastUnixNanos - CheckNanos >= _checkedAt ? Check(value.LastUnixNanos) : (SeenTurn.None, 0, "");
    }

    /// <summary>Looks at the shares: at most once a minute.</summary>
    private (SeenTurn Turn, long AtUnixNanos, string Before) Check(long unixNanos)
    {
        _checkedAt = unixNanos;
        var total = _values.Values.Sum(value => value.Recent(unixNanos));
        var first = _values.Values.MaxBy(value => value.Recent(unixNanos))!;
        if (!ReferenceEquals(first, _leader))
        {
            (_leader, _leaderSince, _leads) = (first, unixNanos, 0);
        }

        if (total < RecentMin || first.Recent(unixNanos) < DominantShare * total || !first.Known || ++_leads < 2 || ReferenceEquals(first, _dominant))
        {
            return (SeenTurn.None, 0, "");
        }

        var before = _dominant;
        var isReturn = before is not null && first.WasDominant;
        _dominant = first;
        first.WasDominant = true;
        if (!isReturn)
        {
            return (SeenTurn.None, 0, "");
        }

        var at = first.ReturnedUnixNanos > _leaderSince - (5 * CheckNanos) ? Math.Min(first.ReturnedUnixNanos, _leaderSince) : _leaderSince;
        return IsFull || !Allow(_returns, at, ReturnsADayMax) ? (SeenTurn.Muted, 0, "") : (SeenTurn.Back, at, before!.Text);
    }

    private static bool Allow(Queue<long> told, long unixNanos, int max)
    {
        while (told.TryPeek(out var oldest) && unixNanos - oldest >= DayNanos)
        {
            told.Dequeue();
        }

        if (told.Count >= max)
        {
            return false;
        }

        told.Enqueue(unixNanos);
        return true;
    }

    private SeenValue? ValueOf(string text)
    {
        if (_values.TryGetValue(text, out var value) || IsFull)
        {
            return value;
        }

        value = new SeenValue(text);
        _values.Add(text, value);
        return value;
    }
}

/// <summary>What became of an observed value.</summary>
internal enum SeenTurn
{
    None,

    /// <summary>It was there while the aspect was learnt.</summary>
    Learnt,

    /// <summary>Never seen before.</summary>
    First,

    /// <summary>Seen before, and now nearly everything has it again.</summary>
    Back,

    /// <summary>A change, but one of too many.</summary>
    Muted,
}
