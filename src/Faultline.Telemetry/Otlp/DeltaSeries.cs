using Faultline.Telemetry.Samples;

namespace Faultline.Telemetry.Otlp;

/// <summary>
/// Running totals of series whose senders say only what was added since the last time (delta temporality), so that they become the counters that
/// Prometheus knows. One for a project; safe to use from several threads.
/// </summary>
/// <remarks>
/// Source: opentelemetry.io/docs/specs/otel/metrics/data-model, "Sums: Delta-to-Cumulative". Totals live in memory: after a restart, or when a
/// series was idle too long, a total begins at zero again, which <c>rate()</c> takes for what it is, a counter's reset.
/// </remarks>
public sealed class DeltaSeries
{
    /// <summary>About the memory that totals may take, some 100,000 counters; points of series beyond it are rejected.</summary>
    public const long BytesMaxDefault = 64L << 20;

    /// <summary>A series that nobody added to for so long is forgotten: an hour.</summary>
    public const long IdleMaxNanos = OtlpLimits.NanosPerHour;

    private const long SweepNanos = OtlpLimits.NanosPerHour / 60;

    private readonly long _bytesMax;
    private readonly Dictionary<Labels, DeltaTotal> _totals = [];
    private long _bytes;
    private long _sweptAtUnixNanos;

    public DeltaSeries(long bytesMax = BytesMaxDefault) => _bytesMax = bytesMax;

    /// <summary>Held while a total is found, added to and read.</summary>
    internal Lock Gate { get; } = new();

    internal int Count => _totals.Count;

    /// <summary>The total that a point belongs to.</summary>
    /// <param name="series">The metric's name and labels, without the suffixes of a histogram.</param>
    /// <param name="total">Its time is the point's when the outcome is <see cref="DeltaOutcome.First"/> or <see cref="DeltaOutcome.Next"/>; the caller then adds.</param>
    internal DeltaOutcome Find(Labels series, ulong timeUnixNanos, long nowUnixNanos, out DeltaTotal total)
    {
        Sweep(nowUnixNanos);
        if (_totals.TryGetValue(series, out total!))
        {
            if (timeUnixNanos <= total.TimeUnixNanos)
            {
                return timeUnixNanos == total.TimeUnixNanos ? DeltaOutcome.Again : DeltaOutcome.Late;
            }
        }
        else if (_bytes >= _bytesMax)
        {
            return DeltaOutcome.Full;
        }
        else
        {
            total = new DeltaTotal(series);
            _totals.Add(series, total);
            _bytes += total.Bytes;
        }

        var outcome = total.TimeUnixNanos == 0 ? DeltaOutcome.First : DeltaOutcome.Next;
        total.TimeUnixNanos = timeUnixNanos;
        total.SeenUnixNanos = nowUnixNanos;
        return outcome;
    }

    /// <summary>Adds a point to its total.</summary>
    internal void Add(DeltaTotal total, Action<DeltaTotal> add)
    {
        _bytes -= total.Bytes;
        add(total);
        _bytes += total.Bytes;
    }

    internal void Forget(Labels series)
    {
        if (_totals.Remove(series, out var total))
        {
            _bytes -= total.Bytes;
        }
    }

    private void Sweep(long nowUnixNanos)
    {
        if (nowUnixNanos - _sweptAtUnixNanos < SweepNanos)
        {
            return;
        }

        _sweptAtUnixNanos = nowUnixNanos;
        foreach (var (series, total) in _totals)
        {
            if (nowUnixNanos - total.SeenUnixNanos > IdleMaxNanos)
            {
                Forget(series);
            }
        }
    }
}

/// <summary>What a delta point is to its series.</summary>
internal enum DeltaOutcome
{
    /// <summary>The first one.</summary>
    First,

    /// <summary>Newer than all before.</summary>
    Next,

    /// <summary>The newest one sent again, as a sender does that got no answer; it counts once.</summary>
    Again,

    /// <summary>Older than the newest; the total at its time is not known any more.</summary>
    Late,

    /// <summary>Totals take as much memory as they may.</summary>
    Full,
}

/// <summary>What was added up of one series; one of the three is used, by the metric's kind.</summary>
internal sealed class DeltaTotal(Labels series)
{
    private const int FixedBytes = 250;
    private const int LabelBytes = 60;
    private const int BucketBytes = 16;

    private readonly int _ownBytes = FixedBytes + series.Pairs.ToArray().Sum(pair => LabelBytes + (2 * (pair.Key.Length + pair.Value.Length)));

    /// <summary>About what it takes in memory, with its labels.</summary>
    public long Bytes => _ownBytes + (BucketBytes * (long)((Histogram?.Counts.Length ?? 0) + (Exponential is { } value ? value.Positive.Counts.Length + value.Negative.Counts.Length : 0)));

    public ulong TimeUnixNanos { get; set; }

    public long SeenUnixNanos { get; set; }

    public double Number { get; set; }

    public HistogramValue? Histogram { get; set; }

    public ExponentialValue? Exponential { get; set; }
}
