using System.Collections.Concurrent;
using System.Diagnostics;

namespace Faultline.Interop.Crash;

/// <summary>
/// Exporters that send without pause, half of them over gRPC, and note what they heard. A request without an answer is sent again, the same
/// bytes, until it has one; now and then it is given up instead, as a sender does that ends itself.
/// </summary>
internal sealed class CrashLoad : IDisposable
{
    private const int GiveUpOneIn = 8;
    private static readonly TimeSpan ReconnectAfter = TimeSpan.FromMilliseconds(50);

    private readonly Task[] _clients;
    private readonly ulong _run;
    private long _sequence = -1;
    private long _resent;
    private long _triedLater;
    private volatile bool _stopping;
    private volatile bool _disposed;

    /// <param name="seed">Decides when a client gives up.</param>
    public CrashLoad(FaultlineProcess server, int clients, int seed)
    {
        _run = (ulong)Stopwatch.GetTimestamp();
        var (http, grpc) = (server.Door("otlp_http"), server.Door("otlp_grpc"));
        _clients = [.. Enumerable.Range(0, clients).Select(client => Task.Run(() => SendAsync(client % 2 == 0 ? http : grpc, client % 2 != 0, new Random(seed + client))))];
    }

    /// <summary>Requests that were acknowledged.</summary>
    public ConcurrentQueue<CrashRequest> Acknowledged { get; } = [];

    /// <summary>Requests without an answer that were not sent again.</summary>
    public ConcurrentQueue<CrashRequest> GivenUp { get; } = [];

    /// <summary>How often a request was sent again because there was no answer.</summary>
    public long Resent => Interlocked.Read(ref _resent);

    /// <summary>How often a client was told to try later.</summary>
    public long TriedLater => Interlocked.Read(ref _triedLater);

    /// <summary>Throws what a client died of, if one did.</summary>
    public void ThrowIfBroken()
    {
        foreach (var client in _clients.Where(client => client.IsFaulted))
        {
            client.GetAwaiter().GetResult();
        }
    }

    /// <summary>No new requests; returns when every client has its last answer.</summary>
    public async Task StopAsync()
    {
        _stopping = true;
        await Task.WhenAll(_clients);
    }

    /// <summary>Ends the clients wherever they are.</summary>
    public void Dispose() => _stopping = _disposed = true;

    private async Task SendAsync(Uri door, bool isGrpc, Random random)
    {
        using var client = new CrashClient(isGrpc, door);
        while (!_stopping)
        {
            var request = CrashRequest.Make(_run, (ulong)Interlocked.Increment(ref _sequence));
            while (!_disposed)
            {
                var (heard, delay) = await client.SendAsync(request);
                if (heard == Heard.Acknowledged)
                {
                    Acknowledged.Enqueue(request with { Bytes = [] });
                    break;
                }

                if (heard == Heard.Nothing && random.Next(GiveUpOneIn) == 0)
                {
                    GivenUp.Enqueue(request with { Bytes = [] });
                    break;
                }

                Interlocked.Add(ref _resent, heard == Heard.Nothing ? 1 : 0);
                Interlocked.Add(ref _triedLater, heard == Heard.TryLater ? 1 : 0);
                await Task.Delay(heard == Heard.TryLater ? delay : ReconnectAfter);
            }
        }
    }
}
