namespace Faultline.Telemetry.Columns;

/// <summary>The OTLP type of an attribute's value; the byte is the letter that is stored beside it.</summary>
/// <remarks>Source: opentelemetry/proto/common/v1/common.proto, <c>AnyValue</c>.</remarks>
public enum AttributeType : byte
{
    /// <summary>An <c>AnyValue</c> with nothing set; text is empty.</summary>
    Empty = (byte)'e',

    /// <summary>Text as sent.</summary>
    String = (byte)'s',

    /// <summary><c>true</c> or <c>false</c>.</summary>
    Bool = (byte)'b',

    /// <summary>Decimal digits of an int64.</summary>
    Int = (byte)'i',

    /// <summary>Round-trip decimal; <c>NaN</c>, <c>Infinity</c>, <c>-Infinity</c>.</summary>
    Double = (byte)'d',

    /// <summary>OTLP/JSON of the <c>ArrayValue</c>: <c>{"values":[…]}</c>.</summary>
    Array = (byte)'a',

    /// <summary>OTLP/JSON of the <c>KeyValueList</c>: <c>{"values":[…]}</c>.</summary>
    KeyValues = (byte)'k',

    /// <summary>Base64 of the bytes.</summary>
    Bytes = (byte)'y',
}

/// <summary>What becomes of one entry of an <see cref="AttributeColumn"/>.</summary>
/// <param name="Value">Null: the entry goes.</param>
public readonly record struct AttributeChange(int Entry, byte[]? Value, AttributeType Type);

/// <summary>One map of attributes a row: keys and values as text, and the OTLP type of each value, in the order sent.</summary>
/// <remarks>Append the entries of a row, then <see cref="EndRow"/>. Duplicate keys are kept; a lookup finds the first.</remarks>
public sealed class AttributeColumn
{
    private FixedColumn<int> _ends = new();

    public int Count => _ends.Count;

    public ByteColumn Keys { get; private set; } = new();

    public ByteColumn Values { get; private set; } = new();

    public FixedColumn<AttributeType> Types { get; private set; } = new();

    /// <summary>Index of the entry just behind each row's last.</summary>
    public ReadOnlySpan<int> Ends => _ends.Values;

    public int Start(int row) => row == 0 ? 0 : _ends[row - 1];

    public int End(int row) => _ends[row];

    public void Add(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, AttributeType type)
    {
        Keys.Add(key);
        Values.Add(value);
        Types.Add(type);
    }

    public void EndRow() => _ends.Add(Types.Count);

    /// <summary>Forgets entries that were added since the last <see cref="EndRow"/>.</summary>
    public void AbandonRow()
    {
        var entries = _ends.Count == 0 ? 0 : _ends[_ends.Count - 1];
        Keys.Truncate(entries);
        Values.Truncate(entries);
        Types.Truncate(entries);
    }

    /// <summary>Forgets every row from <paramref name="rows"/> on, and any unfinished one.</summary>
    public void Truncate(int rows)
    {
        _ends.Truncate(rows);
        AbandonRow();
    }

    /// <summary>Replaces and removes entries.</summary>
    /// <param name="changes">Entries rising.</param>
    public void Change(IReadOnlyList<AttributeChange> changes)
    {
        if (changes.Count == 0)
        {
            return;
        }

        var changed = new AttributeColumn();
        var next = 0;
        for (var row = 0; row < Count; row++)
        {
            for (var entry = Start(row); entry < End(row); entry++)
            {
                if (next == changes.Count || changes[next].Entry != entry)
                {
                    changed.Add(Keys[entry], Values[entry], Types[entry]);
                }
                else if (changes[next++] is { Value: { } value } change)
                {
                    changed.Add(Keys[entry], value, change.Type);
                }
            }

            changed.EndRow();
        }

        (_ends, Keys, Values, Types) = (changed._ends, changed.Keys, changed.Values, changed.Types);
    }

    /// <summary>Makes room in an empty column, so that it does not grow step by step. A wrong guess does no harm.</summary>
    public void Expect(int rows, int entries, int keyBytes, int valueBytes)
    {
        _ends.Expect(rows);
        Keys.Expect(entries, keyBytes);
        Values.Expect(entries, valueBytes);
        Types.Expect(entries);
    }

    /// <summary>Finds the first entry of <paramref name="row"/> named <paramref name="key"/>.</summary>
    /// <returns>The entry's index in <see cref="Values"/> and <see cref="Types"/>, or -1.</returns>
    public int Find(int row, ReadOnlySpan<byte> key)
    {
        var end = End(row);
        for (var entry = Start(row); entry < end; entry++)
        {
            if (Keys[entry].SequenceEqual(key))
            {
                return entry;
            }
        }

        return -1;
    }

    /// <summary>Text of the value named <paramref name="key"/>, or null when the row has none.</summary>
    public string? Text(int row, ReadOnlySpan<byte> key)
    {
        var entry = Find(row, key);
        return entry < 0 ? null : Values.Text(entry);
    }
}
