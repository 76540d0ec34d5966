using System.Threading.Channels;
using Faultline.Telemetry;
using Microsoft.Extensions.Logging;

namespace Faultline.Store.Writes;

/// <summary>Shows committed batches to the readers: one task, in commit order, off the acknowledgement's path.</summary>
internal sealed class ReaderFeed
{
    /// <summary>Most batches between commit and readers; a commit beyond it waits, and with it the senders.</summary>
    public const int BatchesMax = 16_384;

    private readonly IList<IBatchReader> _readers;
    private readonly ILogger _log;
    private readonly Action<PendingBatch> _seen;
    private readonly Channel<PendingBatch> _batches = Channel.CreateBounded<PendingBatch>(new BoundedChannelOptions(BatchesMax) { SingleReader = true, SingleWriter = true });
    private readonly Task _loop;
    private long _failures;

    /// <param name="seen">Called when every reader has seen a batch.</param>
    public ReaderFeed(IList<IBatchReader> readers, ILogger log, Action<PendingBatch> seen)
    {
        _readers = readers;
        _log = log;
        _seen = seen;
        _loop = Task.Run(ShowAsync);
    }

    public long Failures => Interlocked.Read(ref _failures);

    public int WaitingBatches => _batches.Reader.Count;

    public ValueTask PostAsync(PendingBatch pending) => _batches.Writer.WriteAsync(pending);

    public Task StopAsync()
    {
        _batches.Writer.TryComplete();
        return _loop;
    }

    private async Task ShowAsync()
    {
        await foreach (var pending in _batches.Reader.ReadAllAsync())
        {
            foreach (var reader in _readers)
            {
                try
                {
                    reader.Committed(pending.Batch);
                }
                catch (Exception exception)
                {
                    // Whatever a reader does wrong is its own affair: the batch is stored, and the others want to see it.
                    Interlocked.Increment(ref _failures);
                    _log.ReaderFailed(exception, reader.GetType().Name, pending.Batch.Count);
                }
            }

            _seen(pending);
        }
    }
}
