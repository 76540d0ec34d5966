namespace Faultline.ClickHouse;

/// <summary>
/// One block in ClickHouse's <c>Native</c> format: some columns, the same number of rows each. Add the columns one after the
/// other; every method writes one whole column. Offsets (<c>ends</c>) are exclusive ends, cumulative, one a row.
/// </summary>
/// <remarks>Source: ClickHouse documentation, "Native Format" and "Data types binary encoding".</remarks>
public sealed class NativeBlock(int rowCount)
{
    public int RowCount { get; } = rowCount;

    public int ColumnCount => throw new NotImplementedException();

    public IReadOnlyList<string> ColumnNames => throw new NotImplementedException();

    /// <summary>The encoded block.</summary>
    public ReadOnlyMemory<byte> Bytes => throw new NotImplementedException();

    /// <summary>Any fixed-width type: UInt8, Int64, Float64, UInt128, Date as UInt16 …; <paramref name="type"/> names it.</summary>
    public NativeBlock Fixed<T>(string name, string type, ReadOnlySpan<T> values)
        where T : unmanaged => throw new NotImplementedException();

    /// <summary>The same value in every row, of a fixed-width type.</summary>
    public NativeBlock FixedConstant<T>(string name, string type, T value)
        where T : unmanaged => throw new NotImplementedException();

    /// <summary>String, one after the other in <paramref name="buffer"/>.</summary>
    public NativeBlock Strings(string name, ReadOnlySpan<byte> buffer, ReadOnlySpan<int> ends) => throw new NotImplementedException();

    /// <summary>String, picked from a small table: row i is <paramref name="values"/>[<paramref name="indexes"/>[i]].</summary>
    public NativeBlock Strings(string name, IReadOnlyList<string> values, ReadOnlySpan<int> indexes) => throw new NotImplementedException();

    public NativeBlock StringConstant(string name, string value) => throw new NotImplementedException();

    /// <summary>FixedString(<paramref name="width"/>) from consecutive bytes.</summary>
    public NativeBlock FixedStrings(string name, int width, ReadOnlySpan<byte> bytes) => throw new NotImplementedException();

    /// <summary>Nullable fixed width; where <paramref name="isNull"/> is 1 the value is ignored.</summary>
    public NativeBlock Nullable<T>(string name, string type, ReadOnlySpan<byte> isNull, ReadOnlySpan<T> values)
        where T : unmanaged => throw new NotImplementedException();

    /// <summary>Array of a fixed-width type.</summary>
    public NativeBlock FixedArrays<T>(string name, string type, ReadOnlySpan<int> ends, ReadOnlySpan<T> items)
        where T : unmanaged => throw new NotImplementedException();

    /// <summary>Array(String).</summary>
    public NativeBlock StringArrays(string name, ReadOnlySpan<int> ends, ReadOnlySpan<byte> buffer, ReadOnlySpan<int> itemEnds) => throw new NotImplementedException();

    /// <summary>Array(FixedString(width)).</summary>
    public NativeBlock FixedStringArrays(string name, int width, ReadOnlySpan<int> ends, ReadOnlySpan<byte> bytes) => throw new NotImplementedException();

    /// <summary>Map(String, String).</summary>
    public NativeBlock StringMaps(string name, ReadOnlySpan<int> ends, ReadOnlySpan<byte> keys, ReadOnlySpan<int> keyEnds, ReadOnlySpan<byte> values, ReadOnlySpan<int> valueEnds) => throw new NotImplementedException();

    /// <summary>Array(Map(String, String)): <paramref name="ends"/> counts maps a row, <paramref name="mapEnds"/> entries a map.</summary>
    public NativeBlock StringMapArrays(string name, ReadOnlySpan<int> ends, ReadOnlySpan<int> mapEnds, ReadOnlySpan<byte> keys, ReadOnlySpan<int> keyEnds, ReadOnlySpan<byte> values, ReadOnlySpan<int> valueEnds) => throw new NotImplementedException();
}
