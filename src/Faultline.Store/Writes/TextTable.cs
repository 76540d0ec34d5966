using Faultline.ClickHouse;
using Faultline.Telemetry.Columns;

namespace Faultline.Store.Writes;

/// <summary>Texts that repeat (attribute keys, span names), each kept once under a number, in the order of their first use.</summary>
/// <remarks>
/// Rows of one instrumentation bring the same keys in the same order, so what followed a text last time is tried before any hash is
/// made: a comparison instead of a look-up for nearly every key of a group.
/// </remarks>
internal sealed class TextTable
{
    private const int SlotsMin = 256;

    private readonly StringRows _texts = new();
    private readonly FixedRows<int> _followers = new();
    private int[] _slots = new int[SlotsMin];
    private int _first;
    private int _last = -1;

    public int Count => _texts.Count;

    public ReadOnlySpan<byte> Buffer => _texts.Buffer;

    public ReadOnlySpan<int> Ends => _texts.Ends;

    /// <summary>The number of a text, which is taken in if it is new.</summary>
    public int NumberOf(ReadOnlySpan<byte> text)
    {
        ref var expected = ref _last < 0 ? ref _first : ref _followers[_last];
        if (expected < Count && this[expected].SequenceEqual(text))
        {
            return _last = expected;
        }

        var number = Find(text);
        expected = number;
        return _last = number;
    }

    public void Clear()
    {
        _texts.Clear();
        _followers.Clear();
        (_first, _last) = (0, -1);
        if (_slots.Length > SlotsMin * 64)
        {
            _slots = new int[SlotsMin];
        }
        else
        {
            _slots.AsSpan().Clear();
        }
    }

    private ReadOnlySpan<byte> this[int number] => _texts.Buffer[(number == 0 ? 0 : _texts.Ends[number - 1]).._texts.Ends[number]];

    // Slots hold a number plus one; 0 is a free one. The hash has a seed of the process, so nobody can choose keys that collide.
    private int Find(ReadOnlySpan<byte> text)
    {
        var slot = Slot(text);
        for (; _slots[slot] != 0; slot = (slot + 1) & (_slots.Length - 1))
        {
            if (this[_slots[slot] - 1].SequenceEqual(text))
            {
                return _slots[slot] - 1;
            }
        }

        var number = Count;
        _texts.Add(text);
        _followers.Add(0);
        _slots[slot] = number + 1;
        if (Count * 2 > _slots.Length)
        {
            Grow();
        }

        return number;
    }

    private void Grow()
    {
        _slots = new int[_slots.Length * 2];
        for (var number = 0; number < Count; number++)
        {
            var slot = Slot(this[number]);
            while (_slots[slot] != 0)
            {
                slot = (slot + 1) & (_slots.Length - 1);
            }

            _slots[slot] = number + 1;
        }
    }

    private int Slot(ReadOnlySpan<byte> text)
    {
        var hash = new HashCode();
        hash.AddBytes(text);
        return hash.ToHashCode() & (_slots.Length - 1);
    }
}

/// <summary>A LowCardinality(String) column of a whole group: a table of texts and a number a row.</summary>
internal sealed class CodedRows
{
    private readonly FixedRows<int> _numbers = new();

    public TextTable Table { get; } = new();

    public int Count => _numbers.Count;

    public ReadOnlySpan<int> Numbers => _numbers.Values;

    public void Add(ReadOnlySpan<byte> text) => _numbers.Add(Table.NumberOf(text));

    public void Append(ByteColumn column) => Append(column.Buffer, column.Ends);

    public void Append(ReadOnlySpan<byte> buffer, ReadOnlySpan<int> ends)
    {
        var room = _numbers.Extend(ends.Length);
        var start = 0;
        for (var row = 0; row < ends.Length; row++)
        {
            room[row] = Table.NumberOf(buffer[start..ends[row]]);
            start = ends[row];
        }
    }

    public void Clear()
    {
        Table.Clear();
        _numbers.Clear();
    }

    public void WriteTo(NativeBlock block, string name) => block.LowCardinalityStrings(name, Table.Buffer, Table.Ends, _numbers.Values);
}
