namespace Faultline.ClickHouse.Native;

/// <summary>
/// Reads the columns of one type. Complex types are made of readers of their parts; the methods that make them stand here
/// because only the part knows its own .NET type.
/// </summary>
internal abstract class ColumnReader
{
    /// <summary>Reads the part that comes before all data; only LowCardinality has one.</summary>
    public virtual void ReadPrefix(ref BlockReader reader)
    {
    }

    public abstract Array Read(ref BlockReader reader, int count);

    /// <summary>Joins the columns of several blocks.</summary>
    public abstract Array Join(IReadOnlyList<Array> parts);

    public abstract ColumnReader AsArray();

    public abstract ColumnReader AsNullable();

    public abstract ColumnReader AsLowCardinality(bool nullable);

    public abstract ColumnReader AsMap(ColumnReader value);

    public abstract ColumnReader AsMapOf<TKey>(ColumnReader<TKey> key);
}

/// <summary>A reader whose values are <typeparamref name="T"/> in .NET.</summary>
internal abstract class ColumnReader<T> : ColumnReader
{
    public abstract T[] ReadValues(ref BlockReader reader, int count);

    public sealed override Array Read(ref BlockReader reader, int count) => ReadValues(ref reader, count);

    public sealed override Array Join(IReadOnlyList<Array> parts)
    {
        if (parts.Count == 1)
        {
            return parts[0];
        }
        var joined = new T[parts.Sum(part => (long)part.Length)];
        var at = 0;
        foreach (var part in parts)
        {
            part.CopyTo(joined, at);
            at += part.Length;
        }
        return joined;
    }

    public sealed override ColumnReader AsArray() => new ArrayReader<T>(this);

    // A reference type is its own nullable type; a struct overrides this.
    public override ColumnReader AsNullable() => new NullableReferenceReader<T>(this);

    public override ColumnReader AsLowCardinality(bool nullable) => new LowCardinalityReader<T, T>(this, nullable, value => value);

    public sealed override ColumnReader AsMap(ColumnReader value) => value.AsMapOf(this);

    public sealed override ColumnReader AsMapOf<TKey>(ColumnReader<TKey> key) => new MapReader<TKey, T>(key, this);
}

/// <summary>A reader of a value type.</summary>
internal abstract class StructReader<T> : ColumnReader<T>
    where T : struct
{
    public sealed override ColumnReader AsNullable() => new NullableStructReader<T>(this);

    public sealed override ColumnReader AsLowCardinality(bool nullable) =>
        nullable ? new LowCardinalityReader<T, T?>(this, nullable: true, value => value) : new LowCardinalityReader<T, T>(this, nullable: false, value => value);
}

/// <summary>Values that lie in the block as they lie in memory.</summary>
internal sealed class PlainReader<T> : StructReader<T>
    where T : unmanaged
{
    public override T[] ReadValues(ref BlockReader reader, int count) => reader.Values<T>(count);
}

/// <summary>Values stored as <typeparamref name="TStored"/> and shown as <typeparamref name="T"/>.</summary>
internal sealed class ConvertingReader<TStored, T>(Func<TStored, T> convert) : StructReader<T>
    where TStored : unmanaged
    where T : struct
{
    public override T[] ReadValues(ref BlockReader reader, int count) => Array.ConvertAll(reader.Values<TStored>(count), value => convert(value));
}

/// <summary>Values stored as <typeparamref name="TStored"/> and shown as an object.</summary>
internal sealed class ObjectReader<TStored, T>(Func<TStored, T> convert) : ColumnReader<T>
    where TStored : unmanaged
    where T : class
{
    public override T[] ReadValues(ref BlockReader reader, int count) => Array.ConvertAll(reader.Values<TStored>(count), value => convert(value));
}

internal sealed class StringReader : ColumnReader<byte[]>
{
    public override byte[][] ReadValues(ref BlockReader reader, int count) => reader.Strings(count);
}

/// <summary>JSON asked for as text (<c>output_format_native_write_json_as_string</c>): strings after a version of their own.</summary>
internal sealed class JsonReader : ColumnReader<byte[]>
{
    private const ulong TextVersion = 1;

    public override void ReadPrefix(ref BlockReader reader)
    {
        var version = reader.UInt64();
        if (version != TextVersion)
        {
            throw new InvalidDataException($"JSON of version {version} is not text; CAST it to String in the query.");
        }
    }

    public override byte[][] ReadValues(ref BlockReader reader, int count) => reader.Strings(count);
}

internal sealed class FixedStringReader(int width) : ColumnReader<byte[]>
{
    public override byte[][] ReadValues(ref BlockReader reader, int count)
    {
        var bytes = reader.Take((long)count * width);
        var values = new byte[count][];
        for (var row = 0; row < count; row++)
        {
            values[row] = bytes.Slice(row * width, width).ToArray();
        }
        return values;
    }
}

/// <summary>The type of NULL alone, and of the elements of an empty array literal: a byte a row that says nothing.</summary>
internal sealed class NothingReader : ColumnReader<object?>
{
    public override object?[] ReadValues(ref BlockReader reader, int count)
    {
        _ = reader.Take(count);
        return new object?[count];
    }
}

internal sealed class NullableStructReader<T>(ColumnReader<T> inner) : ColumnReader<T?>
    where T : struct
{
    public override void ReadPrefix(ref BlockReader reader) => inner.ReadPrefix(ref reader);

    public override T?[] ReadValues(ref BlockReader reader, int count)
    {
        var isNull = reader.Take(count);
        var values = inner.ReadValues(ref reader, count);
        var result = new T?[count];
        for (var row = 0; row < count; row++)
        {
            result[row] = isNull[row] == 0 ? values[row] : null;
        }
        return result;
    }
}

internal sealed class NullableReferenceReader<T>(ColumnReader<T> inner) : ColumnReader<T>
{
    public override void ReadPrefix(ref BlockReader reader) => inner.ReadPrefix(ref reader);

    public override T[] ReadValues(ref BlockReader reader, int count)
    {
        var isNull = reader.Take(count);
        var values = inner.ReadValues(ref reader, count);
        for (var row = 0; row < count; row++)
        {
            if (isNull[row] != 0)
            {
                values[row] = default!;
            }
        }
        return values;
    }
}

internal sealed class ArrayReader<T>(ColumnReader<T> inner) : ColumnReader<T[]>
{
    public override void ReadPrefix(ref BlockReader reader) => inner.ReadPrefix(ref reader);

    public override T[][] ReadValues(ref BlockReader reader, int count)
    {
        var ends = reader.Offsets(count);
        var items = inner.ReadValues(ref reader, count == 0 ? 0 : (int)ends[^1]);
        var result = new T[count][];
        var start = 0;
        for (var row = 0; row < count; row++)
        {
            var end = (int)ends[row];
            result[row] = start == end ? [] : items[start..end];
            start = end;
        }
        return result;
    }
}

internal sealed class MapReader<TKey, TValue>(ColumnReader<TKey> key, ColumnReader<TValue> value) : ColumnReader<KeyValuePair<TKey, TValue>[]>
{
    public override void ReadPrefix(ref BlockReader reader)
    {
        key.ReadPrefix(ref reader);
        value.ReadPrefix(ref reader);
    }

    public override KeyValuePair<TKey, TValue>[][] ReadValues(ref BlockReader reader, int count)
    {
        var ends = reader.Offsets(count);
        var total = count == 0 ? 0 : (int)ends[^1];
        var keys = key.ReadValues(ref reader, total);
        var values = value.ReadValues(ref reader, total);
        var result = new KeyValuePair<TKey, TValue>[count][];
        var at = 0;
        for (var row = 0; row < count; row++)
        {
            var end = (int)ends[row];
            var entries = at == end ? [] : new KeyValuePair<TKey, TValue>[end - at];
            for (var entry = 0; entry < entries.Length; entry++, at++)
            {
                entries[entry] = new(keys[at], values[at]);
            }
            result[row] = entries;
        }
        return result;
    }
}

internal sealed class TupleReader(IReadOnlyList<ColumnReader> elements) : ColumnReader<object?[]>
{
    public override void ReadPrefix(ref BlockReader reader)
    {
        foreach (var element in elements)
        {
            element.ReadPrefix(ref reader);
        }
    }

    public override object?[][] ReadValues(ref BlockReader reader, int count)
    {
        reader.RequireBytes(count);
        var rows = new object?[count][];
        for (var row = 0; row < count; row++)
        {
            rows[row] = new object?[elements.Count];
        }
        for (var element = 0; element < elements.Count; element++)
        {
            var values = elements[element].Read(ref reader, count);
            for (var row = 0; row < count; row++)
            {
                rows[row][element] = values.GetValue(row);
            }
        }
        return rows;
    }
}

/// <summary>A dictionary of the values of this block, and an index into it for each row. Equal rows share one object.</summary>
/// <remarks>Source: ClickHouse, SerializationLowCardinality.cpp.</remarks>
internal sealed class LowCardinalityReader<T, TShown>(ColumnReader<T> inner, bool nullable, Func<T, TShown> show) : ColumnReader<TShown>
{
    private const ulong SharedDictionariesWithAdditionalKeys = 1;
    private const ulong NeedsGlobalDictionary = 1 << 8;
    private const ulong HasAdditionalKeys = 1 << 9;

    public override void ReadPrefix(ref BlockReader reader)
    {
        var version = reader.UInt64();
        if (version != SharedDictionariesWithAdditionalKeys)
        {
            throw new InvalidDataException($"LowCardinality of version {version} is unknown.");
        }
    }

    public override ColumnReader AsLowCardinality(bool nullable) => throw new InvalidDataException("LowCardinality(LowCardinality(…)) is no type.");

    public override TShown[] ReadValues(ref BlockReader reader, int count)
    {
        if (count == 0)
        {
            return [];
        }
        var flags = reader.UInt64();
        if ((flags & NeedsGlobalDictionary) != 0 || (flags & HasAdditionalKeys) == 0)
        {
            throw new InvalidDataException($"LowCardinality with the flags 0x{flags:x} needs a dictionary from elsewhere.");
        }
        var keyCount = reader.UInt64();
        if (keyCount > (ulong)reader.Remaining)
        {
            throw new InvalidDataException($"A dictionary of {keyCount} values is announced, but only {reader.Remaining} bytes follow.");
        }
        var keys = Array.ConvertAll(inner.ReadValues(ref reader, (int)keyCount), value => show(value));
        if (nullable && keys.Length > 0)
        {
            keys[0] = default!;        // the first entry stands for NULL
        }
        var indexCount = reader.UInt64();
        if (indexCount != (ulong)count)
        {
            throw new InvalidDataException($"LowCardinality has {indexCount} rows where {count} were announced.");
        }
        return (flags & 0xFF) switch
        {
            0 => Pick(keys, reader.Values<byte>(count)),
            1 => Pick(keys, reader.Values<ushort>(count)),
            2 => Pick(keys, reader.Values<uint>(count)),
            3 => Pick(keys, reader.Values<ulong>(count)),
            var width => throw new InvalidDataException($"LowCardinality has indexes of the unknown kind {width}."),
        };
    }

    private static TShown[] Pick<TIndex>(TShown[] keys, TIndex[] indexes)
        where TIndex : unmanaged, System.Numerics.IBinaryInteger<TIndex>
    {
        var values = new TShown[indexes.Length];
        for (var row = 0; row < indexes.Length; row++)
        {
            var index = ulong.CreateTruncating(indexes[row]);
            values[row] = index < (ulong)keys.Length ? keys[index] : throw new InvalidDataException($"Value {index} of a dictionary of {keys.Length} is asked for.");
        }
        return values;
    }
}

/// <summary>Enum8 or Enum16, shown as the bytes of its text like a String.</summary>
internal sealed class EnumReader<TStored>(IReadOnlyDictionary<int, byte[]> texts) : ColumnReader<byte[]>
    where TStored : unmanaged, System.Numerics.IBinaryInteger<TStored>
{
    public override byte[][] ReadValues(ref BlockReader reader, int count) => Array.ConvertAll(
        reader.Values<TStored>(count),
        value => texts.TryGetValue(int.CreateChecked(value), out var text) ? text : throw new InvalidDataException($"The enum has no value {value}."));
}
