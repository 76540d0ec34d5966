using System.Threading.Channels;

namespace Faultline.ClickHouse.Embedded;

/// <summary>Some threads of our own, each with a connection, fed by one bounded queue. Engine calls never run on the thread pool.</summary>
internal sealed class EngineThreads
{
    /// <summary>Statements that may wait; who comes later waits for room.</summary>
    public const int QueueMax = 256;

    // ClickHouse's parser and planner recurse, and check against the stack they find.
    private const int StackBytes = 8 << 20;

    private readonly Channel<EngineJob> _queue = Channel.CreateBounded<EngineJob>(new BoundedChannelOptions(QueueMax)
    {
        // A thread that waits is woken by the one that writes, not by way of a thread pool that may be busy.
        AllowSynchronousContinuations = true,
    });

    private readonly Worker[] _workers;
    private readonly QueryKiller? _killer;
    private volatile bool _refusing;

    private EngineThreads(int count, QueryKiller? killer)
    {
        _workers = new Worker[count];
        _killer = killer;
    }

    /// <summary>Starts the threads and opens their connections.</summary>
    /// <param name="killer">Ends cancelled statements; null where they are never cancelled once they run.</param>
    public static async Task<EngineThreads> StartAsync(string name, int count, Func<int, EngineConnection> connect, QueryKiller? killer)
    {
        var threads = new EngineThreads(count, killer);
        for (var index = 0; index < count; index++)
        {
            threads._workers[index] = new Worker(threads);
        }
        try
        {
            for (var index = 0; index < count; index++)
            {
                await threads._workers[index].StartAsync($"{name} {index}", index, connect).ConfigureAwait(false);
            }
        }
        catch
        {
            await threads.StopAsync(drain: false).ConfigureAwait(false);
            throw;
        }
        return threads;
    }

    /// <summary>Queues <paramref name="work"/> and returns its result. Cancelling ends it in the engine, then here.</summary>
    public async Task<T> RunAsync<T>(Func<EngineConnection, EngineJob, T> work, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        var job = new EngineJob<T>(work, cancel);
        try
        {
            await _queue.Writer.WriteAsync(job, cancel).ConfigureAwait(false);
        }
        catch (ChannelClosedException closed)
        {
            throw new ObjectDisposedException("The embedded engine has been closed.", closed);
        }
        using var registration = cancel.Register(() => OnCancel(job));
        return await job.Task.ConfigureAwait(false);
    }

    /// <summary>Stops the threads and closes their connections.</summary>
    /// <param name="drain">True: what is queued is still done. False: it is refused, and what runs is cancelled.</param>
    public async Task StopAsync(bool drain)
    {
        _refusing = !drain;
        _queue.Writer.TryComplete();
        foreach (var worker in _workers)
        {
            if (!drain && worker.Current is { } job && job.RequestCancel())
            {
                _killer?.Kill(worker, job);
            }
        }
        foreach (var worker in _workers)
        {
            await worker.Ended.ConfigureAwait(false);
        }
    }

    private void OnCancel(EngineJob job)
    {
        if (job.RequestCancel() && _killer is not null && Array.Find(_workers, worker => worker.Current == job) is { } runner)
        {
            _killer.Kill(runner, job);
        }
    }

    /// <summary>One thread.</summary>
    internal sealed class Worker(EngineThreads owner)
    {
        private readonly TaskCompletionSource _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private EngineJob? _current;
        private bool _started;

        /// <summary>Held while a statement of this thread is being killed, so that the kill cannot hit the next one.</summary>
        public Lock Gate { get; } = new();

        public EngineJob? Current => Volatile.Read(ref _current);

        public string Mark { get; private set; } = "";

        public Task Ended => _started ? _ended.Task : Task.CompletedTask;

        public Task StartAsync(string name, int index, Func<int, EngineConnection> connect)
        {
            var thread = new Thread(() => Run(index, connect), StackBytes) { IsBackground = true, Name = name };
            _started = true;
            thread.Start();
            return _connected.Task;
        }

        private void Run(int index, Func<int, EngineConnection> connect)
        {
            EngineConnection connection;
            try
            {
                connection = connect(index);
            }
            catch (Exception problem)
            {
                _connected.SetException(problem);
                _ended.SetResult();
                return;
            }
            Mark = connection.Mark;
            _connected.SetResult();
            using (connection)
            {
                while (Next() is { } job)
                {
                    if (owner._refusing)
                    {
                        job.Refuse(new ObjectDisposedException(nameof(EmbeddedClickHouse)));
                        continue;
                    }
                    Do(job, connection);
                }
            }
            _ended.SetResult();
        }

        private void Do(EngineJob job, EngineConnection connection)
        {
            // Before TryStart, so that whoever finds the job running also finds its thread.
            Volatile.Write(ref _current, job);
            if (!job.TryStart())
            {
                Volatile.Write(ref _current, null);
                return;
            }
            job.Run(connection);
            lock (Gate)
            {
                Volatile.Write(ref _current, null);
            }
            job.Complete();
        }

        private EngineJob? Next()
        {
            var reader = owner._queue.Reader;
            while (true)
            {
                if (reader.TryRead(out var job))
                {
                    return job;
                }
                // The thread is ours and has nothing else to do: it may block.
                if (!reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
                {
                    return null;
                }
            }
        }
    }
}
