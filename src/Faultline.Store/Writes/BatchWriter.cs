using Faultline.Telemetry;

namespace Faultline.Store.Writes;

/// <param name="GroupDelay">How long a batch waits for company.</param>
/// <param name="QueueBytesMax">Most bytes waiting; more is answered with "try later".</param>
/// <param name="GroupRowsMax">Most rows in one insert.</param>
public sealed record WriterOptions(TimeSpan GroupDelay, long QueueBytesMax = 256L << 20, int GroupRowsMax = 50_000);

/// <summary>What became of a batch.</summary>
public abstract record WriteOutcome
{
    private WriteOutcome()
    {
    }

    /// <summary>Every row is durable.</summary>
    public sealed record Durable : WriteOutcome;

    /// <summary>The same request was committed within the last minute; its rows are there already.</summary>
    public sealed record Repeated : WriteOutcome;

    /// <summary>Nothing of it was written; the sender should try again after the delay.</summary>
    public sealed record TryLater(TimeSpan Delay, string Reason) : WriteOutcome;
}

/// <summary>
/// Group commit: batches in, acknowledgements out. Batches that wait together go into one insert a table; when that insert
/// fails each batch is tried alone, so that one bad batch harms only itself. After a commit the readers see each batch
/// once, in order.
/// </summary>
public sealed class BatchWriter
{
    private BatchWriter()
    {
    }

    /// <summary>Readers that see every batch after its commit. Set before the first write.</summary>
    public IList<IBatchReader> Readers { get; } = [];

    public Task<WriteOutcome> WriteAsync(TelemetryBatch batch, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Batches and bytes waiting now, and totals since start, for the internals' metrics.</summary>
    public WriterFigures Figures => throw new NotImplementedException();

    /// <summary>Finishes what waits, then stops.</summary>
    public Task StopAsync(CancellationToken cancel = default) => throw new NotImplementedException();
}

/// <summary>Counts since the process began, and what waits now.</summary>
public sealed record WriterFigures(int WaitingBatches, long WaitingBytes, long Commits, long CommittedRows, long FailedCommits, long RefusedBatches, long RepeatedBatches, TimeSpan LastCommit);
