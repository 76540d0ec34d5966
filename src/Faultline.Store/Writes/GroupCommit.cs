using System.Diagnostics;
using Faultline.ClickHouse;
using Faultline.Store.Disk;
using Faultline.Telemetry;
using Microsoft.Extensions.Logging;

namespace Faultline.Store.Writes;

/// <summary>Writes one group of batches, one insert a table.</summary>
/// <remarks>
/// An insert is whole or not there, but a request's rows may be in several tables, and there is no transaction over them. What
/// keeps a resent request from being doubled: every request has a record of the tables that hold its rows. A request that failed
/// half-way is answered "try later"; when it comes again only the missing tables are written. Where an insert failed without
/// the engine saying whether rows got in, the table is asked for the request's hash before it is written again. After a
/// restart the records are rebuilt from the hashes in the tables (<see cref="RecentRequests.LoadAsync"/>). Samples need none
/// of this: writing them again changes nothing. Spans go last, so a trace that can be seen has its scores.
/// </remarks>
internal sealed class GroupCommit(IClickHouse engine, DiskGuard disk, TimeProvider time, ILogger log)
{
    /// <summary>When this many batches in a row fail alone for reasons of the engine, it is the engine; the rest is told to try later at once.</summary>
    public const int AloneDelayedMax = 3;

    private static readonly TimeSpan EngineDelay = TimeSpan.FromSeconds(2);

    // ClickHouse's codes for "this data is wrong": sizes, types, values, constraints. Anything else may be the engine's own trouble.
    private static readonly HashSet<int> DataErrors = [6, 9, 26, 27, 33, 36, 38, 41, 43, 49, 53, 69, 70, 72, 117, 128, 130, 131, 190, 349, 368, 469];

    private readonly (Tables Table, IRows Rows)[] _steps =
    [
        (Tables.Samples, new SampleRows(time)),
        (Tables.Logs, new LogRows()),
        (Tables.Scores, new ScoreRows()),
        (Tables.Spans, new SpanRows()),
    ];

    private long _commits;
    private long _committedRows;
    private long _failures;
    private long _lastCommitTicks;

    /// <summary>Rows of series may have been deleted: series are written again with their next sample.</summary>
    public void ForgetWrittenSeries() => ((SampleRows)_steps[0].Rows).ForgetSeen();

    public long Commits => Interlocked.Read(ref _commits);

    public long CommittedRows => Interlocked.Read(ref _committedRows);

    public long Failures => Interlocked.Read(ref _failures);

    public TimeSpan LastCommit => TimeSpan.FromTicks(Interlocked.Read(ref _lastCommitTicks));

    public static Tables TablesOf(TelemetryBatch batch) =>
        (batch.Samples.Count + batch.Samples.Metadata.Count > 0 ? Tables.Samples : Tables.None)
        | (batch.Logs.Count > 0 ? Tables.Logs : Tables.None)
        | (batch.Scores.Count > 0 ? Tables.Scores : Tables.None)
        | (batch.Spans.Count > 0 ? Tables.Spans : Tables.None);

    /// <summary>Writes the group. Afterwards a batch without <see cref="PendingBatch.Failure"/> is durable.</summary>
    public async Task CommitAsync(ushort day, List<PendingBatch> group)
    {
        var begun = time.GetTimestamp();
        foreach (var (table, rows) in _steps)
        {
            var todo = group.FindAll(pending => pending.Failure is null && rows.RowsOf(pending.Batch) > 0 && !pending.Record.Stored.HasFlag(table));
            if (todo.Count == 0)
            {
                continue;
            }

            // Doubtful ones are asked for one by one, so they do not travel with the others.
            var sure = todo.FindAll(pending => !pending.Record.Doubtful.HasFlag(table));
            var alone = todo.FindAll(pending => pending.Record.Doubtful.HasFlag(table));
            if (sure.Count > 0 && !await TryInsertAsync(table, rows, day, sure))
            {
                alone.AddRange(sure);
            }

            await InsertAloneAsync(table, rows, day, alone);
        }

        Interlocked.Exchange(ref _lastCommitTicks, time.GetElapsedTime(begun).Ticks);
    }

    private async Task<bool> TryInsertAsync(Tables table, IRows rows, ushort day, List<PendingBatch> batches)
    {
        try
        {
            await InsertAsync(table, rows, day, batches);
            return true;
        }
        catch (Exception exception)
        {
            Interlocked.Increment(ref _failures);
            log.GroupFailed(exception, batches.Sum(pending => rows.RowsOf(pending.Batch)), batches.Count, rows.Table);
            return false;
        }
    }

    private async Task InsertAloneAsync(Tables table, IRows rows, ushort day, List<PendingBatch> batches)
    {
        var delayedInARow = 0;
        foreach (var pending in batches)
        {
            if (delayedInARow == AloneDelayedMax)
            {
                pending.Record.Doubtful |= table;
                pending.Failure = new WriteOutcome.TryLater(EngineDelay, "The store cannot write at the moment.", StoreFailed: true);
                continue;
            }

            try
            {
                if (await IsStoredAsync(rows, day, pending.Batch))
                {
                    pending.Record.Stored |= table;
                }
                else
                {
                    await InsertAsync(table, rows, day, [pending]);
                }

                pending.Record.Doubtful &= ~table;
                delayedInARow = 0;
            }
            catch (Exception exception)
            {
                Interlocked.Increment(ref _failures);
                if (IsFaultOfTheData(exception))
                {
                    log.BatchRefused(exception, rows.RowsOf(pending.Batch), rows.Table);
                    pending.Failure = new WriteOutcome.Refused($"The store cannot take it: {exception.Message}");
                    delayedInARow = 0;
                }
                else
                {
                    log.BatchDelayed(exception, rows.RowsOf(pending.Batch), rows.Table);
                    pending.Record.Doubtful |= table;
                    pending.Failure = new WriteOutcome.TryLater(EngineDelay, $"The store cannot write at the moment: {exception.Message}", StoreFailed: true);
                    delayedInARow++;
                }
            }
        }
    }

    private async Task InsertAsync(Tables table, IRows rows, ushort day, List<PendingBatch> batches)
    {
        DiskGuard.RequireRoom(engine, "rows are written");
        try
        {
            foreach (var pending in batches)
            {
                rows.Append(pending.Batch);
            }

            await rows.InsertAsync(engine, day, CancellationToken.None);
            await disk.RequireWholeAsync(rows.Table, CancellationToken.None);
            Interlocked.Increment(ref _commits);
            Interlocked.Add(ref _committedRows, rows.Count);
        }
        finally
        {
            rows.Clear();
        }

        foreach (var pending in batches)
        {
            pending.Record.Stored |= table;
        }
    }

    private async Task<bool> IsStoredAsync(IRows rows, ushort day, TelemetryBatch batch)
    {
        if (!rows.KeepsRequestHash || batch.RequestHash == UInt128.Zero)
        {
            return false;
        }

        await disk.RequireWholeAsync(rows.Table, CancellationToken.None);

        // The first try may have been before midnight, and was received as long ago as records are kept.
        var found = await engine.QueryAsync(
            $$"""
            SELECT 1 FROM {{rows.Table}}
            WHERE received_date BETWEEN {day:Date} - 1 AND {day:Date} + 1 AND received_unix_nanos >= {since:Int64}
              AND project = {project:String} AND request_hash = toFixedString(unhex({hash:String}), 16)
            LIMIT 1
            """,
            new SqlParameters()
                .Add("day", Days.Text(day))
                .Add("since", batch.ReceivedUnixNanos - ((RecentRequests.PartialKept.Ticks + RecentRequests.CompleteKept.Ticks) * 100))
                .Add("project", batch.Project)
                .Add("hash", batch.RequestHash.ToString("x32", null)));
        return found.RowCount > 0;
    }

    // Overflow, argument and unreachable code are ours: the same batch would fail again, so trying later is no help.
    private static bool IsFaultOfTheData(Exception exception) => exception
        is ClickHouseException { IsTransient: false, Code: var code } && DataErrors.Contains(code)
        || exception is UnreachableException or OverflowException or ArgumentException or IndexOutOfRangeException;
}
