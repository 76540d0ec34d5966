using System.Runtime.InteropServices;

namespace Faultline.Diagnosis.Attribution;

/// <summary>Bad events among all events, or their sums over several groups.</summary>
/// <param name="Bad">Bad events now.</param>
/// <param name="All">All events now.</param>
/// <param name="Expected">Bad events now, had the rates stayed what they were before.</param>
public readonly record struct RiseCounts(double Bad, double All, double Expected)
{
    /// <summary>Bad events more than expected; negative when fewer.</summary>
    public double Rise => Bad - Expected;

    /// <summary>The rise of the rate; 0 of nothing.</summary>
    public double RatePoints => All > 0 ? Rise / All : 0;

    public static RiseCounts operator +(RiseCounts a, RiseCounts b) => new(a.Bad + b.Bad, a.All + b.All, a.Expected + b.Expected);

    public static RiseCounts operator -(RiseCounts a, RiseCounts b) => new(a.Bad - b.Bad, a.All - b.All, a.Expected - b.Expected);

    /// <summary>How much more likely these counts are with a rate of their own than with the expected one, in nats; 0 unless they rose.</summary>
    public double LogLikelihoodRatio
    {
        get
        {
            if (Rise <= 0 || All <= 0)
            {
                return 0;
            }

            var bad = Bad * Math.Log(Bad / Math.Max(Expected, 1e-9));
            var good = All > Bad && All > Expected ? (All - Bad) * Math.Log((All - Bad) / (All - Expected)) : 0;
            return Math.Max(0, bad + good);
        }
    }
}

/// <summary>
/// Bad and all events before and now, by the values of some dimensions: what <see cref="RiseLocator"/> reads. Rows with the same values are
/// added up, so memory is that of the distinct combinations. Not safe for use by several threads.
/// </summary>
public sealed class RiseTable
{
    /// <summary>Distinct combinations of values kept; rows with others are counted in <see cref="RowsLeftOut"/>.</summary>
    public const int GroupsMax = 1_000_000;

    /// <summary>Dimensions, at most.</summary>
    public const int DimensionsMax = 64;

    /// <summary>Code of a row that lacks the dimension.</summary>
    internal const int Absent = -1;

    /// <summary>Observations that the overall rate counts for in the baseline of a group, so that a group without past is expected to be as the rest.</summary>
    private const double PriorWeight = 20;

    private readonly string[] _dimensions;
    private readonly Dictionary<string, int>[] _codes;
    private readonly List<string>[] _values;
    private readonly Dictionary<int[], int> _groups = new(new SameCodes());
    private readonly Dictionary<int[], int>.AlternateLookup<ReadOnlySpan<int>> _byCodes;
    private readonly List<int[]> _keys = [];
    private readonly List<Counts> _counts = [];

    /// <exception cref="ArgumentException">No dimension, more than <see cref="DimensionsMax"/>, or one twice.</exception>
    public RiseTable(IReadOnlyList<string> dimensions)
    {
        ArgumentNullException.ThrowIfNull(dimensions);
        if (dimensions.Count is 0 or > DimensionsMax || dimensions.Distinct(StringComparer.Ordinal).Count() != dimensions.Count)
        {
            throw new ArgumentException($"Between 1 and {DimensionsMax} different dimensions are needed, not: {string.Join(", ", dimensions)}.", nameof(dimensions));
        }

        _dimensions = [.. dimensions];
        _codes = Array.ConvertAll(_dimensions, _ => new Dictionary<string, int>(StringComparer.Ordinal));
        _values = Array.ConvertAll(_dimensions, _ => new List<string>());
        _byCodes = _groups.GetAlternateLookup<ReadOnlySpan<int>>();
    }

    public IReadOnlyList<string> Dimensions => _dimensions;

    public int GroupCount => _keys.Count;

    public long RowsLeftOut { get; private set; }

    /// <summary>Adds a row from before the rise.</summary>
    /// <param name="values">One a dimension, in their order; null where the row lacks it.</param>
    /// <param name="bad">Bad events, 0 to <paramref name="all"/>; a row with other figures is left out and counted.</param>
    /// <param name="all">All events.</param>
    public void AddBefore(ReadOnlySpan<string?> values, double bad, double all)
    {
        if (Find(values, bad, all) is { } group)
        {
            ref var counts = ref CollectionsMarshal.AsSpan(_counts)[group];
            counts.BadBefore += bad;
            counts.AllBefore += all;
        }
    }

    /// <summary>Adds a row from the time to be explained; parameters as in <see cref="AddBefore"/>.</summary>
    public void AddNow(ReadOnlySpan<string?> values, double bad, double all)
    {
        if (Find(values, bad, all) is { } group)
        {
            ref var counts = ref CollectionsMarshal.AsSpan(_counts)[group];
            counts.Bad += bad;
            counts.All += all;
        }
    }

    /// <summary>Distinct values of a dimension.</summary>
    internal int ValueCount(int dimension) => _values[dimension].Count;

    internal string Value(int dimension, int code) => _values[dimension][code];

    /// <summary>The groups that have events now: a code for each dimension, and the counts.</summary>
    internal (int[][] Codes, RiseCounts[] Counts) Now()
    {
        double bad = 0.5, all = 1;
        foreach (var counts in _counts)
        {
            bad += counts.BadBefore;
            all += counts.AllBefore;
        }

        var overall = Math.Min(bad / all, 1);
        List<int[]> codes = [];
        List<RiseCounts> now = [];
        for (var i = 0; i < _counts.Count; i++)
        {
            var counts = _counts[i];
            if (counts.All > 0)
            {
                var rate = (counts.BadBefore + (PriorWeight * overall)) / (counts.AllBefore + PriorWeight);
                codes.Add(_keys[i]);
                now.Add(new RiseCounts(counts.Bad, counts.All, counts.All * rate));
            }
        }

        return ([.. codes], [.. now]);
    }

    private int? Find(ReadOnlySpan<string?> values, double bad, double all)
    {
        if (values.Length != _dimensions.Length)
        {
            throw new ArgumentException($"{values.Length} values for {_dimensions.Length} dimensions.", nameof(values));
        }

        if (!(bad >= 0 && bad <= all && double.IsFinite(all)))
        {
            RowsLeftOut++;
            return null;
        }

        Span<int> codes = stackalloc int[values.Length];
        for (var i = 0; i < codes.Length; i++)
        {
            codes[i] = values[i] is { } value ? Code(i, value) : Absent;
        }

        if (_byCodes.TryGetValue(codes, out var group))
        {
            return group;
        }

        if (_keys.Count >= GroupsMax)
        {
            RowsLeftOut++;
            return null;
        }

        var key = codes.ToArray();
        _groups.Add(key, _keys.Count);
        _keys.Add(key);
        _counts.Add(default);
        return _keys.Count - 1;
    }

    private int Code(int dimension, string value)
    {
        if (!_codes[dimension].TryGetValue(value, out var code))
        {
            code = _values[dimension].Count;
            _codes[dimension].Add(value, code);
            _values[dimension].Add(value);
        }

        return code;
    }

    private struct Counts
    {
        public double BadBefore;
        public double AllBefore;
        public double Bad;
        public double All;
    }

    private sealed class SameCodes : IEqualityComparer<int[]>, IAlternateEqualityComparer<ReadOnlySpan<int>, int[]>
    {
        public bool Equals(int[]? x, int[]? y) => x.AsSpan().SequenceEqual(y);

        public bool Equals(ReadOnlySpan<int> alternate, int[] other) => alternate.SequenceEqual(other);

        public int GetHashCode(int[] obj) => GetHashCode(obj.AsSpan());

        public int GetHashCode(ReadOnlySpan<int> alternate)
        {
            var hash = 17u;
            foreach (var code in alternate)
            {
                hash = (hash ^ (uint)code) * 0x9E3779B1;
                hash ^= hash >> 15;
            }

            return (int)hash;
        }

        public int[] Create(ReadOnlySpan<int> alternate) => alternate.ToArray();
    }
}
