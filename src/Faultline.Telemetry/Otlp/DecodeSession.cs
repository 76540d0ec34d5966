using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Samples;

namespace Faultline.Telemetry.Otlp;

/// <summary>Counts and scratch memory of one request while it is decoded.</summary>
internal sealed class DecodeSession(OtlpLimits limits)
{
    private static readonly JsonWriterOptions s_json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    /// <summary>Most reasons that are told apart; each metric's name makes one of its own.</summary>
    private const int ReasonsMax = 20;

    private const int MetricCharactersMax = 200;

    private readonly Dictionary<string, (int Count, int First)> _reasons = new(StringComparer.Ordinal);
    private int _rejected;
    private ArrayBufferWriter<byte>? _scratch;
    private Utf8JsonWriter? _writer;
    private HashSet<string>? _described;
    private int _rows;
    private int _repaired;

    public OtlpLimits Limits { get; } = limits;

    /// <summary>Totals of series with delta temporality; null where there are none to add to.</summary>
    public DeltaSeries? Deltas { get; init; }

    public int Accepted { get; set; }

    /// <summary>Counts items that are not kept, after those before them.</summary>
    public void Reject(string reason, int count = 1)
    {
        if (!_reasons.TryGetValue(reason, out var known))
        {
            reason = _reasons.Count < ReasonsMax ? reason : "other reasons";
            known = _reasons.GetValueOrDefault(reason, (0, Accepted + _rejected + 1));
        }

        _reasons[reason] = (known.Count + count, known.First);
        _rejected += count;
    }

    public void RejectPoints(string problem, string metric, int count = 1) =>
        Reject($"{problem} (metric {(metric.Length > MetricCharactersMax ? metric[..MetricCharactersMax] + "…" : metric)})", count);

    /// <summary>Counts an event or link; false when the request has too many.</summary>
    public bool TryAddRow() => ++_rows <= Limits.RowsMax;

    /// <summary>Why a time is unacceptable, or null.</summary>
    public string? TimeProblem(ulong unixNanos)
    {
        if (unixNanos > long.MaxValue || (long)unixNanos > Limits.NowUnixNanos + Limits.MaxAheadNanos)
        {
            return $"time is more than {Duration(Limits.MaxAheadNanos)} ahead of the server's clock";
        }

        return (long)unixNanos < Limits.NowUnixNanos - Limits.MaxAgeNanos ? $"time is more than {Duration(Limits.MaxAgeNanos)} ago (ingest.max_age)" : null;
    }

    public void AddText(ByteColumn column, ReadOnlySpan<byte> text) => column.Add(Repair(text));

    /// <summary>The text itself when it is UTF-8, else a copy with U+FFFD in place of what is not.</summary>
    public ReadOnlySpan<byte> Repair(ReadOnlySpan<byte> text)
    {
        if (Utf8.IsValid(text))
        {
            return text;
        }

        _repaired++;
        return Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(text));
    }

    /// <summary>An empty JSON writer; what it wrote is in <see cref="JsonWritten"/> until the next call.</summary>
    public Utf8JsonWriter NewJson()
    {
        _scratch ??= new ArrayBufferWriter<byte>(1024);
        _scratch.ResetWrittenCount();
        _writer ??= new Utf8JsonWriter(_scratch, s_json);
        _writer.Reset(_scratch);
        return _writer;
    }

    public ReadOnlySpan<byte> JsonWritten()
    {
        _writer!.Flush();
        return _scratch!.WrittenSpan;
    }

    /// <summary>Adds what a metric is, once a request.</summary>
    public void AddMetadata(SampleBatch into, MetricMetadata metadata)
    {
        _described ??= new HashSet<string>(StringComparer.Ordinal);
        if (_described.Add(metadata.Name))
        {
            into.Metadata.Add(metadata);
        }
    }

    public OtlpDecoding Finish(WireFault fault)
    {
        if (fault != WireFault.None)
        {
            return new OtlpDecoding(true, Describe(fault), 0, 0, null, 0);
        }

        var reason = _reasons.Count == 0 ? null : string.Join("; ", _reasons.OrderByDescending(pair => pair.Value.Count).Select(pair => $"{pair.Value.Count}: {pair.Key} (first: item {pair.Value.First})"));
        return new OtlpDecoding(false, null, Accepted, _rejected, reason, _repaired);
    }

    private string Describe(WireFault fault) => fault switch
    {
        WireFault.Truncated => "The protobuf message is cut off: a value runs past the end of the message that holds it.",
        WireFault.Varint => "The protobuf message has a varint of more than ten bytes.",
        WireFault.Tag => "The protobuf message has a tag with field number 0 or an unknown wire type.",
        WireFault.Group => "The protobuf message has a group without its beginning or end.",
        WireFault.Nesting => $"Values are nested deeper than {WireReader.NestingMax}.",
        WireFault.Rows => $"The request has more than {Limits.RowsMax} events and links; send smaller batches.",
        _ => throw new System.Diagnostics.UnreachableException(fault.ToString()),
    };

    private static string Duration(long nanos) => nanos % (24 * OtlpLimits.NanosPerHour) == 0 && nanos > 0
        ? $"{nanos / (24 * OtlpLimits.NanosPerHour)} days"
        : $"{TimeSpan.FromTicks(nanos / 100).TotalHours:0.##} h";
}
