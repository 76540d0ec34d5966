using System.Runtime.InteropServices;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Features;

/// <summary>Observations of one feature in one window, as they come.</summary>
internal sealed class Accumulator(Feature feature)
{
    private Feature _feature = feature;

    /// <summary>Values kept for quantiles; of more the last ones stand for all.</summary>
    internal const int ValuesMax = 512;

    private double _sum;
    private double _max = double.NegativeInfinity;
    private double _worst;
    private double _best;
    private float[] _values = [];

    public int Count { get; private set; }

    /// <summary>Trace of the worst observation, by the feature's bad direction.</summary>
    public TraceId WorstTrace { get; private set; }

    /// <summary>Trace of the best observation.</summary>
    public TraceId BestTrace { get; private set; }

    /// <summary>Begins anew, for another window and maybe another feature.</summary>
    public void Reset(Feature feature)
    {
        _feature = feature;
        (Count, _sum, _max) = (0, 0, double.NegativeInfinity);
        (WorstTrace, BestTrace) = (default, default);
    }

    /// <param name="weight">How many observations it counts as: 0 moves the value (of a maximum) only.</param>
    public void Add(double value, TraceId trace, int weight = 1)
    {
        if (IsQuantile)
        {
            if (Count >= _values.Length && _values.Length < ValuesMax)
            {
                Array.Resize(ref _values, Math.Min(ValuesMax, Math.Max(8, _values.Length * 2)));
            }

            _values[Count % ValuesMax] = (float)value;
        }

        Count += weight;
        _sum += value * weight;
        _max = Math.Max(_max, value);

        var badness = _feature.BadWhen == BadWhen.Falls ? -value : value;
        if (WorstTrace.IsNone || badness > _worst)
        {
            _worst = badness;
            WorstTrace = trace;
        }

        if (BestTrace.IsNone || badness < _best)
        {
            _best = badness;
            BestTrace = trace;
        }
    }

    /// <summary>Bytes of what is kept of it: how many, and of a quantile the values, of anything else what is added up.</summary>
    public int PackedLength => sizeof(int) + (IsQuantile ? sizeof(float) * Math.Min(Count, ValuesMax) : _feature.Statistic == Statistic.Count ? 0 : sizeof(double));

    private bool IsQuantile => _feature.Statistic is Statistic.Median or Statistic.P95;

    /// <summary>Writes what its value rests on; traces and how good they were are left out.</summary>
    public void Pack(Span<byte> into)
    {
        MemoryMarshal.Write(into, Count);
        if (IsQuantile)
        {
            MemoryMarshal.AsBytes(_values.AsSpan(0, Math.Min(Count, ValuesMax))).CopyTo(into[sizeof(int)..]);
        }
        else if (_feature.Statistic != Statistic.Count)
        {
            MemoryMarshal.Write(into[sizeof(int)..], _feature.Statistic == Statistic.Max ? _max : _sum);
        }
    }

    /// <summary>Takes up what was packed.</summary>
    /// <returns>Bytes read.</returns>
    public int Unpack(ReadOnlySpan<byte> from)
    {
        Count = MemoryMarshal.Read<int>(from);
        if (IsQuantile)
        {
            _values = MemoryMarshal.Cast<byte, float>(from.Slice(sizeof(int), sizeof(float) * Math.Min(Count, ValuesMax))).ToArray();
        }
        else if (_feature.Statistic != Statistic.Count)
        {
            _sum = _max = MemoryMarshal.Read<double>(from[sizeof(int)..]);
        }

        return PackedLength;
    }

    /// <summary>The window's value so far, in the feature's unit.</summary>
    public double Value => _feature.Statistic switch
    {
        Statistic.Count => Count,
        Statistic.Max => _max,
        Statistic.Median => Quantile(0.5),
        Statistic.P95 => Quantile(0.95),
        _ => _sum / Count,
    };

    /// <summary>Linear interpolation between order statistics, as <c>quantile_over_time</c> has it (type 7 of Hyndman and Fan 1996).</summary>
    private double Quantile(double q)
    {
        var sorted = _values.AsSpan(0, Math.Min(Count, ValuesMax)).ToArray();
        Array.Sort(sorted);
        var rank = q * (sorted.Length - 1);
        var low = (int)rank;
        var high = Math.Min(low + 1, sorted.Length - 1);
        return sorted[low] + ((sorted[high] - sorted[low]) * (rank - low));
    }
}

/// <summary>All features of one service in one window of event time.</summary>
/// <remarks>A closed one is kept packed, a sixth of its size, because hundreds are remembered of every service and few are ever corrected.</remarks>
internal sealed class Window(long index)
{
    private Accumulator?[] _slots = new Accumulator?[16];
    private byte[]? _packed;

    /// <summary>Event time divided by the window's length.</summary>
    public long Index { get; } = index;

    /// <summary>Judged already; what comes now corrects the stored sample.</summary>
    public bool Closed { get; set; }

    /// <summary>Has something that is not stored yet.</summary>
    public bool Dirty { get; set; }

    /// <summary>Arrival order of the last observation, so that the window untouched for longest is closed first.</summary>
    public long TouchedAt { get; set; }

    /// <summary>Of segments' series; forgotten when the window is judged.</summary>
    public Dictionary<FeatureSeries, Accumulator>? Segments { get; set; }

    public int SlotCount => _slots.Length;

    public Accumulator? this[int series] => series < _slots.Length ? _slots[series] : null;

    public Accumulator Slot(int series, Feature feature)
    {
        if (series >= _slots.Length)
        {
            Array.Resize(ref _slots, Math.Max(series + 1, _slots.Length * 2));
        }

        return _slots[series] ??= new Accumulator(feature);
    }

    /// <summary>Keeps of every series only what its value rests on.</summary>
    public void Pack()
    {
        var length = 0;
        foreach (var slot in _slots)
        {
            length += slot is null ? 0 : 1 + slot.PackedLength;
        }

        _packed = new byte[length];
        var rest = _packed.AsSpan();
        for (var series = 0; series < _slots.Length; series++)
        {
            if (_slots[series] is { } slot)
            {
                rest[0] = (byte)series;         // ServiceFeatures.SeriesMax of them
                slot.Pack(rest[1..]);
                rest = rest[(1 + slot.PackedLength)..];
            }
        }

        _slots = [];
    }

    /// <summary>Makes it whole again, so that it can be corrected.</summary>
    public void Unpack(IReadOnlyList<FeatureSeries> ofService)
    {
        if (_packed is null)
        {
            return;
        }

        for (ReadOnlySpan<byte> rest = _packed; rest.Length > 0;)
        {
            var series = rest[0];
            rest = rest[(1 + Slot(series, ofService[series].Feature).Unpack(rest[1..]))..];
        }

        _packed = null;
    }
}

/// <summary>Which windows of a service are stored and forgotten, so that a straggler cannot overwrite a whole window by its rest.</summary>
internal sealed class StoredWindows
{
    /// <summary>Hours remembered: two months.</summary>
    internal const int HoursMax = 24 * 62;

    private const int WindowsPerHour = (int)(3600 / FeatureWindows.LengthSeconds);

    private readonly Dictionary<long, ulong[]> _hours = [];

    public void Add(long window)
    {
        var hour = Math.DivRem(window, WindowsPerHour, out var place);
        if (!_hours.TryGetValue(hour, out var bits))
        {
            if (_hours.Count >= HoursMax)
            {
                _hours.Remove(_hours.Keys.Min());
            }

            _hours.Add(hour, bits = new ulong[(WindowsPerHour + 63) / 64]);
        }

        bits[place / 64] |= 1UL << (int)(place % 64);
    }

    public bool Contains(long window)
    {
        var hour = Math.DivRem(window, WindowsPerHour, out var place);
        return _hours.TryGetValue(hour, out var bits) && (bits[place / 64] & (1UL << (int)(place % 64))) != 0;
    }
}
