namespace Faultline.ClickHouse.Embedded;

/// <summary>One statement on its way to an engine thread: queued, then running, then ended; cancelled at any point.</summary>
internal abstract class EngineJob(CancellationToken cancel)
{
    private const int Queued = 0;
    private const int Running = 1;
    private const int Ended = 2;
    private int _state;
    private volatile bool _cancelRequested;

    protected CancellationToken Cancel { get; } = cancel;

    /// <summary>Somebody wants a running job to stop; the thread that runs it looks between two blocks.</summary>
    public bool CancelRequested => _cancelRequested;

    public bool TryStart() => Interlocked.CompareExchange(ref _state, Running, Queued) == Queued;

    /// <summary>Runs the statement on the calling thread. The outcome is told by <see cref="Complete"/>.</summary>
    public abstract void Run(EngineConnection connection);

    /// <summary>Hands the outcome to whoever awaits it.</summary>
    public abstract void Complete();

    protected abstract void Fail(Exception reason);

    /// <summary>Fails the job when it has not started; a started one is left alone.</summary>
    public void Refuse(Exception reason)
    {
        if (Interlocked.CompareExchange(ref _state, Ended, Queued) == Queued)
        {
            Fail(reason);
        }
    }

    /// <summary>Ends a queued job at once; returns true when it is running already and must be stopped in the engine.</summary>
    public bool RequestCancel()
    {
        if (Interlocked.CompareExchange(ref _state, Ended, Queued) == Queued)
        {
            Fail(new OperationCanceledException(Cancel));
            return false;
        }
        _cancelRequested = true;
        return Volatile.Read(ref _state) == Running;
    }

    protected void MarkEnded() => Volatile.Write(ref _state, Ended);
}

/// <summary>A job with a result.</summary>
internal sealed class EngineJob<T>(Func<EngineConnection, EngineJob, T> work, CancellationToken cancel) : EngineJob(cancel)
{
    private readonly TaskCompletionSource<T> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private T? _result;
    private Exception? _failure;

    public Task<T> Task => _done.Task;

    public override void Run(EngineConnection connection)
    {
        try
        {
            _result = work(connection, this);
        }
        catch (Exception problem)
        {
            _failure = problem;
        }
    }

    public override void Complete()
    {
        MarkEnded();
        switch (_failure)
        {
            case null:
                _done.TrySetResult(_result!);
                break;
            case OperationCanceledException:
            case ClickHouseException when CancelRequested:
                Fail(new OperationCanceledException(Cancel));
                break;
            default:
                Fail(_failure);
                break;
        }
    }

    protected override void Fail(Exception reason)
    {
        if (reason is OperationCanceledException cancelled)
        {
            _done.TrySetCanceled(cancelled.CancellationToken);
        }
        else
        {
            _done.TrySetException(reason);
        }
    }
}
