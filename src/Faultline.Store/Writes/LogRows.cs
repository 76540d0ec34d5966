using System.Runtime.InteropServices;
using Faultline.ClickHouse;
using Faultline.Telemetry;
using Faultline.Telemetry.Logs;

namespace Faultline.Store.Writes;

/// <summary>Log records of a group on their way into table <c>logs</c>.</summary>
internal sealed class LogRows : IRows
{
    private readonly RequestRows _request = new();
    private readonly OriginRows _origin = new();
    private readonly BlockBuffer _block = new();
    private readonly FixedRows<long> _time = new();
    private readonly FixedRows<long> _unixNanos = new();
    private readonly FixedRows<long> _observed = new();
    private readonly FixedRows<int> _severityNumber = new();
    private readonly StringRows _severityText = new();
    private readonly StringRows _body = new();
    private readonly FixedRows<byte> _bodyType = new();
    private readonly FixedRows<int> _bodyTypeEnds = new();
    private readonly StringRows _eventName = new();
    private readonly FixedRows<uint> _flags = new();
    private readonly IdRows _traceId = new(16);
    private readonly IdRows _spanId = new(8);
    private readonly MapRows _attributes = new();
    private readonly FixedRows<uint> _droppedAttributes = new();
    private readonly StringRows _session = new();
    private readonly StringRows _user = new();

    public string Table => "logs";

    public int Count => _body.Count;

    public bool KeepsRequestHash => true;

    public int RowsOf(TelemetryBatch batch) => batch.Logs.Count;

    public void Append(TelemetryBatch batch)
    {
        var logs = batch.Logs;
        _request.Append(batch, logs.Count);
        _origin.Append(logs.Resources, logs.Scopes, logs.Resource.Values, logs.Scope.Values);
        _unixNanos.Append(logs.UnixNanos.Values);
        _observed.Append(logs.ObservedUnixNanos.Values);
        _severityNumber.Append(logs.SeverityNumber.Values);
        _severityText.Append(logs.SeverityText);
        _body.Append(logs.Body);
        _bodyType.Append(MemoryMarshal.AsBytes(logs.BodyType.Values));
        _eventName.Append(logs.EventName);
        _flags.Append(logs.Flags.Values);
        _traceId.Append(logs.TraceId.Values);
        _spanId.Append(logs.SpanId.Values);
        _attributes.Append(logs.Attributes);
        _droppedAttributes.Append(logs.DroppedAttributes.Values);

        var time = _time.Extend(logs.Count);
        var typeEnds = _bodyTypeEnds.Extend(logs.Count);
        for (var row = 0; row < logs.Count; row++)
        {
            // Neither was sent: the only time known is when we got it.
            time[row] = logs.UnixNanos[row] != 0 ? logs.UnixNanos[row]
                : logs.ObservedUnixNanos[row] != 0 ? logs.ObservedUnixNanos[row]
                : batch.ReceivedUnixNanos;
            typeEnds[row] = _bodyTypeEnds.Count - logs.Count + row + 1;
            _session.Add(Attribute(logs, row, "session.id"u8));
            _user.Add(Attribute(logs, row, "user.id"u8));
        }
    }

    public void Clear()
    {
        _request.Clear();
        _origin.Clear();
        foreach (var nanos in (ReadOnlySpan<FixedRows<long>>)[_time, _unixNanos, _observed])
        {
            nanos.Clear();
        }

        foreach (var texts in (ReadOnlySpan<StringRows>)[_severityText, _body, _eventName, _session, _user])
        {
            texts.Clear();
        }

        _severityNumber.Clear();
        _bodyType.Clear();
        _bodyTypeEnds.Clear();
        _flags.Clear();
        _traceId.Clear();
        _spanId.Clear();
        _attributes.Clear();
        _droppedAttributes.Clear();
    }

    public IEnumerable<TableBlock> Blocks(ushort receivedDay) => _block.Fill(Table, Count, block => WriteTo(block, receivedDay));

    private void WriteTo(NativeBlock block, ushort receivedDay)
    {
        _request.WriteTo(block, receivedDay);
        _origin.WriteTo(block);
        block.Fixed("time_unix_nanos", "Int64", _time.Values);
        block.Fixed("unix_nanos", "Int64", _unixNanos.Values);
        block.Fixed("observed_unix_nanos", "Int64", _observed.Values);
        block.Fixed("severity_number", "Int32", _severityNumber.Values);
        _severityText.WriteTo(block, "severity_text");
        _body.WriteTo(block, "body");
        block.Strings("body_type", _bodyType.Values, _bodyTypeEnds.Values);
        _eventName.WriteTo(block, "event_name");
        block.Fixed("flags", "UInt32", _flags.Values);
        _traceId.WriteTo(block, "trace_id");
        _spanId.WriteTo(block, "span_id");
        _attributes.WriteTo(block, "attributes", "attribute_types");
        block.Fixed("dropped_attributes", "UInt32", _droppedAttributes.Values);
        _session.WriteTo(block, "session");
        _user.WriteTo(block, "user");
    }

    private static ReadOnlySpan<byte> Attribute(LogBatch logs, int row, ReadOnlySpan<byte> key)
    {
        var entry = logs.Attributes.Find(row, key);
        if (entry >= 0)
        {
            return logs.Attributes.Values[entry];
        }

        var resource = logs.Resources.Attributes;
        entry = resource.Find(logs.Resource[row], key);
        return entry < 0 ? [] : resource.Values[entry];
    }
}
