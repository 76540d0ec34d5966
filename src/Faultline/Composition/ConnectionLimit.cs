using Microsoft.AspNetCore.Connections;

namespace Faultline.Composition;

/// <summary>A door's open connections; what is beyond the limit is closed before a byte of it is read.</summary>
internal sealed class ConnectionLimit(int max)
{
    private int _open;
    private long _refused;

    public int Max => max;

    public int Open => Volatile.Read(ref _open);

    public long Refused => Interlocked.Read(ref _refused);

    public async Task RunAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        try
        {
            if (Interlocked.Increment(ref _open) > max)
            {
                Interlocked.Increment(ref _refused);
                connection.Abort(new ConnectionAbortedException($"{max} connections are open, which is listen.connections_max."));
                return;
            }

            await next(connection);
        }
        finally
        {
            Interlocked.Decrement(ref _open);
        }
    }
}
