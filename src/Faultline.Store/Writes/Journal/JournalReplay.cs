using Faultline.ClickHouse;
using Faultline.Store.Disk;
using Microsoft.Extensions.Logging;

namespace Faultline.Store.Writes.Journal;

/// <summary>Puts what earlier processes left in the journal into the tables. What the engine will never take is set aside and named; it stops no start.</summary>
internal sealed class JournalReplay(RequestJournal journal, IClickHouse engine, DiskGuard disk, ILogger log)
{
    private readonly Queue<JournalSegment> _left = new(journal.Leftover);

    public bool IsDone => _left.Count == 0;

    /// <summary>Says of each request in the journal that it is acknowledged, before anything is replayed.</summary>
    /// <returns>The newest time of receipt; 0 when nothing is there.</returns>
    public async Task<long> RememberAsync(RecentRequests recent, CancellationToken cancel)
    {
        var newest = 0L;
        foreach (var segment in journal.Leftover)
        {
            foreach (var record in (await TryReadAsync(segment, cancel)).Records)
            {
                newest = Math.Max(newest, record.ReceivedUnixNanos);
                if (record.RequestHash != UInt128.Zero)
                {
                    recent.Of(record.Project, record.RequestHash).IsComplete = true;
                }
            }
        }

        return newest;
    }

    /// <summary>Goes on where an earlier call was stopped by an exception.</summary>
    /// <exception cref="ClickHouseException">The store cannot write now.</exception>
    public async Task RunAsync(CancellationToken cancel)
    {
        while (_left.TryPeek(out var segment))
        {
            var (records, tail) = await TryReadAsync(segment, cancel);
            if (!tail.IsReadable)
            {
                _left.Dequeue();
                continue;
            }

            foreach (var day in records.GroupBy(record => Days.Of(record.ReceivedUnixNanos)).OrderBy(day => day.Key))
            {
                foreach (var table in day.SelectMany(record => record.Blocks).Select(block => block.Table).Distinct(StringComparer.Ordinal).ToList())
                {
                    await InsertAsync(day.Key, table, [.. day.Where(record => record.Blocks.Any(block => string.Equals(block.Table, table, StringComparison.Ordinal)))], cancel);
                }
            }

            log.Replayed(records.Count, records.Sum(record => record.Blocks.Sum(block => (long)block.Block.RowCount)), segment.Path);
            if (tail.IsDamage)
            {
                log.JournalDamaged(tail.Bytes, journal.Aside.Keep(segment));
            }
            else
            {
                segment.Delete();
            }

            _left.Dequeue();
        }
    }

    /// <remarks>A file that cannot be read stops neither the start nor the files behind it.</remarks>
    private async Task<(IReadOnlyList<JournalRecord> Records, JournalTail Tail)> TryReadAsync(JournalSegment segment, CancellationToken cancel)
    {
        try
        {
            return await segment.ReadAsync(cancel);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            log.JournalUnreadable(exception, segment.Path);
            return ([], new JournalTail(0, IsDamage: false, IsReadable: false));
        }
    }

    private async Task InsertAsync(ushort day, string table, List<JournalRecord> records, CancellationToken cancel)
    {
        DiskGuard.RequireRoom(engine, "what the journal holds is written");
        var missing = await WithoutStoredAsync(day, table, records, cancel);
        try
        {
            await InsertAsync(table, missing);
            return;
        }
        catch (Exception exception) when (GroupCommit.IsFaultOfTheData(exception) && missing.Count > 1)
        {
            log.GroupFailed(exception, missing.Sum(record => BlocksOf(record, table).Sum(block => block.RowCount)), missing.Count, table);
        }
        catch (Exception exception) when (GroupCommit.IsFaultOfTheData(exception))
        {
            log.RequestSetAside(exception, missing[0].Project, table, journal.Aside.Keep(missing[0]));
            return;
        }

        foreach (var record in missing)
        {
            await InsertAsync(day, table, [record], cancel);
        }
    }

    private async Task InsertAsync(string table, List<JournalRecord> records)
    {
        await engine.InsertAsync(table, [.. records.SelectMany(record => BlocksOf(record, table))], CancellationToken.None);
        await disk.RequireWholeAsync(table, CancellationToken.None);
    }

    /// <summary>A process may have ended between an insert and the end of the file that it was made from.</summary>
    private async Task<List<JournalRecord>> WithoutStoredAsync(ushort day, string table, List<JournalRecord> records, CancellationToken cancel)
    {
        if (table is not ("spans" or "logs" or "scores"))
        {
            // A sample or a series that is written twice is there once.
            return records;
        }

        await disk.RequireWholeAsync(table, cancel);
        var stored = await engine.QueryAsync(
            $$"""
            SELECT DISTINCT received_unix_nanos FROM {{table}}
            WHERE received_date = {day:Date} AND received_unix_nanos BETWEEN {first:Int64} AND {last:Int64}
            """,
            new SqlParameters()
                .Add("day", Days.Text(day))
                .Add("first", records.Min(record => record.ReceivedUnixNanos))
                .Add("last", records.Max(record => record.ReceivedUnixNanos)),
            cancel: cancel);
        var there = stored.Rows.Select(row => row.Int64("received_unix_nanos")).ToHashSet();
        return records.FindAll(record => !there.Contains(record.ReceivedUnixNanos));
    }

    private static IEnumerable<NativeBlock> BlocksOf(JournalRecord record, string table) =>
        record.Blocks.Where(block => string.Equals(block.Table, table, StringComparison.Ordinal)).Select(block => block.Block);
}
