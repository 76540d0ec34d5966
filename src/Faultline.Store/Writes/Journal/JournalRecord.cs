using System.Buffers.Binary;
using System.Text;
using Faultline.ClickHouse;
using Faultline.Telemetry;

namespace Faultline.Store.Writes.Journal;

/// <summary>One request in the journal: who sent it, and its rows as the blocks that go into the tables.</summary>
/// <remarks>
/// Little endian. Header of 40 bytes: 0 magic, 4 CRC-32C of bytes 8 to 39, 8 body length, 12 CRC-32C of the body, 16 when it was received, 24 request hash. Body: the project, then for each
/// block the table's name, its rows and its bytes; texts and bytes have their length in front.
/// </remarks>
/// <param name="ReceivedUnixNanos">No other request has the same.</param>
/// <param name="Bytes">Header and body.</param>
internal sealed record JournalRecord(string Project, UInt128 RequestHash, long ReceivedUnixNanos, IReadOnlyList<TableBlock> Blocks, ReadOnlyMemory<byte> Bytes)
{
    public const int HeaderBytes = 40;

    private const uint Magic = 0x314A_4C46;

    /// <summary>Reads the record at the beginning of <paramref name="bytes"/>; its blocks stay in that memory.</summary>
    /// <returns>Null where no whole record begins.</returns>
    public static JournalRecord? TryRead(ReadOnlyMemory<byte> bytes)
    {
        var header = bytes.Span;
        if (!IsHeader(header)
            || BinaryPrimitives.ReadInt32LittleEndian(header[8..]) is var length && length > header.Length - HeaderBytes
            || BinaryPrimitives.ReadUInt32LittleEndian(header[12..]) != Crc32C.Of(header.Slice(HeaderBytes, length)))
        {
            return null;
        }

        // The checksum holds, so what follows is what a writer of this format wrote.
        var body = bytes.Slice(HeaderBytes, length);
        var project = Encoding.UTF8.GetString(Take(ref body, TakeInt32(ref body)).Span);
        List<TableBlock> blocks = [];
        while (body.Length > 0)
        {
            var table = Encoding.UTF8.GetString(Take(ref body, TakeInt32(ref body)).Span);
            var rows = TakeInt32(ref body);
            blocks.Add(new TableBlock(table, new NativeBlock(rows, Take(ref body, TakeInt32(ref body)))));
        }

        return new JournalRecord(
            project,
            BinaryPrimitives.ReadUInt128LittleEndian(header[24..]),
            BinaryPrimitives.ReadInt64LittleEndian(header[16..]),
            blocks,
            bytes[..(HeaderBytes + length)]);
    }

    /// <summary>Whether nothing is there, or the beginning of a record and no more.</summary>
    public static bool IsCut(ReadOnlySpan<byte> bytes) =>
        bytes.Length < HeaderBytes || (IsHeader(bytes) && BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]) > bytes.Length - HeaderBytes);

    /// <summary>Appends the record of <paramref name="batch"/>.</summary>
    public static void Write(TelemetryBatch batch, IEnumerable<TableBlock> blocks, FixedRows<byte> into)
    {
        var start = into.Count;
        into.Extend(HeaderBytes);
        Write(Encoding.UTF8.GetBytes(batch.Project), into);
        foreach (var (table, block) in blocks)
        {
            Write(Encoding.UTF8.GetBytes(table), into);
            BinaryPrimitives.WriteInt32LittleEndian(into.Extend(sizeof(int)), block.RowCount);
            Write(block.Bytes.Span, into);
        }

        var record = into.Written[start..];
        var header = record[..HeaderBytes];
        header.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(header, Magic);
        BinaryPrimitives.WriteInt32LittleEndian(header[8..], record.Length - HeaderBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(header[12..], Crc32C.Of(record[HeaderBytes..]));
        BinaryPrimitives.WriteInt64LittleEndian(header[16..], batch.ReceivedUnixNanos);
        BinaryPrimitives.WriteUInt128LittleEndian(header[24..], batch.RequestHash);
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], Crc32C.Of(header[8..]));
    }

    private static bool IsHeader(ReadOnlySpan<byte> bytes) =>
        bytes.Length >= HeaderBytes
        && BinaryPrimitives.ReadUInt32LittleEndian(bytes) == Magic
        && BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]) == Crc32C.Of(bytes[8..HeaderBytes]);

    private static void Write(ReadOnlySpan<byte> bytes, FixedRows<byte> into)
    {
        BinaryPrimitives.WriteInt32LittleEndian(into.Extend(sizeof(int)), bytes.Length);
        into.Append(bytes);
    }

    private static ReadOnlyMemory<byte> Take(ref ReadOnlyMemory<byte> body, int length)
    {
        var taken = body[..length];
        body = body[length..];
        return taken;
    }

    private static int TakeInt32(ref ReadOnlyMemory<byte> body) => BinaryPrimitives.ReadInt32LittleEndian(Take(ref body, sizeof(int)).Span);
}
