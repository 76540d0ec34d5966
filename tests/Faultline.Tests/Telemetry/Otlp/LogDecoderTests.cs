using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Logs;
using Faultline.Telemetry.Otlp;
using Xunit;

namespace Faultline.Tests.Otlp;

public class LogDecoderTests
{
    private static readonly OtlpLimits s_limits = TraceDecoderTests.Limits;

    [Fact]
    public void A_record_arrives_with_every_field()
    {
        var batch = new LogBatch();
        var decoding = OtlpDecoder.DecodeLogs(Request(record => record.Fixed64(1, (ulong)TraceDecoderTests.Now).Fixed64(11, 7).Varint(2, 17).Text(3, "ERROR")
            .Message(5, any => any.Message(6, map => map.Attribute(1, "k", "v"))).Attribute(6, "a", "b").Varint(7, 3).Fixed32(8, 1)
            .Bytes(9, [.. Enumerable.Repeat((byte)9, 16)]).Bytes(10, [.. Enumerable.Repeat((byte)8, 8)]).Text(12, "gen_ai.evaluation.result")), batch, s_limits);
        Assert.Equal(1, decoding.Accepted);
        Assert.Equal("svc", batch.ServiceName(0));
        Assert.Equal((TraceDecoderTests.Now, 7L, 17), (batch.UnixNanos[0], batch.ObservedUnixNanos[0], batch.SeverityNumber[0]));
        Assert.Equal("ERROR", batch.SeverityText.Text(0));
        Assert.Equal("{\"values\":[{\"key\":\"k\",\"value\":{\"stringValue\":\"v\"}}]}", batch.Body.Text(0));
        Assert.Equal(AttributeType.KeyValues, batch.BodyType[0]);
        Assert.Equal("gen_ai.evaluation.result", batch.EventName.Text(0));
        Assert.Equal(["a=s:b"], TraceDecoderTests.Entries(batch.Attributes, 0));
        Assert.Equal("09090909090909090909090909090909", batch.TraceId[0].ToString());
        Assert.Equal("0808080808080808", batch.SpanId[0].ToString());
        Assert.Equal((3u, 1u), (batch.DroppedAttributes[0], batch.Flags[0]));
    }

    [Fact]
    public void A_record_with_a_wrong_id_belongs_to_no_trace_and_is_kept()
    {
        var batch = new LogBatch();
        Assert.Equal(1, OtlpDecoder.DecodeLogs(Request(record => record.Bytes(9, [1, 2]).Bytes(10, [3])), batch, s_limits).Accepted);
        Assert.True(batch.TraceId[0].IsNone);
        Assert.True(batch.SpanId[0].IsNone);
        Assert.Equal(AttributeType.Empty, batch.BodyType[0]);
    }

    [Fact]
    public void A_record_from_too_long_ago_is_rejected_with_a_reason()
    {
        var decoding = OtlpDecoder.DecodeLogs(Request(record => record.Fixed64(1, 1)), new LogBatch(), s_limits);
        Assert.Equal((0, 1), (decoding.Accepted, decoding.Rejected));
        Assert.Contains("ingest.max_age", decoding.RejectedReason, StringComparison.Ordinal);
    }

    [Fact]
    public void Json_is_read_with_severity_as_a_name()
    {
        var batch = new LogBatch();
        var decoding = OtlpDecoder.DecodeLogsJson("""
            {"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1800000000000000000","severityNumber":"SEVERITY_NUMBER_WARN2","body":{"stringValue":"hi"},"eventName":"e"}]}]}]}
            """u8, batch, s_limits);
        Assert.Equal(1, decoding.Accepted);
        Assert.Equal(14, batch.SeverityNumber[0]);
        Assert.Equal("hi", batch.Body.Text(0));
        Assert.Equal("unknown_service", batch.ServiceName(0));
    }

    private static byte[] Request(Action<ProtoWriter> record) => new ProtoWriter().Message(1, resource => resource
        .Message(1, inner => inner.Attribute(1, "service.name", "svc")).Message(2, scope => scope.Message(2, record))).ToArray();
}
