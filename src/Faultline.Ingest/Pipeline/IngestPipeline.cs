using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Faultline.Ingest.Forwarding;
using Faultline.Ingest.Gateway;
using Faultline.Ingest.Receivers;
using Faultline.Store.Writes;
using Faultline.Telemetry;
using Faultline.Telemetry.GenAi;
using Faultline.Telemetry.Otlp;
using Faultline.Telemetry.Redaction;

namespace Faultline.Ingest.Pipeline;

/// <param name="MaxAge">What started longer ago is rejected.</param>
/// <param name="ReadingBytesMax">Most bytes of requests that are being read or decoded at one time; more is answered with "try later".</param>
public sealed record IngestOptions(TimeSpan MaxAge, long ReadingBytesMax = 512L << 20)
{
    /// <summary>What is taken out of every request before anything else sees it.</summary>
    public RedactionOptions Redaction { get; init; } = new();

    /// <summary>What the whole process may hold.</summary>
    public MemoryCeiling Ceiling { get; init; } = MemoryCeiling.None;
}

/// <summary>
/// decode → redact → normalise → write → acknowledge. What it returns as <see cref="Admission.Durable"/> is on the disk; nothing is kept
/// here in between, so a request that gets no answer was either written whole or not at all.
/// </summary>
/// <param name="forwarder">Gets a copy after the commit, before the acknowledgement; null: nobody does.</param>
public sealed class IngestPipeline(BatchWriter writer, IngestOptions options, IngestFigures figures, TimeProvider time, Forwarder? forwarder = null)
{
    private readonly CountedSpans _counted = new();
    private readonly ConcurrentDictionary<string, DeltaSeries> _deltas = new(StringComparer.Ordinal);
    private readonly Redactor _redactor = new(options.Redaction);

    public IngestFigures Figures => figures;

    public RedactionFigures Redacted => _redactor.Figures;

    /// <summary>What the receivers' buffers take of <see cref="IngestOptions.ReadingBytesMax"/>.</summary>
    public BytesBudget Reading { get; } = new(options.ReadingBytesMax, options.Ceiling, () => writer.WaitingBytes);

    /// <summary>Forgets every text of earlier requests that is still in memory.</summary>
    public void Forget() => _redactor.Forget();

    /// <param name="body">The request after decompression. Not kept.</param>
    /// <param name="transport"><c>grpc</c> or <c>http</c>, for the counters.</param>
    public async Task<Admission> AcceptAsync(GatewayIdentity identity, Signal signal, ReadOnlyMemory<byte> body, bool json, string transport, CancellationToken cancel)
    {
        var started = time.GetTimestamp();
        var (batch, decoding) = Prepare(identity, signal, body.Span, json);
        if (decoding.Malformed)
        {
            figures.Refused(signal, transport, RefusalReason.Malformed);
            return new Admission.Malformed(decoding.Reason!);
        }

        if (batch.Count > 0)
        {
            switch (await (forwarder is null ? writer.WriteAsync(batch, cancel) : WriteAndForwardAsync(forwarder, batch, signal, body, json).WaitAsync(cancel)))
            {
                case WriteOutcome.TryLater { StoreFailed: true } later:
                    figures.Refused(signal, transport, RefusalReason.Unavailable, decoding.Accepted);
                    return new Admission.Unavailable(later.Delay, later.Reason);
                case WriteOutcome.TryLater later:
                    figures.Refused(signal, transport, RefusalReason.Overloaded, decoding.Accepted);
                    return new Admission.TryLater(later.Delay, later.Reason);
                case WriteOutcome.Refused refused when batch.ApproximateBytes > BatchWriter.BatchBytesMax:
                    figures.Refused(signal, transport, RefusalReason.TooLarge, decoding.Accepted);
                    return new Admission.TooLarge(refused.Reason);
                case WriteOutcome.Refused refused:
                    figures.Refused(signal, transport, RefusalReason.Malformed, decoding.Accepted);
                    return new Admission.Malformed(refused.Reason);
            }
        }

        figures.Accepted(signal, transport, decoding.Accepted, decoding.Rejected, decoding.TextsRepaired, time.GetElapsedTime(started));
        return new Admission.Durable(decoding.Accepted, decoding.Rejected, decoding.RejectedReason);
    }

    /// <summary>Everything that happens to a request before it is written: decoded, redacted and normalised.</summary>
    public (TelemetryBatch Batch, OtlpDecoding Decoding) Prepare(GatewayIdentity identity, Signal signal, ReadOnlySpan<byte> body, bool json)
    {
        var batch = new TelemetryBatch
        {
            Project = identity.Project,
            ReceivedUnixNanos = (time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100,
            RequestHash = RequestHash(identity.Project, signal, body),
        };
        var decoding = Decode(signal, body, json, batch);
        if (!decoding.Malformed)
        {
            // First, so that whatever is read out of the text or copied from it has never held what must not be kept.
            _redactor.Redact(batch);
            Normalise(batch);
        }

        return (batch, decoding);
    }

    /// <summary>Goes on when the sender has hung up: what is committed is forwarded.</summary>
    private async Task<WriteOutcome> WriteAndForwardAsync(Forwarder to, TelemetryBatch batch, Signal signal, ReadOnlyMemory<byte> body, bool json)
    {
        var metrics = signal == Signal.Metrics ? to.CopiesOfMetrics(batch.Project, body.Span, json, _redactor) : [];
        var outcome = await writer.WriteAsync(batch);
        if (outcome is WriteOutcome.Durable or WriteOutcome.Repeated)
        {
            to.Queue(batch, metrics, isRepeat: outcome is WriteOutcome.Repeated);
        }

        return outcome;
    }

    private OtlpDecoding Decode(Signal signal, ReadOnlySpan<byte> body, bool json, TelemetryBatch batch)
    {
        var limits = new OtlpLimits { NowUnixNanos = batch.ReceivedUnixNanos, MaxAgeNanos = options.MaxAge.Ticks * 100 };
        return (signal, json) switch
        {
            (Signal.Traces, false) => OtlpDecoder.DecodeTraces(body, batch.Spans, limits),
            (Signal.Traces, true) => OtlpDecoder.DecodeTracesJson(body, batch.Spans, limits),
            (Signal.Logs, false) => OtlpDecoder.DecodeLogs(body, batch.Logs, limits),
            (Signal.Logs, true) => OtlpDecoder.DecodeLogsJson(body, batch.Logs, limits),
            (Signal.Metrics, false) => OtlpDecoder.DecodeMetrics(body, batch.Samples, limits, Deltas(batch.Project)),
            (Signal.Metrics, true) => OtlpDecoder.DecodeMetricsJson(body, batch.Samples, limits, Deltas(batch.Project)),
            _ => throw new System.Diagnostics.UnreachableException(signal.ToString()),
        };
    }

    // Projects come from the gateway's keys, so there are few.
    private DeltaSeries Deltas(string project) => _deltas.GetOrAdd(project, _ => new DeltaSeries());

    private void Normalise(TelemetryBatch batch)
    {
        GenAiNormaliser.Fill(batch.Spans, _counted, figures.Normaliser);
        ScoreExtractor.Extract(batch.Spans, batch.Scores);
        ScoreExtractor.Extract(batch.Logs, batch.Scores);
    }

    /// <summary>First 128 bits of SHA-256 over project, signal and the request's bytes: the same request sent again has the same.</summary>
    private static UInt128 RequestHash(string project, Signal signal, ReadOnlySpan<byte> body)
    {
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        sha.AppendData(Encoding.UTF8.GetBytes(project));
        sha.AppendData([0, (byte)signal]);
        sha.AppendData(body);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        sha.GetHashAndReset(hash);
        return BinaryPrimitives.ReadUInt128BigEndian(hash);
    }
}
