using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Faultline.ClickHouse.Native;

namespace Faultline.ClickHouse;

/// <summary>
/// One block in ClickHouse's <c>Native</c> format: some columns, the same number of rows each. Add the columns one after the
/// other; every method writes one whole column. Offsets (<c>ends</c>) are exclusive ends, cumulative, one a row.
/// </summary>
/// <remarks>Source: ClickHouse documentation, "Native Format" and "Data types binary encoding".</remarks>
/// <param name="rowCount">Rows of every column.</param>
/// <param name="buffer">Memory to write into; taken over until the insert is done. A larger one takes its place where it does not suffice.</param>
public sealed class NativeBlock(int rowCount, byte[]? buffer = null)
{
    private readonly ReadOnlyMemory<byte> _encoded;

    // The block starts with its number of columns, known only at the end: room for two varints is kept in front.
    private const int HeaderBytesMax = 20;

    private readonly List<string> _columnNames = [];
    private byte[] _buffer = buffer is { Length: > HeaderBytesMax } ? buffer : GC.AllocateUninitializedArray<byte>(4096);
    private int _end = HeaderBytesMax;

    /// <summary>A block that was encoded before, from <see cref="Bytes"/>. Its columns' names are in the bytes only.</summary>
    public NativeBlock(int rowCount, ReadOnlyMemory<byte> encoded)
        : this(rowCount, [])
    {
        _encoded = encoded;
    }

    public int RowCount { get; } = rowCount >= 0 ? rowCount : throw new ArgumentOutOfRangeException(nameof(rowCount));

    public int ColumnCount => _columnNames.Count;

    /// <summary>Empty for a block that was encoded before.</summary>
    public IReadOnlyList<string> ColumnNames => _columnNames;

    /// <summary>The memory it is in now, to be given to another block when this one is inserted.</summary>
    public byte[] Buffer => _buffer;

    /// <summary>The encoded block.</summary>
    public ReadOnlyMemory<byte> Bytes
    {
        get
        {
            if (!_encoded.IsEmpty)
            {
                return _encoded;
            }

            Span<byte> header = stackalloc byte[HeaderBytesMax];
            var length = WriteVarint(header, 0, (ulong)_columnNames.Count);
            length = WriteVarint(header, length, (ulong)RowCount);
            header[..length].CopyTo(_buffer.AsSpan(HeaderBytesMax - length));
            return _buffer.AsMemory(HeaderBytesMax - length, _end - HeaderBytesMax + length);
        }
    }

    /// <summary>Any fixed-width type: UInt8, Int64, Float64, UInt128, Date as UInt16 …; <paramref name="type"/> names it.</summary>
    public NativeBlock Fixed<T>(string name, string type, ReadOnlySpan<T> values)
        where T : unmanaged
    {
        RequireCount(name, values.Length, RowCount);
        RequireWidth(name, type, Unsafe.SizeOf<T>());
        StartColumn(name, type);
        WriteBytes(MemoryMarshal.AsBytes(values));
        return this;
    }

    /// <summary>The same value in every row, of a fixed-width type.</summary>
    public NativeBlock FixedConstant<T>(string name, string type, T value)
        where T : unmanaged
    {
        RequireWidth(name, type, Unsafe.SizeOf<T>());
        StartColumn(name, type);
        MemoryMarshal.Cast<byte, T>(Take(checked(RowCount * Unsafe.SizeOf<T>()))).Fill(value);
        return this;
    }

    /// <summary>String, one after the other in <paramref name="buffer"/>.</summary>
    public NativeBlock Strings(string name, ReadOnlySpan<byte> buffer, ReadOnlySpan<int> ends)
    {
        RequireCount(name, ends.Length, RowCount);
        RequireEnds(name, ends, buffer.Length);
        StartColumn(name, "String");
        WriteStrings(buffer, ends);
        return this;
    }

    /// <summary>String, one a row.</summary>
    public NativeBlock Strings(string name, IEnumerable<string> values)
    {
        string[] each = [.. values];
        return Strings(name, each, [.. Enumerable.Range(0, each.Length)]);
    }

    /// <summary>String, picked from a small table: row i is <paramref name="values"/>[<paramref name="indexes"/>[i]].</summary>
    public NativeBlock Strings(string name, IReadOnlyList<string> values, ReadOnlySpan<int> indexes)
    {
        RequireCount(name, indexes.Length, RowCount);
        var encoded = new byte[values.Count][];
        for (var index = 0; index < encoded.Length; index++)
        {
            encoded[index] = TextBytes(values[index]);
        }
        foreach (var index in indexes)
        {
            if ((uint)index >= (uint)encoded.Length)
            {
                throw new ArgumentException($"Column '{name}' picks value {index} of {encoded.Length}.", nameof(indexes));
            }
        }
        StartColumn(name, "String");
        foreach (var index in indexes)
        {
            WriteBytes(encoded[index]);
        }
        return this;
    }

    /// <summary>
    /// LowCardinality(String) as the engine keeps it: row i is row <paramref name="indexes"/>[i] of a small table of values. The engine takes the
    /// rows as they are, where it would look up every one of a String.
    /// </summary>
    /// <param name="buffer">The table's values, one after the other; equal ones do no harm.</param>
    public NativeBlock LowCardinalityStrings(string name, ReadOnlySpan<byte> buffer, ReadOnlySpan<int> ends, ReadOnlySpan<int> indexes)
    {
        RequireCount(name, indexes.Length, RowCount);
        RequireEnds(name, ends, buffer.Length);
        StartColumn(name, "LowCardinality(String)");
        if (RowCount > 0)
        {
            WriteLowCardinalityVersion();
            WriteCoded(name, buffer, ends, indexes);
        }

        return this;
    }

    /// <summary>LowCardinality(String) with an empty text in every row.</summary>
    public NativeBlock LowCardinalityEmpty(string name)
    {
        StartColumn(name, "LowCardinality(String)");
        if (RowCount > 0)
        {
            WriteLowCardinalityVersion();
            WriteDictionary([], [0], RowCount);
            Take(RowCount).Clear();
        }

        return this;
    }

    public NativeBlock StringConstant(string name, string value)
    {
        var encoded = TextBytes(value);
        StartColumn(name, "String");
        var target = Take(checked(encoded.Length * RowCount));
        if (encoded.Length == 1)
        {
            target.Fill(encoded[0]);
        }
        else if (target.Length > 0)
        {
            // Copied once, then doubled: what is written is the source of what follows.
            encoded.CopyTo(target);
            for (var done = encoded.Length; done < target.Length;)
            {
                var length = Math.Min(done, target.Length - done);
                target[..length].CopyTo(target[done..]);
                done += length;
            }
        }
        return this;
    }

    /// <summary>FixedString(<paramref name="width"/>) from consecutive bytes.</summary>
    public NativeBlock FixedStrings(string name, int width, ReadOnlySpan<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        RequireCount(name, bytes.Length, (long)RowCount * width);
        StartColumn(name, $"FixedString({width})");
        WriteBytes(bytes);
        return this;
    }

    /// <summary>Nullable fixed width; where <paramref name="isNull"/> is 1 the value is ignored.</summary>
    /// <param name="type">The type inside: <c>Float64</c>, not <c>Nullable(Float64)</c>.</param>
    public NativeBlock Nullable<T>(string name, string type, ReadOnlySpan<byte> isNull, ReadOnlySpan<T> values)
        where T : unmanaged
    {
        RequireCount(name, values.Length, RowCount);
        RequireCount(name, isNull.Length, RowCount);
        RequireWidth(name, type, Unsafe.SizeOf<T>());
        StartColumn(name, $"Nullable({type})");
        WriteBytes(isNull);
        WriteBytes(MemoryMarshal.AsBytes(values));
        return this;
    }

    /// <summary>Array of a fixed-width type.</summary>
    /// <param name="type">The type inside: <c>Int64</c>, not <c>Array(Int64)</c>.</param>
    public NativeBlock FixedArrays<T>(string name, string type, ReadOnlySpan<int> ends, ReadOnlySpan<T> items)
        where T : unmanaged
    {
        RequireCount(name, ends.Length, RowCount);
        RequireEnds(name, ends, items.Length);
        RequireWidth(name, type, Unsafe.SizeOf<T>());
        StartColumn(name, $"Array({type})");
        WriteOffsets(ends);
        WriteBytes(MemoryMarshal.AsBytes(items[..Total(ends)]));
        return this;
    }

    /// <summary>Array(String).</summary>
    public NativeBlock StringArrays(string name, ReadOnlySpan<int> ends, ReadOnlySpan<byte> buffer, ReadOnlySpan<int> itemEnds)
    {
        RequireCount(name, ends.Length, RowCount);
        RequireEnds(name, ends, itemEnds.Length);
        RequireEnds(name, itemEnds, buffer.Length);
        StartColumn(name, "Array(String)");
        WriteOffsets(ends);
        WriteStrings(buffer, itemEnds[..Total(ends)]);
        return this;
    }

    /// <summary>Array(FixedString(width)).</summary>
    public NativeBlock FixedStringArrays(string name, int width, ReadOnlySpan<int> ends, ReadOnlySpan<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        RequireCount(name, ends.Length, RowCount);
        RequireEnds(name, ends, bytes.Length / width);
        StartColumn(name, $"Array(FixedString({width}))");
        WriteOffsets(ends);
        WriteBytes(bytes[..checked(Total(ends) * width)]);
        return this;
    }

    /// <summary>Map(String, String).</summary>
    public NativeBlock StringMaps(string name, ReadOnlySpan<int> ends, ReadOnlySpan<byte> keys, ReadOnlySpan<int> keyEnds, ReadOnlySpan<byte> values, ReadOnlySpan<int> valueEnds)
    {
        RequireCount(name, ends.Length, RowCount);
        RequireEntries(name, ends, keyEnds.Length, keys, keyEnds, values, valueEnds);
        StartColumn(name, "Map(String, String)");
        WriteOffsets(ends);
        WriteEntries(Total(ends), keys, keyEnds, values, valueEnds);
        return this;
    }

    /// <summary>Array(Map(String, String)): <paramref name="ends"/> counts maps a row, <paramref name="mapEnds"/> entries a map.</summary>
    public NativeBlock StringMapArrays(string name, ReadOnlySpan<int> ends, ReadOnlySpan<int> mapEnds, ReadOnlySpan<byte> keys, ReadOnlySpan<int> keyEnds, ReadOnlySpan<byte> values, ReadOnlySpan<int> valueEnds)
    {
        RequireCount(name, ends.Length, RowCount);
        RequireEnds(name, ends, mapEnds.Length);
        mapEnds = mapEnds[..Total(ends)];
        RequireEntries(name, mapEnds, keyEnds.Length, keys, keyEnds, values, valueEnds);
        StartColumn(name, "Array(Map(String, String))");
        WriteOffsets(ends);
        WriteOffsets(mapEnds);
        WriteEntries(Total(mapEnds), keys, keyEnds, values, valueEnds);
        return this;
    }

    /// <summary>
    /// Map(LowCardinality(String), String) as the engine keeps it: entry i has key <paramref name="keyIndexes"/>[i] of a small table, so the engine
    /// looks up every key of the table once, not every key of every row.
    /// </summary>
    /// <param name="keys">The table's keys, one after the other.</param>
    public NativeBlock LowCardinalityMaps(string name, ReadOnlySpan<int> ends, ReadOnlySpan<byte> keys, ReadOnlySpan<int> keyEnds, ReadOnlySpan<int> keyIndexes, ReadOnlySpan<byte> values, ReadOnlySpan<int> valueEnds)
    {
        RequireCount(name, ends.Length, RowCount);
        RequireEntries(name, ends, keyIndexes.Length, keys, keyEnds, values, valueEnds);
        StartColumn(name, "Map(LowCardinality(String), String)");
        WriteLowCardinalityVersion();
        WriteOffsets(ends);
        WriteCodedEntries(name, Total(ends), keys, keyEnds, keyIndexes, values, valueEnds);
        return this;
    }

    /// <summary>Array(Map(LowCardinality(String), String)): <paramref name="ends"/> counts maps a row, <paramref name="mapEnds"/> entries a map.</summary>
    public NativeBlock LowCardinalityMapArrays(string name, ReadOnlySpan<int> ends, ReadOnlySpan<int> mapEnds, ReadOnlySpan<byte> keys, ReadOnlySpan<int> keyEnds, ReadOnlySpan<int> keyIndexes, ReadOnlySpan<byte> values, ReadOnlySpan<int> valueEnds)
    {
        RequireCount(name, ends.Length, RowCount);
        RequireEnds(name, ends, mapEnds.Length);
        mapEnds = mapEnds[..Total(ends)];
        RequireEntries(name, mapEnds, keyIndexes.Length, keys, keyEnds, values, valueEnds);
        StartColumn(name, "Array(Map(LowCardinality(String), String))");
        WriteLowCardinalityVersion();
        WriteOffsets(ends);
        WriteOffsets(mapEnds);
        WriteCodedEntries(name, Total(mapEnds), keys, keyEnds, keyIndexes, values, valueEnds);
        return this;
    }

    private static int Total(ReadOnlySpan<int> ends) => ends.IsEmpty ? 0 : ends[^1];

    private static void RequireCount(string column, int found, long wanted)
    {
        if (found != wanted)
        {
            throw new ArgumentException($"Column '{column}' has {found} entries where the block needs {wanted}.");
        }
    }

    private static void RequireWidth(string column, string type, int width)
    {
        if (TypeName.FixedWidth(type) is { } wanted && wanted != width)
        {
            throw new ArgumentException($"Column '{column}' is {type}, {wanted} bytes wide, but its values are {width} bytes wide.");
        }
    }

    // The engine trusts offsets, so a wrong one here would be a wrong row there.
    private static void RequireEnds(string column, ReadOnlySpan<int> ends, int limit)
    {
        var previous = 0;
        foreach (var end in ends)
        {
            if (end < previous)
            {
                throw new ArgumentException($"Column '{column}' has ends that fall, from {previous} to {end}.");
            }
            previous = end;
        }
        if (previous > limit)
        {
            throw new ArgumentException($"Column '{column}' ends at {previous}, behind the last of its {limit} entries.");
        }
    }

    private static void RequireEntries(string column, ReadOnlySpan<int> ends, int keysOfEntries, ReadOnlySpan<byte> keys, ReadOnlySpan<int> keyEnds, ReadOnlySpan<byte> values, ReadOnlySpan<int> valueEnds)
    {
        RequireEnds(column, ends, Math.Min(keysOfEntries, valueEnds.Length));
        RequireEnds(column, keyEnds, keys.Length);
        RequireEnds(column, valueEnds, values.Length);
    }

    /// <summary>A text as it stands in a column: its length in front, in base 128.</summary>
    public static byte[] TextBytes(string value)
    {
        var textLength = Encoding.UTF8.GetByteCount(value);
        Span<byte> prefix = stackalloc byte[10];
        var prefixLength = WriteVarint(prefix, 0, (ulong)textLength);
        var bytes = new byte[prefixLength + textLength];
        prefix[..prefixLength].CopyTo(bytes);
        Encoding.UTF8.GetBytes(value, bytes.AsSpan(prefixLength));
        return bytes;
    }

    private static int WriteVarint(Span<byte> target, int at, ulong value)
    {
        while (value >= 0x80)
        {
            target[at++] = (byte)(value | 0x80);
            value >>= 7;
        }
        target[at++] = (byte)value;
        return at;
    }

    private void StartColumn(string name, string type)
    {
        WriteBytes(TextBytes(name));
        WriteBytes(TextBytes(type));
        _columnNames.Add(name);
    }

    // In front of a column: its dictionaries may be shared by several blocks, which ours never are.
    private void WriteLowCardinalityVersion() => WriteNumber(1);

    // One dictionary in front of the rows and none from elsewhere; then the rows' places in it, as narrow as they fit. No rows: nothing.
    private void WriteCoded(string name, ReadOnlySpan<byte> buffer, ReadOnlySpan<int> ends, ReadOnlySpan<int> indexes)
    {
        if (indexes.IsEmpty)
        {
            return;
        }

        WriteDictionary(buffer, ends, indexes.Length);
        switch (WidthOf(ends.Length))
        {
            case 1:
                WriteIndexes<byte>(name, indexes, ends.Length);
                break;
            case 2:
                WriteIndexes<ushort>(name, indexes, ends.Length);
                break;
            default:
                WriteIndexes<uint>(name, indexes, ends.Length);
                break;
        }
    }

    private void WriteDictionary(ReadOnlySpan<byte> buffer, ReadOnlySpan<int> ends, int rows)
    {
        const ulong HasAdditionalKeys = 1 << 9;
        var kind = WidthOf(ends.Length) switch { 1 => 0UL, 2 => 1UL, _ => 2UL };
        WriteNumber(HasAdditionalKeys | kind);
        WriteNumber((ulong)ends.Length);
        WriteStrings(buffer, ends);
        WriteNumber((ulong)rows);
    }

    private static int WidthOf(int values) => values <= byte.MaxValue ? 1 : values <= ushort.MaxValue ? 2 : 4;

    private void WriteIndexes<T>(string name, ReadOnlySpan<int> indexes, int values)
        where T : unmanaged, System.Numerics.IBinaryInteger<T>
    {
        var target = MemoryMarshal.Cast<byte, T>(Take(checked(indexes.Length * Unsafe.SizeOf<T>())));
        for (var row = 0; row < indexes.Length; row++)
        {
            var index = indexes[row];
            target[row] = (uint)index < (uint)values ? T.CreateTruncating(index) : throw new ArgumentException($"Column '{name}' picks value {index} of {values}.", nameof(indexes));
        }
    }

    private void WriteNumber(ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Take(sizeof(ulong)), value);

    private void WriteOffsets(ReadOnlySpan<int> ends)
    {
        var target = Take(checked(ends.Length * sizeof(ulong)));
        for (var row = 0; row < ends.Length; row++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(target[(row * sizeof(ulong))..], (ulong)ends[row]);
        }
    }

    private void WriteEntries(int count, ReadOnlySpan<byte> keys, ReadOnlySpan<int> keyEnds, ReadOnlySpan<byte> values, ReadOnlySpan<int> valueEnds)
    {
        WriteStrings(keys, keyEnds[..count]);
        WriteStrings(values, valueEnds[..count]);
    }

    private void WriteCodedEntries(string name, int count, ReadOnlySpan<byte> keys, ReadOnlySpan<int> keyEnds, ReadOnlySpan<int> keyIndexes, ReadOnlySpan<byte> values, ReadOnlySpan<int> valueEnds)
    {
        WriteCoded(name, keys, keyEnds, keyIndexes[..count]);
        WriteStrings(values, valueEnds[..count]);
    }

    private void WriteStrings(ReadOnlySpan<byte> buffer, ReadOnlySpan<int> ends)
    {
        var bytesMax = checked(Total(ends) + (ends.Length * 5));
        Reserve(bytesMax);
        var target = _buffer.AsSpan(_end, bytesMax);
        var at = 0;
        var start = 0;
        foreach (var end in ends)
        {
            at = WriteVarint(target, at, (ulong)(end - start));
            buffer[start..end].CopyTo(target[at..]);
            at += end - start;
            start = end;
        }
        _end += at;
    }

    private void WriteBytes(ReadOnlySpan<byte> bytes) => bytes.CopyTo(Take(bytes.Length));

    private Span<byte> Take(int length)
    {
        Reserve(length);
        var span = _buffer.AsSpan(_end, length);
        _end += length;
        return span;
    }

    private void Reserve(int length)
    {
        var wanted = checked(_end + length);
        if (wanted > _buffer.Length)
        {
            var larger = GC.AllocateUninitializedArray<byte>((int)Math.Min(Math.Max((long)wanted, _buffer.Length * 2L), Array.MaxLength));
            _buffer.AsSpan(0, _end).CopyTo(larger);
            _buffer = larger;
        }
    }
}
