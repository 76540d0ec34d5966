namespace Faultline.ClickHouse.Embedded;

/// <summary>How the embedded engine is opened.</summary>
/// <param name="LibraryPath">Full path of <c>libchdb.so</c>; see <see cref="EngineLibrary"/>.</param>
/// <param name="DataDirectory">One data directory a process; created when absent.</param>
/// <param name="Readers">Threads (and connections) that answer queries.</param>
/// <param name="Writers">Threads (and connections) that insert.</param>
/// <param name="MemoryBytesMax">Total the engine may take.</param>
/// <param name="Database">Created when absent; every statement runs in it. Tests use one each on the one engine.</param>
public sealed record EmbeddedOptions(
    string LibraryPath,
    string DataDirectory,
    int Readers = 3,
    int Writers = 1,
    long MemoryBytesMax = 2L << 30,
    string Database = "faultline");

/// <summary>ClickHouse in this process. Engine calls run on a small fixed set of threads of its own, never the thread pool.</summary>
public sealed class EmbeddedClickHouse : IClickHouse
{
    private static readonly QueryLimits NoLimits = new();

    private readonly EngineThreads _readers;
    private readonly EngineThreads _writers;
    private readonly EngineThreads _statements;
    private readonly RunningStatements _running;
    private readonly DriveInfo _disk;
    private int _disposed;

    private EmbeddedClickHouse(EngineProcess engine, EngineThreads readers, EngineThreads writers, EngineThreads statements, string dataDirectory)
    {
        _disk = new DriveInfo(dataDirectory);
        _running = engine.Running;
        SetAside = engine.SetAside;
        _readers = readers;
        _writers = writers;
        _statements = statements;
    }

    /// <summary>Opens the engine (first call of the process) or another database on it (later calls, same data directory).</summary>
    /// <exception cref="InvalidOperationException">
    /// The library cannot be loaded, the directory is in use by another process, or this process has the engine open on another one.
    /// </exception>
    public static Task<EmbeddedClickHouse> OpenAsync(EmbeddedOptions options, CancellationToken cancel = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Readers, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Writers, 1);
        options = options with { DataDirectory = Path.TrimEndingDirectorySeparator(Path.GetFullPath(options.DataDirectory)) };
        return EngineProcess.EnterAsync(options, engine => StartAsync(options, engine), cancel);
    }

    /// <summary>
    /// The queries that were running when the last process on this directory ended without closing the engine: for the log. One
    /// that was running at two such ends is refused for an hour.
    /// </summary>
    public IReadOnlyList<string> RunningAtLastCrash => _running.OfLastCrash;

    /// <summary>A sentence for each file that a full disk left so that its table could not be opened, and that was moved out of the way: for the log.</summary>
    public IReadOnlyList<string> SetAside { get; }

    public long FreeBytes => _disk.AvailableFreeSpace;

    public async Task ExecuteAsync(string sql, SqlParameters? parameters = null, CancellationToken cancel = default) =>
        await _statements.RunAsync(
            (connection, _) =>
            {
                connection.Execute(sql, parameters);
                return true;
            },
            cancel).ConfigureAwait(false);

    public Task<QueryResult> QueryAsync(string sql, SqlParameters? parameters = null, QueryLimits? limits = null, CancellationToken cancel = default) =>
        _readers.RunAsync(
            (connection, job) =>
            {
                using var note = _running.Begin(sql, parameters);
                return connection.Query(sql, parameters, limits ?? NoLimits, () => job.CancelRequested);
            },
            cancel);

    /// <remarks>Cancelling takes an insert back only while it waits for its turn: one that runs is finished, and committed.</remarks>
    public async Task InsertAsync(string table, IReadOnlyList<NativeBlock> blocks, CancellationToken cancel = default)
    {
        var filled = blocks.Where(block => block.RowCount > 0).ToList();
        if (filled.Count == 0)
        {
            return;
        }
        var columns = filled[0].ColumnNames;
        if (filled.Find(block => !block.ColumnNames.SequenceEqual(columns, StringComparer.Ordinal)) is { } other)
        {
            throw new ArgumentException(
                $"The blocks of one insert have the same columns, but one has ({string.Join(", ", columns)}), another ({string.Join(", ", other.ColumnNames)}).", nameof(blocks));
        }

        // Without names the engine takes the columns by those in the block, and gives the others their defaults.
        var sql = columns.Count == 0 ? $"INSERT INTO {Quoted(table)}" : $"INSERT INTO {Quoted(table)} ({string.Join(", ", columns.Select(Quoted))})";
        await _writers.RunAsync(
            (connection, _) =>
            {
                connection.Insert(sql, filled);
                return true;
            },
            cancel).ConfigureAwait(false);
    }

    /// <summary>Finishes the inserts that wait, ends the queries that run, closes the connections; the last database closes the engine.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }
        await StopAsync(_readers, _writers, _statements).ConfigureAwait(false);
        await EngineProcess.LeaveAsync(this).ConfigureAwait(false);
    }

    private static async Task<EmbeddedClickHouse> StartAsync(EmbeddedOptions options, EngineProcess engine)
    {
        var statements = await EngineThreads.StartAsync("engine statements", 1, _ => Connect(options, create: true), engine.Killer).ConfigureAwait(false);
        EngineThreads? readers = null;
        try
        {
            readers = await EngineThreads.StartAsync("engine reader", options.Readers, _ => Connect(options, create: false), engine.Killer).ConfigureAwait(false);
            var writers = await EngineThreads.StartAsync("engine writer", options.Writers, _ => Connect(options, create: false), killer: null).ConfigureAwait(false);
            return new EmbeddedClickHouse(engine, readers, writers, statements, options.DataDirectory);
        }
        catch
        {
            await StopAsync(readers, null, statements).ConfigureAwait(false);
            throw;
        }
    }

    private static EngineConnection Connect(EmbeddedOptions options, bool create)
    {
        var connection = EngineProcess.Connect(options);
        try
        {
            if (create)
            {
                connection.Execute($"CREATE DATABASE IF NOT EXISTS {Quoted(options.Database)}", null);
            }
            connection.Execute($"USE {Quoted(options.Database)}", null);
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    private static async Task StopAsync(EngineThreads? readers, EngineThreads? writers, EngineThreads statements)
    {
        if (readers is not null)
        {
            await readers.StopAsync(drain: false).ConfigureAwait(false);
        }
        if (writers is not null)
        {
            await writers.StopAsync(drain: true).ConfigureAwait(false);
        }
        await statements.StopAsync(drain: false).ConfigureAwait(false);
    }

    private static string Quoted(string identifier) =>
        "`" + identifier.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("`", "\\`", StringComparison.Ordinal) + "`";
}
