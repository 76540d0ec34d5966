using System.Threading.Channels;
using Faultline.ClickHouse;
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
    private readonly Channel<Item> _items = Channel.CreateBounded<Item>(new BoundedChannelOptions(BatchesMax) { SingleReader = true });
    private readonly Task _loop;
    private volatile bool _stopping;
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

    public int WaitingBatches => _items.Reader.Count;

    public ValueTask PostAsync(PendingBatch pending) => _items.Writer.WriteAsync(new Item(pending, null));

    /// <summary>Batches of an earlier process, to be shown before all that is posted afterwards.</summary>
    public void ShowFirst(IAsyncEnumerable<TelemetryBatch> stored) => _items.Writer.TryWrite(new Item(null, stored));

    /// <summary>Shows what waits, then stops. Stored batches are left to the next start, and with them everything behind them.</summary>
    public Task StopAsync()
    {
        _stopping = true;
        _items.Writer.TryComplete();
        return _loop;
    }

    private async Task ShowAsync()
    {
        var stopped = false;
        await foreach (var (pending, stored) in _items.Reader.ReadAllAsync())
        {
            if (stored is not null)
            {
                stopped = !await ShowAsync(stored);
            }
            else if (pending is not null)
            {
                if (!stopped)
                {
                    Show(pending.Batch, isStored: false);
                }

                _seen(pending);
            }
        }
    }

    /// <summary>False when the process stops before all was shown: then nothing newer may be shown either, or a reader's place would skip the rest.</summary>
    private async Task<bool> ShowAsync(IAsyncEnumerable<TelemetryBatch> stored)
    {
        var (batches, rows) = (0, 0L);
        try
        {
            await foreach (var batch in stored)
            {
                if (_stopping)
                {
                    return false;
                }

                Show(batch, isStored: true);
                (batches, rows) = (batches + 1, rows + batch.Count);
            }
        }
        catch (ClickHouseException exception)
        {
            Interlocked.Increment(ref _failures);
            _log.StoredNotShown(exception, batches);
        }

        _log.StoredShown(rows, batches);
        return true;
    }

    private void Show(TelemetryBatch batch, bool isStored)
    {
        if (batch.Project is TelemetryBatch.CanaryProject)
        {
            // Ours, and nobody's traffic.
            return;
        }

        foreach (var reader in _readers.Where(reader => !isStored || reader.SeesStored))
        {
            try
            {
                reader.Committed(batch);
            }
            catch (Exception exception)
            {
                // Whatever a reader does wrong is its own affair: the batch is stored, and the others want to see it.
                Interlocked.Increment(ref _failures);
                _log.ReaderFailed(exception, reader.GetType().Name, batch.Count);
            }
        }
    }

    /// <summary>A batch just committed, or stored ones to be read.</summary>
    private readonly record struct Item(PendingBatch? Pending, IAsyncEnumerable<TelemetryBatch>? Stored);
}
