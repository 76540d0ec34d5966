using Faultline.Store.Writes.Journal;

namespace Faultline.Store.Writes;

/// <summary>Batches of one received day that go into the tables together.</summary>
/// <param name="segment">Where the journal has them; null without a journal.</param>
/// <param name="since">Timestamp of the writer's clock.</param>
internal sealed class InsertUnit(ushort day, JournalSegment? segment, long since)
{
    public ushort Day { get; } = day;

    public JournalSegment? Segment { get; } = segment;

    public long Since { get; } = since;

    public List<PendingBatch> Batches { get; } = [];

    public int Rows { get; private set; }

    public long Bytes { get; private set; }

    /// <summary>Completed when all that can be written of it is in the tables, or the writer has stopped.</summary>
    public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>It is being inserted: nothing is added any more.</summary>
    public bool IsTaken { get; set; }

    public void Add(PendingBatch pending)
    {
        Batches.Add(pending);
        (Rows, Bytes) = (Rows + pending.Batch.Count, Bytes + pending.Bytes);
    }
}
