using System.Globalization;
using Faultline.ClickHouse;
using Microsoft.Extensions.Logging;

namespace Faultline.Store.Disk;

/// <summary>Keeps a disk that runs full from costing rows.</summary>
/// <remarks>
/// Seen with ClickHouse 26.7 (<c>bench/run full-disk</c>): when the disk runs full in the middle of an insert or a merge, some of the new part's files may stay
/// empty and the statement succeeds all the same. Its rows are gone, every query that meets the part fails, and the parts that were merged are deleted
/// minutes later. So nothing is written without room; and while there is little of it, and for a time afterwards, every new part is
/// read again: an insert's before it is acknowledged, a merge's within seconds. A table with a damaged part is detached and attached: as at a start, the engine
/// then lays the part aside and takes up those it was merged from.
/// </remarks>
public sealed class DiskGuard(IClickHouse engine, TimeProvider time, ILogger log)
{
    /// <summary>Room on the disk without which nothing is written.</summary>
    public const long FreeBytesMin = 32L << 20;

    /// <summary>With less room than this new parts are read again.</summary>
    public const long FreeBytesCareful = 512L << 20;

    /// <summary>How long that goes on after there is room again: a merge that began without room may still run, and the engine keeps what was merged for eight minutes.</summary>
    private static readonly TimeSpan CarefulFor = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan AttachAgainAfter = TimeSpan.FromMilliseconds(200);

    private const int NotEnoughSpace = 243;
    private const int NoSuchPart = 232;
    private const int AttachTries = 25;

    // Modification times are whole seconds.
    private static readonly TimeSpan Before = TimeSpan.FromSeconds(10);

    private readonly Turn _turn = new();
    private readonly Dictionary<string, HashSet<string>> _whole = new(StringComparer.Ordinal);
    private readonly HashSet<string> _detached = new(StringComparer.Ordinal);

    // Unix seconds from which on new parts are read again; of a process before this one, too.
    private long _carefulSince = engine.FreeBytes < FreeBytesCareful ? (time.GetUtcNow() - CarefulFor).ToUnixTimeSeconds() : long.MaxValue;
    private long _roomySince = time.GetTimestamp();
    private long _damaged;

    /// <summary>Parts that were found damaged since the start.</summary>
    public long Damaged => Interlocked.Read(ref _damaged);

    public long FreeBytes => engine.FreeBytes;

    /// <summary>Throws when there is no room to write.</summary>
    /// <param name="what">What waits for room, as in "rows are deleted".</param>
    /// <exception cref="ClickHouseException">Transient.</exception>
    public static void RequireRoom(IClickHouse engine, string what)
    {
        if (engine.FreeBytes is var free and < FreeBytesMin)
        {
            throw new ClickHouseException(
                NotEnoughSpace,
                string.Create(CultureInfo.InvariantCulture, $"the disk has {free >> 20} MiB free; {what} when it has {FreeBytesMin >> 20} MiB. Make room on it; nothing else is to be done."), "");
        }
    }

    /// <summary>After an insert, and before rows of an earlier one are believed to be there: reads the table's new parts where the disk may have run full.</summary>
    /// <exception cref="ClickHouseException">One was damaged and is laid aside, or they could not be read. Transient.</exception>
    public async Task RequireWholeAsync(string table, CancellationToken cancel)
    {
        if (IsCareful() && await _turn.RunAsync(() => CheckAsync(table, cancel), cancel) > 0)
        {
            throw new ClickHouseException(NotEnoughSpace, $"the disk ran full while rows of {table} were written; they are written again when there is room.", "");
        }
    }

    /// <summary>Watches the disk, and what is merged while it is nearly full, until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        using var timer = new PeriodicTimer(Every, time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancel))
            {
                if (!IsCareful())
                {
                    continue;
                }

                try
                {
                    await CheckAllAsync(cancel);
                }
                catch (Exception problem) when (problem is not OperationCanceledException)
                {
                    log.PartsNotChecked(problem);
                }
            }
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
        }
    }

    /// <summary>Reads the new parts of all tables.</summary>
    internal async Task CheckAllAsync(CancellationToken cancel)
    {
        var detached = await _turn.RunAsync(() => Task.FromResult(_detached.ToList()), cancel);
        var fresh = await engine.QueryAsync(
            "SELECT DISTINCT table FROM system.parts WHERE database = currentDatabase() AND active AND modification_time >= fromUnixTimestamp({since:Int64})",
            new SqlParameters().Add("since", FreshSince),
            cancel: cancel);
        foreach (var table in fresh.Rows.Select(row => row.Text("table")).Union(detached, StringComparer.Ordinal).ToList())
        {
            await _turn.RunAsync(() => CheckAsync(table, cancel), cancel);
        }
    }

    /// <summary>Unix seconds; parts that were written later may be damaged.</summary>
    private long FreshSince => Math.Min(Interlocked.Read(ref _carefulSince), time.GetUtcNow().ToUnixTimeSeconds());

    private bool IsCareful()
    {
        var now = time.GetTimestamp();
        if (engine.FreeBytes < FreeBytesCareful)
        {
            Interlocked.CompareExchange(ref _carefulSince, (time.GetUtcNow() - Before).ToUnixTimeSeconds(), long.MaxValue);
            Interlocked.Exchange(ref _roomySince, now);
        }
        else if (Interlocked.Read(ref _carefulSince) != long.MaxValue && time.GetElapsedTime(Interlocked.Read(ref _roomySince), now) > CarefulFor)
        {
            Interlocked.Exchange(ref _carefulSince, long.MaxValue);
        }

        return Interlocked.Read(ref _carefulSince) != long.MaxValue;
    }

    /// <returns>How many parts are damaged.</returns>
    private async Task<int> CheckAsync(string table, CancellationToken cancel)
    {
        if (_detached.Contains(table))
        {
            await AttachAsync(table, cancel);
        }

        var fresh = await engine.QueryAsync(
            """
            SELECT name FROM system.parts
            WHERE database = currentDatabase() AND table = {table:String} AND active AND modification_time >= fromUnixTimestamp({since:Int64})
            """,
            new SqlParameters().Add("table", table).Add("since", FreshSince),
            cancel: cancel);
        var names = fresh.Rows.Select(row => row.Text("name")).ToHashSet(StringComparer.Ordinal);
        if (!_whole.TryGetValue(table, out var whole))
        {
            _whole[table] = whole = new(StringComparer.Ordinal);
        }

        whole.IntersectWith(names);
        List<string> damaged = [];
        foreach (var part in names.Except(whole).ToList())
        {
            if (await FaultOfAsync(table, part, cancel) is { } fault)
            {
                log.PartDamaged(part, table, fault);
                damaged.Add(part);
            }
            else
            {
                whole.Add(part);
            }
        }

        if (damaged.Count > 0)
        {
            Interlocked.Add(ref _damaged, damaged.Count);
            _detached.Add(table);
            await engine.ExecuteAsync($"DETACH TABLE {table} SYNC", cancel: cancel);
            await AttachAsync(table, cancel);
        }

        foreach (var part in damaged)
        {
            // What the engine takes for whole when it opens the table stays; a merge may have made a sound one of the same name by now.
            if (await FaultOfAsync(table, part, cancel) is not null)
            {
                log.PartKept(part, table);
                whole.Add(part);
            }
        }

        return damaged.Count;
    }

    /// <returns>What is wrong with the part, or null.</returns>
    private async Task<string?> FaultOfAsync(string table, string part, CancellationToken cancel)
    {
        try
        {
            var answer = await engine.QueryAsync($"CHECK TABLE {table} PART '{part}' SETTINGS check_query_single_value_result = 0", cancel: cancel);
            return answer.Rows.Where(row => row.Int64("is_passed") == 0).Select(row => row.Text("message")).FirstOrDefault();
        }
        catch (ClickHouseException merged) when (merged.Code == NoSuchPart)
        {
            return null;        // It is in a larger one by now, which is read in its turn.
        }
    }

    private async Task AttachAsync(string table, CancellationToken cancel)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                await engine.ExecuteAsync($"ATTACH TABLE IF NOT EXISTS {table}", cancel: cancel);
                _detached.Remove(table);
                return;
            }
            catch (ClickHouseException problem) when (tries < AttachTries)
            {
                log.NotAttached(problem, table);
                await Task.Delay(AttachAgainAfter, time, cancel);
            }
        }
    }
}
