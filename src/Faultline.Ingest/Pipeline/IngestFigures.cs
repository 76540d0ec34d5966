namespace Faultline.Ingest.Pipeline;

/// <summary>What receivers took and refused since start, by signal and transport; the internals' metrics read it.</summary>
public sealed class IngestFigures
{
    /// <summary>Upper bounds of the acknowledgement latency, in seconds.</summary>
    public static readonly IReadOnlyList<double> LatencyBoundsSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

    private static readonly string[] Transports = ["grpc", "http"];

    private readonly long[,,] _counts = new long[Enum.GetValues<Signal>().Length, Transports.Length, Enum.GetValues<Count>().Length];
    private readonly long[] _latencies = new long[LatencyBoundsSeconds.Count + 1];
    private long _latencyTicks;

    private enum Count
    {
        Accepted,
        Refused,
        Rejected,
        MalformedRequests,
    }

    /// <summary>Items that are durable, items answered with "try later" or refused whole, items rejected by partial success, requests that were no OTLP.</summary>
    public IEnumerable<(Signal Signal, string Transport, long Accepted, long Refused, long Rejected, long MalformedRequests)> ByReceiver()
    {
        foreach (var signal in Enum.GetValues<Signal>())
        {
            for (var transport = 0; transport < Transports.Length; transport++)
            {
                yield return (signal, Transports[transport], Read(signal, transport, Count.Accepted), Read(signal, transport, Count.Refused), Read(signal, transport, Count.Rejected), Read(signal, transport, Count.MalformedRequests));
            }
        }
    }

    /// <summary>Acknowledgements by latency: one count a bound and one above, not cumulative; and their sum.</summary>
    public (IReadOnlyList<long> Counts, TimeSpan Sum) Latencies() =>
        ([.. Enumerable.Range(0, _latencies.Length).Select(i => Interlocked.Read(ref _latencies[i]))], new TimeSpan(Interlocked.Read(ref _latencyTicks)));

    internal void Accepted(Signal signal, string transport, int accepted, int rejected, TimeSpan took)
    {
        Add(signal, transport, Count.Accepted, accepted);
        Add(signal, transport, Count.Rejected, rejected);
        var bucket = 0;
        while (bucket < LatencyBoundsSeconds.Count && took.TotalSeconds > LatencyBoundsSeconds[bucket])
        {
            bucket++;
        }

        Interlocked.Increment(ref _latencies[bucket]);
        Interlocked.Add(ref _latencyTicks, took.Ticks);
    }

    internal void Refused(Signal signal, string transport, int items) => Add(signal, transport, Count.Refused, items);

    internal void Malformed(Signal signal, string transport) => Add(signal, transport, Count.MalformedRequests, 1);

    private void Add(Signal signal, string transport, Count count, int items) =>
        Interlocked.Add(ref _counts[(int)signal, Array.IndexOf(Transports, transport), (int)count], items);

    private long Read(Signal signal, int transport, Count count) => Interlocked.Read(ref _counts[(int)signal, transport, (int)count]);
}
