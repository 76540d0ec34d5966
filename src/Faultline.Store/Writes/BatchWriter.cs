using System.Threading.Channels;
using Faultline.ClickHouse;
using Faultline.Store.Disk;
using Faultline.Store.Schema;
using Faultline.Telemetry;
using Microsoft.Extensions.Logging;

namespace Faultline.Store.Writes;

/// <param name="GroupDelay">How long a batch waits for company.</param>
/// <param name="QueueBytesMax">Most bytes waiting for commit or for the readers; more is answered with "try later".</param>
/// <param name="GroupRowsMax">Most rows in one insert.</param>
/// <param name="Durability">What an acknowledgement outlives.</param>
public sealed record WriterOptions(TimeSpan GroupDelay, long QueueBytesMax = 256L << 20, int GroupRowsMax = 50_000, Durability Durability = Durability.Process);

/// <summary>What became of a batch.</summary>
public abstract record WriteOutcome
{
    private WriteOutcome()
    {
    }

    /// <summary>Every row is durable.</summary>
    public sealed record Durable : WriteOutcome;

    /// <summary>The same request was committed within the last minute; its rows are there already.</summary>
    public sealed record Repeated : WriteOutcome;

    /// <summary>Not all of it was written; the sender should try again after the delay. What was written is not written twice.</summary>
    /// <param name="StoreFailed">The store could not write; else too much waits already.</param>
    public sealed record TryLater(TimeSpan Delay, string Reason, bool StoreFailed = false) : WriteOutcome;

    /// <summary>The store will never take it as it is; sending it again is no use.</summary>
    public sealed record Refused(string Reason) : WriteOutcome;
}

/// <summary>
/// Group commit: batches in, acknowledgements out. Batches that wait together go into one insert a table; when that insert
/// fails each batch is tried alone, so that one bad batch harms only itself. After a commit the readers see each batch
/// once, in order.
/// </summary>
/// <remarks>
/// Memory is bounded by bytes, not by batches: a batch counts from <see cref="WriteAsync"/> until the last reader has seen
/// it, so that slow readers, too, end in "try later" and never in a full process.
/// </remarks>
public sealed class BatchWriter
{
    /// <summary>Most batches waiting, whatever their size.</summary>
    public const int WaitingBatchesMax = 65_536;

    /// <summary>Largest batch that is taken, in <see cref="TelemetryBatch.ApproximateBytes"/>.</summary>
    public const long BatchBytesMax = 192L << 20;

    /// <summary>A group is closed when it has this many bytes: rows of some kilobytes gain nothing from larger inserts, and wait longer for them.</summary>
    public const long GroupBytesMax = 24L << 20;

    private static readonly TimeSpan FullDelay = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ClockAheadMax = TimeSpan.FromHours(1);

    private readonly Lock _gate = new();
    private readonly WriterOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly RecentRequests _recent;
    private readonly GroupCommit _commit;
    private readonly StoredBatches _stored;
    private readonly ReaderFeed _feed;
    private readonly Channel<PendingBatch> _queue;
    private readonly Task _loop;
    private bool _stopping;
    private long _newestReceived;
    private int _waitingBatches;
    private long _waitingBytes;
    private long _refused;
    private long _repeated;

    private BatchWriter(IClickHouse engine, DiskGuard disk, WriterOptions options, TimeProvider time, ILogger log, RecentRequests recent, long newestReceived)
    {
        _newestReceived = newestReceived;
        NewestStoredAtStart = newestReceived;
        _options = options;
        _time = time;
        _log = log;
        _recent = recent;
        _commit = new GroupCommit(engine, disk, time, log);
        _stored = new StoredBatches(engine);
        _feed = new ReaderFeed(Readers, log, Release);
        _queue = Channel.CreateBounded<PendingBatch>(new BoundedChannelOptions(WaitingBatchesMax) { SingleReader = true });
        _loop = Task.Run(CommitGroupsAsync);
    }

    /// <summary>Readers that see every batch after its commit. Set before the first write.</summary>
    public IList<IBatchReader> Readers { get; } = [];

    /// <summary>The newest <see cref="TelemetryBatch.ReceivedUnixNanos"/> that earlier processes stored; 0 when there is none.</summary>
    public long NewestStoredAtStart { get; }

    /// <summary>Batches and bytes waiting now, and totals since start, for the internals' metrics.</summary>
    public WriterFigures Figures => new(
        Volatile.Read(ref _waitingBatches),
        Interlocked.Read(ref _waitingBytes),
        _commit.Commits,
        _commit.CommittedRows,
        _commit.Failures,
        Interlocked.Read(ref _refused),
        Interlocked.Read(ref _repeated),
        _commit.LastCommit,
        _feed.Failures,
        _feed.WaitingBatches);

    /// <summary>Reads which requests were committed last, then takes batches.</summary>
    internal static async Task<BatchWriter> StartAsync(IClickHouse engine, DiskGuard disk, WriterOptions options, TimeProvider time, ILogger log, CancellationToken cancel)
    {
        var recent = new RecentRequests(time);
        await recent.LoadAsync(engine, cancel);
        log.Remembered(recent.Count);

        // A clock that was wrong once must not date everything after it.
        var aheadMax = ((time.GetUtcNow() - DateTimeOffset.UnixEpoch) + ClockAheadMax).Ticks * 100;
        var newest = await StoredBatches.NewestAsync(engine, cancel);
        return new BatchWriter(engine, disk, options, time, log, recent, newest > aheadMax ? 0 : newest);
    }

    /// <summary>
    /// Shows the readers what is stored of batches received after <paramref name="receivedUnixNanos"/>, before anything new. Called at
    /// start, before the first write; returns at once.
    /// </summary>
    public void ShowStoredAfter(long receivedUnixNanos) =>
        _feed.ShowFirst(_stored.ReadAsync(receivedUnixNanos, NewestStoredAtStart));

    /// <summary>
    /// Writes a batch; returns when it is durable, or says why not. A caller that cancels stops waiting, but the batch may still
    /// be committed: its sender learns so when it sends it again.
    /// </summary>
    public Task<WriteOutcome> WriteAsync(TelemetryBatch batch, CancellationToken cancel = default)
    {
        var needed = GroupCommit.TablesOf(batch);
        if (needed == Tables.None)
        {
            return Task.FromResult<WriteOutcome>(new WriteOutcome.Durable());
        }

        var bytes = batch.ApproximateBytes;
        if (bytes > BatchBytesMax)
        {
            Interlocked.Increment(ref _refused);
            return Task.FromResult<WriteOutcome>(new WriteOutcome.Refused(
                $"The request would take {bytes >> 20} MiB in the store, its resource attributes counted once a row; at most {BatchBytesMax >> 20} MiB are taken. Send fewer rows a request."));
        }

        PendingBatch pending;
        lock (_gate)
        {
            if (_stopping)
            {
                return Task.FromResult<WriteOutcome>(new WriteOutcome.TryLater(FullDelay, "The store is stopping.", StoreFailed: true));
            }

            var record = batch.RequestHash == UInt128.Zero ? new RequestRecord() : _recent.Of(batch.Project, batch.RequestHash);
            if (record.Running is { } running)
            {
                Interlocked.Increment(ref _repeated);
                return RepeatOfAsync(running).WaitAsync(cancel);
            }

            if ((needed & ~record.Stored) == Tables.None)
            {
                Interlocked.Increment(ref _repeated);
                return Task.FromResult<WriteOutcome>(new WriteOutcome.Repeated());
            }

            // Whole microseconds, which a double holds, and no two alike: commits have this order.
            batch.ReceivedUnixNanos = Math.Max(batch.ReceivedUnixNanos - (batch.ReceivedUnixNanos % 1000), _newestReceived + 1000);
            var waiting = Interlocked.Read(ref _waitingBytes);
            pending = new PendingBatch(batch, bytes, record, _time.GetTimestamp());
            if ((waiting > 0 && waiting + bytes > _options.QueueBytesMax) || !_queue.Writer.TryWrite(pending))
            {
                Interlocked.Increment(ref _refused);
                return Task.FromResult<WriteOutcome>(new WriteOutcome.TryLater(
                    FullDelay, $"{waiting >> 20} MiB in {Volatile.Read(ref _waitingBatches)} batches wait for the store already; at most {_options.QueueBytesMax >> 20} MiB may."));
            }

            Interlocked.Add(ref _waitingBytes, bytes);
            Interlocked.Increment(ref _waitingBatches);
            _newestReceived = batch.ReceivedUnixNanos;
            record.Running = pending.Outcome.Task;
        }

        return pending.Outcome.Task.WaitAsync(cancel);
    }

    /// <summary>Series are written again with their next sample, since rows of <c>metric_series</c> were deleted.</summary>
    internal void ForgetWrittenSeries() => _commit.ForgetWrittenSeries();

    /// <summary>Finishes what waits, then stops.</summary>
    public async Task StopAsync(CancellationToken cancel = default)
    {
        lock (_gate)
        {
            _stopping = true;
            _queue.Writer.TryComplete();
        }

        await _loop.WaitAsync(cancel);
        await _feed.StopAsync().WaitAsync(cancel);
    }

    private static async Task<WriteOutcome> RepeatOfAsync(Task<WriteOutcome> running) =>
        await running is var outcome and not WriteOutcome.Durable ? outcome : new WriteOutcome.Repeated();

    private async Task CommitGroupsAsync()
    {
        var group = new List<PendingBatch>();
        while (await _queue.Reader.WaitToReadAsync())
        {
            await CollectAsync(group);

            // A group may stand across midnight; an insert may not.
            foreach (var day in group.GroupBy(pending => Days.Of(pending.Batch.ReceivedUnixNanos)).OrderBy(day => day.Key).ToList())
            {
                await CommitAsync(day.Key, [.. day]);
            }

            group.Clear();
        }
    }

    private async Task CollectAsync(List<PendingBatch> group)
    {
        // While one group is written the next one gathers, so under load the delay is over before the group is taken.
        if (_queue.Reader.TryPeek(out var first) && _options.GroupDelay - _time.GetElapsedTime(first.Since) is { Ticks: > 0 } wait)
        {
            await Task.Delay(wait, _time);
        }

        var (rows, bytes) = (0, 0L);
        while (_queue.Reader.TryPeek(out var next))
        {
            (rows, bytes) = (rows + next.Batch.Count, bytes + next.Bytes);
            if (group.Count > 0 && (rows > _options.GroupRowsMax || bytes > GroupBytesMax))
            {
                return;
            }

            _queue.Reader.TryRead(out _);
            group.Add(next);
        }
    }

    private async Task CommitAsync(ushort day, List<PendingBatch> group)
    {
        try
        {
            await _commit.CommitAsync(day, group);
        }
        catch (Exception exception)
        {
            // Every expected fault is handled in there. Whoever waits must hear something all the same.
            _log.GroupBroken(exception, group.Count);
            foreach (var pending in group)
            {
                pending.Failure ??= new WriteOutcome.TryLater(FullDelay, "The store failed; see its log.", StoreFailed: true);
                pending.Record.Doubtful |= GroupCommit.TablesOf(pending.Batch) & ~pending.Record.Stored;
            }
        }

        foreach (var pending in group)
        {
            var outcome = pending.Failure ?? new WriteOutcome.Durable();
            lock (_gate)
            {
                pending.Record.IsComplete = outcome is WriteOutcome.Durable;
                _recent.Settle(pending.Record);
            }

            Interlocked.Decrement(ref _waitingBatches);
            pending.Outcome.SetResult(outcome);
            if (outcome is WriteOutcome.Durable)
            {
                await _feed.PostAsync(pending);
            }
            else
            {
                Release(pending);
            }
        }
    }

    private void Release(PendingBatch pending) => Interlocked.Add(ref _waitingBytes, -pending.Bytes);
}

/// <summary>A batch between <see cref="BatchWriter.WriteAsync"/> and its outcome.</summary>
internal sealed class PendingBatch(TelemetryBatch batch, long bytes, RequestRecord record, long since)
{
    public TelemetryBatch Batch { get; } = batch;

    public long Bytes { get; } = bytes;

    public RequestRecord Record { get; } = record;

    /// <summary>Timestamp of the writer's clock.</summary>
    public long Since { get; } = since;

    /// <summary>Why it could not be committed, or null.</summary>
    public WriteOutcome? Failure { get; set; }

    public TaskCompletionSource<WriteOutcome> Outcome { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>Counts since the process began, and what waits now.</summary>
/// <param name="WaitingBatches">Batches that are not committed yet.</param>
/// <param name="WaitingBytes">Bytes of batches that are not committed, or not yet seen by every reader.</param>
/// <param name="Commits">Inserts that succeeded.</param>
/// <param name="CommittedRows">Rows in them.</param>
/// <param name="FailedCommits">Inserts that failed, of groups and of single batches.</param>
/// <param name="RefusedBatches">Batches not taken because the queue was full or the batch too large.</param>
/// <param name="RepeatedBatches">Batches acknowledged without a write, because they were there already.</param>
/// <param name="LastCommit">How long the last group took to commit.</param>
/// <param name="ReaderFailures">Exceptions of readers.</param>
/// <param name="WaitingForReaders">Committed batches that not every reader has seen yet.</param>
public sealed record WriterFigures(
    int WaitingBatches, long WaitingBytes, long Commits, long CommittedRows, long FailedCommits, long RefusedBatches, long RepeatedBatches, TimeSpan LastCommit,
    long ReaderFailures = 0, int WaitingForReaders = 0);
