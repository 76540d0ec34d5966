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
    private EmbeddedClickHouse()
    {
    }

    /// <summary>Opens the engine (first call of the process) or another database on it (later calls, same data directory).</summary>
    public static Task<EmbeddedClickHouse> OpenAsync(EmbeddedOptions options, CancellationToken cancel = default) => throw new NotImplementedException();

    public Task ExecuteAsync(string sql, SqlParameters? parameters = null, CancellationToken cancel = default) => throw new NotImplementedException();

    public Task<QueryResult> QueryAsync(string sql, SqlParameters? parameters = null, QueryLimits? limits = null, CancellationToken cancel = default) => throw new NotImplementedException();

    public Task InsertAsync(string table, IReadOnlyList<NativeBlock> blocks, CancellationToken cancel = default) => throw new NotImplementedException();

    public ValueTask DisposeAsync() => throw new NotImplementedException();
}

/// <summary>Finds the engine's library, and fetches it with npm into the user's cache when it is not there.</summary>
public static class EngineLibrary
{
    /// <summary>
    /// Path of the library: <c>FAULTLINE_ENGINE_LIBRARY</c> when set, beside the executable when published with it, else the
    /// cache (<c>$XDG_CACHE_HOME/faultline/engine/VERSION/…</c>), fetched first when absent: <c>npm ci</c> on the given
    /// lock file in a temporary folder, integrity by npm's checksum, then renamed into place, so that a fetch that was
    /// interrupted is taken up again and never half there. Two processes at once fetch it once.
    /// </summary>
    /// <param name="lockFolder">Folder with <c>package.json</c> and <c>package-lock.json</c> (the repository's <c>native/</c>, copied beside the executable).</param>
    /// <param name="progress">One line of text now and then while fetching.</param>
    /// <exception cref="InvalidOperationException">It cannot be fetched; the message says why and what to do.</exception>
    public static Task<string> EnsureAsync(string lockFolder, Action<string> progress, CancellationToken cancel = default) => throw new NotImplementedException();
}
