namespace Faultline.ClickHouse.Native;

/// <summary>
/// Collects the blocks of one answer in <c>Native</c> format. A chunk handed in holds one whole block or several. The names
/// and types of the first block hold for all of them.
/// </summary>
internal sealed class NativeDecoder
{
    private Column[]? _columns;
    private int _rowCount;

    /// <summary>False while no block has come: an answer without rows has none.</summary>
    public bool HasColumns => _columns is not null;

    /// <summary>An answer without rows.</summary>
    public static QueryResult Empty(IEnumerable<(string Name, string Type)> columns) =>
        new([.. columns.Select(column => new ResultColumn(column.Name, column.Type, new Column(column.Name, column.Type).Empty()))], 0);

    /// <exception cref="InvalidDataException">The bytes are no block; the message names the column.</exception>
    public void Decode(ReadOnlySpan<byte> chunk)
    {
        var reader = new BlockReader(chunk);
        while (!reader.AtEnd)
        {
            DecodeBlock(ref reader);
        }
    }

    public QueryResult Result() =>
        new([.. (_columns ?? []).Select(column => new ResultColumn(column.Name, column.Type, column.Joined()))], _rowCount);

    private void DecodeBlock(ref BlockReader reader)
    {
        var columnCount = reader.Count(bytesEach: 2);
        var announced = reader.Varint();
        if (announced > int.MaxValue)
        {
            throw new InvalidDataException($"A block of {announced} rows is too large.");
        }
        var rows = (int)announced;
        var known = _columns;
        if (known is not null && known.Length != columnCount)
        {
            throw new InvalidDataException($"A block has {columnCount} columns, the one before it {known.Length}.");
        }
        var columns = known ?? new Column[columnCount];
        for (var index = 0; index < columnCount; index++)
        {
            var name = $"#{index + 1}";
            try
            {
                name = reader.Text();
                var type = reader.Text();
                if (known is null)
                {
                    columns[index] = new Column(name, type);
                }
                columns[index].Read(name, type, rows, ref reader);
            }
            catch (InvalidDataException problem)
            {
                throw new InvalidDataException($"Column '{name}' of the answer cannot be read: {problem.Message}", problem);
            }
        }
        _columns = columns;
        _rowCount = checked(_rowCount + rows);
    }

    private sealed class Column(string name, string type)
    {
        private readonly ColumnReader _reader = ColumnReaders.For(type);
        private readonly List<Array> _parts = [];

        public string Name { get; } = name;

        public string Type { get; } = type;

        public void Read(string name, string type, int rows, ref BlockReader reader)
        {
            if (!string.Equals(name, Name, StringComparison.Ordinal) || !string.Equals(type, Type, StringComparison.Ordinal))
            {
                throw new InvalidDataException($"a block has {name} {type} where the one before it has {Name} {Type}.");
            }
            // Without rows there is no data, not even a prefix.
            if (rows > 0)
            {
                _reader.ReadPrefix(ref reader);
                _parts.Add(_reader.Read(ref reader, rows));
            }
        }

        public Array Joined() => _parts.Count == 0 ? Empty() : _reader.Join(_parts);

        public Array Empty()
        {
            var nothing = new BlockReader([]);
            return _reader.Read(ref nothing, 0);
        }
    }
}
