using Faultline.Telemetry.Otlp;
using Faultline.Telemetry.Samples;
using Xunit;

namespace Faultline.Tests.Otlp;

public class MetricDecoderTests
{
    private static readonly OtlpLimits s_limits = TraceDecoderTests.Limits;
    private const ulong Now = (ulong)TraceDecoderTests.Now;

    [Fact]
    public void A_monotonic_sum_becomes_a_counter_with_the_targets_labels()
    {
        var (batch, decoding) = Decode(metric => metric.Text(1, "http.server.requests").Text(2, "How many.").Text(3, "{request}")
            .Message(7, sum => sum.Message(1, point => point.Attribute(7, "http.route", "/ask").Fixed64(3, Now).Fixed64(6, 42)).Varint(2, 2).Varint(3, 1)));
        Assert.Equal((1, 0), (decoding.Accepted, decoding.Rejected));
        Assert.Equal(
            ["http_server_requests_total{deployment_environment_name=\"prod\",http_route=\"/ask\",instance=\"i-1\",job=\"space/svc\",service_name=\"svc\"} 42"], Lines(batch));
        Assert.Equal((long)(Now / 1_000_000), batch.UnixMillis[0]);
        Assert.Equal(new MetricMetadata("http_server_requests_total", "counter", "{request}", "How many."), Assert.Single(batch.Metadata));
    }

    [Theory]
    [InlineData("process.cpu.utilization", "1", "process_cpu_utilization_ratio")]
    [InlineData("memory.usage", "By", "memory_usage_bytes")]
    [InlineData("queue.time", "ms", "queue_time_milliseconds")]
    [InlineData("speed", "m/s", "speed_meters_per_second")]
    [InlineData("9lives", "", "_9lives")]
    [InlineData("already_seconds", "s", "already_seconds")]
    public void A_gauge_is_named_as_prometheus_names_it(string name, string unit, string expected)
    {
        var (batch, _) = Decode(metric => metric.Text(1, name).Text(3, unit).Message(5, gauge => gauge.Message(1, point => point.Fixed64(3, Now).Double(4, 0.5))));
        Assert.Equal(expected, batch.Series[0].Name);
    }

    [Fact]
    public void A_histogram_becomes_cumulative_buckets_a_count_and_a_sum()
    {
        var (batch, _) = Decode(metric => metric.Text(1, "gen_ai.client.operation.duration").Text(3, "s").Message(9, histogram => histogram.Varint(2, 2)
            .Message(1, point => point.Fixed64(3, Now).Fixed64(4, 6).Double(5, 7.5).Bytes(6, [.. BitConverter.GetBytes(1L), .. BitConverter.GetBytes(2L), .. BitConverter.GetBytes(3L)])
                .Double(7, 0.1).Double(7, 1))));
        Assert.Equal(
            ["gen_ai_client_operation_duration_seconds_bucket le=0.1 1", "gen_ai_client_operation_duration_seconds_bucket le=1 3",
                "gen_ai_client_operation_duration_seconds_bucket le=+Inf 6", "gen_ai_client_operation_duration_seconds_count le= 6",
                "gen_ai_client_operation_duration_seconds_sum le= 7.5"],
            Enumerable.Range(0, batch.Count).Select(i => $"{batch.Series[batch.SeriesIndex[i]].Name} le={batch.Series[batch.SeriesIndex[i]]["le"]} {batch.Value[i]}"));
        Assert.Equal("histogram", batch.Metadata[0].Type);
    }

    [Fact]
    public void A_point_without_a_recorded_value_ends_its_series()
    {
        var (batch, _) = Decode(metric => metric.Text(1, "g").Message(5, gauge => gauge.Message(1, point => point.Fixed64(3, Now).Varint(8, 1))));
        Assert.True(SampleBatch.IsStale(batch.Value[0]));
    }

    [Fact]
    public void However_many_metrics_are_rejected_the_answer_stays_short()
    {
        var request = new ProtoWriter().Message(1, resource => resource.Message(2, scope =>
        {
            for (var i = 0; i < 5_000; i++)
            {
                scope.Message(2, metric => metric.Text(1, $"{i}{new string('m', 1_000)}").Message(7, data => data.Message(1, point => point.Fixed64(3, Now))));
            }
        })).ToArray();
        var decoding = OtlpDecoder.DecodeMetrics(request, new SampleBatch(), TraceDecoderTests.Limits);
        Assert.Equal((0, 5_000), (decoding.Accepted, decoding.Rejected));
        Assert.Contains("4980: other reasons (first: item 21)", decoding.RejectedReason, StringComparison.Ordinal);
        Assert.InRange(decoding.RejectedReason!.Length, 1, 10_000);
    }

    [Theory]
    [InlineData(7, 0)]
    [InlineData(9, 0)]
    [InlineData(10, 7)]
    public void A_sum_or_histogram_without_temporality_is_rejected_by_name_and_counted(int kind, ulong temporality)
    {
        var (batch, decoding) = Decode(metric => metric.Text(1, "named.metric").Message(kind, data => data.Varint(2, temporality)
            .Message(1, point => point.Fixed64(3, Now)).Message(1, point => point.Fixed64(3, Now))));
        Assert.Equal((0, 2), (decoding.Accepted, decoding.Rejected));
        Assert.Contains("without temporality (metric named.metric)", decoding.RejectedReason, StringComparison.Ordinal);
        Assert.Equal(0, batch.Count);
    }

    [Theory]
    [InlineData(0.00001, "0.00001")]
    [InlineData(2.5e-7, "0.00000025")]
    [InlineData(-1.25e-5, "-0.0000125")]
    [InlineData(0.999999, "0.999999")]
    [InlineData(1e16, "10000000000000000")]
    [InlineData(1.5e17, "150000000000000000")]
    [InlineData(1e-30, "1E-30")]
    public void A_bound_is_written_without_an_exponent(double bound, string label) => Assert.Equal(label, MetricPoints.LabelNumber(bound));

    [Fact]
    public void An_exponential_histogram_becomes_buckets_with_bounds_that_come_again()
    {
        // Scale 3: eight buckets to a power of two; at scale 2 every two of them are one. Offset -2 is 2^(-2/8).
        var (batch, decoding) = Decode(metric => metric.Text(1, "rpc.duration").Text(3, "s").Message(10, histogram => histogram.Varint(2, 2)
            .Message(1, point => point.Fixed64(3, Now).Fixed64(4, 21).Double(5, 30.5).Varint(6, ZigZag(3)).Fixed64(7, 1)
                .Message(8, positive => positive.Varint(1, ZigZag(-2)).Bytes(2, [2, 3, 4, 0, 5])).Message(9, negative => negative.Varint(1, ZigZag(0)).Varint(2, 6)))));
        Assert.Equal((1, 0), (decoding.Accepted, decoding.Rejected));
        Assert.Equal(
            [$"_bucket le={-Math.Pow(2, 0.25):R} 0", "_bucket le=-1 6", "_bucket le=0 7", $"_bucket le={Math.Pow(2, -0.25):R} 7", "_bucket le=1 12", $"_bucket le={Math.Pow(2, 0.25):R} 16", $"_bucket le={Math.Pow(2, 0.5):R} 21", "_bucket le=+Inf 21", "_count le= 21", "_sum le= 30.5"],
            Bounds(batch, "rpc_duration_seconds"));
        Assert.Equal("histogram", batch.Metadata[0].Type);
    }

    [Fact]
    public void An_exponential_histogram_with_any_scale_and_offset_has_rising_bounds_and_counts()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        for (var round = 0; round < 2_000; round++)
        {
            var (batch, _) = Decode(metric => metric.Text(1, "h").Message(10, histogram => histogram.Varint(2, 2).Message(1, point => point
                .Fixed64(3, Now).Fixed64(4, 50).Varint(6, ZigZag(random.Next(-12, 22))).Fixed64(7, (ulong)random.Next(2))
                .Message(8, buckets => Buckets(buckets, random)).Message(9, buckets => Buckets(buckets, random)))));
            var bounds = Enumerable.Range(0, batch.Count).Where(i => batch.Series[batch.SeriesIndex[i]]["le"] is { Length: > 0 } and not "+Inf")
                .Select(i => (Bound: double.Parse(batch.Series[batch.SeriesIndex[i]]["le"], System.Globalization.CultureInfo.InvariantCulture), Count: batch.Value[i])).ToArray();
            Assert.True(bounds.Zip(bounds.Skip(1)).All(pair => pair.First.Bound < pair.Second.Bound && pair.First.Count <= pair.Second.Count), $"seed {seed}, round {round}");
            Assert.DoesNotContain(bounds, bound => !double.IsFinite(bound.Bound));
        }
    }

    [Fact]
    public void A_summary_becomes_quantiles_a_count_and_a_sum()
    {
        var (batch, decoding) = Decode(metric => metric.Text(1, "gc.pause").Text(3, "s").Message(11, summary => summary.Message(1, point => point
            .Fixed64(3, Now).Fixed64(4, 9).Double(5, 4.5).Message(6, q => q.Double(1, 0.5).Double(2, 0.4)).Message(6, q => q.Double(1, 0.99).Double(2, 1.2)))));
        Assert.Equal((1, 0), (decoding.Accepted, decoding.Rejected));
        Assert.Equal(
            ["gc_pause_seconds q=0.5 0.4", "gc_pause_seconds q=0.99 1.2", "gc_pause_seconds_count q= 9", "gc_pause_seconds_sum q= 4.5"],
            Enumerable.Range(0, batch.Count).Select(i => $"{batch.Series[batch.SeriesIndex[i]].Name} q={batch.Series[batch.SeriesIndex[i]]["quantile"]} {batch.Value[i]}"));
        Assert.Equal("summary", batch.Metadata[0].Type);
    }

    [Fact]
    public void Json_gives_the_same_exponential_histogram_and_summary()
    {
        var batch = new SampleBatch();
        var decoding = OtlpDecoder.DecodeMetricsJson("""
            {"resourceMetrics":[{"resource":{},"scopeMetrics":[{"metrics":[
             {"name":"h","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":"1800000000000000000","count":"5","sum":7,"scale":-1,"zeroCount":"1","zeroThreshold":0.001,"positive":{"offset":-1,"bucketCounts":["1","3"]}}]}},
             {"name":"s","summary":{"dataPoints":[{"timeUnixNano":"1800000000000000000","count":"2","sum":3,"quantileValues":[{"quantile":0.5,"value":1.5}]}]}}]}]}]}
            """u8, batch, s_limits);
        Assert.Equal(new OtlpDecoding(false, null, 2, 0, null, 0), decoding);
        Assert.Equal(["_bucket le=0.001 1", "_bucket le=0.25 1", "_bucket le=1 2", "_bucket le=4 5", "_bucket le=+Inf 5", "_count le= 5", "_sum le= 7"], Bounds(batch, "h").Take(7));
        Assert.Equal(10, batch.Count);
    }

    [Fact]
    public void Points_that_say_nothing_or_make_no_histogram_are_rejected()
    {
        var (_, empty) = Decode(metric => metric.Text(1, "g").Message(5, gauge => gauge.Message(1, point => point.Fixed64(3, Now))));
        Assert.Contains("neither a value", empty.RejectedReason, StringComparison.Ordinal);
        var (_, falling) = Decode(metric => metric.Text(1, "h").Message(9, histogram => histogram.Varint(2, 2)
            .Message(1, point => point.Fixed64(3, Now).Fixed64(6, 1).Fixed64(6, 1).Fixed64(6, 1).Double(7, 1).Double(7, 0.5))));
        Assert.Contains("rising", falling.RejectedReason, StringComparison.Ordinal);
    }

    [Fact]
    public void Json_gives_the_same_series()
    {
        var batch = new SampleBatch();
        var decoding = OtlpDecoder.DecodeMetricsJson("""
            {"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"svc"}}]},"scopeMetrics":[{"metrics":[
             {"name":"h","unit":"s","histogram":{"aggregationTemporality":"AGGREGATION_TEMPORALITY_CUMULATIVE","dataPoints":[
              {"timeUnixNano":"1800000000000000000","count":"3","sum":1.5,"bucketCounts":["1",2],"explicitBounds":[0.5]}]}},
             {"name":"i","gauge":{"dataPoints":[{"timeUnixNano":1800000000000000000,"asInt":"-4"},{"timeUnixNano":"1800000000000000000","asDouble":"NaN","attributes":[{"key":"a","value":{"intValue":"1"}}]}]}}]}]}]}
            """u8, batch, s_limits);
        Assert.Equal(new OtlpDecoding(false, null, 3, 0, null, 0), decoding);
        Assert.Equal(
            ["h_seconds_bucket{job=\"svc\",le=\"0.5\",service_name=\"svc\"} 1", "h_seconds_bucket{job=\"svc\",le=\"+Inf\",service_name=\"svc\"} 3",
                "h_seconds_count{job=\"svc\",service_name=\"svc\"} 3", "h_seconds_sum{job=\"svc\",service_name=\"svc\"} 1.5",
                "i{job=\"svc\",service_name=\"svc\"} -4", "i{a=\"1\",job=\"svc\",service_name=\"svc\"} NaN"],
            Lines(batch));
    }

    private static ulong ZigZag(int value) => (uint)((value << 1) ^ (value >> 31));

    private static void Buckets(ProtoWriter buckets, Random random)
    {
        buckets.Varint(1, ZigZag(random.Next(8) == 0 ? random.Next(int.MinValue, int.MaxValue) : random.Next(-400, 400)));
        for (var count = random.Next(40); count > 0; count--)
        {
            buckets.Varint(2, (ulong)random.Next(3));
        }
    }

    private static IEnumerable<string> Bounds(SampleBatch batch, string name) =>
        Enumerable.Range(0, batch.Count).Select(i => batch.Series[batch.SeriesIndex[i]]).Zip(batch.Value.Values.ToArray(), (series, value) => $"{series.Name[Math.Min(series.Name.Length, name.Length)..]} le={series["le"]} {value}");

    private static (SampleBatch Batch, OtlpDecoding Decoding) Decode(Action<ProtoWriter> metric)
    {
        var batch = new SampleBatch();
        var decoding = OtlpDecoder.DecodeMetrics(new ProtoWriter().Message(1, resource => resource
            .Message(1, inner => inner.Attribute(1, "service.name", "svc").Attribute(1, "service.namespace", "space").Attribute(1, "service.instance.id", "i-1").Attribute(1, "deployment.environment.name", "prod"))
            .Message(2, scope => scope.Message(2, metric))).ToArray(), batch, s_limits);
        return (batch, decoding);
    }

    private static IEnumerable<string> Lines(SampleBatch batch) => Enumerable.Range(0, batch.Count).Select(i => $"{batch.Series[batch.SeriesIndex[i]]} {batch.Value[i]}");
}
