using Faultline.Telemetry.Samples;

namespace Faultline.Telemetry.Otlp;

/// <summary>
/// <c>ExponentialHistogramDataPoint</c>, as a histogram with explicit bounds: at scale 2 or coarser, so that a bound is 1.19 times the
/// one before, and the same bounds come again from every sender and after every change of a sender's scale.
/// </summary>
internal static class ExponentialPoint
{
    /// <summary>Four buckets to a power of two; a quantile is off by 9 % at most.</summary>
    public const int ScaleMax = 2;

    private const int ScaleMin = -10;
    private const int ScaleSentMax = 20;

    public static WireFault Append(ReadOnlySpan<byte> message, MetricPoints points)
    {
        var point = new PointHead(attributesField: 1, flagsField: 10);
        var value = new ExponentialValue(0, 0, null, 0, 0, ExponentialBuckets.Empty, ExponentialBuckets.Empty);
        var bucketsMax = points.Session.Limits.BucketsMax;
        var reader = new WireReader(message);
        while (point.Fault == WireFault.None && reader.TryReadTag(out var tag))
        {
            switch (tag)
            {
                case (4 << 3) | WireReader.Fixed64:
                    value = value with { Count = reader.ReadFixed64() };
                    break;
                case (5 << 3) | WireReader.Fixed64:
                    value = value with { Sum = reader.ReadDouble() };
                    break;
                case (6 << 3) | WireReader.Varint:
                    value = value with { Scale = ZigZag(reader.ReadVarint()) };
                    break;
                case (7 << 3) | WireReader.Fixed64:
                    value = value with { ZeroCount = reader.ReadFixed64() };
                    break;
                case (8 << 3) | WireReader.Bytes:
                    point.Fault = ReadBuckets(reader.ReadBytes(), bucketsMax, out var positive);
                    value = value with { Positive = positive };
                    break;
                case (9 << 3) | WireReader.Bytes:
                    point.Fault = ReadBuckets(reader.ReadBytes(), bucketsMax, out var negative);
                    value = value with { Negative = negative };
                    break;
                case (14 << 3) | WireReader.Fixed64:
                    value = value with { ZeroThreshold = reader.ReadDouble() };
                    break;
                default:
                    point.Read(tag, ref reader, points.Session);
                    break;
            }
        }

        if (point.FaultWith(reader) is var fault && fault != WireFault.None)
        {
            return fault;
        }

        if (value.Scale is < ScaleMin or > ScaleSentMax || !(value.ZeroThreshold >= 0) || Math.Max(value.Positive.Counts.Length, value.Negative.Counts.Length) > bucketsMax
            || value.Positive.Offset > int.MaxValue - bucketsMax || value.Negative.Offset > int.MaxValue - bucketsMax)
        {
            points.Reject($"an exponential histogram needs a scale of {ScaleMin} to {ScaleSentMax}, a zero threshold that is a number, and at most {bucketsMax} buckets");
        }
        else if (points.Admit(point.Time))
        {
            Write(point, value.AtScale(Math.Min(value.Scale, ScaleMax)), points, bucketsMax);
        }

        return WireFault.None;
    }

    private static void Write(in PointHead point, ExponentialValue value, MetricPoints points, int bucketsMax)
    {
        var labels = points.Labels(point.Attributes);
        if (points.IsDelta)
        {
            points.Accumulate(
                point,
                labels,
                "exponential_histogram",
                total => total.Exponential = total.Exponential?.Plus(value, bucketsMax) ?? value,
                (total, time, isZero) => Write(total.Exponential!, time, isZero ? 0 : null, labels, points));
        }

        if (!points.IsDelta || point.IsStale)
        {
            Write(value, point.Time, point.IsStale ? SampleBatch.StaleNaN : null, labels, points);
        }
    }

    private static void Write(ExponentialValue value, ulong time, double? instead, List<KeyValuePair<string, string>> labels, MetricPoints points) =>
        points.AddHistogram(value.Cumulative(), value.Count, value.Sum, time, instead, labels);

    /// <summary>Reads at most one bucket more than is taken, so that too many are seen and not kept.</summary>
    private static WireFault ReadBuckets(ReadOnlySpan<byte> message, int bucketsMax, out ExponentialBuckets buckets)
    {
        var (offset, counts, fault) = (0, new List<ulong>(), WireFault.None);
        var reader = new WireReader(message);
        while (fault == WireFault.None && reader.TryReadTag(out var tag))
        {
            switch (tag)
            {
                case (1 << 3) | WireReader.Varint:
                    offset = ZigZag(reader.ReadVarint());
                    break;
                case (2 << 3) | WireReader.Varint:
                    Add(counts, reader.ReadVarint(), bucketsMax);
                    break;
                case (2 << 3) | WireReader.Bytes:
                    var packed = new WireReader(reader.ReadBytes());
                    while (packed.HasMore && counts.Count <= bucketsMax)
                    {
                        Add(counts, packed.ReadVarint(), bucketsMax);
                    }

                    fault = packed.Fault;
                    break;
                default:
                    reader.Skip(tag);
                    break;
            }
        }

        buckets = new ExponentialBuckets(offset, [.. counts]);
        return fault == WireFault.None ? reader.Fault : fault;
    }

    private static void Add(List<ulong> counts, ulong count, int bucketsMax)
    {
        if (counts.Count <= bucketsMax)
        {
            counts.Add(count);
        }
    }

    private static int ZigZag(ulong value) => (int)((uint)value >> 1) ^ -(int)((uint)value & 1);
}
