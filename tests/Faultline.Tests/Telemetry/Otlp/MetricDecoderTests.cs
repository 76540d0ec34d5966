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

    [Theory]
    [InlineData(10, 2, "exponential")]
    [InlineData(11, 0, "summar")]
    [InlineData(7, 1, "delta")]
    [InlineData(9, 1, "delta")]
    public void What_is_not_taken_yet_is_rejected_by_name_and_counted(int kind, ulong temporality, string reason)
    {
        var (batch, decoding) = Decode(metric => metric.Text(1, "named.metric").Message(kind, data => data.Varint(2, temporality)
            .Message(1, point => point.Fixed64(3, Now)).Message(1, point => point.Fixed64(3, Now))));
        Assert.Equal((0, 2), (decoding.Accepted, decoding.Rejected));
        Assert.Contains(reason, decoding.RejectedReason, StringComparison.Ordinal);
        Assert.Contains("named.metric", decoding.RejectedReason, StringComparison.Ordinal);
        Assert.Equal(0, batch.Count);
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
