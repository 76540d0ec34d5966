namespace Faultline.Cli.Bench.Worlds;

/// <summary>The clock of a recorded world: it stands where the record is, and what goes by is the record's time. Timers stay the machine's.</summary>
internal sealed class ReplayClock(long unixNanos) : TimeProvider
{
    private long _ticks = TicksOf(unixNanos);

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow() => new(Interlocked.Read(ref _ticks), TimeSpan.Zero);

    public override long GetTimestamp() => Interlocked.Read(ref _ticks);

    /// <summary>Moves on; never back, because a line that comes late came at the time it came.</summary>
    public void MoveTo(long unixNanos)
    {
        var ticks = TicksOf(unixNanos);
        if (ticks > Interlocked.Read(ref _ticks))
        {
            Interlocked.Exchange(ref _ticks, ticks);
        }
    }

    private static long TicksOf(long unixNanos) => DateTimeOffset.UnixEpoch.Ticks + (unixNanos / 100);
}
