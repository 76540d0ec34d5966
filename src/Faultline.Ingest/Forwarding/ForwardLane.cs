using Faultline.Ingest.Pipeline;
using Microsoft.Extensions.Logging;

namespace Faultline.Ingest.Forwarding;

/// <summary>Sends one signal's queue to one backend: one request at a time, in the order queued, each until it is answered.</summary>
internal sealed class ForwardLane(ExporterOptions options, Signal signal, ForwardQueue queue, OtlpSender sender, TimeProvider time, ILogger log) : IDisposable
{
    private static readonly TimeSpan QueueRetry = TimeSpan.FromSeconds(5);

    /// <summary>What is under way when the server stops may still be answered so long; else it is sent again at the next start.</summary>
    private static readonly TimeSpan LastAnswerMax = TimeSpan.FromSeconds(5);

    private readonly Dictionary<string, long> _failed = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _hangUp = new();
    private readonly SparseLine _refused = new(time);
    private readonly SparseLine _rejected = new(time);
    private long _sentItems;
    private long _sentRequests;
    private long _rejectedItems;

    public ExporterOptions Options => options;

    public Signal Signal => signal;

    public ForwardQueue Queue => queue;

    public long SentItems => Interlocked.Read(ref _sentItems);

    public long SentRequests => Interlocked.Read(ref _sentRequests);

    public long RejectedItems => Interlocked.Read(ref _rejectedItems);

    /// <summary>Attempts that failed, by reason.</summary>
    public IReadOnlyDictionary<string, long> Failed
    {
        get
        {
            lock (_failed)
            {
                return new Dictionary<string, long>(_failed, StringComparer.Ordinal);
            }
        }
    }

    public async Task RunAsync(CancellationToken cancel)
    {
        await using var stop = cancel.Register(() => _hangUp.CancelAfter(LastAnswerMax));

        // After a request of several was refused its parts are sent one by one: only what is wrong itself is lost.
        var alone = 0;
        while (true)
        {
            cancel.ThrowIfCancellationRequested();
            try
            {
                if (queue.Next(options.BatchBytesMax, alone > 0 ? 1 : int.MaxValue) is not { } group)
                {
                    alone = 0;
                    await queue.WaitAsync(cancel);
                    continue;
                }

                alone = await SendAsync(group, cancel) ? Math.Max(0, alone - 1) : group.Records;
            }
            catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
            {
                // The disk, not the backend. What is sent twice is better than what is not sent.
                log.QueueFailed(options.Name, SignalWords.Of(signal), failed.Message, QueueRetry);
                await Task.Delay(QueueRetry, time, cancel);
            }
        }
    }

    public void Dispose()
    {
        queue.Dispose();
        _hangUp.Dispose();
    }

    /// <returns>False when it was refused but parts of it may be taken.</returns>
    private async Task<bool> SendAsync(ForwardGroup group, CancellationToken cancel)
    {
        queue.Begin(group);
        var (failures, started) = (0, time.GetTimestamp());
        while (true)
        {
            switch (await sender.SendAsync(signal, group.Body, _hangUp.Token))
            {
                case Delivery.Done done:
                    Count(group, done);
                    queue.Confirm(group);
                    if (failures > 0)
                    {
                        log.ForwardGoesOn(options.Name, SignalWords.Of(signal), failures);
                    }

                    return true;

                case Delivery.Never { IsItsContent: true } never when group.Records > 1:
                    CountFailure("refused");
                    return false;

                case Delivery.Never never:
                    CountFailure("refused");
                    Drop(group, ForwardDrop.Refused, never.Why);
                    return true;

                case Delivery.Later later:
                    CountFailure(later.Reason);
                    if (!options.Retry.Enabled || (options.Retry.MaxElapsedTime > TimeSpan.Zero && time.GetElapsedTime(started) >= options.Retry.MaxElapsedTime))
                    {
                        Drop(group, ForwardDrop.Expired, later.Why + ", and retry_on_failure gives up");
                        return true;
                    }

                    if (++failures == 1)
                    {
                        log.ForwardWaits(options.Name, SignalWords.Of(signal), later.Why, DateTimeOffset.FromUnixTimeMilliseconds(group.OldestUnixMillis));
                    }

                    await Task.Delay(Wait(failures, later), time, cancel);
                    break;
            }
        }
    }

    private void Drop(ForwardGroup group, ForwardDrop reason, string why)
    {
        if (_refused.MayBeWritten(out var unsaid))
        {
            log.ForwardRefused(options.Name, group.Items, SignalWords.Of(signal), why, unsaid);
        }

        queue.Confirm(group, reason);
    }

    private TimeSpan Wait(int failures, Delivery.Later later)
    {
        var wait = options.Retry.Wait(failures, Random.Shared.NextDouble());
        return later.After is { } after && after > wait ? after : wait;
    }

    private void Count(ForwardGroup group, Delivery.Done done)
    {
        Interlocked.Increment(ref _sentRequests);
        Interlocked.Add(ref _sentItems, group.Items);
        Interlocked.Add(ref _rejectedItems, Math.Min(done.Rejected, group.Items));
        if (done.Rejected > 0 && _rejected.MayBeWritten(out var unsaid))
        {
            log.ForwardRejected(options.Name, SignalWords.Of(signal), done.Rejected, done.Why, unsaid);
        }
    }

    private void CountFailure(string reason)
    {
        lock (_failed)
        {
            _failed[reason] = _failed.GetValueOrDefault(reason) + 1;
        }
    }
}
