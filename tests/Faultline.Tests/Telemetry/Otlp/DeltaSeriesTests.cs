using Faultline.Telemetry.Otlp;
using Faultline.Telemetry.Samples;
using Xunit;

namespace Faultline.Tests.Otlp;

/// <summary>Deltas become the counters that Prometheus knows.</summary>
public sealed class DeltaSeriesTests
{
    private const long Second = 1_000_000_000;
    private const long Start = TraceDecoderTests.Now - (600 * Second);

    private readonly DeltaSeries _deltas = new();

    [Fact]
    public void Deltas_are_added_up_from_a_zero_at_the_senders_start()
    {
        Assert.Equal([(Start + 1_000_000, 0d), (Start + (10 * Second), 5d)], Samples(Sum(0, 10, 5)));
        Assert.Equal([(Start + (20 * Second), 12d)], Samples(Sum(10, 20, 7)));
        Assert.Equal([(Start + (30 * Second), 12d)], Samples(Sum(20, 30, 0)));
    }

    [Fact]
    public void A_point_sent_again_counts_once()
    {
        Samples(Sum(0, 10, 5));

        Assert.Equal([(Start + (10 * Second), 5d)], Samples(Sum(0, 10, 5)));
        Assert.Equal([(Start + (20 * Second), 6d)], Samples(Sum(10, 20, 1)));
    }

    [Fact]
    public void A_point_older_than_the_newest_is_rejected_with_the_metrics_name()
    {
        Samples(Sum(0, 20, 5));
        var (batch, decoding) = Decode(Sum(0, 10, 3));

        Assert.Equal((0, 1, 0), (decoding.Accepted, decoding.Rejected, batch.Count));
        Assert.Contains("older than the newest of its series (metric asked_total)", decoding.RejectedReason, StringComparison.Ordinal);
    }

    [Fact]
    public void Series_are_kept_apart_by_their_labels()
    {
        Samples(Sum(0, 10, 5, "a"));
        Samples(Sum(0, 10, 7, "b"));

        Assert.Equal(6d, Samples(Sum(10, 20, 1, "a"))[^1].Value);
        Assert.Equal(8d, Samples(Sum(10, 20, 1, "b"))[^1].Value);
    }

    [Fact]
    public void More_series_than_the_bound_are_rejected_and_those_there_go_on()
    {
        var few = new DeltaSeries(1);
        Decode(Sum(0, 10, 5, "a"), few);
        var (_, refused) = Decode(Sum(0, 10, 5, "b"), few);
        var (batch, taken) = Decode(Sum(10, 20, 5, "a"), few);

        Assert.Contains("too many series", refused.RejectedReason, StringComparison.Ordinal);
        Assert.Equal((1, 10d), (taken.Accepted, batch.Value[0]));
    }

    [Fact]
    public void An_idle_series_is_forgotten_and_begins_at_zero_again()
    {
        Samples(Sum(0, 10, 5));
        var later = TraceDecoderTests.Limits with { NowUnixNanos = TraceDecoderTests.Now + DeltaSeries.IdleMaxNanos + Second };
        var (batch, _) = Decode(Sum(10, 20, 2), _deltas, later);

        Assert.Equal(2d, batch.Value[batch.Count - 1]);
        Assert.Equal(1, _deltas.Count);
    }

    [Fact]
    public void A_delta_histogram_becomes_a_cumulative_one_and_begins_again_when_its_bounds_change()
    {
        Action<ProtoWriter> Histogram(int from, int to, double bound) => metric => metric.Text(1, "h").Message(9, data => data.Varint(2, 1).Message(1, point =>
            Times(point, from, to).Fixed64(4, 3).Double(5, 1.5).Fixed64(6, 1).Fixed64(6, 2).Double(7, bound)));
        Decode(Histogram(0, 10, 0.5));

        Assert.Equal([2d, 6, 6, 3], Decode(Histogram(10, 20, 0.5)).Batch.Value.Values.ToArray());
        Assert.Equal([1d, 3, 3, 1.5], Decode(Histogram(20, 30, 0.7)).Batch.Value.Values.ToArray());
    }

    [Fact]
    public void Delta_exponential_histograms_of_different_scales_are_added_up_at_the_coarser_one()
    {
        Action<ProtoWriter> Histogram(int from, int to, int scale, int offset) => metric => metric.Text(1, "h").Message(10, data => data.Varint(2, 1).Message(1, point =>
            Times(point, from, to).Fixed64(4, 2).Double(5, 3).Varint(6, (uint)((scale << 1) ^ (scale >> 31))).Message(8, buckets => buckets.Varint(1, (uint)(offset << 1)).Bytes(2, [1, 1]))));
        Decode(Histogram(0, 10, 1, 0));
        var (batch, _) = Decode(Histogram(10, 20, 0, 0));

        // Bounds 2 and 4, and 1 below them: the first had both of its observations up to 2.
        Assert.Equal(["1 0", "2 3", "4 4", "+Inf 4"], Enumerable.Range(0, 4).Select(i => $"{batch.Series[batch.SeriesIndex[i]]["le"]} {batch.Value[i]}"));
    }

    [Fact]
    public void A_name_that_is_a_sum_and_a_histogram_is_two_series()
    {
        Decode(metric => metric.Text(1, "twice").Message(7, data => data.Varint(2, 1).Message(1, point => Times(point, 0, 10).Fixed64(6, 1))));
        var (batch, decoding) = Decode(metric => metric.Text(1, "twice").Message(9, data => data.Varint(2, 1).Message(1, point => Times(point, 0, 10).Fixed64(4, 3))));

        Assert.Equal((1, 3d), (decoding.Accepted, batch.Value[batch.Count - 1]));
    }

    [Fact]
    public void Without_totals_to_add_to_deltas_are_rejected()
    {
        var batch = new SampleBatch();
        var decoding = OtlpDecoder.DecodeMetrics(Request(Sum(0, 10, 5)), batch, TraceDecoderTests.Limits);

        Assert.Equal((0, 1), (decoding.Accepted, decoding.Rejected));
    }

    private (long UnixNanos, double Value)[] Samples(Action<ProtoWriter> metric)
    {
        var (batch, decoding) = Decode(metric);
        Assert.Equal((false, 1, 0), (decoding.Malformed, decoding.Accepted, decoding.Rejected));
        return [.. Enumerable.Range(0, batch.Count).Select(i => (batch.UnixMillis[i] * 1_000_000, batch.Value[i]))];
    }

    private (SampleBatch Batch, OtlpDecoding Decoding) Decode(Action<ProtoWriter> metric, DeltaSeries? deltas = null, OtlpLimits? limits = null)
    {
        var batch = new SampleBatch();
        return (batch, OtlpDecoder.DecodeMetrics(Request(metric), batch, limits ?? TraceDecoderTests.Limits, deltas ?? _deltas));
    }

    private static byte[] Request(Action<ProtoWriter> metric) => new ProtoWriter().Message(1, resource => resource.Message(2, scope => scope.Message(2, metric))).ToArray();

    private static Action<ProtoWriter> Sum(int from, int to, ulong value, string user = "u") => metric => metric.Text(1, "asked").Message(7, data => data.Varint(2, 1).Varint(3, 1).Message(1, point =>
        Times(point, from, to).Fixed64(6, value).Attribute(7, "user", any => any.Text(1, user))));

    private static ProtoWriter Times(ProtoWriter point, int from, int to) => point.Fixed64(2, (ulong)(Start + (from * Second))).Fixed64(3, (ulong)(Start + (to * Second)));
}
