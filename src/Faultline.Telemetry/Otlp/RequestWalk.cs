using Faultline.Telemetry.Spans;

namespace Faultline.Telemetry.Otlp;

/// <summary>Resources → scopes → rows, the shape that every OTLP request has. A resource may follow its rows on the wire, so it is looked for first.</summary>
internal static class RequestWalk
{
    private const uint Bytes = WireReader.Bytes;

    public delegate WireFault AppendRow(ReadOnlySpan<byte> message, int resource, int scope);

    public static WireFault Run(ReadOnlySpan<byte> request, ResourceColumns resources, ScopeColumns scopes, DecodeSession session, AppendRow append)
    {
        var reader = new WireReader(request);
        var fault = WireFault.None;
        while (fault == WireFault.None && reader.TryReadTag(out var tag))
        {
            if (tag != ((1 << 3) | Bytes))
            {
                reader.Skip(tag);
                continue;
            }

            var message = reader.ReadBytes();
            fault = reader.Fault == WireFault.None ? ResourceDecoder.AppendResource(message, resources, session) : reader.Fault;
            if (fault == WireFault.None)
            {
                fault = Scopes(message, resources.Count - 1, scopes, session, append);
            }
        }

        return fault == WireFault.None ? reader.Fault : fault;
    }

    private static WireFault Scopes(ReadOnlySpan<byte> message, int resource, ScopeColumns scopes, DecodeSession session, AppendRow append)
    {
        var reader = new WireReader(message);
        var fault = WireFault.None;
        while (fault == WireFault.None && reader.TryReadTag(out var tag))
        {
            if (tag != ((2 << 3) | Bytes))
            {
                reader.Skip(tag);
                continue;
            }

            var scope = reader.ReadBytes();
            fault = reader.Fault == WireFault.None ? ResourceDecoder.AppendScope(scope, scopes, session) : reader.Fault;
            if (fault == WireFault.None)
            {
                fault = Rows(scope, resource, scopes.Count - 1, append);
            }
        }

        return fault == WireFault.None ? reader.Fault : fault;
    }

    private static WireFault Rows(ReadOnlySpan<byte> message, int resource, int scope, AppendRow append)
    {
        var reader = new WireReader(message);
        var fault = WireFault.None;
        while (fault == WireFault.None && reader.TryReadTag(out var tag))
        {
            if (tag != ((2 << 3) | Bytes))
            {
                reader.Skip(tag);
                continue;
            }

            var row = reader.ReadBytes();
            fault = reader.Fault == WireFault.None ? append(row, resource, scope) : reader.Fault;
        }

        return fault == WireFault.None ? reader.Fault : fault;
    }

    /// <summary>How many rows a request has: a walk over lengths, which reads nothing else.</summary>
    public static int CountRows(ReadOnlySpan<byte> request) => Count(request, (1 << 3) | Bytes, levels: 2);

    private static int Count(ReadOnlySpan<byte> message, uint wanted, int levels)
    {
        var reader = new WireReader(message);
        var rows = 0;
        while (reader.TryReadTag(out var tag))
        {
            if (tag != wanted)
            {
                reader.Skip(tag);
            }
            else if (reader.ReadBytes() is var inner && levels > 0)
            {
                rows += Count(inner, (2 << 3) | Bytes, levels - 1);
            }
            else
            {
                rows++;
            }
        }

        return rows;
    }
}
