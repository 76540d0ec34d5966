using Faultline.ClickHouse;
using Faultline.Telemetry;

namespace Faultline.Store.Writes;

/// <summary>Rows of a group that go into one table.</summary>
internal interface IRows
{
    string Table { get; }

    int Count { get; }

    /// <summary>
    /// True where every row carries the hash of its request, so that the table can be asked whether a request is in it.
    /// False where writing a row twice changes nothing.
    /// </summary>
    bool KeepsRequestHash { get; }

    /// <summary>How many rows a batch has for this table.</summary>
    int RowsOf(TelemetryBatch batch);

    void Append(TelemetryBatch batch);

    /// <summary>
    /// All rows, a block a table in the order in which they are to be inserted; who asks for the next has inserted the one before. They are of one received day, so an
    /// insert touches one partition and is whole or not there.
    /// </summary>
    /// <param name="receivedDay">Days since 1970-01-01.</param>
    IEnumerable<TableBlock> Blocks(ushort receivedDay);

    void Clear();
}

/// <param name="Block">Good until the next one is asked for.</param>
internal readonly record struct TableBlock(string Table, NativeBlock Block);
