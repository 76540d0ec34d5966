using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Faultline.Store.Traces;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Spans;

namespace Faultline.Web.Api;

/// <summary>A stored trace as the OTLP/JSON that any other tool reads: what was sent, as it was sent.</summary>
/// <remarks>Source: opentelemetry/proto/trace/v1/trace.proto and the OTLP specification's JSON section (ids in hexadecimal, 64-bit numbers as text).</remarks>
internal static class OtlpTrace
{
    public static byte[] Write(IReadOnlyList<StoredSpan> spans)
    {
        var buffer = new ArrayBufferWriter<byte>(16 * 1024);
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteStartArray("resourceSpans");
            foreach (var resource in spans.GroupBy(span => Key(span.Resource) + '\u0001' + span.ResourceSchemaUrl, StringComparer.Ordinal))
            {
                WriteResource(json, resource);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteResource(Utf8JsonWriter json, IEnumerable<StoredSpan> spans)
    {
        var first = spans.First();
        json.WriteStartObject();
        json.WriteStartObject("resource");
        WriteAttributes(json, first.Resource);
        WriteDropped(json, "droppedAttributesCount", first.ResourceDroppedAttributes);
        json.WriteEndObject();
        json.WriteStartArray("scopeSpans");
        foreach (var scope in spans.GroupBy(span => (span.ScopeName, span.ScopeVersion, span.ScopeSchemaUrl, Attributes: Key(span.ScopeAttributes))))
        {
            var one = scope.First();
            json.WriteStartObject();
            json.WriteStartObject("scope");
            json.WriteString("name", one.ScopeName);
            WriteText(json, "version", one.ScopeVersion);
            WriteAttributes(json, one.ScopeAttributes);
            WriteDropped(json, "droppedAttributesCount", one.ScopeDroppedAttributes);
            json.WriteEndObject();
            json.WriteStartArray("spans");
            foreach (var span in scope)
            {
                WriteSpan(json, span);
            }

            json.WriteEndArray();
            WriteText(json, "schemaUrl", one.ScopeSchemaUrl);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        WriteText(json, "schemaUrl", first.ResourceSchemaUrl);
        json.WriteEndObject();
    }

    private static void WriteSpan(Utf8JsonWriter json, StoredSpan span)
    {
        var summary = span.Summary;
        json.WriteStartObject();
        json.WriteString("traceId", summary.TraceId.ToString());
        json.WriteString("spanId", summary.SpanId.ToString());
        if (!summary.ParentSpanId.IsNone)
        {
            json.WriteString("parentSpanId", summary.ParentSpanId.ToString());
        }

        WriteText(json, "traceState", span.TraceState);
        WriteDropped(json, "flags", span.Flags);
        json.WriteString("name", summary.Name);
        json.WriteNumber("kind", (int)summary.Kind);
        WriteNanos(json, "startTimeUnixNano", summary.StartUnixNanos);
        WriteNanos(json, "endTimeUnixNano", span.EndUnixNanos);
        WriteAttributes(json, [.. summary.Attributes, .. span.Bodies]);
        WriteDropped(json, "droppedAttributesCount", span.DroppedAttributes);
        if (span.Events.Count > 0)
        {
            json.WriteStartArray("events");
            foreach (var happened in span.Events)
            {
                json.WriteStartObject();
                WriteNanos(json, "timeUnixNano", happened.UnixNanos);
                json.WriteString("name", happened.Name);
                WriteAttributes(json, happened.Attributes);
                WriteDropped(json, "droppedAttributesCount", happened.DroppedAttributes);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        WriteDropped(json, "droppedEventsCount", span.DroppedEvents);
        if (span.Links.Count > 0)
        {
            json.WriteStartArray("links");
            foreach (var link in span.Links)
            {
                json.WriteStartObject();
                json.WriteString("traceId", link.TraceId.ToString());
                json.WriteString("spanId", link.SpanId.ToString());
                WriteText(json, "traceState", link.TraceState);
                WriteAttributes(json, link.Attributes);
                WriteDropped(json, "droppedAttributesCount", link.DroppedAttributes);
                WriteDropped(json, "flags", link.Flags);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        WriteDropped(json, "droppedLinksCount", span.DroppedLinks);
        json.WriteStartObject("status");
        WriteText(json, "message", summary.StatusMessage);
        if (summary.Status != SpanStatus.Unset)
        {
            json.WriteNumber("code", (int)summary.Status);
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteAttributes(Utf8JsonWriter json, IReadOnlyList<StoredAttribute> attributes)
    {
        if (attributes.Count == 0)
        {
            return;
        }

        json.WriteStartArray("attributes");
        foreach (var attribute in attributes)
        {
            json.WriteStartObject();
            json.WriteString("key", attribute.Key);
            json.WriteStartObject("value");
            WriteValue(json, attribute);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteValue(Utf8JsonWriter json, StoredAttribute attribute)
    {
        switch (attribute.Type)
        {
            case AttributeType.Empty:
                break;
            case AttributeType.Bool:
                json.WriteBoolean("boolValue", attribute.Value == "true");
                break;
            case AttributeType.Int:
                json.WriteString("intValue", attribute.Value);
                break;
            case AttributeType.Double when double.TryParse(attribute.Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number):
                json.WriteNumber("doubleValue", number);
                break;
            case AttributeType.Double:
                json.WriteString("doubleValue", attribute.Value);
                break;
            case AttributeType.Array:
                json.WritePropertyName("arrayValue");
                json.WriteRawValue(attribute.Value);
                break;
            case AttributeType.KeyValues:
                json.WritePropertyName("kvlistValue");
                json.WriteRawValue(attribute.Value);
                break;
            case AttributeType.Bytes:
                json.WriteString("bytesValue", attribute.Value);
                break;
            default:
                json.WriteString("stringValue", attribute.Value);
                break;
        }
    }

    private static void WriteText(Utf8JsonWriter json, string name, string value)
    {
        if (value.Length > 0)
        {
            json.WriteString(name, value);
        }
    }

    private static void WriteDropped(Utf8JsonWriter json, string name, uint count)
    {
        if (count > 0)
        {
            json.WriteNumber(name, count);
        }
    }

    private static void WriteNanos(Utf8JsonWriter json, string name, long nanos) => json.WriteString(name, nanos.ToString(CultureInfo.InvariantCulture));

    private static string Key(IReadOnlyList<StoredAttribute> attributes) => string.Join('\u0002', attributes.Select(one => $"{one.Key}\u0003{one.Value}\u0003{(char)one.Type}"));
}
