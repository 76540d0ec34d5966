using Faultline.Telemetry.Samples;

namespace Faultline.Telemetry.Otlp;

/// <summary><c>NumberDataPoint</c>, of gauges and sums.</summary>
internal static class NumberPoint
{
    public static WireFault Append(ReadOnlySpan<byte> message, MetricPoints points)
    {
        var point = new PointHead(attributesField: 7, flagsField: 8);
        double? value = null;
        var reader = new WireReader(message);
        while (point.Fault == WireFault.None && reader.TryReadTag(out var tag))
        {
            switch (tag)
            {
                case (4 << 3) | WireReader.Fixed64:
                    value = reader.ReadDouble();
                    break;
                case (6 << 3) | WireReader.Fixed64:
                    value = (long)reader.ReadFixed64();
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

        if ((point.IsStale ? SampleBatch.StaleNaN : value) is not { } number)
        {
            points.Reject("a data point has neither a value nor the flag that there is none");
        }
        else if (points.Admit(point.Time))
        {
            var labels = points.Labels(point.Attributes);
            if (points.IsDelta)
            {
                points.Accumulate(point, labels, "sum", total => total.Number += number, (total, time, isZero) => points.Add("", isZero ? 0 : total.Number, time, labels));
            }

            if (!points.IsDelta || point.IsStale)
            {
                points.Add("", number, point.Time, labels);
            }
        }

        return WireFault.None;
    }
}
