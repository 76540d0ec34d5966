namespace Faultline.Ingest.Receivers;

/// <summary>How many bytes requests may hold in memory before the store has them. Shared by all receivers.</summary>
/// <remarks>The store's queue counts what was decoded; this counts what is still being read, however many senders there are.</remarks>
/// <param name="waiting">Bytes of requests that were acknowledged and are not in the tables yet.</param>
public sealed class BytesBudget(long bytesMax, MemoryCeiling? ceiling = null, Func<long>? waiting = null)
{
    /// <summary>A request is alone where no other is being read and no more than this waits for the tables: a request or two.</summary>
    internal const long AloneWaitingMax = 8 << 20;

    private long _taken;

    public long BytesMax => bytesMax;

    public MemoryCeiling Ceiling { get; } = ceiling ?? MemoryCeiling.None;

    public long Taken => Interlocked.Read(ref _taken);

    /// <summary>Whether a request may begin to be read. One that is alone may, however much the process holds: there is always an end to it.</summary>
    /// <remarks>What is acknowledged counts: with only one at a time being read, the journal would still take them as fast as they come.</remarks>
    internal bool MayBegin() => (Taken == 0 && (waiting?.Invoke() ?? 0) <= AloneWaitingMax) || !Ceiling.Refuses();

    /// <returns>False when that would be too much; nothing is taken then.</returns>
    internal bool TryTake(long bytes)
    {
        if (Interlocked.Add(ref _taken, bytes) <= bytesMax)
        {
            return true;
        }

        Release(bytes);
        return false;
    }

    internal void Release(long bytes) => Interlocked.Add(ref _taken, -bytes);
}
