using System.Threading.Channels;

namespace Faultline.Store;

/// <summary>One at a time changes rows that are stored: what is being copied must not be deleted meanwhile.</summary>
internal sealed class RowsTurn
{
    // One place: who has put something into it may change rows.
    private readonly Channel<bool> _taken = Channel.CreateBounded<bool>(1);

    public async Task<T> RunAsync<T>(Func<Task<T>> change, CancellationToken cancel)
    {
        await _taken.Writer.WriteAsync(true, cancel);
        try
        {
            return await change();
        }
        finally
        {
            _taken.Reader.TryRead(out _);
        }
    }
}
