namespace Faultline.ClickHouse;

/// <summary>
/// A query's answer, decoded from <c>Native</c> blocks into one .NET array a column. Types: (U)Int8…64 → sbyte/byte/…/ulong,
/// Float32/64 → float/double, Bool → bool, String and FixedString → byte[] (read as text by <see cref="Row.Text(string)"/>),
/// Date → DateOnly, DateTime(64) → DateTimeOffset, UUID → Guid, (U)Int128 → (U)Int128, Nullable(T) → T? boxed as null,
/// LowCardinality(T) → T, Array(T) → T[], Map(K,V) → KeyValuePair&lt;K,V&gt;[], Tuple → object[].
/// </summary>
public sealed class QueryResult(IReadOnlyList<ResultColumn> columns, int rowCount)
{
    public IReadOnlyList<ResultColumn> Columns { get; } = columns;

    public int RowCount { get; } = rowCount;

    /// <exception cref="KeyNotFoundException">The answer has no such column.</exception>
    public ResultColumn this[string name] =>
        Columns.FirstOrDefault(column => string.Equals(column.Name, name, StringComparison.Ordinal))
        ?? throw new KeyNotFoundException($"The answer has no column '{name}'; it has {string.Join(", ", Columns.Select(column => column.Name))}.");

    public IEnumerable<Row> Rows
    {
        get
        {
            for (var row = 0; row < RowCount; row++)
            {
                yield return new Row(this, row);
            }
        }
    }
}

/// <summary>One column of an answer.</summary>
/// <param name="Name">As in the query.</param>
/// <param name="Type">ClickHouse's name of the type.</param>
/// <param name="Values">A typed array with one element a row, e.g. <c>long[]</c>, <c>byte[][]</c>, <c>double?[]</c>, <c>long[][]</c>.</param>
public sealed record ResultColumn(string Name, string Type, Array Values);

/// <summary>One row of an answer. The accessors convert between widths and throw where the type cannot.</summary>
public readonly record struct Row(QueryResult Result, int Index)
{
    public object? Value(string column) => Result[column].Values.GetValue(Index);

    public bool IsNull(string column) => Value(column) is null;

    /// <summary>Any integer column, also a nullable one that is not null, and Bool.</summary>
    public long Int64(string column) => Convert.ToInt64(Value(column), System.Globalization.CultureInfo.InvariantCulture);

    public ulong UInt64(string column) => Convert.ToUInt64(Value(column), System.Globalization.CultureInfo.InvariantCulture);

    public double Float64(string column) => Convert.ToDouble(Value(column), System.Globalization.CultureInfo.InvariantCulture);

    public long? NullableInt64(string column) => IsNull(column) ? null : Int64(column);

    public double? NullableFloat64(string column) => IsNull(column) ? null : Float64(column);

    /// <summary>The bytes of a String or FixedString.</summary>
    public byte[] Bytes(string column) => (byte[])Value(column)!;

    /// <summary>A String as UTF-8 text; invalid bytes become U+FFFD.</summary>
    public string Text(string column) => System.Text.Encoding.UTF8.GetString(Bytes(column));

    public IReadOnlyList<string> TextArray(string column) => [.. ((byte[][])Value(column)!).Select(System.Text.Encoding.UTF8.GetString)];

    /// <summary>A <c>Map(String, String)</c>, in stored order, duplicates kept.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> TextMap(string column) =>
        [.. ((KeyValuePair<byte[], byte[]>[])Value(column)!).Select(pair => KeyValuePair.Create(System.Text.Encoding.UTF8.GetString(pair.Key), System.Text.Encoding.UTF8.GetString(pair.Value)))];
}
