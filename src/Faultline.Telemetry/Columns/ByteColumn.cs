using System.Text;

namespace Faultline.Telemetry.Columns;

/// <summary>A column of byte strings (UTF-8 text unless said otherwise), one after the other in one buffer.</summary>
/// <remarks>Append-only; <see cref="Truncate"/> takes back rows of a message that turned out to be malformed.</remarks>
public sealed class ByteColumn
{
    private const int BytesMin = 256;
    private const int RowsMin = 16;

    // Nothing is taken before the first row: a batch has a hundred columns, and a small request leaves most of them empty.
    private byte[] _bytes = [];
    private int[] _ends = [];
    private int _count;

    public int Count => _count;

    /// <summary>Offset in <see cref="Buffer"/> just behind each row.</summary>
    public ReadOnlySpan<int> Ends => _ends.AsSpan(0, _count);

    public ReadOnlySpan<byte> Buffer => _bytes.AsSpan(0, _count == 0 ? 0 : _ends[_count - 1]);

    public ReadOnlySpan<byte> this[int row]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)_count, nameof(row));
            var start = row == 0 ? 0 : _ends[row - 1];
            return _bytes.AsSpan(start, _ends[row] - start);
        }
    }

    /// <summary>The row as a text that points into this column; it is good until the column is changed.</summary>
    internal GenAi.ContentText Content(int row)
    {
        var start = row == 0 ? 0 : _ends[row - 1];
        return new GenAi.ContentText(_bytes, start, _ends[row] - start);
    }

    public string Text(int row) => Encoding.UTF8.GetString(this[row]);

    public void Add(ReadOnlySpan<byte> value)
    {
        var start = Reserve(value.Length);
        value.CopyTo(_bytes.AsSpan(start));
        Close(start + value.Length);
    }

    public void Add(string value)
    {
        var length = Encoding.UTF8.GetByteCount(value);
        var start = Reserve(length);
        Encoding.UTF8.GetBytes(value, _bytes.AsSpan(start));
        Close(start + length);
    }

    /// <summary>Makes room in an empty column, so that it does not grow step by step. A wrong guess does no harm.</summary>
    public void Expect(int rows, int bytes = 0)
    {
        if (_count == 0)
        {
            _ends = rows > _ends.Length ? new int[rows] : _ends;
            _bytes = bytes > _bytes.Length ? GC.AllocateUninitializedArray<byte>(bytes) : _bytes;
        }
    }

    /// <summary>Forgets every row from <paramref name="rows"/> on.</summary>
    public void Truncate(int rows)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rows, _count);
        _count = rows;
    }

    /// <summary>Puts other values in the place of some rows'.</summary>
    /// <param name="changes">Rows rising.</param>
    public void Replace(IReadOnlyList<(int Row, byte[] Value)> changes)
    {
        if (changes.Count == 0)
        {
            return;
        }

        var replaced = new ByteColumn();
        var next = 0;
        for (var row = 0; row < _count; row++)
        {
            replaced.Add(next < changes.Count && changes[next].Row == row ? changes[next++].Value : this[row]);
        }

        (_bytes, _ends) = (replaced._bytes, replaced._ends);
    }

    private int Reserve(int length)
    {
        var start = _count == 0 ? 0 : _ends[_count - 1];
        var needed = checked(start + length);
        if (needed > _bytes.Length)
        {
            // Not Array.Resize, which clears what is written over next.
            var larger = GC.AllocateUninitializedArray<byte>((int)Math.Min(Array.MaxLength, Math.Max(Math.Max(needed, BytesMin), _bytes.Length * 2L)));
            _bytes.AsSpan(0, start).CopyTo(larger);
            _bytes = larger;
        }

        return start;
    }

    private void Close(int end)
    {
        if (_count == _ends.Length)
        {
            Array.Resize(ref _ends, Math.Max(RowsMin, _ends.Length * 2));
        }

        _ends[_count++] = end;
    }
}
