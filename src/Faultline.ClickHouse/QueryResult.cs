namespace Faultline.ClickHouse;

/// <summary>
/// A query's answer, decoded from <c>Native</c> blocks into one .NET array a column. Types: (U)Int8…64 → sbyte/byte/…/ulong,
/// Float32/64 → float/double, Bool → bool, String and FixedString → byte[] (read as text by <see cref="Row.Text(string)"/>),
/// Enum → byte[] of its text, Date → DateOnly, DateTime(64) → DateTimeOffset (UTC), UUID → Guid, Decimal → decimal,
/// (U)Int128 → (U)Int128, (U)Int256 → BigInteger, IPv4/6 → IPAddress, JSON → byte[] of its text, Interval → long,
/// Nullable(T) → T? boxed as null, LowCardinality(T) → T, Array(T) → T[], Map(K,V) → KeyValuePair&lt;K,V&gt;[],
/// Tuple → object[], Nested → object[][].
/// </summary>
public sealed class QueryResult(IReadOnlyList<ResultColumn> columns, int rowCount)
{
    public IReadOnlyList<ResultColumn> Columns { get; } = columns;

    public int RowCount { get; } = rowCount;

    /// <exception cref="KeyNotFoundException">The answer has no such column.</exception>
    public ResultColumn this[string name]
    {
        get
        {
            // Answers are narrow and rows look columns up by name: a plain loop beats a dictionary here.
            for (var index = 0; index < Columns.Count; index++)
            {
                if (string.Equals(Columns[index].Name, name, StringComparison.Ordinal))
                {
                    return Columns[index];
                }
            }
            throw new KeyNotFoundException($"The answer has no column '{name}'; it has {string.Join(", ", Columns.Select(column => column.Name))}.");
        }
    }

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
public sealed record ResultColumn(string Name, string Type, Array Values)
{
    /// <summary>The values without boxing, for readers of many rows.</summary>
    /// <exception cref="InvalidOperationException">They are of another .NET type.</exception>
    public T[] As<T>() =>
        Values as T[] ?? throw new InvalidOperationException($"Column '{Name}' is {Type}, read as {Values.GetType().GetElementType()!.Name}, not {typeof(T).Name}.");
}

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
