using System.Buffers;
using System.Text;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Otlp;
using Faultline.Telemetry.Spans;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Faultline.Tests.Otlp;

/// <summary>What comes in as protobuf, goes out as OTLP/JSON and comes in again must be what it was.</summary>
public class RoundTripTests
{
    // FsCheck names the failing seed and the replay values when the property does not hold.
    [Fact]
    public void Spans_written_as_json_and_read_again_are_the_same() => Prop.ForAll(Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), seed =>
    {
        var sent = new SpanBatch();
        var first = OtlpDecoder.DecodeTraces(new RandomOtlp(seed).Traces(), sent, TraceDecoderTests.Limits);
        Assert.False(first.Malformed, first.Reason);
        Assert.Equal(0, first.Rejected);

        var json = new ArrayBufferWriter<byte>();
        OtlpJson.WriteTraces(Enumerable.Range(0, sent.Count).Select(row => OtlpSpan.Of(sent, row)), json);
        var read = new SpanBatch();
        var second = OtlpDecoder.DecodeTracesJson(json.WrittenSpan, read, TraceDecoderTests.Limits);
        Assert.False(second.Malformed, second.Reason + Encoding.UTF8.GetString(json.WrittenSpan));
        Assert.Equal(Describe(sent), Describe(read));
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void A_value_that_is_not_what_its_type_says_is_written_as_text()
    {
        var span = new SpanBatch();
        OtlpDecoder.DecodeTraces(TraceDecoderTests.Request(one => TraceDecoderTests.Whole(one)), span, TraceDecoderTests.Limits);
        var broken = OtlpSpan.Of(span, 0) with
        {
            Attributes = [new("a", "{\"values\":[{\"stringV", AttributeType.Array), new("i", "[redacted]", AttributeType.Int), new("y", "é", AttributeType.Bytes)],
        };
        var json = new ArrayBufferWriter<byte>();
        OtlpJson.WriteTraces([broken], json);
        var read = new SpanBatch();
        Assert.Equal(1, OtlpDecoder.DecodeTracesJson(json.WrittenSpan, read, TraceDecoderTests.Limits).Accepted);
        Assert.Equal(["a=s:{\"values\":[{\"stringV", "i=s:[redacted]", "y=s:é"], TraceDecoderTests.Entries(read.Attributes, 0));
    }

    /// <summary>Every span in words, sorted: grouping by resource may change the order.</summary>
    internal static List<string> Describe(SpanBatch batch) => [.. Enumerable.Range(0, batch.Count).Select(row => Describe(OtlpSpan.Of(batch, row))).Order(StringComparer.Ordinal)];

    private static string Describe(OtlpSpan span) => string.Join('\u0001',
        Describe(span.Resource.Attributes), span.Resource.DroppedAttributes, span.Resource.SchemaUrl,
        span.Scope.Name, span.Scope.Version, Describe(span.Scope.Attributes), span.Scope.DroppedAttributes, span.Scope.SchemaUrl,
        span.TraceId, span.SpanId, span.ParentSpanId, span.TraceState, span.Flags, span.Name, span.Kind, span.StartUnixNanos, span.EndUnixNanos, span.Status, span.StatusMessage,
        Describe(span.Attributes), span.DroppedAttributes, span.DroppedEvents, span.DroppedLinks,
        string.Join('|', span.Events.Select(one => $"{one.UnixNanos} {one.Name} {Describe(one.Attributes)} {one.DroppedAttributes}")),
        string.Join('|', span.Links.Select(one => $"{one.TraceId} {one.SpanId} {one.TraceState} {one.Flags} {Describe(one.Attributes)} {one.DroppedAttributes}")));

    // As a multiset: content is kept apart from the other attributes, so the order among the two is not kept.
    internal static string Describe(IReadOnlyList<OtlpAttribute> attributes) =>
        string.Join('\u0002', attributes.Select(one => $"{one.Key}\u0003{(char)one.Type}\u0003{one.Value}").Order(StringComparer.Ordinal));
}
