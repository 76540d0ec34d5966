using Faultline.Telemetry.Samples;

namespace Faultline.Telemetry.Otlp;

/// <summary><c>SummaryDataPoint</c>: quantiles that the sender computed, a count and a sum.</summary>
internal static class SummaryPoint
{
    public static WireFault Append(ReadOnlySpan<byte> message, MetricPoints points)
    {
        var point = new PointHead(attributesField: 7, flagsField: 8);
        ulong count = 0;
        double sum = 0;
        var quantiles = new List<(double Quantile, double Value)>();
        var bucketsMax = points.Session.Limits.BucketsMax;
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
                    point.Fault = ReadQuantile(reader.ReadBytes(), out var quantile);
                    if (quantiles.Count <= bucketsMax)
                    {
                        quantiles.Add(quantile);
                    }

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

        if (quantiles.Count > bucketsMax || quantiles.Exists(entry => entry.Quantile is not (>= 0 and <= 1)))
        {
            points.Reject($"a summary needs quantiles between 0 and 1, and at most {bucketsMax} of them");
        }
        else if (points.Admit(point.Time))
        {
            var (time, isStale, labels) = (point.Time, point.IsStale, points.Labels(point.Attributes));
            double Or(double value) => isStale ? SampleBatch.StaleNaN : value;
            foreach (var (quantile, value) in quantiles.DistinctBy(entry => entry.Quantile))
            {
                points.Add("", Or(value), time, labels, new("quantile", MetricPoints.LabelNumber(quantile)));
            }

            points.Add("_count", Or(count), time, labels);
            points.Add("_sum", Or(sum), time, labels);
        }

        return WireFault.None;
    }

    private static WireFault ReadQuantile(ReadOnlySpan<byte> message, out (double Quantile, double Value) entry)
    {
        entry = default;
        var reader = new WireReader(message);
        while (reader.TryReadTag(out var tag))
        {
            switch (tag)
            {
                case (1 << 3) | WireReader.Fixed64:
                    entry.Quantile = reader.ReadDouble();
                    break;
                case (2 << 3) | WireReader.Fixed64:
                    entry.Value = reader.ReadDouble();
                    break;
                default:
                    reader.Skip(tag);
                    break;
            }
        }

        return reader.Fault;
    }
}
