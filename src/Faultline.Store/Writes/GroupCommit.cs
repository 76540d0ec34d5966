using System.Diagnostics;
using System.Globalization;
using Faultline.ClickHouse;
using Faultline.Store.Disk;
using Faultline.Telemetry;
using Faultline.Telemetry.Spans;
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

    public static readonly TimeSpan EngineDelay = TimeSpan.FromSeconds(2);

    private const int AskedAtOnce = 1_000;

    // ClickHouse's codes for "this data is wrong": sizes, types, values, constraints. Anything else may be the engine's own trouble.
    private static readonly HashSet<int> DataErrors = [6, 9, 26, 27, 33, 36, 38, 41, 43, 49, 53, 69, 70, 72, 117, 128, 130, 131, 190, 349, 368, 469];

    private readonly (Tables Table, IRows Rows)[] _steps = RowsOfTables(time);

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

    /// <summary>In the order in which they are written.</summary>
    public static (Tables Table, IRows Rows)[] RowsOfTables(TimeProvider time) =>
    [
        (Tables.Samples, new SampleRows(time)),
        (Tables.Logs, new LogRows()),
        (Tables.Scores, new ScoreRows()),
        (Tables.Spans, new SpanRows()),
    ];

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

            todo = await WithoutStoredAsync(table, rows, day, todo);
            if (todo.Count > 0 && !await TryInsertAsync(table, rows, day, todo))
            {
                await InsertAloneAsync(table, rows, day, await WithoutStoredAsync(table, rows, day, todo));
            }
        }

        Interlocked.Exchange(ref _lastCommitTicks, time.GetElapsedTime(begun).Ticks);
    }

    /// <summary>Those that are not in the table, having asked it for those of which that is doubtful.</summary>
    private async Task<List<PendingBatch>> WithoutStoredAsync(Tables table, IRows rows, ushort day, List<PendingBatch> batches)
    {
        foreach (var asked in batches.Where(pending => pending.Record.Doubtful.HasFlag(table)).Chunk(AskedAtOnce))
        {
            try
            {
                var stored = await StoredAmongAsync(rows, day, asked);
                foreach (var pending in asked)
                {
                    pending.Record.Doubtful &= ~table;
                    pending.Record.Stored |= stored.Contains(pending) ? table : Tables.None;
                }
            }
            catch (Exception exception)
            {
                Interlocked.Increment(ref _failures);
                log.BatchDelayed(exception, asked.Sum(pending => rows.RowsOf(pending.Batch)), rows.Table);
                Array.ForEach(asked, pending => Delay(pending, table, exception.Message));
            }
        }

        return batches.FindAll(pending => pending.Failure is null && !pending.Record.Stored.HasFlag(table));
    }

    private static void Delay(PendingBatch pending, Tables table, string why)
    {
        pending.Record.Doubtful |= table;
        pending.Failure = new WriteOutcome.TryLater(EngineDelay, $"The store cannot write at the moment: {why}", StoreFailed: true);
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
            batches.ForEach(pending => pending.Record.Doubtful |= table);
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
                Delay(pending, table, "others before it could not be written either.");
                continue;
            }

            try
            {
                await InsertAsync(table, rows, day, [pending]);
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
                    Delay(pending, table, exception.Message);
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

            foreach (var (name, block) in rows.Blocks(day))
            {
                await engine.InsertAsync(name, [block], CancellationToken.None);
            }

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

    /// <remarks>A request that is sent again is known by its hash; one that the writer tries again also by its place, which no other has.</remarks>
    private async Task<HashSet<PendingBatch>> StoredAmongAsync(IRows rows, ushort day, PendingBatch[] asked)
    {
        if (!rows.KeepsRequestHash)
        {
            return [];
        }

        await disk.RequireWholeAsync(rows.Table, CancellationToken.None);

        // The first try may have been before midnight, and was received as long ago as records are kept.
        var places = string.Join(", ", asked.Select(pending => pending.Batch.ReceivedUnixNanos.ToString(CultureInfo.InvariantCulture)));
        var hashes = string.Join(", ", asked.Where(pending => pending.Batch.RequestHash != UInt128.Zero).Select(pending => $"toFixedString(unhex('{pending.Batch.RequestHash:x32}'), 16)"));
        var isOne = hashes.Length == 0 ? $"received_unix_nanos IN ({places})" : $"(received_unix_nanos IN ({places}) OR request_hash IN ({hashes}))";
        var found = await engine.QueryAsync(
            $$"""
            SELECT DISTINCT project, request_hash, received_unix_nanos FROM {{rows.Table}}
            WHERE received_date BETWEEN {day:Date} - 1 AND {day:Date} + 1 AND received_unix_nanos >= {since:Int64}
              AND {{isOne}}
            """,
            new SqlParameters()
                .Add("day", Days.Text(day))
                .Add("since", asked.Min(pending => pending.Batch.ReceivedUnixNanos) - ((RecentRequests.PartialKept.Ticks + RecentRequests.CompleteKept.Ticks) * 100)));
        var there = found.Rows.Select(row => (Project: row.Text("project"), Hash: TraceId.FromBytes(row.Bytes("request_hash")).Value, Received: row.Int64("received_unix_nanos"))).ToList();
        var ofHash = there.Where(row => row.Hash != UInt128.Zero).Select(row => (row.Project, row.Hash)).ToHashSet();
        var placesThere = there.Select(row => row.Received).ToHashSet();
        return [.. asked.Where(pending => ofHash.Contains((pending.Batch.Project, pending.Batch.RequestHash)) || placesThere.Contains(pending.Batch.ReceivedUnixNanos))];
    }

    // Overflow, argument and unreachable code are ours: the same batch would fail again, so trying later is no help.
    internal static bool IsFaultOfTheData(Exception exception) => exception
        is ClickHouseException { IsTransient: false, Code: var code } && DataErrors.Contains(code)
        || exception is UnreachableException or OverflowException or ArgumentException or IndexOutOfRangeException;
}
