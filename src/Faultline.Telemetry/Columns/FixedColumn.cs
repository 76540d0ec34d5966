namespace Faultline.Telemetry.Columns;

/// <summary>A column of fixed-width values.</summary>
public sealed class FixedColumn<T>
    where T : unmanaged
{
    private const int RowsMin = 16;

    private T[] _values = [];
    private int _count;

    public int Count => _count;

    public ReadOnlySpan<T> Values => _values.AsSpan(0, _count);

    public ref T this[int row]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)_count, nameof(row));
            return ref _values[row];
        }
    }

    public void Add(T value)
    {
        if (_count == _values.Length)
        {
            Array.Resize(ref _values, Math.Max(RowsMin, _values.Length * 2));
        }

        _values[_count++] = value;
    }

    /// <summary>Makes room in an empty column, so that it does not grow step by step.</summary>
    public void Expect(int rows)
    {
        if (_count == 0 && rows > _values.Length)
        {
            _values = GC.AllocateUninitializedArray<T>(rows);
        }
    }

    /// <summary>Forgets every row from <paramref name="rows"/> on.</summary>
    public void Truncate(int rows)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rows, _count);
        _count = rows;
    }
}
