using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Spans;

namespace Faultline.Telemetry.Otlp;

/// <summary><c>ResourceSpans</c> into a <see cref="SpanBatch"/>.</summary>
/// <remarks>
/// Source: opentelemetry/proto/trace/v1/trace.proto. A span's lists are read once its ids and times, which may come last, have decided
/// that it is kept: so no row has to be taken back.
/// </remarks>
internal static class TraceDecoder
{
    private const uint Bytes = WireReader.Bytes;
    private const uint Varint = WireReader.Varint;
    private const uint Fixed64 = WireReader.Fixed64;
    private const uint Fixed32 = WireReader.Fixed32;

    public static WireFault Append(ReadOnlySpan<byte> request, SpanBatch into, DecodeSession session) =>
        RequestWalk.Run(request, into.Resources, into.Scopes, session, (message, resource, scope) => AppendSpan(message, into, resource, scope, session));

    private static WireFault AppendSpan(ReadOnlySpan<byte> message, SpanBatch into, int resource, int scope, DecodeSession session)
    {
        ReadOnlySpan<byte> traceId = default, spanId = default, parentId = default, traceState = default, name = default, status = default;
        ulong kind = 0, start = 0, end = 0;
        uint flags = 0, droppedAttributes = 0, droppedEvents = 0, droppedLinks = 0;
        var (listsStart, listsEnd) = (0, 0);
        var reader = new WireReader(message);
        for (var at = 0; reader.TryReadTag(out var tag); at = reader.At)
        {
            switch (tag)
            {
                case (9 << 3) | Bytes or (11 << 3) | Bytes or (13 << 3) | Bytes:
                    reader.ReadBytes();
                    listsStart = listsEnd == 0 ? at : listsStart;
                    listsEnd = reader.At;
                    break;
                case (1 << 3) | Bytes:
                    traceId = reader.ReadBytes();
                    break;
                case (2 << 3) | Bytes:
                    spanId = reader.ReadBytes();
                    break;
                case (3 << 3) | Bytes:
                    traceState = reader.ReadBytes();
                    break;
                case (4 << 3) | Bytes:
                    parentId = reader.ReadBytes();
                    break;
                case (5 << 3) | Bytes:
                    name = reader.ReadBytes();
                    break;
                case (6 << 3) | Varint:
                    kind = reader.ReadVarint();
                    break;
                case (7 << 3) | Fixed64:
                    start = reader.ReadFixed64();
                    break;
                case (8 << 3) | Fixed64:
                    end = reader.ReadFixed64();
                    break;
                case (10 << 3) | Varint:
                    droppedAttributes = (uint)reader.ReadVarint();
                    break;
                case (12 << 3) | Varint:
                    droppedEvents = (uint)reader.ReadVarint();
                    break;
                case (14 << 3) | Varint:
                    droppedLinks = (uint)reader.ReadVarint();
                    break;
                case (15 << 3) | Bytes:
                    status = reader.ReadBytes();
                    break;
                case (16 << 3) | Fixed32:
                    flags = reader.ReadFixed32();
                    break;
                default:
                    reader.Skip(tag);
                    break;
            }
        }

        if (reader.Fault != WireFault.None)
        {
            return reader.Fault;
        }

        if (SpanProblem(traceId, spanId, parentId, start, end, session) is { } problem)
        {
            session.Reject(problem);
            return WireFault.None;
        }

        var fault = ReadStatus(status, out var statusCode, out var statusMessage);
        if (fault != WireFault.None)
        {
            return fault;
        }

        into.Resource.Add(resource);
        into.Scope.Add(scope);
        into.TraceId.Add(TraceId.FromBytes(traceId));
        into.SpanId.Add(SpanId.FromBytes(spanId));
        into.ParentSpanId.Add(parentId.IsEmpty ? default : SpanId.FromBytes(parentId));
        session.AddText(into.TraceState, traceState);
        into.Flags.Add(flags);
        session.AddText(into.Name, name);
        into.Kind.Add(kind <= (ulong)SpanKind.Consumer ? (SpanKind)kind : SpanKind.Unspecified);
        into.StartUnixNanos.Add((long)start);
        into.EndUnixNanos.Add((long)end);
        into.Status.Add(statusCode);
        session.AddText(into.StatusMessage, statusMessage);
        into.DroppedAttributes.Add(droppedAttributes);
        into.DroppedEvents.Add(droppedEvents);
        fault = AppendLists(message[listsStart..listsEnd], into, session, ref droppedLinks);
        into.DroppedLinks.Add(droppedLinks);
        session.Accepted++;
        return fault;
    }

    private static string? SpanProblem(ReadOnlySpan<byte> traceId, ReadOnlySpan<byte> spanId, ReadOnlySpan<byte> parentId, ulong start, ulong end, DecodeSession session)
    {
        if (!IsId(traceId, TraceId.Length))
        {
            return "trace_id is not 16 bytes, or all zero";
        }

        if (!IsId(spanId, SpanId.Length))
        {
            return "span_id is not 8 bytes, or all zero";
        }

        if (parentId.Length is not (0 or SpanId.Length))
        {
            return "parent_span_id is not 8 bytes";
        }

        if (session.TimeProblem(start) is { } early)
        {
            return "start " + early;
        }

        return end > start && session.TimeProblem(end) is { } late ? "end " + late : null;
    }

    /// <summary>Whether these are an id's bytes; all zero means "none" and is not one.</summary>
    internal static bool IsId(ReadOnlySpan<byte> bytes, int length) => bytes.Length == length && bytes.ContainsAnyExcept((byte)0);

    private static WireFault ReadStatus(ReadOnlySpan<byte> message, out SpanStatus code, out ReadOnlySpan<byte> text)
    {
        code = SpanStatus.Unset;
        text = default;
        var reader = new WireReader(message);
        while (reader.TryReadTag(out var tag))
        {
            switch (tag)
            {
                case (2 << 3) | Bytes:
                    text = reader.ReadBytes();
                    break;
                case (3 << 3) | Varint:
                    var sent = reader.ReadVarint();
                    code = sent <= (ulong)SpanStatus.Error ? (SpanStatus)sent : SpanStatus.Unset;
                    break;
                default:
                    reader.Skip(tag);
                    break;
            }
        }

        return reader.Fault;
    }

    /// <summary>The repeated fields: attributes, events, links.</summary>
    /// <param name="message">From the first to the last of them, and what is in between.</param>
    private static WireFault AppendLists(ReadOnlySpan<byte> message, SpanBatch into, DecodeSession session, ref uint droppedLinks)
    {
        var fault = WireFault.None;
        var reader = new WireReader(message);
        while (fault == WireFault.None && reader.TryReadTag(out var tag))
        {
            switch (tag)
            {
                case (9 << 3) | Bytes:
                    fault = AnyValueDecoder.AppendKeyValue(reader.ReadBytes(), into.Attributes, into.Bodies, session);
                    break;
                case (11 << 3) | Bytes:
                    fault = AppendEvent(reader.ReadBytes(), into.Events, session);
                    break;
                case (13 << 3) | Bytes:
                    fault = AppendLink(reader.ReadBytes(), into.Links, session, ref droppedLinks);
                    break;
                default:
                    reader.Skip(tag);
                    break;
            }
        }

        into.Attributes.EndRow();
        into.Bodies.EndRow();
        into.Events.Ends.Add(into.Events.Name.Count);
        into.Links.Ends.Add(into.Links.TraceId.Count);
        return fault == WireFault.None ? reader.Fault : fault;
    }

    private static WireFault AppendEvent(ReadOnlySpan<byte> message, SpanEventColumns into, DecodeSession session)
    {
        if (!session.TryAddRow())
        {
            return WireFault.Rows;
        }

        ReadOnlySpan<byte> name = default;
        ulong time = 0;
        uint dropped = 0;
        var fault = WireFault.None;
        var reader = new WireReader(message);
        while (fault == WireFault.None && reader.TryReadTag(out var tag))
        {
            switch (tag)
            {
                case (1 << 3) | Fixed64:
                    time = reader.ReadFixed64();
                    break;
                case (2 << 3) | Bytes:
                    name = reader.ReadBytes();
                    break;
                case (3 << 3) | Bytes:
                    fault = AnyValueDecoder.AppendKeyValue(reader.ReadBytes(), into.Attributes, null, session);
                    break;
                case (4 << 3) | Varint:
                    dropped = (uint)reader.ReadVarint();
                    break;
                default:
                    reader.Skip(tag);
                    break;
            }
        }

        into.UnixNanos.Add((long)Math.Min(time, long.MaxValue));
        session.AddText(into.Name, name);
        into.DroppedAttributes.Add(dropped);
        into.Attributes.EndRow();
        return fault == WireFault.None ? reader.Fault : fault;
    }

    /// <summary>Appends a link; one that points nowhere is counted as dropped, since the span itself is fine.</summary>
    private static WireFault AppendLink(ReadOnlySpan<byte> message, SpanLinkColumns into, DecodeSession session, ref uint droppedLinks)
    {
        if (!session.TryAddRow())
        {
            return WireFault.Rows;
        }

        ReadOnlySpan<byte> traceId = default, spanId = default, traceState = default;
        uint flags = 0, dropped = 0;
        var fault = WireFault.None;
        var reader = new WireReader(message);
        while (fault == WireFault.None && reader.TryReadTag(out var tag))
        {
            switch (tag)
            {
                case (1 << 3) | Bytes:
                    traceId = reader.ReadBytes();
                    break;
                case (2 << 3) | Bytes:
                    spanId = reader.ReadBytes();
                    break;
                case (3 << 3) | Bytes:
                    traceState = reader.ReadBytes();
                    break;
                case (4 << 3) | Bytes:
                    fault = AnyValueDecoder.AppendKeyValue(reader.ReadBytes(), into.Attributes, null, session);
                    break;
                case (5 << 3) | Varint:
                    dropped = (uint)reader.ReadVarint();
                    break;
                case (6 << 3) | Fixed32:
                    flags = reader.ReadFixed32();
                    break;
                default:
                    reader.Skip(tag);
                    break;
            }
        }

        if (!IsId(traceId, TraceId.Length) || !IsId(spanId, SpanId.Length))
        {
            into.Attributes.AbandonRow();
            droppedLinks = droppedLinks == uint.MaxValue ? droppedLinks : droppedLinks + 1;
        }
        else
        {
            into.TraceId.Add(TraceId.FromBytes(traceId));
            into.SpanId.Add(SpanId.FromBytes(spanId));
            session.AddText(into.TraceState, traceState);
            into.Flags.Add(flags);
            into.DroppedAttributes.Add(dropped);
            into.Attributes.EndRow();
        }

        return fault == WireFault.None ? reader.Fault : fault;
    }
}
