using System.Diagnostics;
using System.Runtime.InteropServices;
using Faultline.ClickHouse;
using Faultline.Telemetry;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.GenAi;

namespace Faultline.Store.Writes;

/// <summary>Spans of a group on their way into table <c>spans</c>: batches' columns one behind the other, no object a span.</summary>
internal sealed class SpanRows : IRows
{
    private readonly RequestRows _request = new();
    private readonly OriginRows _origin = new();
    private readonly BlockBuffer _block = new();
    private readonly IdRows _traceId = new(16);
    private readonly IdRows _spanId = new(8);
    private readonly IdRows _parentSpanId = new(8);
    private readonly StringRows _traceState = new();
    private readonly FixedRows<uint> _flags = new();
    private readonly CodedRows _name = new();
    private readonly FixedRows<byte> _kind = new();
    private readonly FixedRows<long> _start = new();
    private readonly FixedRows<long> _end = new();
    private readonly FixedRows<byte> _status = new();
    private readonly StringRows _statusMessage = new();
    private readonly MapRows _attributes = new();
    private readonly MapRows _bodies = new();
    private readonly FixedRows<uint> _droppedAttributes = new();
    private readonly FixedRows<uint> _droppedEvents = new();
    private readonly FixedRows<uint> _droppedLinks = new();

    private readonly FixedRows<int> _eventEnds = new();
    private readonly FixedRows<long> _eventUnixNanos = new();
    private readonly StringRows _eventNames = new();
    private readonly MapRows _eventAttributes = new();
    private readonly FixedRows<uint> _eventDropped = new();

    private readonly FixedRows<int> _linkEnds = new();
    private readonly IdRows _linkTraceIds = new(16);
    private readonly IdRows _linkSpanIds = new(8);
    private readonly StringRows _linkTraceStates = new();
    private readonly FixedRows<uint> _linkFlags = new();
    private readonly MapRows _linkAttributes = new();
    private readonly FixedRows<uint> _linkDropped = new();

    private readonly FixedRows<byte> _counted = new();

    private readonly (string Name, Func<GenAiColumns, ByteColumn> Of, StringRows Rows)[] _texts = [.. GenAiTable.Texts.Select(column => (column.Name, column.Of, new StringRows()))];
    private readonly (string Name, Func<GenAiColumns, FixedColumn<long>> Of, NullableRows<long> Rows)[] _integers = [.. GenAiTable.Integers.Select(column => (column.Name, column.Of, new NullableRows<long>()))];
    private readonly (string Name, Func<GenAiColumns, FixedColumn<double>> Of, NullableRows<double> Rows)[] _doubles = [.. GenAiTable.Doubles.Select(column => (column.Name, column.Of, new NullableRows<double>()))];

    public string Table => "spans";

    public int Count => _name.Count;

    public bool KeepsRequestHash => true;

    public int RowsOf(TelemetryBatch batch) => batch.Spans.Count;

    public void Append(TelemetryBatch batch)
    {
        var spans = batch.Spans;
        _request.Append(batch, spans.Count);
        _origin.Append(spans.Resources, spans.Scopes, spans.Resource.Values, spans.Scope.Values);
        _traceId.Append(spans.TraceId.Values);
        _spanId.Append(spans.SpanId.Values);
        _parentSpanId.Append(spans.ParentSpanId.Values);
        _traceState.Append(spans.TraceState);
        _flags.Append(spans.Flags.Values);
        _name.Append(spans.Name);
        _kind.Append(MemoryMarshal.AsBytes(spans.Kind.Values));
        _start.Append(spans.StartUnixNanos.Values);
        _end.Append(spans.EndUnixNanos.Values);
        _status.Append(MemoryMarshal.AsBytes(spans.Status.Values));
        _statusMessage.Append(spans.StatusMessage);
        _attributes.Append(spans.Attributes);
        _bodies.Append(spans.Bodies);
        _droppedAttributes.Append(spans.DroppedAttributes.Values);
        _droppedEvents.Append(spans.DroppedEvents.Values);
        _droppedLinks.Append(spans.DroppedLinks.Values);

        _eventEnds.AppendEnds(spans.Events.Ends.Values, _eventUnixNanos.Count);
        _eventUnixNanos.Append(spans.Events.UnixNanos.Values);
        _eventNames.Append(spans.Events.Name);
        _eventAttributes.Append(spans.Events.Attributes);
        _eventDropped.Append(spans.Events.DroppedAttributes.Values);

        _linkEnds.AppendEnds(spans.Links.Ends.Values, _linkFlags.Count);
        _linkTraceIds.Append(spans.Links.TraceId.Values);
        _linkSpanIds.Append(spans.Links.SpanId.Values);
        _linkTraceStates.Append(spans.Links.TraceState);
        _linkFlags.Append(spans.Links.Flags.Values);
        _linkAttributes.Append(spans.Links.Attributes);
        _linkDropped.Append(spans.Links.DroppedAttributes.Values);

        AppendGenAi(spans.GenAi, spans.Count);
    }

    public void Clear()
    {
        _request.Clear();
        _origin.Clear();
        foreach (var ids in (ReadOnlySpan<IdRows>)[_traceId, _spanId, _parentSpanId, _linkTraceIds, _linkSpanIds])
        {
            ids.Clear();
        }

        foreach (var texts in (ReadOnlySpan<StringRows>)[_traceState, _statusMessage, _eventNames, _linkTraceStates])
        {
            texts.Clear();
        }

        foreach (var numbers in (ReadOnlySpan<FixedRows<uint>>)[_flags, _droppedAttributes, _droppedEvents, _droppedLinks, _eventDropped, _linkFlags, _linkDropped])
        {
            numbers.Clear();
        }

        foreach (var bytes in (ReadOnlySpan<FixedRows<byte>>)[_kind, _status, _counted])
        {
            bytes.Clear();
        }

        foreach (var nanos in (ReadOnlySpan<FixedRows<long>>)[_start, _end, _eventUnixNanos])
        {
            nanos.Clear();
        }

        _name.Clear();
        _eventEnds.Clear();
        _linkEnds.Clear();
        _attributes.Clear();
        _bodies.Clear();
        _eventAttributes.Clear();
        _linkAttributes.Clear();
        Array.ForEach(_texts, column => column.Rows.Clear());
        Array.ForEach(_integers, column => column.Rows.Clear());
        Array.ForEach(_doubles, column => column.Rows.Clear());
    }

    public IEnumerable<TableBlock> Blocks(ushort receivedDay) => _block.Fill(Table, Count, block => WriteTo(block, receivedDay));

    private void WriteTo(NativeBlock block, ushort receivedDay)
    {
        _request.WriteTo(block, receivedDay);
        _origin.WriteTo(block);
        _traceId.WriteTo(block, "trace_id");
        _spanId.WriteTo(block, "span_id");
        _parentSpanId.WriteTo(block, "parent_span_id");
        _traceState.WriteTo(block, "trace_state");
        block.Fixed("flags", "UInt32", _flags.Values);
        _name.WriteTo(block, "name");
        block.Fixed("kind", "UInt8", _kind.Values);
        block.Fixed("start_unix_nanos", "Int64", _start.Values);
        block.Fixed("end_unix_nanos", "Int64", _end.Values);
        block.Fixed("status", "UInt8", _status.Values);
        _statusMessage.WriteTo(block, "status_message");
        _attributes.WriteTo(block, "attributes", "attribute_types");
        _bodies.WriteTo(block, "bodies", "body_types");
        block.Fixed("dropped_attributes", "UInt32", _droppedAttributes.Values);
        block.Fixed("dropped_events", "UInt32", _droppedEvents.Values);
        block.Fixed("dropped_links", "UInt32", _droppedLinks.Values);

        var ends = _eventEnds.Values;
        block.FixedArrays("event_unix_nanos", "Int64", ends, _eventUnixNanos.Values);
        block.StringArrays("event_names", ends, _eventNames.Buffer, _eventNames.Ends);
        _eventAttributes.WriteArraysTo(block, ends, "event_attributes", "event_attribute_types");
        block.FixedArrays("event_dropped_attributes", "UInt32", ends, _eventDropped.Values);

        ends = _linkEnds.Values;
        _linkTraceIds.WriteArraysTo(block, ends, "link_trace_ids");
        _linkSpanIds.WriteArraysTo(block, ends, "link_span_ids");
        block.StringArrays("link_trace_states", ends, _linkTraceStates.Buffer, _linkTraceStates.Ends);
        block.FixedArrays("link_flags", "UInt32", ends, _linkFlags.Values);
        _linkAttributes.WriteArraysTo(block, ends, "link_attributes", "link_attribute_types");
        block.FixedArrays("link_dropped_attributes", "UInt32", ends, _linkDropped.Values);

        block.Fixed("genai_counted", "UInt8", _counted.Values);
        Array.ForEach(_texts, column => column.Rows.WriteTo(block, column.Name));
        Array.ForEach(_integers, column => column.Rows.WriteTo(block, column.Name, "Int64"));
        Array.ForEach(_doubles, column => column.Rows.WriteTo(block, column.Name, "Float64"));
    }

    private void AppendGenAi(GenAiColumns genAi, int spans)
    {
        // No rows at all: the normaliser has not run, so nothing is known. Anything between is a fault of the pipeline's.
        if (genAi.Count == 0)
        {
            _counted.Repeat(0, spans);
            Array.ForEach(_texts, column => column.Rows.Repeat([], spans));
            Array.ForEach(_integers, column => column.Rows.RepeatNull(spans));
            Array.ForEach(_doubles, column => column.Rows.RepeatNull(spans));
            return;
        }

        if (genAi.Count != spans)
        {
            throw new UnreachableException($"{genAi.Count} GenAI rows for {spans} spans");
        }

        _counted.Append(genAi.Counted.Values);
        Array.ForEach(_texts, column => column.Rows.Append(column.Of(genAi)));
        Array.ForEach(_integers, column => column.Rows.Append(column.Of(genAi).Values, static value => value == GenAiColumns.Absent));
        Array.ForEach(_doubles, column => column.Rows.Append(column.Of(genAi).Values, static value => double.IsNaN(value)));
    }
}
