using System.Diagnostics;
using Faultline.Telemetry.GenAi;

namespace Faultline.Ingest.Pipeline;

/// <summary>Why a whole request was refused.</summary>
public enum RefusalReason
{
    /// <summary>No OTLP, or not what its headers say.</summary>
    Malformed,

    /// <summary>Over a limit of size; the same request will never be taken.</summary>
    TooLarge,

    /// <summary>The body came too slowly.</summary>
    TooSlow,

    /// <summary>A content type or encoding that is not taken.</summary>
    UnsupportedType,

    /// <summary>Too much waits already; the sender was told to try later.</summary>
    Overloaded,

    /// <summary>The store cannot write at the moment; the sender was told to try later.</summary>
    Unavailable,

    /// <summary>We failed; the log says how.</summary>
    Failed,
}

/// <summary>What receivers took and refused since start, by signal and transport; the internals' metrics read it.</summary>
public sealed class IngestFigures
{
    /// <summary>Upper bounds of the acknowledgement latency, in seconds.</summary>
    public static readonly IReadOnlyList<double> LatencyBoundsSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

    public static readonly IReadOnlyList<string> Transports = ["grpc", "http"];

    private static readonly int SignalCount = Enum.GetValues<Signal>().Length;

    private readonly long[,,] _items = new long[SignalCount, 2, Enum.GetValues<Count>().Length];
    private readonly long[,,] _refusals = new long[SignalCount, 2, Enum.GetValues<RefusalReason>().Length];
    private readonly long[] _latencies = new long[LatencyBoundsSeconds.Count + 1];
    private long _latencyTicks;
    private long _textsRepaired;

    private enum Count
    {
        Accepted,
        Refused,
        Rejected,
    }

    /// <summary>Texts that were no UTF-8 and were stored with U+FFFD in the place of their bad bytes.</summary>
    public long TextsRepaired => Interlocked.Read(ref _textsRepaired);

    /// <summary>What could not be used of GenAI attributes.</summary>
    public NormaliserFigures Normaliser { get; } = new();

    /// <summary>Items that are durable, items of requests that were refused whole though readable, items rejected by partial success.</summary>
    public IEnumerable<(Signal Signal, string Transport, long Accepted, long Refused, long Rejected)> ByReceiver() =>
        from signal in Enum.GetValues<Signal>()
        from transport in Transports
        select (signal, transport, Read(signal, transport, Count.Accepted), Read(signal, transport, Count.Refused), Read(signal, transport, Count.Rejected));

    /// <summary>Requests that were refused whole.</summary>
    public IEnumerable<(Signal Signal, string Transport, RefusalReason Reason, long Requests)> Refusals() =>
        from signal in Enum.GetValues<Signal>()
        from transport in Transports
        from reason in Enum.GetValues<RefusalReason>()
        select (signal, transport, reason, Interlocked.Read(ref _refusals[(int)signal, Index(transport), (int)reason]));

    /// <summary>Acknowledgements by latency: one count a bound and one above, not cumulative; and their sum.</summary>
    public (IReadOnlyList<long> Counts, TimeSpan Sum) Latencies() =>
        ([.. Enumerable.Range(0, _latencies.Length).Select(i => Interlocked.Read(ref _latencies[i]))], new TimeSpan(Interlocked.Read(ref _latencyTicks)));

    internal void Accepted(Signal signal, string transport, int accepted, int rejected, int textsRepaired, TimeSpan took)
    {
        Add(signal, transport, Count.Accepted, accepted);
        Add(signal, transport, Count.Rejected, rejected);
        Interlocked.Add(ref _textsRepaired, textsRepaired);
        var bucket = 0;
        while (bucket < LatencyBoundsSeconds.Count && took.TotalSeconds > LatencyBoundsSeconds[bucket])
        {
            bucket++;
        }

        Interlocked.Increment(ref _latencies[bucket]);
        Interlocked.Add(ref _latencyTicks, took.Ticks);
    }

    /// <param name="items">How many spans, points or records it had, as far as that is known.</param>
    internal void Refused(Signal signal, string transport, RefusalReason reason, int items = 0)
    {
        Interlocked.Increment(ref _refusals[(int)signal, Index(transport), (int)reason]);
        Add(signal, transport, Count.Refused, items);
    }

    private static int Index(string transport) => transport switch
    {
        "grpc" => 0,
        "http" => 1,
        _ => throw new UnreachableException(transport),
    };

    private void Add(Signal signal, string transport, Count count, int items) => Interlocked.Add(ref _items[(int)signal, Index(transport), (int)count], items);

    private long Read(Signal signal, string transport, Count count) => Interlocked.Read(ref _items[(int)signal, Index(transport), (int)count]);
}
