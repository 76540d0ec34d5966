using System.Buffers;
using System.Buffers.Binary;

namespace Faultline.Telemetry.Otlp;

/// <summary>
/// Writes a protobuf message from its end to its beginning, so that the length of what is inside is known when its prefix is written:
/// the shortest encoding in one pass and without moving anything. Whatever is written first stands last. Dispose it: its memory is pooled.
/// </summary>
/// <remarks>Source: protobuf.dev/programming-guides/encoding. Zero and empty are left out, as proto3 has it; the <c>Always</c> methods write them.</remarks>
internal sealed class BackwardsWriter : IDisposable
{
    private const int VarintBytesMax = 10;

    private byte[] _bytes = ArrayPool<byte>.Shared.Rent(4096);
    private int _start;

    public BackwardsWriter() => _start = _bytes.Length;

    /// <summary>Bytes written so far; also the place to hand to <see cref="CloseMessage"/>.</summary>
    public int Length => _bytes.Length - _start;

    public ReadOnlySpan<byte> Written => _bytes.AsSpan(_start);

    public void Varint(uint field, ulong value)
    {
        if (value != 0)
        {
            AlwaysVarint(field, value);
        }
    }

    public void AlwaysVarint(uint field, ulong value)
    {
        RawVarint(value);
        Tag(field, WireReader.Varint);
    }

    public void Fixed64(uint field, ulong value)
    {
        if (value != 0)
        {
            AlwaysFixed64(field, value);
        }
    }

    public void AlwaysFixed64(uint field, ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(Prepend(8), value);
        Tag(field, WireReader.Fixed64);
    }

    public void Fixed32(uint field, uint value)
    {
        if (value != 0)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(Prepend(4), value);
            Tag(field, WireReader.Fixed32);
        }
    }

    public void Bytes(uint field, ReadOnlySpan<byte> value)
    {
        if (!value.IsEmpty)
        {
            AlwaysBytes(field, value);
        }
    }

    public void AlwaysBytes(uint field, ReadOnlySpan<byte> value)
    {
        value.CopyTo(Prepend(value.Length));
        RawVarint((ulong)value.Length);
        Tag(field, WireReader.Bytes);
    }

    /// <summary>Makes what was written since <paramref name="end"/> (a <see cref="Length"/>) one message.</summary>
    public void CloseMessage(uint field, int end)
    {
        RawVarint((ulong)(Length - end));
        Tag(field, WireReader.Bytes);
    }

    public void Dispose()
    {
        var bytes = _bytes;
        (_bytes, _start) = ([], 0);
        if (bytes.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    private void Tag(uint field, uint wireType) => RawVarint((field << 3) | wireType);

    private void RawVarint(ulong value)
    {
        Span<byte> bytes = stackalloc byte[VarintBytesMax];
        var length = 0;
        for (; value >= 0x80; value >>= 7)
        {
            bytes[length++] = (byte)(value | 0x80);
        }

        bytes[length++] = (byte)value;
        bytes[..length].CopyTo(Prepend(length));
    }

    private Span<byte> Prepend(int length)
    {
        if (length > _start)
        {
            var larger = ArrayPool<byte>.Shared.Rent(checked((int)Math.Min(Array.MaxLength, Math.Max((long)Length + length, _bytes.Length * 2L))));
            Written.CopyTo(larger.AsSpan(larger.Length - Length));
            var start = larger.Length - Length;
            ArrayPool<byte>.Shared.Return(_bytes);
            (_bytes, _start) = (larger, start);
        }

        _start -= length;
        return _bytes.AsSpan(_start, length);
    }
}
