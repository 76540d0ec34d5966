namespace Faultline.ClickHouse.Embedded;

/// <summary>The one engine of this process: opened by the first database, closed by the last, shut down when the process ends.</summary>
internal sealed class EngineProcess
{
    private static readonly SemaphoreSlim Gate = new(1, 1);
    private static readonly TimeSpan ExitTimeMax = TimeSpan.FromSeconds(10);
    private static readonly HashSet<EmbeddedClickHouse> Open = [];
    private static EngineProcess? current;
    private static bool exitHandled;
    private static int connectionCount;

    private readonly string _dataDirectory;

    private EngineProcess(string dataDirectory, QueryKiller killer, RunningStatements running, IReadOnlyList<string> setAside)
    {
        _dataDirectory = dataDirectory;
        Killer = killer;
        Running = running;
        SetAside = setAside;
    }

    public IReadOnlyList<string> SetAside { get; }

    public RunningStatements Running { get; }

    public QueryKiller Killer { get; }

    /// <summary>Opens the engine when it is not, and lets <paramref name="open"/> make its database on it.</summary>
    public static async Task<EmbeddedClickHouse> EnterAsync(EmbeddedOptions options, Func<EngineProcess, Task<EmbeddedClickHouse>> open, CancellationToken cancel)
    {
        await Gate.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            if (current is not null && !string.Equals(current._dataDirectory, options.DataDirectory, StringComparison.Ordinal))
            {
                throw new InvalidOperationException(
                    $"The embedded engine of this process is open on {current._dataDirectory}; it cannot open {options.DataDirectory} as well.");
            }
            current ??= await StartAsync(options).ConfigureAwait(false);
            try
            {
                var database = await open(current).ConfigureAwait(false);
                Open.Add(database);
                return database;
            }
            catch
            {
                await CloseWhenUnusedAsync().ConfigureAwait(false);
                throw;
            }
        }
        finally
        {
            Gate.Release();
        }
    }

    /// <summary>Takes a database off the list; the last one closes the engine.</summary>
    public static async Task LeaveAsync(EmbeddedClickHouse database)
    {
        await Gate.WaitAsync().ConfigureAwait(false);
        try
        {
            if (Open.Remove(database))
            {
                await CloseWhenUnusedAsync().ConfigureAwait(false);
            }
        }
        finally
        {
            Gate.Release();
        }
    }

    /// <summary>A connection with its own mark. The arguments that open the engine are ignored on later ones.</summary>
    public static EngineConnection Connect(EmbeddedOptions options)
    {
        var mark = $"faultline connection {Interlocked.Increment(ref connectionCount)}";
        string[] arguments = ["clickhouse", .. EngineSettings.Server(options), .. EngineSettings.Connection(mark)];
        return new EngineConnection(arguments, mark, EngineSettings.QueryMemoryBytesMax(options.MemoryBytesMax));
    }

    private static async Task<EngineProcess> StartAsync(EmbeddedOptions options)
    {
        Chdb.Load(options.LibraryPath);
        Directory.CreateDirectory(options.DataDirectory);
        RequireUnused(options.DataDirectory);
        var setAside = EmptyMutations.SetAside(options.DataDirectory);
        if (!exitHandled)
        {
            exitHandled = true;
            AppDomain.CurrentDomain.ProcessExit += (_, _) => AtExit();
        }
        var killer = await QueryKiller.StartAsync(() => Connect(options)).ConfigureAwait(false);
        try
        {
            return new EngineProcess(options.DataDirectory, killer, new RunningStatements(options.DataDirectory, TimeProvider.System), setAside);
        }
        catch
        {
            await killer.StopAsync().ConfigureAwait(false);
            throw;
        }
    }

    // The engine takes this lock itself, but says why it did not open only on standard error.
    private static void RequireUnused(string dataDirectory)
    {
        var status = Path.Combine(dataDirectory, "status");
        if (!File.Exists(status))
        {
            return;
        }
        try
        {
            new FileStream(status, FileMode.Open, FileAccess.ReadWrite, FileShare.None).Dispose();
        }
        catch (IOException problem)
        {
            throw new InvalidOperationException(
                $"The data directory {dataDirectory} is in use by another process. Stop that one, or choose another directory with --data.", problem);
        }
        catch (UnauthorizedAccessException problem)
        {
            throw new InvalidOperationException($"The data directory {dataDirectory} cannot be written: {problem.Message}", problem);
        }
    }

    private static async Task CloseWhenUnusedAsync()
    {
        if (Open.Count == 0 && current is { } engine)
        {
            current = null;
            await engine.Killer.StopAsync().ConfigureAwait(false);
            engine.Running.Dispose();
        }
    }

    // The engine's threads must be gone before its library's destructors run, or the process crashes on its way out.
    private static void AtExit()
    {
        var closing = Task.Run(async () =>
        {
            EmbeddedClickHouse[] open;
            await Gate.WaitAsync().ConfigureAwait(false);
            try
            {
                open = [.. Open];
            }
            finally
            {
                Gate.Release();
            }
            foreach (var database in open)
            {
                await database.DisposeAsync().ConfigureAwait(false);
            }
        });
        if (closing.Wait(ExitTimeMax))
        {
            _ = Chdb.chdb_shutdown();
        }
    }
}
