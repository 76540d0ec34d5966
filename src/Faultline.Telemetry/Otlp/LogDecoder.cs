using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Logs;
using Faultline.Telemetry.Spans;

namespace Faultline.Telemetry.Otlp;

/// <summary><c>ResourceLogs</c> into a <see cref="LogBatch"/>.</summary>
/// <remarks>Source: opentelemetry/proto/logs/v1/logs.proto.</remarks>
internal static class LogDecoder
{
    private const uint Bytes = WireReader.Bytes;
    private const uint Varint = WireReader.Varint;
    private const uint Fixed64 = WireReader.Fixed64;
    private const uint Fixed32 = WireReader.Fixed32;

    public static WireFault Append(ReadOnlySpan<byte> request, LogBatch into, DecodeSession session) =>
        RequestWalk.Run(request, into.Resources, into.Scopes, session, (message, resource, scope) => AppendRecord(message, into, resource, scope, session));

    private static WireFault AppendRecord(ReadOnlySpan<byte> message, LogBatch into, int resource, int scope, DecodeSession session)
    {
        ReadOnlySpan<byte> severityText = default, body = default, traceId = default, spanId = default, eventName = default;
        ulong time = 0, observed = 0, severity = 0;
        uint dropped = 0, flags = 0;
        var fault = WireFault.None;
        var reader = new WireReader(message);
        while (fault == WireFault.None && reader.TryReadTag(out var tag))
        {
            switch (tag)
            {
                case (1 << 3) | Fixed64:
                    time = reader.ReadFixed64();
                    break;
                case (11 << 3) | Fixed64:
                    observed = reader.ReadFixed64();
                    break;
                case (2 << 3) | Varint:
                    severity = reader.ReadVarint();
                    break;
                case (3 << 3) | Bytes:
                    severityText = reader.ReadBytes();
                    break;
                case (5 << 3) | Bytes:
                    body = reader.ReadBytes();
                    break;
                case (6 << 3) | Bytes:
                    fault = AnyValueDecoder.AppendKeyValue(reader.ReadBytes(), into.Attributes, null, session);
                    break;
                case (7 << 3) | Varint:
                    dropped = (uint)reader.ReadVarint();
                    break;
                case (8 << 3) | Fixed32:
                    flags = reader.ReadFixed32();
                    break;
                case (9 << 3) | Bytes:
                    traceId = reader.ReadBytes();
                    break;
                case (10 << 3) | Bytes:
                    spanId = reader.ReadBytes();
                    break;
                case (12 << 3) | Bytes:
                    eventName = reader.ReadBytes();
                    break;
                default:
                    reader.Skip(tag);
                    break;
            }
        }

        fault = fault == WireFault.None ? reader.Fault : fault;
        if (fault != WireFault.None)
        {
            return fault;
        }

        var said = time != 0 ? time : observed;
        if (said != 0 && session.TimeProblem(said) is { } problem)
        {
            into.Attributes.AbandonRow();
            session.Reject(problem);
            return WireFault.None;
        }

        // The body before the other columns: it is the one that can fail.
        fault = AnyValueDecoder.AppendValue(body, into.Body, into.BodyType, session);
        if (fault != WireFault.None)
        {
            return fault;
        }

        into.Attributes.EndRow();
        into.Resource.Add(resource);
        into.Scope.Add(scope);
        into.UnixNanos.Add((long)time);

        // A record without any time was seen now, or nobody would find it.
        into.ObservedUnixNanos.Add(said == 0 ? session.Limits.NowUnixNanos : (long)Math.Min(observed, long.MaxValue));
        into.SeverityNumber.Add(severity <= 24 ? (int)severity : 0);
        session.AddText(into.SeverityText, severityText);
        session.AddText(into.EventName, eventName);
        into.DroppedAttributes.Add(dropped);
        into.Flags.Add(flags);

        // The proto file: a record with an invalid id belongs to no trace; the record itself is fine.
        var hasTrace = TraceDecoder.IsId(traceId, TraceId.Length);
        into.TraceId.Add(hasTrace ? TraceId.FromBytes(traceId) : default);
        into.SpanId.Add(hasTrace && TraceDecoder.IsId(spanId, SpanId.Length) ? SpanId.FromBytes(spanId) : default);
        session.Accepted++;
        return WireFault.None;
    }
}
