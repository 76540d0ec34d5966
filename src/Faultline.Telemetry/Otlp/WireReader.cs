using System.Buffers.Binary;

namespace Faultline.Telemetry.Otlp;

/// <summary>What is wrong with a protobuf message.</summary>
internal enum WireFault
{
    None = 0,

    /// <summary>The message ends in the middle of a value.</summary>
    Truncated,

    /// <summary>A varint of more than ten bytes.</summary>
    Varint,

    /// <summary>Field number zero, or a wire type that does not exist.</summary>
    Tag,

    /// <summary>A group ends that never began, or never ends.</summary>
    Group,

    /// <summary>Values inside values, deeper than <see cref="WireReader.NestingMax"/>.</summary>
    Nesting,

    /// <summary>More rows than <see cref="OtlpLimits.RowsMax"/>.</summary>
    Rows,
}

/// <summary>
/// Reads protobuf fields from memory that somebody else owns. It never throws: the first fault stays in
/// <see cref="Fault"/>, reads after it return nothing, and <see cref="TryReadTag"/> ends the caller's loop.
/// </summary>
/// <remarks>
/// A tag is field number and wire type in one number, so that a field of the wrong wire type falls into the caller's
/// <c>default</c> and is skipped, as protobuf's own parsers do. Source: protobuf.dev/programming-guides/encoding.
/// </remarks>
internal ref struct WireReader(ReadOnlySpan<byte> message)
{
    public const uint Varint = 0;
    public const uint Fixed64 = 1;
    public const uint Bytes = 2;
    public const uint Fixed32 = 5;

    /// <summary>How deep groups and <c>AnyValue</c>s may nest.</summary>
    public const int NestingMax = 64;

    private const uint GroupStart = 3;
    private const uint GroupEnd = 4;

    private readonly ReadOnlySpan<byte> _message = message;
    private int _at;

    public WireFault Fault { get; private set; }

    /// <summary>How far it has read.</summary>
    public readonly int At => _at;

    /// <summary>Whether anything is left to read; for packed numbers, which have no tags.</summary>
    public readonly bool HasMore => _at < _message.Length && Fault == WireFault.None;

    /// <summary>Reads the next tag; false at the end of the message or after a fault.</summary>
    public bool TryReadTag(out uint tag)
    {
        tag = 0;
        if (_at >= _message.Length || Fault != WireFault.None)
        {
            return false;
        }

        var value = ReadVarint();
        if (Fault != WireFault.None)
        {
            return false;
        }

        if (value > uint.MaxValue || value >> 3 == 0)
        {
            return Fail(WireFault.Tag);
        }

        tag = (uint)value;
        return true;
    }

    public ulong ReadVarint()
    {
        // Nearly every tag and length is one byte.
        if ((uint)_at < (uint)_message.Length && _message[_at] < 0x80)
        {
            return _message[_at++];
        }

        return ReadLongVarint();
    }

    private ulong ReadLongVarint()
    {
        ulong value = 0;
        for (var shift = 0; shift < 70; shift += 7)
        {
            if (_at >= _message.Length)
            {
                Fail(WireFault.Truncated);
                return 0;
            }

            var next = _message[_at++];
            value |= (ulong)(next & 0x7f) << shift;
            if (next < 0x80)
            {
                return value;
            }
        }

        Fail(WireFault.Varint);
        return 0;
    }

    public ulong ReadFixed64()
    {
        var bytes = Take(8);
        return bytes.IsEmpty ? 0 : BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    public uint ReadFixed32()
    {
        var bytes = Take(4);
        return bytes.IsEmpty ? 0 : BinaryPrimitives.ReadUInt32LittleEndian(bytes);
    }

    public double ReadDouble() => BitConverter.UInt64BitsToDouble(ReadFixed64());

    /// <summary>A length and that many bytes: text, bytes, a message, packed numbers.</summary>
    public ReadOnlySpan<byte> ReadBytes()
    {
        var length = ReadVarint();
        if (Fault == WireFault.None && length <= (ulong)(_message.Length - _at))
        {
            return Take((int)length);
        }

        Fail(WireFault.Truncated);
        return default;
    }

    /// <summary>Passes over the value behind <paramref name="tag"/>: a newer sender's field is not an error.</summary>
    public void Skip(uint tag) => Skip(tag, 0);

    private void Skip(uint tag, int depth)
    {
        switch (tag & 7)
        {
            case Varint:
                ReadVarint();
                break;
            case Fixed64:
                Take(8);
                break;
            case Bytes:
                ReadBytes();
                break;
            case Fixed32:
                Take(4);
                break;
            case GroupStart:
                SkipGroup(tag >> 3, depth + 1);
                break;
            case GroupEnd:
                Fail(WireFault.Group);
                break;
            default:
                Fail(WireFault.Tag);
                break;
        }
    }

    private void SkipGroup(uint field, int depth)
    {
        if (depth > NestingMax)
        {
            Fail(WireFault.Nesting);
            return;
        }

        while (TryReadTag(out var tag))
        {
            if ((tag & 7) == GroupEnd)
            {
                if (tag >> 3 != field)
                {
                    Fail(WireFault.Group);
                }

                return;
            }

            Skip(tag, depth);
        }

        Fail(WireFault.Group);
    }

    private ReadOnlySpan<byte> Take(int length)
    {
        if (Fault != WireFault.None || length > _message.Length - _at)
        {
            Fail(WireFault.Truncated);
            return default;
        }

        var bytes = _message.Slice(_at, length);
        _at += length;
        return bytes;
    }

    private bool Fail(WireFault fault)
    {
        if (Fault == WireFault.None)
        {
            Fault = fault;
        }

        return false;
    }
}
