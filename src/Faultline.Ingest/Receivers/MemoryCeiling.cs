namespace Faultline.Ingest.Receivers;

/// <summary>What the whole process may hold: near it memory that nobody needs is given back, then requests are told to try later.</summary>
/// <remarks>
/// Queues and budgets bound what requests hold; heap, engine and allocators hold more than that, and a container that is too full is killed.
/// So resident memory itself is looked at, when a request comes and not more often than every <see cref="LookInterval"/>.
/// </remarks>
/// <param name="bytesMax">Most bytes of resident memory.</param>
/// <param name="resident">Bytes that are resident now.</param>
/// <param name="relieve">Gives back what is free; called off the requests' path, not more often than every <see cref="UrgentReliefInterval"/>.</param>
public sealed class MemoryCeiling(long bytesMax, Func<long> resident, Func<Task> relieve, TimeProvider time)
{
    public static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(50);

    public static readonly TimeSpan ReliefInterval = TimeSpan.FromSeconds(5);

    /// <summary>The same while requests are refused: what one request at a time leaves behind in five seconds is a quarter of a small ceiling.</summary>
    public static readonly TimeSpan UrgentReliefInterval = TimeSpan.FromSeconds(2);

    /// <summary>Above this share requests are refused. What has been let in takes up to half as much again before it is done (bench/RESULTS.md).</summary>
    public const double RefusedShare = 0.65;

    /// <summary>Above this share relief begins, so that it is done before anybody is refused.</summary>
    public const double ReliefShare = 0.55;

    private readonly long _begun = time.GetTimestamp();
    private long _lookedTicks = -LookInterval.Ticks;
    private long _relievedTicks = -ReliefInterval.Ticks;
    private long _resident;
    private long _refusals;
    private Task _relief = Task.CompletedTask;

    /// <summary>No ceiling.</summary>
    public static MemoryCeiling None { get; } = new(long.MaxValue, () => 0, () => Task.CompletedTask, TimeProvider.System);

    public long BytesMax => bytesMax;

    /// <summary>From here on requests are refused.</summary>
    public long RefusedBytes { get; } = (long)(bytesMax * RefusedShare);

    /// <summary>Requests that were told to try later.</summary>
    public long Refusals => Interlocked.Read(ref _refusals);

    /// <summary>What was resident when it was last looked at.</summary>
    public long Resident => Interlocked.Read(ref _resident);

    /// <summary>Ends when relief that has begun is over, and throws what it threw.</summary>
    internal Task Relief => Volatile.Read(ref _relief);

    /// <summary>Whether the process holds too much; counts a refusal then.</summary>
    internal bool Refuses()
    {
        if (bytesMax == long.MaxValue)
        {
            return false;
        }

        var now = time.GetElapsedTime(_begun).Ticks;
        if (IsDue(ref _lookedTicks, now, LookInterval))
        {
            Interlocked.Exchange(ref _resident, resident());
        }

        var held = Resident;
        if (held > bytesMax * ReliefShare && Relief.IsCompleted && IsDue(ref _relievedTicks, now, held > RefusedBytes ? UrgentReliefInterval : ReliefInterval))
        {
            Volatile.Write(ref _relief, Task.Run(relieve));
        }

        if (held <= RefusedBytes)
        {
            return false;
        }

        Interlocked.Increment(ref _refusals);
        return true;
    }

    /// <summary>True for one caller each interval.</summary>
    private static bool IsDue(ref long lastTicks, long now, TimeSpan interval)
    {
        var last = Interlocked.Read(ref lastTicks);
        return now - last >= interval.Ticks && Interlocked.CompareExchange(ref lastTicks, now, last) == last;
    }
}
