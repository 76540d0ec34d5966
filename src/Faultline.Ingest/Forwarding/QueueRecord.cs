using System.Buffers.Binary;
using Faultline.Store;

namespace Faultline.Ingest.Forwarding;

/// <summary>What stands before each request in a queue's segment: 48 bytes, little endian, with checksums of itself and of the body behind it.</summary>
/// <remarks>
/// 0 magic, 4 CRC-32C of bytes 8 to 47, 8 body length, 12 CRC-32C of the body, 16 Unix milliseconds, 24 request hash, 40 items, 44 zero. The header
/// has its own checksum, so that a damaged body does not hide where the next record begins.
/// </remarks>
internal readonly record struct QueueRecord(int BodyBytes, uint BodyCrc, long UnixMillis, UInt128 RequestHash, int Items)
{
    public const int HeaderBytes = 48;

    private const uint Magic = 0x3152_5146;
    private const int BodyBytesMax = 1 << 30;

    /// <summary>Header and body.</summary>
    public int Length => HeaderBytes + BodyBytes;

    public static QueueRecord Of(ReadOnlySpan<byte> body, int items, UInt128 requestHash, long unixMillis) => new(body.Length, Crc32C.Of(body), unixMillis, requestHash, items);

    public static bool TryRead(ReadOnlySpan<byte> header, out QueueRecord record)
    {
        record = default;
        if (header.Length < HeaderBytes
            || BinaryPrimitives.ReadUInt32LittleEndian(header) != Magic
            || BinaryPrimitives.ReadUInt32LittleEndian(header[4..]) != Crc32C.Of(header[8..HeaderBytes]))
        {
            return false;
        }

        record = new QueueRecord(
            BinaryPrimitives.ReadInt32LittleEndian(header[8..]),
            BinaryPrimitives.ReadUInt32LittleEndian(header[12..]),
            BinaryPrimitives.ReadInt64LittleEndian(header[16..]),
            BinaryPrimitives.ReadUInt128LittleEndian(header[24..]),
            BinaryPrimitives.ReadInt32LittleEndian(header[40..]));
        return record.BodyBytes is >= 0 and <= BodyBytesMax;
    }

    public bool IsBody(ReadOnlySpan<byte> body) => body.Length == BodyBytes && Crc32C.Of(body) == BodyCrc;

    public void WriteTo(Span<byte> header)
    {
        header[..HeaderBytes].Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(header, Magic);
        BinaryPrimitives.WriteInt32LittleEndian(header[8..], BodyBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(header[12..], BodyCrc);
        BinaryPrimitives.WriteInt64LittleEndian(header[16..], UnixMillis);
        BinaryPrimitives.WriteUInt128LittleEndian(header[24..], RequestHash);
        BinaryPrimitives.WriteInt32LittleEndian(header[40..], Items);
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], Crc32C.Of(header[8..HeaderBytes]));
    }
}
