using Faultline.Telemetry.Logs;
using Faultline.Telemetry.Samples;
using Faultline.Telemetry.Spans;

namespace Faultline.Telemetry.Otlp;

/// <summary>What a request may hold. What is over a limit is refused with a reason, never dropped silently.</summary>
public sealed record OtlpLimits
{
    public const long NanosPerHour = 3_600_000_000_000;

    /// <summary>The server's clock; ages are measured from it.</summary>
    public required long NowUnixNanos { get; init; }

    /// <summary>What started longer ago is rejected; a year by default (<c>ingest.max_age</c>).</summary>
    public long MaxAgeNanos { get; init; } = 365 * 24 * NanosPerHour;

    /// <summary>What lies further in the future is rejected: a sender's clock is wrong.</summary>
    public long MaxAheadNanos { get; init; } = NanosPerHour;

    /// <summary>Events and links of one request. An empty event costs two bytes to send and forty to keep.</summary>
    public int RowsMax { get; init; } = 1_000_000;

    /// <summary>Distinct series that one metrics request may bring.</summary>
    public int SeriesMax { get; init; } = 200_000;

    /// <summary>Buckets of one histogram point.</summary>
    public int BucketsMax { get; init; } = 1_000;
}

/// <summary>What became of one OTLP request.</summary>
/// <param name="Malformed">The bytes are no OTLP. The batch is unusable and nothing of it may be stored; answer 400.</param>
/// <param name="Reason">Why it is malformed; null when it is not.</param>
/// <param name="Accepted">Spans, log records or metric data points that are in the batch.</param>
/// <param name="Rejected">Those that are not, for <see cref="RejectedReason"/>: OTLP's partial success.</param>
/// <param name="RejectedReason">Each reason with its count and the place of its first item, from 1; null when nothing was rejected.</param>
/// <param name="TextsRepaired">Texts with bytes that are no UTF-8, stored with U+FFFD in their place.</param>
public sealed record OtlpDecoding(bool Malformed, string? Reason, int Accepted, int Rejected, string? RejectedReason, int TextsRepaired);

/// <summary>OTLP requests, protobuf or JSON, straight into batches.</summary>
/// <remarks>
/// Source: opentelemetry-proto (<c>Export…ServiceRequest</c> and <c>…Data</c> have the same fields) and
/// opentelemetry.io/docs/specs/otlp. Behaviour on bad input is described in docs/otlp.md.
/// </remarks>
public static class OtlpDecoder
{
    /// <summary>Ids and times of a span, which it must have.</summary>
    private const int SpanBytesMin = 46;

    private const int ExpectedRowsMax = 65_536;

    public static OtlpDecoding DecodeTraces(ReadOnlySpan<byte> protobuf, SpanBatch into, OtlpLimits limits)
    {
        var session = new DecodeSession(limits);

        // Bounded by what a span takes at least and by a number, or a small request of a million empty spans would take a large memory.
        into.Expect(Math.Min(Math.Min(RequestWalk.CountRows(protobuf), protobuf.Length / SpanBytesMin), ExpectedRowsMax), protobuf.Length);
        return session.Finish(TraceDecoder.Append(protobuf, into, session));
    }

    public static OtlpDecoding DecodeTracesJson(ReadOnlySpan<byte> json, SpanBatch into, OtlpLimits limits)
    {
        using var protobuf = JsonTranscoder.ToProtobuf(json, OtlpSchema.Traces);
        return protobuf.Problem is { } problem ? Malformed(problem) : DecodeTraces(protobuf.Message, into, limits);
    }

    public static OtlpDecoding DecodeLogs(ReadOnlySpan<byte> protobuf, LogBatch into, OtlpLimits limits)
    {
        var session = new DecodeSession(limits);
        return session.Finish(LogDecoder.Append(protobuf, into, session));
    }

    public static OtlpDecoding DecodeLogsJson(ReadOnlySpan<byte> json, LogBatch into, OtlpLimits limits)
    {
        using var protobuf = JsonTranscoder.ToProtobuf(json, OtlpSchema.Logs);
        return protobuf.Problem is { } problem ? Malformed(problem) : DecodeLogs(protobuf.Message, into, limits);
    }

    /// <param name="deltas">The project's totals of series with delta temporality; without them such points are rejected.</param>
    public static OtlpDecoding DecodeMetrics(ReadOnlySpan<byte> protobuf, SampleBatch into, OtlpLimits limits, DeltaSeries? deltas = null)
    {
        var session = new DecodeSession(limits) { Deltas = deltas };
        return session.Finish(MetricDecoder.Append(protobuf, into, session));
    }

    /// <inheritdoc cref="DecodeMetrics"/>
    public static OtlpDecoding DecodeMetricsJson(ReadOnlySpan<byte> json, SampleBatch into, OtlpLimits limits, DeltaSeries? deltas = null)
    {
        using var protobuf = JsonTranscoder.ToProtobuf(json, OtlpSchema.Metrics);
        return protobuf.Problem is { } problem ? Malformed(problem) : DecodeMetrics(protobuf.Message, into, limits, deltas);
    }

    private static OtlpDecoding Malformed(string reason) => new(true, reason, 0, 0, null, 0);
}
