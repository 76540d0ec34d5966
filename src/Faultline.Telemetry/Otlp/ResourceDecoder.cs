using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Spans;

namespace Faultline.Telemetry.Otlp;

/// <summary>The parts that traces, logs and metrics share: <c>Resource</c> and <c>InstrumentationScope</c>.</summary>
/// <remarks>
/// <c>ResourceSpans</c>, <c>ResourceLogs</c> and <c>ResourceMetrics</c> have the resource as field 1 and the schema's
/// address as field 3; so have the scope messages.
/// </remarks>
internal static class ResourceDecoder
{
    private const uint Bytes = WireReader.Bytes;

    /// <summary>Appends one row, for the resource inside <paramref name="message"/>, which may come behind its contents.</summary>
    public static WireFault AppendResource(ReadOnlySpan<byte> message, ResourceColumns into, DecodeSession session)
    {
        ReadOnlySpan<byte> schemaUrl = default;
        uint dropped = 0;
        var fault = WireFault.None;
        var reader = new WireReader(message);
        while (fault == WireFault.None && reader.TryReadTag(out var tag))
        {
            switch (tag)
            {
                case (1 << 3) | Bytes:
                    fault = ReadResource(reader.ReadBytes(), into.Attributes, ref dropped, session);
                    break;
                case (3 << 3) | Bytes:
                    schemaUrl = reader.ReadBytes();
                    break;
                default:
                    reader.Skip(tag);
                    break;
            }
        }

        into.Attributes.EndRow();
        into.DroppedAttributes.Add(dropped);
        session.AddText(into.SchemaUrl, schemaUrl);
        return fault == WireFault.None ? reader.Fault : fault;
    }

    /// <summary>Appends one row, for the scope inside <paramref name="message"/>.</summary>
    public static WireFault AppendScope(ReadOnlySpan<byte> message, ScopeColumns into, DecodeSession session)
    {
        ReadOnlySpan<byte> name = default, version = default, schemaUrl = default;
        uint dropped = 0;
        var fault = WireFault.None;
        var reader = new WireReader(message);
        while (fault == WireFault.None && reader.TryReadTag(out var tag))
        {
            switch (tag)
            {
                case (1 << 3) | Bytes:
                    fault = ReadScope(reader.ReadBytes(), into.Attributes, ref name, ref version, ref dropped, session);
                    break;
                case (3 << 3) | Bytes:
                    schemaUrl = reader.ReadBytes();
                    break;
                default:
                    reader.Skip(tag);
                    break;
            }
        }

        session.AddText(into.Name, name);
        session.AddText(into.Version, version);
        into.Attributes.EndRow();
        into.DroppedAttributes.Add(dropped);
        session.AddText(into.SchemaUrl, schemaUrl);
        return fault == WireFault.None ? reader.Fault : fault;
    }

    private static WireFault ReadResource(ReadOnlySpan<byte> message, AttributeColumn attributes, ref uint dropped, DecodeSession session)
    {
        var fault = WireFault.None;
        var reader = new WireReader(message);
        while (fault == WireFault.None && reader.TryReadTag(out var tag))
        {
            switch (tag)
            {
                case (1 << 3) | Bytes:
                    fault = AnyValueDecoder.AppendKeyValue(reader.ReadBytes(), attributes, null, session);
                    break;
                case (2 << 3) | WireReader.Varint:
                    dropped = (uint)reader.ReadVarint();
                    break;
                default:
                    reader.Skip(tag);
                    break;
            }
        }

        return fault == WireFault.None ? reader.Fault : fault;
    }

    private static WireFault ReadScope(
        ReadOnlySpan<byte> message, AttributeColumn attributes, ref ReadOnlySpan<byte> name, ref ReadOnlySpan<byte> version, ref uint dropped, DecodeSession session)
    {
        var fault = WireFault.None;
        var reader = new WireReader(message);
        while (fault == WireFault.None && reader.TryReadTag(out var tag))
        {
            switch (tag)
            {
                case (1 << 3) | Bytes:
                    name = reader.ReadBytes();
                    break;
                case (2 << 3) | Bytes:
                    version = reader.ReadBytes();
                    break;
                case (3 << 3) | Bytes:
                    fault = AnyValueDecoder.AppendKeyValue(reader.ReadBytes(), attributes, null, session);
                    break;
                case (4 << 3) | WireReader.Varint:
                    dropped = (uint)reader.ReadVarint();
                    break;
                default:
                    reader.Skip(tag);
                    break;
            }
        }

        return fault == WireFault.None ? reader.Fault : fault;
    }
}
