using System.Threading.Channels;

namespace Faultline.Store.Writes;

/// <summary>Units on their way into the tables, the oldest first. The last one takes more until it is full, old enough or asked for.</summary>
internal sealed class InsertQueue(WriterOptions options, TimeProvider time)
{
    // One that is inserted, one that is full, and one that fills.
    private const int UnitsMax = 3;

    private static readonly TimeSpan LookAgainAfter = TimeSpan.FromMilliseconds(50);

    private readonly Lock _gate = new();
    private readonly LinkedList<InsertUnit> _units = [];
    private readonly Channel<bool> _woken = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly TaskCompletionSource _ends = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private InsertUnit? _flushed;
    private volatile bool _isStuck;

    /// <summary>The store cannot write at the moment.</summary>
    public bool IsStuck
    {
        get => _isStuck;
        set => _isStuck = value;
    }

    /// <summary>Nothing is added any more.</summary>
    public Task Ends => _ends.Task;

    public long JournalBytes
    {
        get
        {
            lock (_gate)
            {
                return _units.Sum(unit => unit.Segment?.Length ?? 0);
            }
        }
    }

    /// <summary>Adds batches of one day to the last unit, or a new one, when <paramref name="write"/> has written them to its file.</summary>
    /// <param name="begin">Makes a new unit.</param>
    /// <param name="write">Those that fail have a <see cref="PendingBatch.Failure"/> afterwards, and are not added.</param>
    /// <returns>Those. Of the others the inserter may know more by now, so their senders are not to be told by what it says of them.</returns>
    public List<PendingBatch> Add(ushort day, List<PendingBatch> batches, Func<InsertUnit> begin, Action<InsertUnit> write)
    {
        lock (_gate)
        {
            var (rows, bytes) = (batches.Sum(pending => pending.Batch.Count), batches.Sum(pending => pending.Bytes));
            var unit = _units.Last?.Value;
            if (unit is null || unit.IsTaken || unit.Day != day || unit.Rows + rows > options.GroupRowsMax || unit.Bytes + bytes > BatchWriter.GroupBytesMax)
            {
                unit = begin();
            }

            write(unit);
            var failed = batches.FindAll(static pending => pending.Failure is not null);
            foreach (var pending in batches.Except(failed))
            {
                unit.Add(pending);
            }

            if (unit.Batches.Count == 0)
            {
                unit.Segment?.Abandon();
            }
            else if (_units.Last?.Value != unit)
            {
                _units.AddLast(unit);
            }

            _woken.Writer.TryWrite(true);
            return failed;
        }
    }

    /// <summary>
    /// Where inserts fall behind, acknowledgements wait for them: senders that come faster than the store takes are slowed down first, and told to try later only
    /// when the queue is full. Where the store cannot write at all, the journal takes what the queue's bytes allow.
    /// </summary>
    public async Task KeepPaceAsync()
    {
        while (true)
        {
            Task oldest;
            lock (_gate)
            {
                if (_units.Count < UnitsMax || _isStuck)
                {
                    return;
                }

                oldest = _units.First!.Value.Done.Task;
            }

            await Task.WhenAny(oldest, Task.Delay(LookAgainAfter, time));
        }
    }

    /// <summary>Returns when everything that was added before is in the tables.</summary>
    public async Task FlushAsync(CancellationToken cancel)
    {
        Task[] units;
        lock (_gate)
        {
            _flushed = _units.Last?.Value;
            units = [.. _units.Select(unit => unit.Done.Task)];
        }

        _woken.Writer.TryWrite(true);
        await Task.WhenAll(units).WaitAsync(cancel);
    }

    /// <summary>What is there is inserted at once.</summary>
    public void End()
    {
        _ends.TrySetResult();
        _woken.Writer.TryWrite(true);
    }

    /// <summary>The oldest unit when it is to be inserted; null when the queue has ended and none is left.</summary>
    public async Task<InsertUnit?> NextAsync()
    {
        while (true)
        {
            var wait = Timeout.InfiniteTimeSpan;
            lock (_gate)
            {
                if (_units.First?.Value is { } first)
                {
                    wait = options.InsertDelay - time.GetElapsedTime(first.Since);
                    if (_units.Count > 1 || wait <= TimeSpan.Zero || _flushed == first || _ends.Task.IsCompleted || first.Rows >= options.GroupRowsMax || first.Bytes >= BatchWriter.GroupBytesMax)
                    {
                        first.IsTaken = true;
                        return first;
                    }
                }
                else if (_ends.Task.IsCompleted)
                {
                    return null;
                }
            }

            var woken = _woken.Reader.WaitToReadAsync().AsTask();
            await Task.WhenAny(woken, Task.Delay(wait, time));
            _woken.Reader.TryRead(out _);
        }
    }

    /// <summary>The unit that <see cref="NextAsync"/> gave is over.</summary>
    public void Remove(InsertUnit unit)
    {
        lock (_gate)
        {
            _units.Remove(unit);
        }

        unit.Done.SetResult();
    }
}
