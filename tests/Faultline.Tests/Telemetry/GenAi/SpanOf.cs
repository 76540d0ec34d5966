using System.Collections;
using System.Globalization;
using Faultline.Telemetry.GenAi;
using Faultline.Telemetry.Otlp;
using Faultline.Telemetry.Spans;
using Faultline.Tests.Otlp;

namespace Faultline.Tests.GenAi;

/// <summary>A span as a test states it, sent through the decoder as any other.</summary>
internal sealed record SpanOf(string Id, string Parent = "", string Trace = "01")
{
    public string Name { get; init; } = "span";

    public string Scope { get; init; } = "";

    public long StartNanos { get; init; } = TraceDecoderTests.Now;

    public long EndNanos { get; init; } = TraceDecoderTests.Now + 1_000_000_000;

    public IReadOnlyDictionary<object, object> Attributes { get; init; } = new Dictionary<object, object>();

    public IReadOnlyList<(string Name, IReadOnlyDictionary<object, object> Attributes)> Events { get; init; } = [];

    /// <summary>How long after the span's start each event happened; at its start where that is not stated.</summary>
    public IReadOnlyList<double> EventSeconds { get; init; } = [];

    public static SpanBatch Batch(params SpanOf[] spans)
    {
        var request = new ProtoWriter();
        foreach (var span in spans)
        {
            request.Message(1, resource => resource
                .Message(1, inner => inner.Attribute(1, "service.name", "svc"))
                .Message(2, scope => scope.Message(1, inner => inner.Text(1, span.Scope)).Message(2, span.Write)));
        }

        var batch = new SpanBatch();
        var decoding = OtlpDecoder.DecodeTraces(request.ToArray(), batch, TraceDecoderTests.Limits);
        Xunit.Assert.Equal((false, spans.Length), (decoding.Malformed, decoding.Accepted));
        return batch;
    }

    /// <summary>Normalised by itself.</summary>
    public static SpanBatch Filled(params SpanOf[] spans)
    {
        var batch = Batch(spans);
        GenAiNormaliser.Fill(batch, new CountedSpans());
        return batch;
    }

    private void Write(ProtoWriter span)
    {
        span.Bytes(1, Bytes(Trace, 16)).Bytes(2, Bytes(Id, 8)).Text(5, Name).Fixed64(7, (ulong)StartNanos).Fixed64(8, (ulong)EndNanos);
        if (Parent.Length > 0)
        {
            span.Bytes(4, Bytes(Parent, 8));
        }

        foreach (var (key, value) in Attributes)
        {
            span.Attribute(9, (string)key, any => Value(any, value));
        }

        foreach (var (i, happened) in Events.Index())
        {
            span.Message(11, one =>
            {
                one.Fixed64(1, (ulong)(StartNanos + (long)((i < EventSeconds.Count ? EventSeconds[i] : 0) * 1e9))).Text(2, happened.Name);
                foreach (var (key, value) in happened.Attributes)
                {
                    one.Attribute(3, (string)key, any => Value(any, value));
                }
            });
        }
    }

    private static byte[] Bytes(string hex, int length) => Convert.FromHexString(hex.PadLeft(length * 2, '0'));

    private static void Value(ProtoWriter any, object value)
    {
        switch (value)
        {
            case bool flag:
                any.Varint(2, flag ? 1UL : 0);
                break;
            case IDictionary map:
                any.Message(6, list =>
                {
                    foreach (DictionaryEntry member in map)
                    {
                        list.Attribute(1, (string)member.Key, inner => Value(inner, member.Value!));
                    }
                });
                break;
            case IList items:
                any.Message(5, list =>
                {
                    foreach (var item in items)
                    {
                        list.Message(1, inner => Value(inner, item!));
                    }
                });
                break;
            case float or double:
                any.Double(4, Convert.ToDouble(value, CultureInfo.InvariantCulture));
                break;
            case byte or sbyte or short or ushort or int or uint or long or ulong:
                any.Varint(3, (ulong)Convert.ToInt64(value, CultureInfo.InvariantCulture));
                break;
            default:
                any.Text(1, (string)value);
                break;
        }
    }
}
