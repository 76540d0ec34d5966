using System.Text;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Otlp;
using Faultline.Telemetry.Spans;
using Xunit;

namespace Faultline.Tests.Otlp;

public class TraceDecoderTests
{
    internal const long Now = 1_800_000_000_000_000_000;
    internal static readonly OtlpLimits Limits = new() { NowUnixNanos = Now };

    private static readonly byte[] s_trace = [.. Enumerable.Range(1, 16).Select(value => (byte)value)];
    private static readonly byte[] s_span = [.. Enumerable.Range(1, 8).Select(value => (byte)value)];

    [Fact]
    public void A_span_arrives_with_every_field()
    {
        var batch = new SpanBatch();
        var decoding = OtlpDecoder.DecodeTraces(Request(span => Whole(span)
            .Attribute(9, "http.route", "/ask")
            .Attribute(9, "retries", any => any.Varint(3, unchecked((ulong)-3L)))
            .Attribute(9, "ratio", any => any.Double(4, 0.1))
            .Attribute(9, "ok", any => any.Varint(2, 1))
            .Attribute(9, "raw", any => any.Bytes(7, [0, 255]))
            .Attribute(9, "list", any => any.Message(5, list => list.Message(1, item => item.Text(1, "é\"")).Message(1, item => item.Varint(3, 7)).Message(1, _ => { })))
            .Attribute(9, "map", any => any.Message(6, list => list.Attribute(1, "k", "v")))
            .Attribute(9, "none", _ => { })
            .Attribute(9, "gen_ai.input.messages", "[]")
            .Message(11, e => e.Fixed64(1, 5).Text(2, "exception").Attribute(3, "exception.type", "X").Varint(4, 2))
            .Message(13, l => l.Bytes(1, s_trace).Bytes(2, s_span).Text(3, "ts=1").Attribute(4, "a", "b").Varint(5, 1).Fixed32(6, 1))), batch, Limits);

        Assert.Equal(new OtlpDecoding(false, null, 1, 0, null, 0), decoding);
        Assert.Equal("shop", batch.ServiceName(0));
        Assert.Equal("https://schema", Encoding.UTF8.GetString(batch.Resources.SchemaUrl[0]));
        Assert.Equal("scope", batch.Scopes.Name.Text(0));
        Assert.Equal("1.0", batch.Scopes.Version.Text(0));
        Assert.Equal(TraceId.FromBytes(s_trace), batch.TraceId[0]);
        Assert.Equal(SpanId.FromBytes(s_span), batch.SpanId[0]);
        Assert.True(batch.ParentSpanId[0].IsNone);
        Assert.Equal("GET", batch.Name.Text(0));
        Assert.Equal(SpanKind.Client, batch.Kind[0]);
        Assert.Equal(Now - 1_000, batch.StartUnixNanos[0]);
        Assert.Equal(Now, batch.EndUnixNanos[0]);
        Assert.Equal(SpanStatus.Error, batch.Status[0]);
        Assert.Equal("boom", batch.StatusMessage.Text(0));
        Assert.Equal((4u, 5u, 6u, 0x101u), (batch.DroppedAttributes[0], batch.DroppedEvents[0], batch.DroppedLinks[0], batch.Flags[0]));
        Assert.Equal(
            ["http.route=s:/ask", "retries=i:-3", "ratio=d:0.1", "ok=b:true", "raw=y:AP8=",
                "list=a:{\"values\":[{\"stringValue\":\"é\\\"\"},{\"intValue\":\"7\"},{}]}",
                "map=k:{\"values\":[{\"key\":\"k\",\"value\":{\"stringValue\":\"v\"}}]}", "none=e:"],
            Entries(batch.Attributes, 0));
        Assert.Equal(["gen_ai.input.messages=s:[]"], Entries(batch.Bodies, 0));
        Assert.Equal("exception", batch.Events.Name.Text(0));
        Assert.Equal((0, 1), (batch.Events.Start(0), batch.Events.End(0)));
        Assert.Equal(5, batch.Events.UnixNanos[0]);
        Assert.Equal(2u, batch.Events.DroppedAttributes[0]);
        Assert.Equal(["a=s:b"], Entries(batch.Links.Attributes, 0));
    }

    /// <summary>Most attributes are a key and one text, which has a way of its own; a field that nobody knows sends them the other way.</summary>
    [Fact]
    public void An_attribute_is_the_same_in_whatever_form_it_is_sent()
    {
        byte[][] texts = [[], [0], "é"u8.ToArray(), [0x61, 0xff, 0x62], [0xc3], .. Lengths(1, 2, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 300, 4095, 4096, 16_379, 16_383, 16_384, 70_000)];
        foreach (var key in texts.Where(key => key.Length < 20_000).Append("gen_ai.input.messages"u8.ToArray()))
        {
            foreach (var text in texts)
            {
                var usual = Decoded(pair => pair.Bytes(1, key).Message(2, any => any.Bytes(1, text)));
                Assert.Equal(usual, Decoded(pair => pair.Bytes(1, key).Message(2, any => any.Bytes(1, text)).Varint(99, 1)));
                Assert.Equal(usual, Decoded(pair => pair.Message(2, any => any.Bytes(1, text)).Bytes(1, key)));
                Assert.Equal(usual, Decoded(pair => pair.Bytes(1, key).Message(2, any => any.Varint(3, 1).Bytes(1, text))));
                Assert.Equal(usual, Decoded(pair => pair.Bytes(1, "other"u8).Bytes(1, key).Message(2, any => any.Bytes(1, text))));
            }
        }

        static IEnumerable<byte[]> Lengths(params int[] lengths) => lengths.Select(length => Enumerable.Repeat((byte)'x', length).ToArray());

        static string Decoded(Action<ProtoWriter> pair)
        {
            var batch = new SpanBatch();
            var decoding = OtlpDecoder.DecodeTraces(Request(span => Whole(span).Message(9, pair)), batch, Limits);
            return $"{decoding} {string.Join('|', Entries(batch.Attributes, 0))} / {string.Join('|', Entries(batch.Bodies, 0))}";
        }
    }

    [Fact]
    public void Lists_may_stand_anywhere_among_a_spans_fields_and_keep_their_order()
    {
        Action<ProtoWriter>[] fields =
        [
            span => span.Bytes(1, s_trace), span => span.Bytes(2, s_span), span => span.Text(5, "GET"), span => span.Fixed64(7, (ulong)Now - 1_000), span => span.Fixed64(8, (ulong)Now),
            span => span.Varint(99, 7), span => span.Message(15, status => status.Varint(3, 2)),
        ];
        Action<ProtoWriter>[] lists =
        [
            span => span.Attribute(9, "a", "1"), span => span.Message(11, e => e.Text(2, "event")), span => span.Attribute(9, "b", "2"), span => span.Attribute(9, "gen_ai.prompt", "3"),
        ];
        for (var seed = 0; seed < 200; seed++)
        {
            var random = new Random(seed);
            var left = new Queue<Action<ProtoWriter>>(lists);
            var others = new Queue<Action<ProtoWriter>>(fields.OrderBy(_ => random.Next()));
            var batch = new SpanBatch();
            var decoding = OtlpDecoder.DecodeTraces(
                Request(span =>
                {
                    while (left.Count + others.Count > 0)
                    {
                        (others.Count == 0 || (left.Count > 0 && random.Next(2) == 0) ? left : others).Dequeue()(span);
                    }
                }),
                batch,
                Limits);

            Assert.Equal((1, 0), (decoding.Accepted, decoding.Rejected));
            Assert.Equal(["a=s:1", "b=s:2"], Entries(batch.Attributes, 0));
            Assert.Equal(["gen_ai.prompt=s:3"], Entries(batch.Bodies, 0));
            Assert.Equal(("GET", "event", SpanStatus.Error), (batch.Name.Text(0), batch.Events.Name.Text(0), batch.Status[0]));
        }
    }

    [Fact]
    public void The_resource_may_follow_its_spans()
    {
        var span = new ProtoWriter();
        Whole(span);
        var batch = new SpanBatch();
        var request = new ProtoWriter().Message(1, r => r
            .Message(2, s => s.Bytes(2, span.ToArray()).Message(1, scope => scope.Text(1, "late scope")))
            .Message(1, resource => resource.Attribute(1, "service.name", "late"))).ToArray();
        Assert.Equal(1, OtlpDecoder.DecodeTraces(request, batch, Limits).Accepted);
        Assert.Equal("late", batch.ServiceName(0));
        Assert.Equal("late scope", batch.Scopes.Name.Text(batch.Scope[0]));
    }

    [Theory]
    [InlineData(15, 8, 0, 0, "trace_id")]
    [InlineData(16, 7, 0, 0, "span_id")]
    [InlineData(16, 8, 3, 0, "parent_span_id")]
    [InlineData(16, 8, 0, -400 * 24 * 3600, "ingest.max_age")]
    [InlineData(16, 8, 0, 3700, "ahead")]
    public void A_span_that_cannot_be_kept_is_rejected_with_a_reason_and_the_rest_is_kept(int traceBytes, int spanBytes, int parentBytes, long startSecondsFromNow, string reason)
    {
        var start = (ulong)(Now + (startSecondsFromNow * 1_000_000_000));
        var batch = new SpanBatch();
        var decoding = OtlpDecoder.DecodeTraces(Request(
            span => span.Bytes(1, s_trace.AsSpan(0, traceBytes)).Bytes(2, s_span.AsSpan(0, spanBytes)).Bytes(4, s_span.AsSpan(0, parentBytes)).Fixed64(7, start).Fixed64(8, start).Attribute(9, "a", "b"),
            span => Whole(span)), batch, Limits);
        Assert.False(decoding.Malformed);
        Assert.Equal((1, 1), (decoding.Accepted, decoding.Rejected));
        Assert.Contains(reason, decoding.RejectedReason, StringComparison.Ordinal);
        Assert.Equal(1, batch.Count);
        Assert.Equal(1, batch.Attributes.Count);
    }

    [Fact]
    public void An_all_zero_id_is_rejected()
    {
        var decoding = OtlpDecoder.DecodeTraces(
            Request(
                span => span.Bytes(1, new byte[16]).Bytes(2, s_span).Fixed64(7, (ulong)Now).Fixed64(8, (ulong)Now),
                span => span.Bytes(1, s_trace).Bytes(2, new byte[8]).Fixed64(7, (ulong)Now).Fixed64(8, (ulong)Now)),
            new SpanBatch(),
            Limits);
        Assert.Equal((0, 2), (decoding.Accepted, decoding.Rejected));
    }

    [Fact]
    public void What_is_rejected_is_told_by_reason_count_and_place()
    {
        ProtoWriter NoTrace(ProtoWriter span) => span.Bytes(2, s_span).Fixed64(7, (ulong)Now).Fixed64(8, (ulong)Now);
        var decoding = OtlpDecoder.DecodeTraces(Request(span => Whole(span), span => NoTrace(span), span => Whole(span).Fixed64(7, 5), span => Whole(span), span => NoTrace(span)), new SpanBatch(), Limits);
        Assert.Equal((2, 3), (decoding.Accepted, decoding.Rejected));
        Assert.Equal("2: trace_id is not 16 bytes, or all zero (first: item 2); 1: start time is more than 365 days ago (ingest.max_age) (first: item 3)", decoding.RejectedReason);
    }

    [Fact]
    public void A_link_that_points_nowhere_is_left_out_and_counted()
    {
        var batch = new SpanBatch();
        var decoding = OtlpDecoder.DecodeTraces(
            Request(span => Whole(span).Message(13, link => link.Bytes(1, s_trace).Bytes(2, s_span)).Message(13, link => link.Bytes(1, new byte[16]).Bytes(2, s_span).Attribute(4, "a", "b"))), batch, Limits);
        Assert.Equal((1, 0), (decoding.Accepted, decoding.Rejected));
        Assert.Equal((1, 7u), (batch.Links.Ends[0], batch.DroppedLinks[0]));
    }

    [Fact]
    public void An_empty_resource_is_of_the_unknown_service()
    {
        var batch = new SpanBatch();
        Assert.Equal(1, OtlpDecoder.DecodeTraces(new ProtoWriter().Message(1, r => r.Message(1, _ => { }).Message(2, s => s.Message(2, span => Whole(span)))).ToArray(), batch, Limits).Accepted);
        Assert.Equal("unknown_service", batch.ServiceName(0));
    }

    [Fact]
    public void Text_that_is_not_utf8_is_repaired_and_counted()
    {
        var batch = new SpanBatch();
        var decoding = OtlpDecoder.DecodeTraces(Request(span => Whole(span).Bytes(5, [(byte)'a', 0xff])), batch, Limits);
        Assert.Equal(1, decoding.TextsRepaired);
        Assert.Equal("a\uFFFD", batch.Name.Text(0));
    }

    [Theory]
    [InlineData("0A05")]
    [InlineData("0AFFFFFFFFFFFFFFFFFFFFFF")]
    [InlineData("0B")]
    [InlineData("0C")]
    [InlineData("00")]
    [InlineData("0E")]
    public void Bytes_that_are_no_protobuf_are_malformed(string hex)
    {
        var decoding = OtlpDecoder.DecodeTraces(Convert.FromHexString(hex), new SpanBatch(), Limits);
        Assert.True(decoding.Malformed);
        Assert.NotNull(decoding.Reason);
    }

    [Fact]
    public void Values_nested_too_deep_are_malformed()
    {
        void Nest(ProtoWriter any, int depth) => any.Message(5, list => list.Message(1, item =>
        {
            if (depth > 0)
            {
                Nest(item, depth - 1);
            }
        }));

        Assert.False(OtlpDecoder.DecodeTraces(Request(span => Whole(span).Attribute(9, "deep", any => Nest(any, 60))), new SpanBatch(), Limits).Malformed);
        var decoding = OtlpDecoder.DecodeTraces(Request(span => Whole(span).Attribute(9, "deep", any => Nest(any, 70))), new SpanBatch(), Limits);
        Assert.Contains("64", decoding.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(50, false)]
    [InlineData(70, true)]
    [InlineData(100_000, true)]
    public void Values_of_json_nested_too_deep_are_malformed(int depth, bool isMalformed)
    {
        var value = string.Concat(Enumerable.Repeat("{\"arrayValue\":{\"values\":[", depth)) + "{}" + string.Concat(Enumerable.Repeat("]}}", depth));
        var json = $$$"""{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","startTimeUnixNano":"1800000000000000000","attributes":[{"key":"deep","value":{{{value}}}}]}]}]}]}""";
        Assert.Equal(isMalformed, OtlpDecoder.DecodeTracesJson(Encoding.UTF8.GetBytes(json), new SpanBatch(), Limits).Malformed);
    }

    [Fact]
    public void Json_as_the_specification_writes_it_is_read()
    {
        var json = """
            {"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"unknown":{"a":[1]},
             "scopeSpans":[{"scope":{"name":"s"},"spans":[{"traceId":"0102030405060708090A0B0C0D0E0F10","spanId":"0102030405060708","parentSpanId":"",
              "name":"a\u00e9\ud83d\ude00","kind":3,"startTimeUnixNano":"1799999999999999000","end_time_unix_nano":1800000000000000000,
              "attributes":[{"key":"i","value":{"intValue":"-9"}},{"key":"j","value":{"intValue":12}},{"key":"d","value":{"doubleValue":"NaN"}},
               {"key":"e","value":{}},{"key":"a","value":{"arrayValue":{"values":[{"boolValue":true},{}]}}},{"key":"y","value":{"bytesValue":"AP8="}}],
              "status":{"code":"STATUS_CODE_ERROR"},"kindOfFuture":1}]}]}]}
            """u8;
        var batch = new SpanBatch();
        var decoding = OtlpDecoder.DecodeTracesJson(json, batch, Limits);
        Assert.Equal(new OtlpDecoding(false, null, 1, 0, null, 0), decoding);
        Assert.Equal("aé😀", batch.Name.Text(0));
        Assert.Equal(SpanKind.Client, batch.Kind[0]);
        Assert.Equal(SpanStatus.Error, batch.Status[0]);
        Assert.Equal(Now, batch.EndUnixNanos[0]);
        Assert.Equal(["i=i:-9", "j=i:12", "d=d:NaN", "e=e:", "a=a:{\"values\":[{\"boolValue\":true},{}]}", "y=y:AP8="], Entries(batch.Attributes, 0));
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{\"resourceSpans\":{}}")]
    [InlineData("{\"resourceSpans\":[1]}")]
    [InlineData("{\"resourceSpans\":[{}]")]
    [InlineData("{} x")]
    [InlineData("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":1}]}]}]}")]
    public void Json_that_is_no_otlp_is_malformed(string json) => Assert.True(OtlpDecoder.DecodeTracesJson(Encoding.UTF8.GetBytes(json), new SpanBatch(), Limits).Malformed);

    [Fact]
    public void A_json_id_that_is_no_hexadecimal_rejects_its_span_only()
    {
        var decoding = OtlpDecoder.DecodeTracesJson("""{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz","spanId":"0102030405060708"}]}]}]}"""u8, new SpanBatch(), Limits);
        Assert.Equal((false, 1), (decoding.Malformed, decoding.Rejected));
    }

    internal static ProtoWriter Whole(ProtoWriter span) => span.Bytes(1, s_trace).Bytes(2, s_span).Text(5, "GET").Varint(6, 3).Fixed64(7, (ulong)(Now - 1_000)).Fixed64(8, (ulong)Now)
        .Varint(10, 4).Varint(12, 5).Varint(14, 6).Fixed32(16, 0x101).Message(15, status => status.Text(2, "boom").Varint(3, 2)).Text(999, "from the future");

    internal static byte[] Request(params Action<ProtoWriter>[] spans) => new ProtoWriter().Message(1, resourceSpans => resourceSpans
        .Message(1, resource => resource.Attribute(1, "service.name", "shop").Varint(2, 1))
        .Message(2, scopeSpans =>
        {
            scopeSpans.Message(1, scope => scope.Text(1, "scope").Text(2, "1.0").Attribute(3, "s", "t"));
            foreach (var span in spans)
            {
                scopeSpans.Message(2, span);
            }
        })
        .Text(3, "https://schema")).ToArray();

    internal static List<string> Entries(AttributeColumn column, int row)
    {
        var entries = new List<string>();
        for (var entry = column.Start(row); entry < column.End(row); entry++)
        {
            entries.Add($"{column.Keys.Text(entry)}={(char)column.Types[entry]}:{column.Values.Text(entry)}");
        }

        return entries;
    }
}
