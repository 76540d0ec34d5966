using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Samples;
using Faultline.Telemetry.Spans;

namespace Faultline.Telemetry.Otlp;

/// <summary><c>ResourceMetrics</c> into Prometheus series: cumulative sums, gauges and explicit histograms.</summary>
/// <remarks>
/// Source: opentelemetry/proto/metrics/v1/metrics.proto; opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics
/// (names, units, suffixes, job and instance).
/// </remarks>
internal static class MetricDecoder
{
    private const uint Bytes = WireReader.Bytes;
    private const uint Varint = WireReader.Varint;
    private const uint Fixed64 = WireReader.Fixed64;
    private const ulong Cumulative = 2;
    private const ulong NoRecordedValue = 1;

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
        ulong temporality = Cumulative;
        var monotonic = false;
        var points = 0;
        var reader = new WireReader(data);
        var saidTemporality = false;
        while (reader.TryReadTag(out var tag))
        {
            switch (tag)
            {
                case (1 << 3) | Bytes:
                    reader.ReadBytes();
                    points++;
                    break;
                case (2 << 3) | Varint when kind is 7 or 9:
                    temporality = reader.ReadVarint();
                    saidTemporality = true;
                    break;
                case (3 << 3) | Varint when kind is 7:
                    monotonic = reader.ReadVarint() != 0;
                    break;
                default:
                    reader.Skip(tag);
                    break;
            }
        }

        if (reader.Fault != WireFault.None || points == 0)
        {
            return reader.Fault;
        }

        var problem = kind switch
        {
            10 => "exponential histograms are not taken yet",
            11 => "summaries are not taken yet",
            7 or 9 when !saidTemporality || temporality != Cumulative => "delta temporality is not taken yet; set the exporter to cumulative",
            _ => null,
        };
        if (problem is not null)
        {
            session.Reject($"{problem} (metric {name})", points);
            return WireFault.None;
        }

        var family = PrometheusName.Of(name, unit, kind == 7 && monotonic, isGauge: kind == 5 || (kind == 7 && !monotonic));
        session.AddMetadata(into, new MetricMetadata(family, kind == 9 ? "histogram" : kind == 7 && monotonic ? "counter" : "gauge", unit, description));
        reader = new WireReader(data);
        var fault = WireFault.None;
        while (fault == WireFault.None && reader.TryReadTag(out var tag))
        {
            if (tag != ((1 << 3) | Bytes))
            {
                reader.Skip(tag);
                continue;
            }

            var point = reader.ReadBytes();
            fault = kind == 9 ? AppendHistogram(point, family, target, into, session) : AppendNumber(point, family, target, into, session);
        }

        return fault == WireFault.None ? reader.Fault : fault;
    }

    private static WireFault AppendNumber(ReadOnlySpan<byte> message, string name, IReadOnlyList<KeyValuePair<string, string>> target, SampleBatch into, DecodeSession session)
    {
        var point = new Point(attributesField: 7, flagsField: 8);
        double? value = null;
        var reader = new WireReader(message);
        while (point.Fault == WireFault.None && reader.TryReadTag(out var tag))
        {
            switch (tag)
            {
                case (4 << 3) | Fixed64:
                    value = reader.ReadDouble();
                    break;
                case (6 << 3) | Fixed64:
                    value = (long)reader.ReadFixed64();
                    break;
                default:
                    point.Read(tag, ref reader, session);
                    break;
            }
        }

        if (point.FaultWith(reader) is var fault && fault != WireFault.None)
        {
            return fault;
        }

        value = point.IsStale ? SampleBatch.StaleNaN : value;
        if (value is null)
        {
            session.Reject($"a data point has neither a value nor the flag that there is none (metric {name})");
        }
        else if (Admit(point.Time, name, into, session))
        {
            Add(into, name, "", value.Value, point.Time, PointLabels(point.Attributes, target), null);
        }

        return WireFault.None;
    }

    private static WireFault AppendHistogram(ReadOnlySpan<byte> message, string name, IReadOnlyList<KeyValuePair<string, string>> target, SampleBatch into, DecodeSession session)
    {
        var point = new Point(attributesField: 9, flagsField: 10);
        ulong count = 0;
        double? sum = null;
        var counts = new List<ulong>();
        var bounds = new List<double>();
        var reader = new WireReader(message);
        while (point.Fault == WireFault.None && reader.TryReadTag(out var tag))
        {
            switch (tag)
            {
                case (4 << 3) | Fixed64:
                    count = reader.ReadFixed64();
                    break;
                case (5 << 3) | Fixed64:
                    sum = reader.ReadDouble();
                    break;
                case (6 << 3) | Bytes:
                    var packedCounts = reader.ReadBytes();
                    point.Fault = packedCounts.Length % 8 == 0 ? point.Fault : WireFault.Truncated;
                    counts.AddRange(MemoryMarshal.Cast<byte, ulong>(packedCounts));
                    break;
                case (6 << 3) | Fixed64:
                    counts.Add(reader.ReadFixed64());
                    break;
                case (7 << 3) | Bytes:
                    var packedBounds = reader.ReadBytes();
                    point.Fault = packedBounds.Length % 8 == 0 ? point.Fault : WireFault.Truncated;
                    bounds.AddRange(MemoryMarshal.Cast<byte, double>(packedBounds));
                    break;
                case (7 << 3) | Fixed64:
                    bounds.Add(reader.ReadDouble());
                    break;
                default:
                    point.Read(tag, ref reader, session);
                    break;
            }
        }

        if (point.FaultWith(reader) is var fault && fault != WireFault.None)
        {
            return fault;
        }

        if (bounds.Count > session.Limits.BucketsMax || (counts.Count > 0 && counts.Count != bounds.Count + 1) || !IsRising(bounds))
        {
            session.Reject($"a histogram needs rising bounds, one count more than bounds, and at most {session.Limits.BucketsMax} of them (metric {name})");
            return WireFault.None;
        }

        if (!Admit(point.Time, name, into, session))
        {
            return WireFault.None;
        }

        var labels = PointLabels(point.Attributes, target);
        var (time, isStale) = (point.Time, point.IsStale);
        double Or(double value) => isStale ? SampleBatch.StaleNaN : value;

        ulong running = 0;
        for (var i = 0; i < bounds.Count && counts.Count > 0; i++)
        {
            running += counts[i];
            if (double.IsPositiveInfinity(bounds[i]))
            {
                break;
            }

            Add(into, name, "_bucket", Or(running), time, labels, bounds[i].ToString("R", CultureInfo.InvariantCulture));
        }

        Add(into, name, "_bucket", Or(count), time, labels, "+Inf");
        Add(into, name, "_count", Or(count), time, labels, null);
        if (sum is { } total)
        {
            Add(into, name, "_sum", Or(total), time, labels, null);
        }

        return WireFault.None;
    }

    /// <summary>What every kind of data point has: time, attributes, flags; only the field numbers differ.</summary>
    private struct Point(uint attributesField, uint flagsField)
    {
        private ulong _flags;

        public ulong Time { get; private set; }

        public readonly bool IsStale => (_flags & NoRecordedValue) != 0;

        public AttributeColumn Attributes { get; } = new();

        public WireFault Fault { get; set; }

        /// <summary>Reads a field, or skips it when it is none of these.</summary>
        public void Read(uint tag, ref WireReader reader, DecodeSession session)
        {
            if (tag == ((3 << 3) | Fixed64))
            {
                Time = reader.ReadFixed64();
            }
            else if (tag == ((attributesField << 3) | Bytes))
            {
                Fault = AnyValueDecoder.AppendKeyValue(reader.ReadBytes(), Attributes, null, session);
            }
            else if (tag == ((flagsField << 3) | Varint))
            {
                _flags = reader.ReadVarint();
            }
            else
            {
                reader.Skip(tag);
            }
        }

        public readonly WireFault FaultWith(in WireReader reader) => Fault == WireFault.None ? reader.Fault : Fault;
    }

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

    private static bool Admit(ulong time, string name, SampleBatch into, DecodeSession session)
    {
        var problem = time == 0 ? "a data point without a time" : session.TimeProblem(time);
        if (problem is null && into.Series.Count >= session.Limits.SeriesMax)
        {
            problem = $"one request may bring {session.Limits.SeriesMax} series";
        }

        if (problem is not null)
        {
            session.Reject($"{problem} (metric {name})");
            return false;
        }

        session.Accepted++;
        return true;
    }

    private static void Add(SampleBatch into, string name, string suffix, double value, ulong time, List<KeyValuePair<string, string>> labels, string? bound)
    {
        List<KeyValuePair<string, string>> all = [.. labels, new(Labels.MetricName, name + suffix)];
        if (bound is not null)
        {
            all.Add(new("le", bound));
        }

        into.Add(Labels.Of(all), (long)(time / 1_000_000), value);
    }

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

    private static List<KeyValuePair<string, string>> PointLabels(AttributeColumn attributes, IReadOnlyList<KeyValuePair<string, string>> target)
    {
        var labels = new List<KeyValuePair<string, string>>();
        for (var entry = 0; entry < attributes.Types.Count; entry++)
        {
            labels.Add(new(PrometheusName.Label(attributes.Keys.Text(entry)), attributes.Values.Text(entry)));
        }

        // The target's come last, so that they win: a point cannot pretend to be of another service.
        labels.AddRange(target);
        return labels;
    }
}
