namespace Faultline.Ingest.Receivers;

/// <summary>How many bytes requests may hold in memory before the store has them. Shared by all receivers.</summary>
/// <remarks>The store's queue counts what was decoded; this counts what is still being read, however many senders there are.</remarks>
public sealed class BytesBudget(long bytesMax, MemoryCeiling? ceiling = null)
{
    private long _taken;

    public long BytesMax => bytesMax;

    public MemoryCeiling Ceiling { get; } = ceiling ?? MemoryCeiling.None;

    public long Taken => Interlocked.Read(ref _taken);

    /// <summary>Whether a request may begin to be read. One that is alone may, however much the process holds: there is always an end to it.</summary>
    internal bool MayBegin() => Taken == 0 || !Ceiling.Refuses();

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
