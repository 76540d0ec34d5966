using Faultline.Store.Writes.Journal;
using Microsoft.Extensions.Logging;

namespace Faultline.Store.Writes;

/// <summary>
/// Puts units into the tables, one after the other: first what earlier processes left in the journal, then what is taken. While the engine cannot write it is tried again; what the engine
/// will never take is set aside alone. The readers see each batch when its rows are there.
/// </summary>
/// <param name="journal">Null where batches are acknowledged when they are in the tables.</param>
/// <param name="settle">Without a journal: tells the sender what became of its batch.</param>
internal sealed class TableInserter(
    InsertQueue queue, GroupCommit commit, RequestJournal? journal, JournalReplay? replay, ReaderFeed feed, WaitingBatches waiting, Action<PendingBatch> settle, TimeProvider time, ILogger log)
{
    private readonly TaskCompletionSource _replayed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>What earlier processes left is in the tables, or the writer has stopped.</summary>
    public Task Replayed => _replayed.Task;

    /// <summary>Works until the queue has ended and is empty.</summary>
    public async Task RunAsync()
    {
        await ReplayAsync();
        while (await queue.NextAsync() is { } unit)
        {
            await InsertAsync(unit);
            queue.Remove(unit);
        }
    }

    private async Task ReplayAsync()
    {
        while (replay is { IsDone: false } && !queue.Ends.IsCompleted)
        {
            queue.IsStuck = true;
            await PauseAsync();
            try
            {
                await replay.RunAsync(CancellationToken.None);
            }
            catch (Exception exception)
            {
                log.ReplayDelayed(exception);
            }
        }

        queue.IsStuck = false;
        _replayed.SetResult();
    }

    private async Task InsertAsync(InsertUnit unit)
    {
        var todo = unit.Batches;
        while (true)
        {
            await CommitAsync(unit.Day, todo);
            if (journal is null)
            {
                todo.ForEach(settle);
                break;
            }

            todo = todo.FindAll(pending => pending.Failure is WriteOutcome.TryLater);
            if (todo.Count == 0)
            {
                break;
            }

            log.WaitsInJournal(todo.Count, ((WriteOutcome.TryLater)todo[0].Failure!).Reason);
            if (queue.Ends.IsCompleted)
            {
                // The next start goes on with it, and shows the readers what got in.
                foreach (var pending in unit.Batches)
                {
                    waiting.Drop(pending);
                    pending.Stored.TrySetResult(pending.Failure as WriteOutcome.Refused ?? (WriteOutcome)new WriteOutcome.Durable());
                }

                unit.Segment?.Dispose();
                return;
            }

            queue.IsStuck = true;
            await PauseAsync();
            todo.ForEach(static pending => pending.Failure = null);
        }

        queue.IsStuck = false;
        await EndAsync(unit);
        foreach (var pending in unit.Batches.Where(pending => pending.Failure is null))
        {
            waiting.Commit();
            await feed.PostAsync(pending);
            pending.Stored.TrySetResult(new WriteOutcome.Durable());
        }
    }

    private async Task CommitAsync(ushort day, List<PendingBatch> group)
    {
        try
        {
            await commit.CommitAsync(day, group);
        }
        catch (Exception exception)
        {
            // Every expected fault is handled in there. Whoever waits must hear something all the same.
            log.GroupBroken(exception, group.Count);
            foreach (var pending in group)
            {
                pending.Failure ??= new WriteOutcome.TryLater(BatchWriter.FullDelay, "The store failed; see its log.", StoreFailed: true);
                pending.Record.Doubtful |= GroupCommit.TablesOf(pending.Batch) & ~pending.Record.Stored;
            }
        }
    }

    /// <summary>Deletes the unit's file, having kept what was acknowledged and the engine will never take where an operator finds it.</summary>
    private async Task EndAsync(InsertUnit unit)
    {
        if (journal is null || unit.Segment is null)
        {
            return;
        }

        var refused = unit.Batches.FindAll(static pending => pending.Failure is WriteOutcome.Refused);
        try
        {
            var records = refused.Count == 0 ? [] : (await unit.Segment.ReadAsync(CancellationToken.None)).Records;
            foreach (var pending in refused)
            {
                var path = journal.Aside.Keep(records.First(record => record.ReceivedUnixNanos == pending.Batch.ReceivedUnixNanos));
                log.BatchSetAside(pending.Batch.Count, pending.Batch.Project, path, ((WriteOutcome.Refused)pending.Failure!).Reason);
            }

            unit.Segment.Delete();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The next start does it: it finds out which of its requests are in the tables.
            log.JournalFileKept(exception, unit.Segment.Path);
            unit.Segment.Dispose();
        }

        foreach (var pending in refused)
        {
            waiting.Drop(pending);
            pending.Stored.TrySetResult(pending.Failure!);
        }
    }

    private async Task PauseAsync() => await Task.WhenAny(Task.Delay(GroupCommit.EngineDelay, time), queue.Ends);
}
