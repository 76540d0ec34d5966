using System.Buffers.Binary;
using System.Text;
using Faultline.Ledger.Merkle;

namespace Faultline.Ledger.Segments;

/// <summary>
/// How an entry lies in a segment: its length (4 bytes), its bytes, its leaf hash (32). All numbers are big-endian. The
/// entry's bytes, which the leaf hash covers, are: form (1 byte, 1), sequence (8), Unix nanoseconds (8), leaf hash of the
/// entry before (32, zeros for the first), payload version (2), length of the type (1), type (UTF-8), payload.
/// </summary>
/// <remarks>Documented for others in docs/audit.md; a form that was written once is read for ever.</remarks>
internal static class EntryFormat
{
    public const int LengthBytes = 4;
    public const int PayloadBytesMax = 4 << 20;
    public const int TypeBytesMax = 100;
    public const int EntryBytesMax = FixedBytes + TypeBytesMax + PayloadBytesMax;

    private const byte Form = 1;
    private const int FixedBytes = 1 + 8 + 8 + MerkleHash.Length + 2 + 1;

    /// <exception cref="ArgumentException">The type or the payload is larger than an entry can hold.</exception>
    public static byte[] Encode(long sequence, DateTimeOffset at, ReadOnlySpan<byte> previousLeafHash, string type, int version, ReadOnlySpan<byte> payload)
    {
        var typeBytes = Encoding.UTF8.GetBytes(type);
        if (typeBytes.Length is 0 or > TypeBytesMax)
        {
            throw new ArgumentException($"The event type '{type}' has {typeBytes.Length} bytes; 1 to {TypeBytesMax} fit.", nameof(type));
        }

        if (payload.Length > PayloadBytesMax)
        {
            throw new ArgumentException($"The payload of '{type}' has {payload.Length} bytes; at most {PayloadBytesMax} fit. Put long texts in a blob.", nameof(payload));
        }

        ArgumentOutOfRangeException.ThrowIfNotEqual(version, (ushort)version);
        var entry = new byte[FixedBytes + typeBytes.Length + payload.Length];
        entry[0] = Form;
        BinaryPrimitives.WriteInt64BigEndian(entry.AsSpan(1), sequence);
        BinaryPrimitives.WriteInt64BigEndian(entry.AsSpan(9), UnixNanos(at));
        previousLeafHash.CopyTo(entry.AsSpan(17, MerkleHash.Length));
        BinaryPrimitives.WriteUInt16BigEndian(entry.AsSpan(49), (ushort)version);
        entry[51] = (byte)typeBytes.Length;
        typeBytes.CopyTo(entry.AsSpan(FixedBytes));
        payload.CopyTo(entry.AsSpan(FixedBytes + typeBytes.Length));
        return entry;
    }

    /// <summary>False when the bytes are not an entry.</summary>
    public static bool TryDecode(ReadOnlyMemory<byte> bytes, ReadOnlyMemory<byte> leafHash, out LedgerEntry entry, out ReadOnlyMemory<byte> previousLeafHash)
    {
        entry = null!;
        previousLeafHash = default;
        var span = bytes.Span;
        if (span.Length < FixedBytes || span[0] != Form || span[51] is 0 or > TypeBytesMax || span.Length < FixedBytes + span[51])
        {
            return false;
        }

        var nanos = BinaryPrimitives.ReadInt64BigEndian(span[9..]);
        previousLeafHash = bytes.Slice(17, MerkleHash.Length);
        entry = new LedgerEntry(
            BinaryPrimitives.ReadInt64BigEndian(span[1..]),
            DateTimeOffset.UnixEpoch.AddTicks(nanos / 100),
            Encoding.UTF8.GetString(span.Slice(FixedBytes, span[51])),
            BinaryPrimitives.ReadUInt16BigEndian(span[49..]),
            bytes[(FixedBytes + span[51])..],
            leafHash);
        return true;
    }

    /// <summary>A clock's reading cut to what an entry holds (100 ns, since 1970), so that live and replayed events agree.</summary>
    public static long UnixNanos(DateTimeOffset at) => (at - DateTimeOffset.UnixEpoch).Ticks * 100;
}
