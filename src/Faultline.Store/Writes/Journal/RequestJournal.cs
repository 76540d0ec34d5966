using Faultline.Store.Schema;
using Faultline.Telemetry;

namespace Faultline.Store.Writes.Journal;

/// <summary>
/// Requests that are acknowledged and not yet in the tables, on the disk. So an acknowledgement waits for one small write and not for the engine, and what goes into the
/// tables goes in larger groups.
/// </summary>
/// <remarks>
/// What is here has been redacted. A file usually lives for a fraction of a second: its pages are still in memory when it is deleted, and the disk never sees them. Files of an earlier
/// process are put into the tables at the next start (<see cref="JournalReplay"/>). What the engine will never take is kept apart (<see cref="AsideRequests"/>).
/// </remarks>
internal sealed class RequestJournal
{
    private readonly string _directory;
    private readonly bool _synced;
    private readonly (Tables Table, IRows Rows)[] _tables;
    private readonly FixedRows<byte> _records = new();
    private long _number;

    private RequestJournal(string directory, Durability durability, TimeProvider time)
    {
        (_directory, _synced) = (directory, durability == Durability.Power);
        _tables = GroupCommit.RowsOfTables(time);
        Aside = new AsideRequests(Path.Combine(directory, "aside"));
        Leftover = [.. JournalSegment.Find(directory)];
        _number = Leftover.Count == 0 ? 0 : Leftover.Max(segment => segment.Number);
    }

    /// <summary>What earlier processes left, oldest first.</summary>
    public IReadOnlyList<JournalSegment> Leftover { get; }

    /// <summary>What the engine will never take.</summary>
    public AsideRequests Aside { get; }

    public static RequestJournal Open(string directory, Durability durability, TimeProvider time)
    {
        Directory.CreateDirectory(directory);
        return new RequestJournal(directory, durability, time);
    }

    /// <summary>A new file, made with its first record.</summary>
    public JournalSegment Begin() => JournalSegment.Create(_directory, ++_number, _synced);

    /// <summary>Encodes a batch behind those that wait for <see cref="WriteTo"/>.</summary>
    /// <exception cref="Exception">The batch is not what a batch can be; nothing of it stays.</exception>
    public void Add(TelemetryBatch batch)
    {
        var before = _records.Count;
        try
        {
            JournalRecord.Write(batch, BlocksOf(batch), _records);
        }
        catch
        {
            _records.CutTo(before);
            throw;
        }
    }

    /// <summary>Forgets what was added and not written.</summary>
    public void Forget() => _records.Clear();

    /// <summary>Writes what was added, and forgets it also when that fails.</summary>
    /// <exception cref="IOException">It could not be written; the disk may be full.</exception>
    public void WriteTo(JournalSegment segment)
    {
        try
        {
            segment.Append(_records.Values);
        }
        finally
        {
            _records.Clear();
        }
    }

    private IEnumerable<TableBlock> BlocksOf(TelemetryBatch batch)
    {
        var day = Days.Of(batch.ReceivedUnixNanos);
        foreach (var (_, rows) in _tables)
        {
            if (rows.RowsOf(batch) == 0)
            {
                continue;
            }

            try
            {
                // A file is read alone: every series that it has samples of is in it.
                (rows as SampleRows)?.ForgetSeen();
                rows.Append(batch);
                foreach (var block in rows.Blocks(day))
                {
                    yield return block;
                }
            }
            finally
            {
                rows.Clear();
            }
        }
    }
}
