using System.Runtime.InteropServices;
using Faultline.Telemetry.Samples;

namespace Faultline.Telemetry.Otlp;

/// <summary>What a histogram counted.</summary>
/// <param name="Counts">One more than <paramref name="Bounds"/>, or none.</param>
internal sealed record HistogramValue(ulong Count, double? Sum, ulong[] Counts, double[] Bounds)
{
    /// <summary>Both together; the other alone when its bounds differ, which begins the series again.</summary>
    public HistogramValue Plus(HistogramValue other) => !Bounds.AsSpan().SequenceEqual(other.Bounds) || Counts.Length != other.Counts.Length
        ? other
        : new HistogramValue(unchecked(Count + other.Count), Sum + other.Sum, [.. Counts.Zip(other.Counts, (a, b) => unchecked(a + b))], Bounds);

    /// <summary>Finite bounds with how many were at most that; none when nothing was counted by bounds.</summary>
    public IEnumerable<(double Bound, ulong Count)> Cumulative()
    {
        ulong running = 0;
        for (var i = 0; i < Bounds.Length && Counts.Length > 0 && !double.IsPositiveInfinity(Bounds[i]); i++)
        {
            running += Counts[i];
            yield return (Bounds[i], running);
        }
    }
}

/// <summary><c>HistogramDataPoint</c>: buckets with explicit bounds.</summary>
internal static class HistogramPoint
{
    public static WireFault Append(ReadOnlySpan<byte> message, MetricPoints points)
    {
        var point = new PointHead(attributesField: 9, flagsField: 10);
        ulong count = 0;
        double? sum = null;
        var counts = new List<ulong>();
        var bounds = new List<double>();
        var reader = new WireReader(message);
        while (point.Fault == WireFault.None && reader.TryReadTag(out var tag))
        {
            switch (tag)
            {
                case (4 << 3) | WireReader.Fixed64:
                    count = reader.ReadFixed64();
                    break;
                case (5 << 3) | WireReader.Fixed64:
                    sum = reader.ReadDouble();
                    break;
                case (6 << 3) | WireReader.Bytes:
                    var packedCounts = reader.ReadBytes();
                    point.Fault = packedCounts.Length % 8 == 0 ? point.Fault : WireFault.Truncated;
                    counts.AddRange(MemoryMarshal.Cast<byte, ulong>(packedCounts));
                    break;
                case (6 << 3) | WireReader.Fixed64:
                    counts.Add(reader.ReadFixed64());
                    break;
                case (7 << 3) | WireReader.Bytes:
                    var packedBounds = reader.ReadBytes();
                    point.Fault = packedBounds.Length % 8 == 0 ? point.Fault : WireFault.Truncated;
                    bounds.AddRange(MemoryMarshal.Cast<byte, double>(packedBounds));
                    break;
                case (7 << 3) | WireReader.Fixed64:
                    bounds.Add(reader.ReadDouble());
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

        var bucketsMax = points.Session.Limits.BucketsMax;
        if (bounds.Count > bucketsMax || (counts.Count > 0 && counts.Count != bounds.Count + 1) || !IsRising(bounds))
        {
            points.Reject($"a histogram needs rising bounds, one count more than bounds, and at most {bucketsMax} of them");
            return WireFault.None;
        }

        if (points.Admit(point.Time))
        {
            Write(point, new HistogramValue(count, sum, [.. counts], [.. bounds]), points);
        }

        return WireFault.None;
    }

    private static void Write(in PointHead point, HistogramValue value, MetricPoints points)
    {
        var labels = points.Labels(point.Attributes);
        if (points.IsDelta)
        {
            points.Accumulate(
                point,
                labels,
                "histogram",
                total => total.Histogram = total.Histogram?.Plus(value) ?? value,
                (total, time, isZero) => Write(total.Histogram!, time, isZero ? 0 : null, labels, points));
        }

        if (!points.IsDelta || point.IsStale)
        {
            Write(value, point.Time, point.IsStale ? SampleBatch.StaleNaN : null, labels, points);
        }
    }

    private static void Write(HistogramValue value, ulong time, double? instead, List<KeyValuePair<string, string>> labels, MetricPoints points) =>
        points.AddHistogram(value.Cumulative(), value.Count, value.Sum, time, instead, labels);

    /// <summary>NaN is no bound, and of two equal ones the labels would be equal.</summary>
    private static bool IsRising(List<double> bounds)
    {
        for (var i = 0; i < bounds.Count; i++)
        {
            if (double.IsNaN(bounds[i]) || (i > 0 && bounds[i] <= bounds[i - 1]))
            {
                return false;
            }
        }

        return true;
    }
}
