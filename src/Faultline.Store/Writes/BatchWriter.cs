using System.Threading.Channels;
using Faultline.ClickHouse;
using Faultline.Store.Disk;
using Faultline.Store.Schema;
using Faultline.Store.Writes.Journal;
using Faultline.Telemetry;
using Microsoft.Extensions.Logging;

namespace Faultline.Store.Writes;

/// <param name="GroupDelay">How long a batch waits for company before it is acknowledged.</param>
/// <param name="QueueBytesMax">Most bytes waiting for commit or for the readers; more is answered with "try later".</param>
/// <param name="GroupRowsMax">Most rows in one insert.</param>
/// <param name="Durability">What an acknowledgement outlives.</param>
public sealed record WriterOptions(TimeSpan GroupDelay, long QueueBytesMax = 256L << 20, int GroupRowsMax = 50_000, Durability Durability = Durability.Process)
{
    /// <summary>Where acknowledged requests are kept until they are in the tables; null: they are acknowledged when they are in the tables.</summary>
    public string? JournalDirectory { get; init; }

    /// <summary>How long they wait there for company: larger inserts cost far less a row, and so do the merges after them.</summary>
    public TimeSpan InsertDelay { get; init; }
}

/// <summary>What became of a batch.</summary>
public abstract record WriteOutcome
{
    private WriteOutcome()
    {
    }

    /// <summary>Every row is durable. When the readers have seen the batch, every row is in the tables as well.</summary>
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
/// Group commit: batches in, acknowledgements out. Batches that wait together go into the journal in one write, and are acknowledged; those that wait there together go
/// into one insert a table. When that insert fails each batch is tried alone, so that one bad batch harms only itself. When its rows are in the tables the readers see
/// each batch once, in order. Without a journal a batch is acknowledged when its rows are in the tables.
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

    internal static readonly TimeSpan FullDelay = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan ClockAheadMax = TimeSpan.FromHours(1);

    private readonly Lock _gate = new();
    private readonly IClickHouse _engine;
    private readonly WriterOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly RecentRequests _recent;
    private readonly GroupCommit _commit;
    private readonly StoredBatches _stored;
    private readonly ReaderFeed _feed;
    private readonly Channel<PendingBatch> _queue;
    private readonly RequestJournal? _journal;
    private readonly WaitingBatches _waiting = new();
    private readonly InsertQueue _inserts;
    private readonly TableInserter _inserter;
    private readonly Task _taking;
    private readonly Task _inserting;
    private bool _stopping;
    private long _newestReceived;
    private long _refused;
    private long _repeated;

    private BatchWriter(IClickHouse engine, DiskGuard disk, WriterOptions options, TimeProvider time, ILogger log, RecentRequests recent, long newestReceived, RequestJournal? journal, JournalReplay? replay)
    {
        (_engine, _journal) = (engine, journal);
        _newestReceived = newestReceived;
        NewestStoredAtStart = newestReceived;
        _options = options;
        _time = time;
        _log = log;
        _recent = recent;
        _commit = new GroupCommit(engine, disk, time, log);
        _stored = new StoredBatches(engine);
        _feed = new ReaderFeed(Readers, log, _waiting.Release);
        _inserts = new InsertQueue(options, time);
        _inserter = new TableInserter(_inserts, _commit, journal, replay, _feed, _waiting, pending => Settle(pending, pending.Failure ?? new WriteOutcome.Durable()), time, log);
        _queue = Channel.CreateBounded<PendingBatch>(new BoundedChannelOptions(WaitingBatchesMax) { SingleReader = true });
        _taking = Task.Run(TakeGroupsAsync);
        _inserting = Task.Run(_inserter.RunAsync);
    }

    /// <summary>Readers that see every batch after its commit. Set before the first write.</summary>
    public IList<IBatchReader> Readers { get; } = [];

    /// <summary>The newest <see cref="TelemetryBatch.ReceivedUnixNanos"/> that earlier processes stored; 0 when there is none.</summary>
    public long NewestStoredAtStart { get; }

    /// <summary>Bytes of batches that are not in the tables, or not yet seen by every reader.</summary>
    public long WaitingBytes => _waiting.Bytes;

    /// <summary>Null without a journal.</summary>
    internal AsideRequests? Aside => _journal?.Aside;

    /// <summary>Batches and bytes waiting now, and totals since start, for the internals' metrics.</summary>
    public WriterFigures Figures => new(
        _waiting.Count,
        _waiting.Bytes,
        _commit.Commits,
        _commit.CommittedRows,
        _commit.Failures,
        Interlocked.Read(ref _refused),
        Interlocked.Read(ref _repeated),
        _commit.LastCommit,
        _feed.Failures,
        _feed.WaitingBatches,
        _inserts.JournalBytes,
        _journal?.Aside.Count ?? 0);

    /// <summary>Reads which requests were committed last, then takes batches.</summary>
    internal static async Task<BatchWriter> StartAsync(IClickHouse engine, DiskGuard disk, WriterOptions options, TimeProvider time, ILogger log, CancellationToken cancel)
    {
        var recent = new RecentRequests(time);
        await recent.LoadAsync(engine, cancel);
        log.Remembered(recent.Count);

        RequestJournal? journal = null;
        JournalReplay? replay = null;
        var journaled = 0L;
        if (options.JournalDirectory is { } directory)
        {
            journal = RequestJournal.Open(directory, options.Durability, time);
            replay = new JournalReplay(journal, engine, disk, log);
            journaled = await replay.RememberAsync(recent, cancel);
            if (journal.Aside.Count > 0)
            {
                log.RequestsLieAside(journal.Aside.Count, directory);
            }

            try
            {
                await replay.RunAsync(cancel);
            }
            catch (Exception exception) when (exception is ClickHouseException or IOException)
            {
                // A full disk stops no start.
                log.ReplayDelayed(exception);
            }
        }

        // A clock that was wrong once must not date everything after it.
        var aheadMax = ((time.GetUtcNow() - DateTimeOffset.UnixEpoch) + ClockAheadMax).Ticks * 100;
        var newest = Math.Max(journaled, await StoredBatches.NewestAsync(engine, cancel));
        return new BatchWriter(engine, disk, options, time, log, recent, newest > aheadMax ? 0 : newest, journal, replay);
    }

    /// <summary>
    /// Shows the readers what is stored of batches received after <paramref name="receivedUnixNanos"/>, before anything new. Called at
    /// start, before the first write; returns at once.
    /// </summary>
    public void ShowStoredAfter(long receivedUnixNanos) =>
        _feed.ShowFirst(StoredAfterAsync(receivedUnixNanos));

    /// <summary>
    /// Writes a batch; returns when it is durable, or says why not. A caller that cancels stops waiting, but the batch may still
    /// be committed: its sender learns so when it sends it again.
    /// </summary>
    public Task<WriteOutcome> WriteAsync(TelemetryBatch batch, CancellationToken cancel = default) => Take(batch, cancel).Outcome;

    /// <summary>Writes a batch; returns when its rows can be read, or says why not.</summary>
    public async Task<WriteOutcome> StoreAsync(TelemetryBatch batch, CancellationToken cancel = default)
    {
        var (durable, pending) = Take(batch, cancel);
        return await durable is WriteOutcome.Durable && pending is not null ? await pending.Stored.Task.WaitAsync(cancel) : await durable;
    }

    /// <summary>Returns when everything that was acknowledged before can be read: at once, unless the store cannot write.</summary>
    public async Task FlushAsync(CancellationToken cancel = default)
    {
        await _inserter.Replayed.WaitAsync(cancel);
        await _inserts.FlushAsync(cancel);
    }

    private (Task<WriteOutcome> Outcome, PendingBatch? Pending) Take(TelemetryBatch batch, CancellationToken cancel)
    {
        var needed = GroupCommit.TablesOf(batch);
        if (needed == Tables.None)
        {
            return Settled(new WriteOutcome.Durable());
        }

        var bytes = batch.ApproximateBytes;
        if (bytes > BatchBytesMax)
        {
            Interlocked.Increment(ref _refused);
            return Settled(new WriteOutcome.Refused(
                $"The request would take {bytes >> 20} MiB in the store, its resource attributes counted once a row; at most {BatchBytesMax >> 20} MiB are taken. Send fewer rows a request."));
        }

        PendingBatch pending;
        lock (_gate)
        {
            if (_stopping)
            {
                return Settled(new WriteOutcome.TryLater(FullDelay, "The store is stopping.", StoreFailed: true));
            }

            var record = batch.RequestHash == UInt128.Zero ? new RequestRecord() : _recent.Of(batch.Project, batch.RequestHash);
            if (record.Running is { } running)
            {
                Interlocked.Increment(ref _repeated);
                return (RepeatOfAsync(running).WaitAsync(cancel), null);
            }

            if (record.IsComplete || (needed & ~record.Stored) == Tables.None)
            {
                Interlocked.Increment(ref _repeated);
                return Settled(new WriteOutcome.Repeated());
            }

            // Whole microseconds, which a double holds, and no two alike: commits have this order.
            batch.ReceivedUnixNanos = Math.Max(batch.ReceivedUnixNanos - (batch.ReceivedUnixNanos % 1000), _newestReceived + 1000);
            var waiting = _waiting.Bytes;
            pending = new PendingBatch(batch, bytes, record, _time.GetTimestamp());
            if ((waiting > 0 && waiting + bytes > _options.QueueBytesMax) || !_queue.Writer.TryWrite(pending))
            {
                Interlocked.Increment(ref _refused);
                return Settled(new WriteOutcome.TryLater(
                    FullDelay, $"{waiting >> 20} MiB in {_waiting.Count} batches wait for the store already; at most {_options.QueueBytesMax >> 20} MiB may."));
            }

            _waiting.Add(pending);
            _newestReceived = batch.ReceivedUnixNanos;
            record.Running = pending.Outcome.Task;
        }

        return (pending.Outcome.Task.WaitAsync(cancel), pending);
    }

    private static (Task<WriteOutcome> Outcome, PendingBatch? Pending) Settled(WriteOutcome outcome) => (Task.FromResult(outcome), null);

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

        await _taking.WaitAsync(cancel);
        _inserts.End();
        await _inserting.WaitAsync(cancel);
        await _feed.StopAsync().WaitAsync(cancel);
    }

    private async IAsyncEnumerable<TelemetryBatch> StoredAfterAsync(long receivedUnixNanos)
    {
        await _inserter.Replayed;
        await foreach (var batch in _stored.ReadAsync(receivedUnixNanos, NewestStoredAtStart))
        {
            yield return batch;
        }
    }

    private static async Task<WriteOutcome> RepeatOfAsync(Task<WriteOutcome> running) =>
        await running is var outcome and not WriteOutcome.Durable ? outcome : new WriteOutcome.Repeated();

    private async Task TakeGroupsAsync()
    {
        var group = new List<PendingBatch>();
        while (await _queue.Reader.WaitToReadAsync())
        {
            await _inserts.KeepPaceAsync();
            await CollectAsync(group);

            // A group may stand across midnight; an insert may not.
            foreach (var day in group.GroupBy(pending => Days.Of(pending.Batch.ReceivedUnixNanos)).OrderBy(day => day.Key).ToList())
            {
                List<PendingBatch> batches = [.. day];
                var failed = _inserts.Add(day.Key, batches, () => new InsertUnit(day.Key, _journal?.Begin(), _time.GetTimestamp()), unit => Journal(unit, batches));
                foreach (var pending in failed)
                {
                    Settle(pending, pending.Failure!);
                }

                if (_journal is not null)
                {
                    foreach (var pending in batches.Except(failed))
                    {
                        Settle(pending, new WriteOutcome.Durable());
                    }
                }
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

    /// <summary>With a journal, writes batches to the unit's file. Those that failed have a <see cref="PendingBatch.Failure"/>.</summary>
    private void Journal(InsertUnit unit, List<PendingBatch> batches)
    {
        if (_journal is null || unit.Segment is null)
        {
            return;
        }

        try
        {
            batches.ForEach(pending => Encode(_journal, pending));
            DiskGuard.RequireRoom(_engine, "requests are taken");
            _journal.WriteTo(unit.Segment);
        }
        catch (Exception exception)
        {
            // A full disk, as a rule. Whatever it is, whoever waits must hear it.
            _journal.Forget();
            _log.NotJournaled(exception, batches.Count);
            batches.ForEach(pending => pending.Failure ??= new WriteOutcome.TryLater(GroupCommit.EngineDelay, $"The store cannot write at the moment: {exception.Message}", StoreFailed: true));
        }
    }

    private void Encode(RequestJournal journal, PendingBatch pending)
    {
        try
        {
            journal.Add(pending.Batch);
        }
        catch (Exception exception) when (GroupCommit.IsFaultOfTheData(exception))
        {
            _log.BatchRefused(exception, pending.Batch.Count, "the journal");
            pending.Failure = new WriteOutcome.Refused($"The store cannot take it: {exception.Message}");
        }
    }

    /// <summary>Tells the sender what became of its batch.</summary>
    private void Settle(PendingBatch pending, WriteOutcome outcome)
    {
        lock (_gate)
        {
            pending.Record.IsComplete = outcome is WriteOutcome.Durable;
            _recent.Settle(pending.Record);
        }

        if (outcome is not WriteOutcome.Durable)
        {
            _waiting.Drop(pending);
        }

        pending.Outcome.TrySetResult(outcome);
    }
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
/// <param name="JournalBytes">Acknowledged and not yet in the tables, as bytes on the disk.</param>
/// <param name="SetAside">Acknowledged requests that the store will never take, kept apart; of earlier processes, too.</param>
public sealed record WriterFigures(
    int WaitingBatches, long WaitingBytes, long Commits, long CommittedRows, long FailedCommits, long RefusedBatches, long RepeatedBatches, TimeSpan LastCommit,
    long ReaderFailures = 0, int WaitingForReaders = 0, long JournalBytes = 0, long SetAside = 0);
