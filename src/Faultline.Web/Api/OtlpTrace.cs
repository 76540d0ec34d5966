using System.Buffers;
using Faultline.Store.Traces;
using Faultline.Telemetry.Otlp;

namespace Faultline.Web.Api;

/// <summary>A stored trace as the OTLP/JSON that any other tool reads: what was sent, as it was sent.</summary>
internal static class OtlpTrace
{
    public static byte[] Write(IReadOnlyList<StoredSpan> spans)
    {
        var buffer = new ArrayBufferWriter<byte>(16 * 1024);
        OtlpJson.WriteTraces(spans.Select(Of), buffer);
        return buffer.WrittenSpan.ToArray();
    }

    public static List<OtlpAttribute> Attributes(IEnumerable<StoredAttribute> attributes) => [.. attributes.Select(one => new OtlpAttribute(one.Key, one.Value, one.Type))];

    public static List<OtlpEvent> Events(StoredSpan span) => [.. span.Events.Select(one => new OtlpEvent(one.UnixNanos, one.Name, Attributes(one.Attributes), one.DroppedAttributes))];

    private static OtlpSpan Of(StoredSpan span)
    {
        var summary = span.Summary;
        return new OtlpSpan(
            new OtlpResource(Attributes(span.Resource), span.ResourceDroppedAttributes, span.ResourceSchemaUrl),
            new OtlpScope(span.ScopeName, span.ScopeVersion, Attributes(span.ScopeAttributes), span.ScopeDroppedAttributes, span.ScopeSchemaUrl),
            summary.TraceId, summary.SpanId, summary.ParentSpanId, span.TraceState, span.Flags, summary.Name, summary.Kind, summary.StartUnixNanos, span.EndUnixNanos,
            summary.Status, summary.StatusMessage, Attributes([.. summary.Attributes, .. span.Bodies]), Events(span),
            [.. span.Links.Select(one => new OtlpLink(one.TraceId, one.SpanId, one.TraceState, one.Flags, Attributes(one.Attributes), one.DroppedAttributes))],
            span.DroppedAttributes, span.DroppedEvents, span.DroppedLinks);
    }
}
