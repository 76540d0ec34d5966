using System.Buffers;
using System.Diagnostics;
using System.IO.Compression;
using System.Text;
using Faultline.Ingest.Receivers;
using Faultline.Telemetry;
using Faultline.Telemetry.GenAi;
using Faultline.Telemetry.Otlp;
using Faultline.Telemetry.Redaction;

namespace Faultline.Tests.Otlp;

/// <summary>
/// Valid requests, damaged: bytes flipped, cut, doubled, moved, before or after they were packed, sent through unpacking, decoding, redaction and
/// normalising. What it demands of every one: an answer with its reason, columns that agree, no exception. The benchmarks compile this file too.
/// </summary>
internal sealed class OtlpFuzzer
{
    /// <summary>Most that one input may allocate; damaged ones are some kilobytes long, so anything near it ran away.</summary>
    private const long AllocatedBytesMaxAllowed = 64 << 20;

    private const int UnpackedBytesMax = 4 << 20;
    private const int SmallUnpackedBytesMax = 512;
    private const int ZstdEvery = 4;

    private static readonly OtlpLimits s_limits = new() { NowUnixNanos = RandomOtlp.Now };
    private static readonly byte[][] s_json = [.. Json()];

    private readonly BytesBudget _budget = new(64 << 20);
    private readonly CountedSpans _counted = new();
    private readonly DeltaSeries _deltas = new(100_000);
    private readonly Redactor _redactor = new(new RedactionOptions { Kinds = Enum.GetValues<SensitiveKind>().ToDictionary(kind => kind, _ => RedactionMode.Mask) });
    private readonly byte[]?[] _zstd = new byte[]?[3];

    public enum Answer
    {
        NotPacked,
        TooLarge,
        Malformed,
        PartialSuccess,
        Success,
    }

    public long[] Answers { get; } = new long[Enum.GetValues<Answer>().Length];

    public TimeSpan Slowest { get; private set; }

    public long AllocatedBytesMax { get; private set; }

    /// <param name="packZstd">Packs with zstd; null leaves zstd out.</param>
    public OtlpFuzzer(Func<byte[], byte[]>? packZstd)
    {
        for (var signal = 0; packZstd is not null && signal < 3; signal++)
        {
            _zstd[signal] = packZstd(Protobuf(signal, signal));
        }
    }

    /// <summary>Sends one request, the same for the same seed.</summary>
    /// <exception cref="InvalidOperationException">Something that must not be; the message names the seed.</exception>
    public void Send(int seed)
    {
        var watch = Stopwatch.StartNew();
        var allocated = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            Answers[(int)Send(new Random(seed), seed)]++;
        }
        catch (Exception failed)
        {
            throw new InvalidOperationException($"fuzzing input {seed}: {failed.Message}", failed);
        }

        Slowest = watch.Elapsed > Slowest ? watch.Elapsed : Slowest;
        AllocatedBytesMax = Math.Max(AllocatedBytesMax, GC.GetAllocatedBytesForCurrentThread() - allocated);
        if (AllocatedBytesMax > AllocatedBytesMaxAllowed || _budget.Taken != 0)
        {
            throw new InvalidOperationException($"fuzzing input {seed}: {AllocatedBytesMax:N0} bytes were allocated for it, {_budget.Taken:N0} of buffers were not given back");
        }
    }

    private Answer Send(Random random, int seed)
    {
        var signal = random.Next(3);
        var isJson = random.Next(3) == 0;
        var body = isJson ? s_json[signal] : Protobuf(signal, seed);
        var packing = (Packing)random.Next(3);
        if (packing == Packing.None)
        {
            return Decode(Damage(body, random), body, signal, isJson);
        }

        byte[] packed, whole;
        if (packing == Packing.Zstd && !isJson && _zstd[signal] is { } zstd && random.Next(ZstdEvery) > 0)
        {
            (packed, whole) = (Damage(zstd, random), zstd);
        }
        else
        {
            packing = Packing.Gzip;
            whole = Gzip(random.Next(2) == 0 ? body : Damage(body, random));
            packed = random.Next(2) == 0 ? whole : Damage(whole, random);
        }

        var bytesMax = random.Next(8) == 0 ? SmallUnpackedBytesMax : UnpackedBytesMax;
        using var plain = new RequestBody(_budget);
        switch (plain.Unpack(packing, packed, bytesMax))
        {
            case BodyFault.None:
                Demand(plain.Bytes.Length <= bytesMax, "unpacked size and its limit");
                return Decode(plain.Bytes.ToArray(), packing == Packing.Zstd ? null : body, signal, isJson);
            case BodyFault.TooLarge:
                return Answer.TooLarge;
            case BodyFault.NotPacked:
                // .NET packs nothing as nothing, which is no gzip.
                Demand(whole.Length == 0 || !packed.AsSpan().SequenceEqual(whole), "what was packed and how it was taken");
                return Answer.NotPacked;
            case var other:
                throw new UnreachableException(other.ToString());
        }
    }

    /// <param name="valid">The request before it was damaged; null when that is not known.</param>
    private Answer Decode(byte[] body, byte[]? valid, int signal, bool isJson)
    {
        var batch = new TelemetryBatch { Project = "default", ReceivedUnixNanos = RandomOtlp.Now, RequestHash = 1 };
        var decoding = (signal, isJson) switch
        {
            (0, false) => OtlpDecoder.DecodeTraces(body, batch.Spans, s_limits),
            (0, true) => OtlpDecoder.DecodeTracesJson(body, batch.Spans, s_limits),
            (1, false) => OtlpDecoder.DecodeLogs(body, batch.Logs, s_limits),
            (1, true) => OtlpDecoder.DecodeLogsJson(body, batch.Logs, s_limits),
            (2, false) => OtlpDecoder.DecodeMetrics(body, batch.Samples, s_limits, _deltas),
            _ => OtlpDecoder.DecodeMetricsJson(body, batch.Samples, s_limits, _deltas),
        };
        Demand(decoding.Malformed == decoding.Reason is not null, "malformed and its reason");
        Demand(decoding.Rejected > 0 == decoding.RejectedReason is not null, "rejected and its reason");
        Demand(!decoding.Malformed || !body.AsSpan().SequenceEqual(valid), "what is valid and how it was taken");
        if (decoding.Malformed)
        {
            return Answer.Malformed;
        }

        _redactor.Redact(batch);
        GenAiNormaliser.Fill(batch.Spans, _counted);
        ScoreExtractor.Extract(batch.Spans, batch.Scores);
        ScoreExtractor.Extract(batch.Logs, batch.Scores);
        Agree(batch, signal, decoding.Accepted);
        return decoding.Rejected > 0 ? Answer.PartialSuccess : Answer.Success;
    }

    private static void Agree(TelemetryBatch batch, int signal, int accepted)
    {
        var (spans, logs, samples) = (batch.Spans, batch.Logs, batch.Samples);
        Demand(signal != 0 || accepted == spans.Count, "accepted spans");
        Demand(signal != 1 || accepted == logs.Count, "accepted records");
        Demand(signal != 2 || samples.Count >= accepted, "accepted points");
        Demand(spans.Attributes.Count == spans.Count && spans.Bodies.Count == spans.Count && spans.GenAi.Count == spans.Count && spans.StatusMessage.Count == spans.Count, "columns of spans");
        Demand(spans.Events.Ends.Count == spans.Count && spans.Events.Attributes.Count == spans.Events.Name.Count && spans.Links.Attributes.Count == spans.Links.TraceId.Count, "columns of events and links");
        Demand(logs.Attributes.Count == logs.Count && logs.BodyType.Count == logs.Count && logs.EventName.Count == logs.Count, "columns of records");
        Demand(samples.UnixMillis.Count == samples.Count && samples.SeriesIndex.Count == samples.Count, "columns of samples");
        Demand(batch.ApproximateBytes >= 0, "size");
    }

    private static void Demand(bool holds, string what)
    {
        if (!holds)
        {
            throw new InvalidOperationException(what + " do not agree");
        }
    }

    private static byte[] Protobuf(int signal, int seed) => signal switch
    {
        0 => new RandomOtlp(seed).Traces(),
        1 => new RandomOtlp(seed).Logs(),
        _ => new RandomOtlp(seed).Metrics(),
    };

    private static IEnumerable<byte[]> Json()
    {
        var spans = new Faultline.Telemetry.Spans.SpanBatch();
        for (var seed = 0; spans.Count < 5; seed++)
        {
            OtlpDecoder.DecodeTraces(new RandomOtlp(seed).Traces(), spans, s_limits);
        }

        var json = new ArrayBufferWriter<byte>();
        OtlpJson.WriteTraces(Enumerable.Range(0, 5).Select(row => OtlpSpan.Of(spans, row)), json);
        yield return json.WrittenSpan.ToArray();
        yield return Encoding.UTF8.GetBytes("""
            {"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"s"}}]},"scopeLogs":[{"scope":{"name":"n"},"logRecords":[
             {"timeUnixNano":"1800000000000000000","severityNumber":"SEVERITY_NUMBER_WARN","body":{"kvlistValue":{"values":[{"key":"k","value":{"arrayValue":{"values":[{"intValue":"1"},{"doubleValue":"NaN"},{}]}}}]}},
              "attributes":[{"key":"b","value":{"bytesValue":"AAEC"}}],"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","flags":1},
             {"observedTimeUnixNano":1800000000000000000,"body":{"stringValue":"card 4111 1111 1111 1111, caf\u00e9"},"eventName":"gen_ai.evaluation.result"}]}]}]}
            """);
        yield return Encoding.UTF8.GetBytes("""
            {"resourceMetrics":[{"resource":{},"scopeMetrics":[{"metrics":[
             {"name":"c","unit":"By","sum":{"aggregationTemporality":1,"isMonotonic":true,"dataPoints":[{"startTimeUnixNano":"1799999999000000000","timeUnixNano":"1800000000000000000","asInt":"3"}]}},
             {"name":"h","histogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":"1800000000000000000","count":"3","sum":1.5,"bucketCounts":["1","2"],"explicitBounds":[0.5]}]}},
             {"name":"e","exponentialHistogram":{"aggregationTemporality":1,"dataPoints":[{"timeUnixNano":"1800000000000000000","count":"4","scale":3,"zeroCount":"1","positive":{"offset":-2,"bucketCounts":["1","0","2"]},"negative":{"offset":1,"bucketCounts":["0"]}}]}},
             {"name":"s","summary":{"dataPoints":[{"timeUnixNano":"1800000000000000000","count":"2","sum":3,"quantileValues":[{"quantile":0.5,"value":1.5}]}]}},
             {"name":"g","gauge":{"dataPoints":[{"timeUnixNano":"1800000000000000000","asDouble":"-Infinity","attributes":[{"key":"a","value":{"boolValue":true}}]}]}}]}]}]}
            """);
    }

    private static byte[] Gzip(byte[] bytes)
    {
        using var target = new MemoryStream();
        using (var gzip = new GZipStream(target, CompressionLevel.Fastest))
        {
            gzip.Write(bytes);
        }

        return target.ToArray();
    }

    public static byte[] Damage(byte[] valid, Random random)
    {
        List<byte> bytes = [.. valid];
        for (var times = random.Next(0, 5); times > 0 && bytes.Count > 0; times--)
        {
            var at = random.Next(bytes.Count);
            var length = Math.Min(random.Next(1, 12), bytes.Count - at);
            switch (random.Next(6))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    bytes.RemoveRange(at, length);
                    break;
                case 3:
                    bytes.InsertRange(random.Next(bytes.Count), bytes.GetRange(at, length));
                    break;
                case 4:
                    // The end of a length or a number: what makes sizes run away.
                    bytes.InsertRange(at, [0xff, 0xff, 0xff, 0xff, 0x0f]);
                    break;
                default:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
            }
        }

        return [.. bytes];
    }
}
