using System.Collections.Concurrent;

namespace Faultline.ClickHouse.Embedded;

/// <summary>
/// Ends statements that nobody waits for any more, from a connection of its own: a fetch blocks until the engine has a block,
/// and an aggregation has none before its end, so the thread that runs the statement cannot end it.
/// </summary>
internal sealed class QueryKiller
{
    private static readonly TimeSpan RetryInterval = TimeSpan.FromMilliseconds(20);

    private readonly BlockingCollection<(EngineThreads.Worker Worker, EngineJob Job)> _wanted = [];
    private readonly TaskCompletionSource _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private QueryKiller()
    {
    }

    /// <summary>Opens the connection; the first one of a process opens the engine.</summary>
    public static async Task<QueryKiller> StartAsync(Func<EngineConnection> connect)
    {
        var killer = new QueryKiller();
        new Thread(() => killer.Run(connect), maxStackSize: 8 << 20) { IsBackground = true, Name = "engine killer" }.Start();
        await killer._connected.Task.ConfigureAwait(false);
        return killer;
    }

    public void Kill(EngineThreads.Worker worker, EngineJob job) => _wanted.Add((worker, job));

    public Task StopAsync()
    {
        _wanted.CompleteAdding();
        return _ended.Task;
    }

    private void Run(Func<EngineConnection> connect)
    {
        EngineConnection connection;
        try
        {
            connection = connect();
        }
        catch (Exception problem)
        {
            _connected.SetException(problem);
            return;
        }
        _connected.SetResult();
        using (connection)
        {
            var running = new List<(EngineThreads.Worker Worker, EngineJob Job)>();
            while (!_wanted.IsCompleted)
            {
                // A statement is found only once the engine has registered it, so what still runs is killed again.
                if (_wanted.TryTake(out var wanted, running.Count == 0 ? Timeout.InfiniteTimeSpan : RetryInterval))
                {
                    running.Add(wanted);
                }
                running.RemoveAll(entry => !TryKill(connection, entry.Worker, entry.Job));
            }
        }
        _ended.SetResult();
    }

    private static bool TryKill(EngineConnection connection, EngineThreads.Worker worker, EngineJob job)
    {
        lock (worker.Gate)
        {
            if (worker.Current != job)
            {
                return false;
            }
            try
            {
                connection.Execute(
                    "KILL QUERY WHERE Settings['log_comment'] = {mark:String} ASYNC",
                    new SqlParameters().Add("mark", worker.Mark));
            }
            catch (ClickHouseException)
            {
                // Memory may be short just now: tried again after the interval, as long as the statement runs.
            }
            return true;
        }
    }
}
