using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Faultline.ClickHouse;
using Faultline.Telemetry.Columns;

namespace Faultline.Store.Writes;

/// <summary>One fixed-width column of a whole group; emptied and used again, so that steady load allocates nothing.</summary>
internal sealed class FixedRows<T>
    where T : unmanaged
{
    private T[] _values = new T[256];

    public int Count { get; private set; }

    public ReadOnlySpan<T> Values => _values.AsSpan(0, Count);

    /// <summary>The same, to be written over; good until the next value is added.</summary>
    public Span<T> Written => _values.AsSpan(0, Count);

    public ref T this[int row] => ref _values.AsSpan(0, Count)[row];

    /// <summary>Room for <paramref name="count"/> values more, to be filled by the caller at once.</summary>
    public Span<T> Extend(int count)
    {
        var needed = checked(Count + count);
        if (needed > _values.Length)
        {
            // Not Array.Resize, which clears what is written over next.
            var larger = GC.AllocateUninitializedArray<T>((int)Math.Min(Array.MaxLength, Math.Max(needed, _values.Length * 2L)));
            Values.CopyTo(larger);
            _values = larger;
        }

        var room = _values.AsSpan(Count, count);
        Count = needed;
        return room;
    }

    public void Add(T value) => Extend(1)[0] = value;

    public void Append(ReadOnlySpan<T> values) => values.CopyTo(Extend(values.Length));

    public void Repeat(T value, int count) => Extend(count).Fill(value);

    /// <summary>Row i is <paramref name="table"/>[<paramref name="indexes"/>[i]].</summary>
    public void Pick(ReadOnlySpan<T> table, ReadOnlySpan<int> indexes)
    {
        var room = Extend(indexes.Length);
        for (var i = 0; i < indexes.Length; i++)
        {
            room[i] = table[indexes[i]];
        }
    }

    /// <summary>Forgets all values but the first <paramref name="count"/>.</summary>
    public void CutTo(int count) => Count = Math.Min(Count, count);

    public void Clear()
    {
        Count = 0;
        if ((long)_values.Length * Unsafe.SizeOf<T>() > RowBuffers.KeptBytesMax)
        {
            _values = new T[256];
        }
    }
}

internal static class RowBuffers
{
    /// <summary>A buffer that one large batch blew up beyond this is let go after it. More than any column of a usual group (<see cref="BatchWriter.GroupBytesMax"/>) needs.</summary>
    public const int KeptBytesMax = 32 << 20;

    /// <summary>Ends of one batch, moved behind the <paramref name="shift"/> items that are there.</summary>
    public static void AppendEnds(this FixedRows<int> rows, ReadOnlySpan<int> ends, int shift)
    {
        var room = rows.Extend(ends.Length);
        for (var i = 0; i < ends.Length; i++)
        {
            room[i] = ends[i] + shift;
        }
    }
}

/// <summary>The memory of one table's blocks, one block at a time: used again for the next, so that steady load allocates none.</summary>
internal sealed class BlockBuffer
{
    /// <summary>What one large group needed beyond this is let go after it.</summary>
    public const int KeptBytesMax = 64 << 20;

    private byte[] _buffer = [];

    /// <summary>The block that <paramref name="write"/> fills; its bytes are not used any more when the enumeration goes on or ends.</summary>
    public IEnumerable<TableBlock> Fill(string table, int rows, Action<NativeBlock> write)
    {
        var block = new NativeBlock(rows, _buffer);
        write(block);
        try
        {
            yield return new TableBlock(table, block);
        }
        finally
        {
            _buffer = block.Buffer.Length <= KeptBytesMax ? block.Buffer : [];
        }
    }
}

/// <summary>One String column of a whole group.</summary>
internal sealed class StringRows
{
    private readonly FixedRows<byte> _bytes = new();
    private readonly FixedRows<int> _ends = new();

    public int Count => _ends.Count;

    public ReadOnlySpan<byte> Buffer => _bytes.Values;

    public ReadOnlySpan<int> Ends => _ends.Values;

    public void Append(ByteColumn column) => Append(column.Buffer, column.Ends);

    public void Append(ReadOnlySpan<byte> buffer, ReadOnlySpan<int> ends)
    {
        _ends.AppendEnds(ends, _bytes.Count);
        _bytes.Append(buffer);
    }

    public void Add(ReadOnlySpan<byte> value)
    {
        _bytes.Append(value);
        _ends.Add(_bytes.Count);
    }

    public void Add(string value) => Add(Encoding.UTF8.GetBytes(value));

    public void Repeat(ReadOnlySpan<byte> value, int rows)
    {
        for (var row = 0; row < rows; row++)
        {
            Add(value);
        }
    }

    public void Clear()
    {
        _bytes.Clear();
        _ends.Clear();
    }

    /// <summary>
    /// A column with nothing in it, as most of the GenAI columns of plain spans, goes as one empty text and a byte a row, which the
    /// engine takes as it is. Leaving it out would be dearer: the engine fills what is missing row by row.
    /// </summary>
    public void WriteTo(NativeBlock block, string name)
    {
        if (Buffer.IsEmpty)
        {
            block.LowCardinalityEmpty(name);
        }
        else
        {
            block.Strings(name, Buffer, Ends);
        }
    }
}

/// <summary>One LowCardinality(String) column of a whole group whose rows are picked from small tables, one a batch.</summary>
internal sealed class PickedRows
{
    private readonly StringRows _table = new();
    private readonly FixedRows<int> _indexes = new();

    /// <summary>Adds a value to the batch's table, before its rows.</summary>
    public void Offer(string value) => _table.Add(value);

    /// <summary>Row i is the value offered as number <paramref name="indexes"/>[i] of the last <paramref name="offered"/>.</summary>
    public void Pick(int offered, ReadOnlySpan<int> indexes)
    {
        var first = _table.Count - offered;
        var room = _indexes.Extend(indexes.Length);
        for (var i = 0; i < indexes.Length; i++)
        {
            room[i] = first + indexes[i];
        }
    }

    /// <summary>Row i is row <paramref name="indexes"/>[i] of <paramref name="table"/>.</summary>
    public void Pick(ByteColumn table, ReadOnlySpan<int> indexes)
    {
        _table.Append(table);
        Pick(table.Count, indexes);
    }

    /// <summary>The same value in <paramref name="rows"/> rows.</summary>
    public void Repeat(string value, int rows)
    {
        Offer(value);
        _indexes.Repeat(_table.Count - 1, rows);
    }

    public void Clear()
    {
        _table.Clear();
        _indexes.Clear();
    }

    public void WriteTo(NativeBlock block, string name) => block.LowCardinalityStrings(name, _table.Buffer, _table.Ends, _indexes.Values);
}

/// <summary>One Map(LowCardinality(String), String) of a whole group, and the LowCardinality(String) column of its values' OTLP types, one letter an entry.</summary>
internal sealed class MapRows
{
    private readonly FixedRows<int> _ends = new();
    private readonly FixedRows<byte> _types = new();
    private readonly CodedRows _keys = new();
    private readonly StringRows _values = new();
    private readonly CodedRows _rowTypes = new();

    public void Append(AttributeColumn column)
    {
        var types = MemoryMarshal.AsBytes(column.Types.Values);
        _ends.AppendEnds(column.Ends, _types.Count);
        _types.Append(types);
        _rowTypes.Append(types, column.Ends);
        _keys.Append(column.Keys);
        _values.Append(column.Values);
    }

    /// <summary>Row i is row <paramref name="indexes"/>[i] of <paramref name="table"/>.</summary>
    public void Pick(AttributeColumn table, ReadOnlySpan<int> indexes)
    {
        foreach (var index in indexes)
        {
            var (first, end) = (_types.Count, table.End(index));
            for (var entry = table.Start(index); entry < end; entry++)
            {
                _keys.Add(table.Keys[entry]);
                _values.Add(table.Values[entry]);
                _types.Add((byte)table.Types[entry]);
            }

            _ends.Add(_types.Count);
            _rowTypes.Add(_types.Values[first..]);
        }
    }

    public void Clear()
    {
        _ends.Clear();
        _types.Clear();
        _keys.Clear();
        _values.Clear();
        _rowTypes.Clear();
    }

    public void WriteTo(NativeBlock block, string name, string typesName)
    {
        block.LowCardinalityMaps(name, _ends.Values, _keys.Table.Buffer, _keys.Table.Ends, _keys.Numbers, _values.Buffer, _values.Ends);
        _rowTypes.WriteTo(block, typesName);
    }

    /// <summary>Array(Map(LowCardinality(String), String)), attributes of events or links, and the Array(String) of their types.</summary>
    /// <param name="ends">Maps a row, cumulative.</param>
    public void WriteArraysTo(NativeBlock block, ReadOnlySpan<int> ends, string name, string typesName) => block
        .LowCardinalityMapArrays(name, ends, _ends.Values, _keys.Table.Buffer, _keys.Table.Ends, _keys.Numbers, _values.Buffer, _values.Ends)
        .StringArrays(typesName, ends, _types.Values, _ends.Values);
}

/// <summary>A Nullable column of a whole group.</summary>
internal sealed class NullableRows<T>
    where T : unmanaged
{
    private readonly FixedRows<T> _values = new();
    private readonly FixedRows<byte> _isNull = new();

    public void Append(ReadOnlySpan<T> values, Func<T, bool> isNull)
    {
        _values.Append(values);
        var flags = _isNull.Extend(values.Length);
        for (var row = 0; row < values.Length; row++)
        {
            flags[row] = isNull(values[row]) ? (byte)1 : (byte)0;
        }
    }

    public void RepeatNull(int count)
    {
        _values.Repeat(default, count);
        _isNull.Repeat(1, count);
    }

    public void Clear()
    {
        _values.Clear();
        _isNull.Clear();
    }

    public void WriteTo(NativeBlock block, string name, string type) => block.Nullable(name, type, _isNull.Values, _values.Values);
}

/// <summary>Ids as the bytes they had on the wire: most significant first, whatever the machine.</summary>
internal sealed class IdRows(int width)
{
    private readonly FixedRows<byte> _bytes = new();

    public void Append(ReadOnlySpan<Faultline.Telemetry.Spans.TraceId> ids)
    {
        var room = _bytes.Extend(ids.Length * width);
        for (var row = 0; row < ids.Length; row++)
        {
            ids[row].WriteTo(room[(row * width)..]);
        }
    }

    public void Append(ReadOnlySpan<Faultline.Telemetry.Spans.SpanId> ids)
    {
        var room = _bytes.Extend(ids.Length * width);
        for (var row = 0; row < ids.Length; row++)
        {
            ids[row].WriteTo(room[(row * width)..]);
        }
    }

    public void Repeat(UInt128 value, int count)
    {
        var id = new Faultline.Telemetry.Spans.TraceId(value);
        var room = _bytes.Extend(count * width);
        for (var row = 0; row < count; row++)
        {
            id.WriteTo(room[(row * width)..]);
        }
    }

    public void Clear() => _bytes.Clear();

    public void WriteTo(NativeBlock block, string name) => block.FixedStrings(name, width, _bytes.Values);

    public void WriteArraysTo(NativeBlock block, ReadOnlySpan<int> ends, string name) => block.FixedStringArrays(name, width, ends, _bytes.Values);
}
