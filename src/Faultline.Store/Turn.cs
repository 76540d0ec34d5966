using System.Threading.Channels;

namespace Faultline.Store;

/// <summary>One caller at a time; the others wait for their turn.</summary>
public sealed class Turn
{
    // One place: whose turn it is has put something into it.
    private readonly Channel<bool> _taken = Channel.CreateBounded<bool>(1);

    public async Task<T> RunAsync<T>(Func<Task<T>> step, CancellationToken cancel)
    {
        await _taken.Writer.WriteAsync(true, cancel);
        try
        {
            return await step();
        }
        finally
        {
            _taken.Reader.TryRead(out _);
        }
    }

    public Task RunAsync(Func<Task> step, CancellationToken cancel) => RunAsync(
        async () =>
        {
            await step();
            return true;
        },
        cancel);
}
