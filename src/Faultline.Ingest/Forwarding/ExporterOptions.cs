using Faultline.Ingest.Pipeline;
using Faultline.Ingest.Receivers;

namespace Faultline.Ingest.Forwarding;

public enum ExporterProtocol
{
    Grpc,
    Http,
}

/// <summary>One backend that gets a copy, and how.</summary>
/// <param name="Name">As in the settings: <c>otlp</c>, <c>otlp/tempo</c>, <c>otlphttp/loki</c>.</param>
public sealed record ExporterOptions(string Name)
{
    public const long QueueBytesMin = 8L << 20;

    public ExporterProtocol Protocol { get; init; }

    /// <summary>gRPC: scheme, host and port; HTTP: the base under which <c>/v1/traces</c> and the others lie. <c>https</c> means TLS.</summary>
    public required Uri Endpoint { get; init; }

    /// <summary>HTTP: whole addresses of single signals, where they differ from the base's.</summary>
    public IReadOnlyDictionary<Signal, Uri> SignalEndpoints { get; init; } = new Dictionary<Signal, Uri>();

    public IReadOnlyList<Signal> Signals { get; init; } = Enum.GetValues<Signal>();

    public Packing Compression { get; init; } = Packing.Gzip;

    public IReadOnlyList<KeyValuePair<string, string>> Headers { get; init; } = [];

    public ExporterTls Tls { get; init; } = new();

    /// <summary>How long one attempt may take.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);

    public RetryOptions Retry { get; init; } = new();

    /// <summary>Most bytes on disk for each signal.</summary>
    public long QueueBytesMax { get; init; } = 1L << 30;

    /// <summary>Requests that wait are sent together up to this size, before compression. One larger request is sent alone.</summary>
    public int BatchBytesMax { get; init; } = 3 << 20;

    public ForwardFilter Filter { get; init; } = new();

    /// <summary>Where a signal goes.</summary>
    public Uri Address(Signal signal) => Protocol switch
    {
        ExporterProtocol.Grpc => new Uri(Endpoint, signal switch
        {
            Signal.Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Signal.Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Signal.Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            _ => throw new System.Diagnostics.UnreachableException(signal.ToString()),
        }),
        _ => SignalEndpoints.TryGetValue(signal, out var own) ? own : new Uri($"{Endpoint.ToString().TrimEnd('/')}/v1/{SignalWords.Of(signal)}"),
    };
}

/// <summary>TLS towards a backend. The files are read at every handshake, so new ones need no restart.</summary>
/// <param name="CaFile">PEM: the authorities that are trusted, instead of the system's.</param>
/// <param name="CertFile">PEM: the certificate to show.</param>
/// <param name="KeyFile">PEM: its key.</param>
/// <param name="InsecureSkipVerify">Takes any certificate: no protection against who stands between.</param>
/// <param name="ServerNameOverride">The name that the certificate must have, instead of the endpoint's host.</param>
public sealed record ExporterTls(string? CaFile = null, string? CertFile = null, string? KeyFile = null, bool InsecureSkipVerify = false, string? ServerNameOverride = null);

/// <summary>When an attempt that failed is made again.</summary>
public sealed record RetryOptions
{
    /// <summary>False: what fails once is dropped.</summary>
    public bool Enabled { get; init; } = true;

    public TimeSpan InitialInterval { get; init; } = TimeSpan.FromSeconds(5);

    public double Multiplier { get; init; } = 1.5;

    /// <summary>Each wait is up to this part shorter or longer.</summary>
    public double RandomizationFactor { get; init; } = 0.5;

    public TimeSpan MaxInterval { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>After so long a request is dropped; zero: never, the queue's size is the bound.</summary>
    public TimeSpan MaxElapsedTime { get; init; } = TimeSpan.Zero;

    /// <param name="failures">Failed attempts in a row, from 1.</param>
    /// <param name="random">0 to 1.</param>
    public TimeSpan Wait(int failures, double random)
    {
        var interval = Math.Min(InitialInterval.TotalSeconds * Math.Pow(Multiplier, failures - 1), MaxInterval.TotalSeconds);
        return TimeSpan.FromSeconds(interval * (1 + (RandomizationFactor * ((2 * random) - 1))));
    }
}

/// <summary>The words for signals in settings, folders and labels.</summary>
public static class SignalWords
{
    public static IReadOnlyList<string> All { get; } = [.. Enum.GetValues<Signal>().Select(Of)];

    public static string Of(Signal signal) => signal switch
    {
        Signal.Traces => "traces",
        Signal.Metrics => "metrics",
        Signal.Logs => "logs",
        _ => throw new System.Diagnostics.UnreachableException(signal.ToString()),
    };

    public static bool TryParse(string word, out Signal signal)
    {
        signal = Enum.GetValues<Signal>().FirstOrDefault(one => Of(one) == word, (Signal)(-1));
        return (int)signal >= 0;
    }
}
