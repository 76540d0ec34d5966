using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Faultline.ClickHouse.Native;

/// <summary>Reads the primitives of the <c>Native</c> format. Nothing is allocated for data that is not there.</summary>
internal ref struct BlockReader(ReadOnlySpan<byte> bytes)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;
    private int _at;

    public readonly bool AtEnd => _at == _bytes.Length;

    public readonly int Remaining => _bytes.Length - _at;

    public ulong Varint()
    {
        ulong value = 0;
        for (var shift = 0; shift < 64; shift += 7)
        {
            if (_at == _bytes.Length)
            {
                throw new InvalidDataException("The data ends inside a number.");
            }
            var next = _bytes[_at++];
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                return value;
            }
        }
        throw new InvalidDataException("A number is longer than 64 bits.");
    }

    /// <summary>A varint that counts things of at least <paramref name="bytesEach"/> bytes that must still follow.</summary>
    public int Count(int bytesEach)
    {
        var value = Varint();
        return value <= (ulong)(Remaining / bytesEach) ? (int)value : throw new InvalidDataException($"{value} entries are announced, but only {Remaining} bytes follow.");
    }

    public ReadOnlySpan<byte> Take(long length)
    {
        if (length < 0 || length > Remaining)
        {
            throw new InvalidDataException($"{length} bytes are needed, but only {Remaining} follow.");
        }
        var span = _bytes.Slice(_at, (int)length);
        _at += (int)length;
        return span;
    }

    public ulong UInt64() => MemoryMarshal.Read<ulong>(Take(sizeof(ulong)));

    public ReadOnlySpan<byte> LengthPrefixed() => Take(Count(1));

    public string Text() => Encoding.UTF8.GetString(LengthPrefixed());

    /// <summary>Values that lie side by side, copied as they are.</summary>
    public T[] Values<T>(int count)
        where T : unmanaged
    {
        var source = Take((long)count * Unsafe.SizeOf<T>());
        var values = GC.AllocateUninitializedArray<T>(count);
        source.CopyTo(MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }

    public byte[][] Strings(int count)
    {
        RequireBytes(count);
        var values = new byte[count][];
        for (var row = 0; row < count; row++)
        {
            var text = LengthPrefixed();
            values[row] = text.IsEmpty ? [] : text.ToArray();
        }
        return values;
    }

    /// <summary>Cumulative ends of <paramref name="count"/> arrays.</summary>
    public ulong[] Offsets(int count)
    {
        var ends = Values<ulong>(count);
        ulong previous = 0;
        foreach (var end in ends)
        {
            if (end < previous)
            {
                throw new InvalidDataException($"An array ends at {end}, before the end of the one in front of it, {previous}.");
            }
            previous = end;
        }
        return previous <= (ulong)Remaining ? ends : throw new InvalidDataException($"Arrays of {previous} entries are announced, but only {Remaining} bytes follow.");
    }

    /// <summary>Refuses more entries than there are bytes, before anything is allocated for them.</summary>
    public readonly void RequireBytes(int count)
    {
        if (count > Remaining)
        {
            throw new InvalidDataException($"{count} entries are announced, but only {Remaining} bytes follow.");
        }
    }
}
