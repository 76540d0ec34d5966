using System.Buffers.Binary;

namespace Faultline.Ingest.Receivers;

/// <summary>Whether a gzip stream was unpacked to its end. .NET says nothing when a stream stops in the middle.</summary>
/// <remarks>Source: RFC 1952: a member ends with the CRC-32 and the length, modulo 2^32, of what it holds. Members may follow each other.</remarks>
internal static class GzipTrailer
{
    public const int Length = 8;

    private static readonly uint[] Table = MakeTable();

    /// <param name="compressed">The whole stream.</param>
    /// <param name="plain">All that came out of it.</param>
    public static bool Fits(ReadOnlySpan<byte> compressed, ReadOnlySpan<byte> plain)
    {
        var trailer = compressed[^Length..];
        var lastMember = BinaryPrimitives.ReadUInt32LittleEndian(trailer[4..]);

        // One member: zlib has compared the checksum when it came to the end, and it came there if the length is right.
        // Several: the last one's bytes are the last that came out.
        return lastMember == plain.Length
            || (lastMember < plain.Length && Crc32(plain[^(int)lastMember..]) == BinaryPrimitives.ReadUInt32LittleEndian(trailer));
    }

    private static uint Crc32(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var value in bytes)
        {
            crc = Table[(byte)(crc ^ value)] ^ (crc >> 8);
        }

        return ~crc;
    }

    private static uint[] MakeTable()
    {
        var table = new uint[256];
        for (uint value = 0; value < table.Length; value++)
        {
            var crc = value;
            for (var bit = 0; bit < 8; bit++)
            {
                crc = (crc & 1) == 1 ? 0xedb88320 ^ (crc >> 1) : crc >> 1;
            }

            table[value] = crc;
        }

        return table;
    }
}
