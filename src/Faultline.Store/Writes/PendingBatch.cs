using Faultline.Telemetry;

namespace Faultline.Store.Writes;

/// <summary>A batch between <see cref="BatchWriter.WriteAsync"/> and its outcome.</summary>
internal sealed class PendingBatch(TelemetryBatch batch, long bytes, RequestRecord record, long since)
{
    public TelemetryBatch Batch { get; } = batch;

    public long Bytes { get; } = bytes;

    public RequestRecord Record { get; } = record;

    /// <summary>Timestamp of the writer's clock.</summary>
    public long Since { get; } = since;

    /// <summary>Why it could not be committed, or null.</summary>
    public WriteOutcome? Failure { get; set; }

    public TaskCompletionSource<WriteOutcome> Outcome { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Whether its rows are in the tables.</summary>
    public TaskCompletionSource<WriteOutcome> Stored { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>What was taken and is not over: its bytes are what bounds memory.</summary>
internal sealed class WaitingBatches
{
    private int _count;
    private long _bytes;

    /// <summary>Batches that are not committed yet.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Bytes of batches that are not committed, or not yet seen by every reader.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    public void Add(PendingBatch pending)
    {
        Interlocked.Increment(ref _count);
        Interlocked.Add(ref _bytes, pending.Bytes);
    }

    /// <summary>It is committed, and the readers have yet to see it.</summary>
    public void Commit() => Interlocked.Decrement(ref _count);

    /// <summary>Every reader has seen it.</summary>
    public void Release(PendingBatch pending) => Interlocked.Add(ref _bytes, -pending.Bytes);

    /// <summary>It failed, or is the next start's: no reader sees it.</summary>
    public void Drop(PendingBatch pending)
    {
        Commit();
        Release(pending);
    }
}
