using System.Text;
using Faultline.Telemetry.Samples;
using Faultline.Telemetry.Spans;

namespace Faultline.Telemetry.Otlp;

/// <summary><c>ResourceMetrics</c> into Prometheus series: gauges, sums, histograms of both kinds, summaries; deltas are added up.</summary>
/// <remarks>
/// Source: opentelemetry/proto/metrics/v1/metrics.proto; opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics
/// (names, units, suffixes, job and instance).
/// </remarks>
internal static class MetricDecoder
{
    private const uint Bytes = WireReader.Bytes;
    private const uint Varint = WireReader.Varint;
    private const ulong Delta = 1;
    private const ulong Cumulative = 2;
    private const uint Gauge = 5;
    private const uint Sum = 7;
    private const uint Histogram = 9;
    private const uint ExponentialHistogram = 10;
    private const uint Summary = 11;

    public static WireFault Append(ReadOnlySpan<byte> request, SampleBatch into, DecodeSession session)
    {
        var resources = new ResourceColumns();
        var scopes = new ScopeColumns();
        return RequestWalk.Run(request, resources, scopes, session, (message, resource, _) => AppendMetric(message, resources, resource, into, session));
    }

    private static WireFault AppendMetric(ReadOnlySpan<byte> message, ResourceColumns resources, int resource, SampleBatch into, DecodeSession session)
    {
        string name = "", description = "", unit = "";
        ReadOnlySpan<byte> data = default;
        uint kind = 0;
        var reader = new WireReader(message);
        while (reader.TryReadTag(out var tag))
        {
            switch (tag)
            {
                case (1 << 3) | Bytes:
                    name = Encoding.UTF8.GetString(session.Repair(reader.ReadBytes()));
                    break;
                case (2 << 3) | Bytes:
                    description = Encoding.UTF8.GetString(session.Repair(reader.ReadBytes()));
                    break;
                case (3 << 3) | Bytes:
                    unit = Encoding.UTF8.GetString(session.Repair(reader.ReadBytes()));
                    break;
                case (5 << 3) | Bytes or (7 << 3) | Bytes or (9 << 3) | Bytes or (10 << 3) | Bytes or (11 << 3) | Bytes:
                    kind = tag >> 3;
                    data = reader.ReadBytes();
                    break;
                default:
                    reader.Skip(tag);
                    break;
            }
        }

        if (reader.Fault != WireFault.None || kind == 0)
        {
            return reader.Fault;
        }

        return AppendPoints(data, kind, name, description, unit, TargetLabels(resources, resource), into, session);
    }

    private static WireFault AppendPoints(ReadOnlySpan<byte> data, uint kind, string name, string description, string unit, IReadOnlyList<KeyValuePair<string, string>> target, SampleBatch into, DecodeSession session)
    {
        // Temporality and monotonicity may stand behind the points, so they are looked for first.
        var temporality = kind is Gauge or Summary ? Cumulative : 0;
        var monotonic = false;
        var count = 0;
        var reader = new WireReader(data);
        while (reader.TryReadTag(out var tag))
        {
            switch (tag)
            {
                case (1 << 3) | Bytes:
                    reader.ReadBytes();
                    count++;
                    break;
                case (2 << 3) | Varint when kind is Sum or Histogram or ExponentialHistogram:
                    temporality = reader.ReadVarint();
                    break;
                case (3 << 3) | Varint when kind is Sum:
                    monotonic = reader.ReadVarint() != 0;
                    break;
                default:
                    reader.Skip(tag);
                    break;
            }
        }

        if (reader.Fault != WireFault.None || count == 0)
        {
            return reader.Fault;
        }

        var problem = temporality switch
        {
            Cumulative => null,
            Delta => session.Deltas is null ? "delta temporality is not added up here" : null,
            _ => "a sum or histogram without temporality",
        };
        if (problem is not null)
        {
            session.RejectPoints(problem, name, count);
            return WireFault.None;
        }

        var isCounter = kind == Sum && monotonic;
        var family = PrometheusName.Of(name, unit, isCounter, isGauge: kind == Gauge || (kind == Sum && !monotonic));
        session.AddMetadata(into, new MetricMetadata(family, TypeName(kind, isCounter), unit, description));
        return AppendEach(data, kind, new MetricPoints(family, target, temporality == Delta, into, session));
    }

    private static WireFault AppendEach(ReadOnlySpan<byte> data, uint kind, MetricPoints points)
    {
        var fault = WireFault.None;
        var reader = new WireReader(data);
        while (fault == WireFault.None && reader.TryReadTag(out var tag))
        {
            if (tag != ((1 << 3) | Bytes))
            {
                reader.Skip(tag);
                continue;
            }

            var point = reader.ReadBytes();
            fault = kind switch
            {
                Histogram => HistogramPoint.Append(point, points),
                ExponentialHistogram => ExponentialPoint.Append(point, points),
                Summary => SummaryPoint.Append(point, points),
                _ => NumberPoint.Append(point, points),
            };
        }

        return fault == WireFault.None ? reader.Fault : fault;
    }

    private static string TypeName(uint kind, bool isCounter) => kind switch
    {
        Histogram or ExponentialHistogram => "histogram",
        Summary => "summary",
        _ => isCounter ? "counter" : "gauge",
    };

    /// <summary>Labels that every series of a resource has: job and instance as Prometheus means them, and the service's name.</summary>
    private static List<KeyValuePair<string, string>> TargetLabels(ResourceColumns resources, int resource)
    {
        var service = resources.ServiceName(resource);
        var space = resources.Attributes.Text(resource, "service.namespace"u8);
        var labels = new List<KeyValuePair<string, string>>
        {
            new("service_name", service),
            new("job", string.IsNullOrEmpty(space) ? service : $"{space}/{service}"),
        };
        if (resources.Attributes.Text(resource, "service.instance.id"u8) is { Length: > 0 } instance)
        {
            labels.Add(new("instance", instance));
        }

        if (resources.Environment(resource) is { Length: > 0 } environment)
        {
            labels.Add(new("deployment_environment_name", environment));
        }

        return labels;
    }
}
