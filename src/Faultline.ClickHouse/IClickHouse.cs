namespace Faultline.ClickHouse;

/// <summary>A ClickHouse: in this process (chDB) or, later, a server over HTTP. Statements and blocks are the same for both.</summary>
public interface IClickHouse : IAsyncDisposable
{
    /// <summary>What is free, in bytes, where the data is kept; asked of the system at each call.</summary>
    long FreeBytes { get; }

    /// <summary>Runs a statement that answers with no rows (DDL, settings, deletes).</summary>
    /// <exception cref="ClickHouseException">The engine refused it.</exception>
    Task ExecuteAsync(string sql, SqlParameters? parameters = null, CancellationToken cancel = default);

    /// <summary>Runs a query and reads the whole answer. Cancelling ends the query in the engine.</summary>
    /// <exception cref="ClickHouseException">The engine refused it, or a limit of <paramref name="limits"/> was reached.</exception>
    Task<QueryResult> QueryAsync(string sql, SqlParameters? parameters = null, QueryLimits? limits = null, CancellationToken cancel = default);

    /// <summary>Inserts blocks in one statement: all of them or none. Returns when the rows are durable.</summary>
    /// <param name="table">Name of the table, without quotes.</param>
    /// <param name="blocks">Blocks with the same columns; a column's type is converted to the table's where they differ.</param>
    Task InsertAsync(string table, IReadOnlyList<NativeBlock> blocks, CancellationToken cancel = default);
}

/// <summary>Bounds on one query.</summary>
/// <param name="Time">Longest run time.</param>
/// <param name="RowsMax">Most rows in the answer; more is an error, never a silent cut.</param>
/// <param name="MemoryBytesMax">Most memory the query may take.</param>
public sealed record QueryLimits(TimeSpan? Time = null, long? RowsMax = null, long? MemoryBytesMax = null);

/// <summary>What the engine said when it refused a statement.</summary>
public sealed class ClickHouseException(int code, string message, string sql) : Exception(message)
{
    /// <summary>ClickHouse's error code (241 memory limit, 252 too many parts or partitions, 60 unknown table …); 0 when unknown.</summary>
    public int Code { get; } = code;

    /// <summary>The statement, values not included.</summary>
    public string Sql { get; } = sql;

    /// <summary>True where the same statement may succeed a little later (memory limit, too many parts, no space, timeout).</summary>
    public bool IsTransient => Code is 241 or 252 or 243 or 159 or 202 or 285 or 319 or 999;

    /// <summary>The code in a message of the engine, <c>Code: 241. DB::Exception: …</c>; 0 when it has none.</summary>
    internal static int CodeIn(string message)
    {
        const string Mark = "Code: ";
        var start = message.IndexOf(Mark, StringComparison.Ordinal);
        if (start < 0)
        {
            return 0;
        }
        var digits = message.AsSpan(start + Mark.Length);
        var end = digits.IndexOfAnyExceptInRange('0', '9');
        return int.TryParse(end < 0 ? digits : digits[..end], System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var code) ? code : 0;
    }
}
