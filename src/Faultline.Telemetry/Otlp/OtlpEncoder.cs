using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Logs;
using Faultline.Telemetry.Spans;

namespace Faultline.Telemetry.Otlp;

/// <summary>
/// Batches back into OTLP requests: what <see cref="OtlpDecoder"/> read, with everything it read. Attributes and bodies come one group
/// behind the other; apart from that every order is kept.
/// </summary>
/// <remarks>Source: opentelemetry-proto, <c>ExportTraceServiceRequest</c>, <c>ExportLogsServiceRequest</c>.</remarks>
public static class OtlpEncoder
{
    /// <param name="isWanted">Whether a row goes into the request; null: all do.</param>
    /// <returns>The request, and how many spans are in it.</returns>
    public static (byte[] Request, int Spans) EncodeTraces(SpanBatch spans, Func<int, bool>? isWanted = null)
    {
        using var into = new BackwardsWriter();
        var rows = WriteRows(into, spans.Count, spans.Resources, spans.Scopes, spans.Resource.Values, spans.Scope.Values, isWanted, row => WriteSpan(into, spans, row));
        return (into.Written.ToArray(), rows);
    }

    /// <inheritdoc cref="EncodeTraces"/>
    /// <returns>The request, and how many log records are in it.</returns>
    public static (byte[] Request, int Records) EncodeLogs(LogBatch logs, Func<int, bool>? isWanted = null)
    {
        using var into = new BackwardsWriter();
        var rows = WriteRows(into, logs.Count, logs.Resources, logs.Scopes, logs.Resource.Values, logs.Scope.Values, isWanted, row => WriteRecord(into, logs, row));
        return (into.Written.ToArray(), rows);
    }

    /// <summary>Resources → scopes → rows, from the last to the first. Rows of one resource and scope lie side by side, as they were read.</summary>
    private static int WriteRows(
        BackwardsWriter into, int count, ResourceColumns resources, ScopeColumns scopes, ReadOnlySpan<int> resource, ReadOnlySpan<int> scope, Func<int, bool>? isWanted, Action<int> write)
    {
        var written = 0;
        var (openResource, openScope) = (-1, -1);
        var (resourceEnd, scopeEnd) = (0, 0);
        for (var row = count - 1; row >= 0; row--)
        {
            if (isWanted is not null && !isWanted(row))
            {
                continue;
            }

            if (openScope >= 0 && (openScope != scope[row] || openResource != resource[row]))
            {
                CloseScope(into, scopes, openScope, scopeEnd);
                if (openResource != resource[row])
                {
                    CloseResource(into, resources, openResource, resourceEnd);
                    openResource = -1;
                }

                openScope = -1;
            }

            if (openResource < 0)
            {
                (openResource, resourceEnd) = (resource[row], into.Length);
                into.Bytes(3, resources.SchemaUrl[openResource]);
            }

            if (openScope < 0)
            {
                (openScope, scopeEnd) = (scope[row], into.Length);
                into.Bytes(3, scopes.SchemaUrl[openScope]);
            }

            var rowEnd = into.Length;
            write(row);
            into.CloseMessage(2, rowEnd);
            written++;
        }

        if (openScope >= 0)
        {
            CloseScope(into, scopes, openScope, scopeEnd);
            CloseResource(into, resources, openResource, resourceEnd);
        }

        return written;
    }

    private static void CloseScope(BackwardsWriter into, ScopeColumns scopes, int scope, int end)
    {
        var inner = into.Length;
        into.Varint(4, scopes.DroppedAttributes[scope]);
        AnyValueEncoder.WriteRow(into, 3, scopes.Attributes, scope);
        into.Bytes(2, scopes.Version[scope]);
        into.Bytes(1, scopes.Name[scope]);
        into.CloseMessage(1, inner);
        into.CloseMessage(2, end);
    }

    private static void CloseResource(BackwardsWriter into, ResourceColumns resources, int resource, int end)
    {
        var inner = into.Length;
        into.Varint(2, resources.DroppedAttributes[resource]);
        AnyValueEncoder.WriteRow(into, 1, resources.Attributes, resource);
        into.CloseMessage(1, inner);
        into.CloseMessage(1, end);
    }

    private static void WriteSpan(BackwardsWriter into, SpanBatch spans, int row)
    {
        into.Fixed32(16, spans.Flags[row]);
        WriteStatus(into, spans, row);
        into.Varint(14, spans.DroppedLinks[row]);
        WriteLinks(into, spans.Links, row);
        into.Varint(12, spans.DroppedEvents[row]);
        WriteEvents(into, spans.Events, row);
        into.Varint(10, spans.DroppedAttributes[row]);
        AnyValueEncoder.WriteRow(into, 9, spans.Bodies, row);
        AnyValueEncoder.WriteRow(into, 9, spans.Attributes, row);
        into.Fixed64(8, (ulong)spans.EndUnixNanos[row]);
        into.Fixed64(7, (ulong)spans.StartUnixNanos[row]);
        into.Varint(6, (ulong)spans.Kind[row]);
        into.Bytes(5, spans.Name[row]);
        WriteId(into, 4, spans.ParentSpanId[row]);
        into.Bytes(3, spans.TraceState[row]);
        WriteId(into, 2, spans.SpanId[row]);
        WriteId(into, 1, spans.TraceId[row]);
    }

    private static void WriteStatus(BackwardsWriter into, SpanBatch spans, int row)
    {
        if (spans.Status[row] != SpanStatus.Unset || !spans.StatusMessage[row].IsEmpty)
        {
            var end = into.Length;
            into.Varint(3, (ulong)spans.Status[row]);
            into.Bytes(2, spans.StatusMessage[row]);
            into.CloseMessage(15, end);
        }
    }

    private static void WriteEvents(BackwardsWriter into, SpanEventColumns events, int row)
    {
        for (var item = events.End(row) - 1; item >= events.Start(row); item--)
        {
            var end = into.Length;
            into.Varint(4, events.DroppedAttributes[item]);
            AnyValueEncoder.WriteRow(into, 3, events.Attributes, item);
            into.Bytes(2, events.Name[item]);
            into.Fixed64(1, (ulong)events.UnixNanos[item]);
            into.CloseMessage(11, end);
        }
    }

    private static void WriteLinks(BackwardsWriter into, SpanLinkColumns links, int row)
    {
        for (var item = links.End(row) - 1; item >= links.Start(row); item--)
        {
            var end = into.Length;
            into.Fixed32(6, links.Flags[item]);
            into.Varint(5, links.DroppedAttributes[item]);
            AnyValueEncoder.WriteRow(into, 4, links.Attributes, item);
            into.Bytes(3, links.TraceState[item]);
            WriteId(into, 2, links.SpanId[item]);
            WriteId(into, 1, links.TraceId[item]);
            into.CloseMessage(13, end);
        }
    }

    private static void WriteRecord(BackwardsWriter into, LogBatch logs, int row)
    {
        into.Bytes(12, logs.EventName[row]);
        into.Fixed64(11, (ulong)logs.ObservedUnixNanos[row]);
        WriteId(into, 10, logs.SpanId[row]);
        WriteId(into, 9, logs.TraceId[row]);
        into.Fixed32(8, logs.Flags[row]);
        into.Varint(7, logs.DroppedAttributes[row]);
        AnyValueEncoder.WriteRow(into, 6, logs.Attributes, row);
        if (logs.BodyType[row] != AttributeType.Empty)
        {
            AnyValueEncoder.WriteValue(into, 5, logs.Body[row], logs.BodyType[row]);
        }

        into.Bytes(3, logs.SeverityText[row]);
        into.Varint(2, (ulong)logs.SeverityNumber[row]);
        into.Fixed64(1, (ulong)logs.UnixNanos[row]);
    }

    private static void WriteId(BackwardsWriter into, uint field, TraceId id)
    {
        if (!id.IsNone)
        {
            Span<byte> bytes = stackalloc byte[TraceId.Length];
            id.WriteTo(bytes);
            into.AlwaysBytes(field, bytes);
        }
    }

    private static void WriteId(BackwardsWriter into, uint field, SpanId id)
    {
        if (!id.IsNone)
        {
            Span<byte> bytes = stackalloc byte[SpanId.Length];
            id.WriteTo(bytes);
            into.AlwaysBytes(field, bytes);
        }
    }
}
