using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Spans;

namespace Faultline.Telemetry.Otlp;

/// <summary>Spans as the OTLP/JSON that any other tool reads: what was sent, as it was sent.</summary>
/// <remarks>Source: opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding: ids in hexadecimal, 64-bit numbers as text, enums as numbers.</remarks>
public static class OtlpJson
{
    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes <c>{"resourceSpans":[…]}</c>. Spans of equal resources and scopes are brought together; else the order is kept.</summary>
    public static void WriteTraces(IEnumerable<OtlpSpan> spans, IBufferWriter<byte> into)
    {
        using var json = new Utf8JsonWriter(into, s_options);
        json.WriteStartObject();
        json.WriteStartArray("resourceSpans"u8);
        foreach (var resource in spans.GroupBy(span => Identity(span.Resource), StringComparer.Ordinal))
        {
            json.WriteStartObject();
            json.WriteStartObject("resource"u8);
            WriteAttributes(json, resource.First().Resource.Attributes, resource.First().Resource.DroppedAttributes);
            json.WriteEndObject();
            json.WriteStartArray("scopeSpans"u8);
            foreach (var scope in resource.GroupBy(span => Identity(span.Scope), StringComparer.Ordinal))
            {
                WriteScope(json, scope.First().Scope, scope);
            }

            json.WriteEndArray();
            WriteText(json, "schemaUrl"u8, resource.First().Resource.SchemaUrl);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>A double as ProtoJSON writes it: what is no number is a string.</summary>
    internal static void WriteDouble(Utf8JsonWriter json, ReadOnlySpan<byte> name, double value)
    {
        if (double.IsFinite(value))
        {
            json.WriteNumber(name, value);
        }
        else
        {
            json.WriteString(name, double.IsNaN(value) ? "NaN"u8 : value > 0 ? "Infinity"u8 : "-Infinity"u8);
        }
    }

    private static void WriteScope(Utf8JsonWriter json, OtlpScope scope, IEnumerable<OtlpSpan> spans)
    {
        json.WriteStartObject();
        json.WriteStartObject("scope"u8);
        WriteText(json, "name"u8, scope.Name);
        WriteText(json, "version"u8, scope.Version);
        WriteAttributes(json, scope.Attributes, scope.DroppedAttributes);
        json.WriteEndObject();
        json.WriteStartArray("spans"u8);
        foreach (var span in spans)
        {
            WriteSpan(json, span);
        }

        json.WriteEndArray();
        WriteText(json, "schemaUrl"u8, scope.SchemaUrl);
        json.WriteEndObject();
    }

    private static void WriteSpan(Utf8JsonWriter json, OtlpSpan span)
    {
        json.WriteStartObject();
        json.WriteString("traceId"u8, span.TraceId.ToString());
        json.WriteString("spanId"u8, span.SpanId.ToString());
        WriteText(json, "traceState"u8, span.TraceState);
        if (!span.ParentSpanId.IsNone)
        {
            json.WriteString("parentSpanId"u8, span.ParentSpanId.ToString());
        }

        WriteCount(json, "flags"u8, span.Flags);
        json.WriteString("name"u8, span.Name);
        json.WriteNumber("kind"u8, (int)span.Kind);
        WriteNanos(json, "startTimeUnixNano"u8, span.StartUnixNanos);
        WriteNanos(json, "endTimeUnixNano"u8, span.EndUnixNanos);
        WriteAttributes(json, span.Attributes, span.DroppedAttributes);
        if (span.Events.Count > 0)
        {
            json.WriteStartArray("events"u8);
            foreach (var happened in span.Events)
            {
                json.WriteStartObject();
                WriteNanos(json, "timeUnixNano"u8, happened.UnixNanos);
                json.WriteString("name"u8, happened.Name);
                WriteAttributes(json, happened.Attributes, happened.DroppedAttributes);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        WriteCount(json, "droppedEventsCount"u8, span.DroppedEvents);
        if (span.Links.Count > 0)
        {
            json.WriteStartArray("links"u8);
            foreach (var link in span.Links)
            {
                json.WriteStartObject();
                json.WriteString("traceId"u8, link.TraceId.ToString());
                json.WriteString("spanId"u8, link.SpanId.ToString());
                WriteText(json, "traceState"u8, link.TraceState);
                WriteAttributes(json, link.Attributes, link.DroppedAttributes);
                WriteCount(json, "flags"u8, link.Flags);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        WriteCount(json, "droppedLinksCount"u8, span.DroppedLinks);
        json.WriteStartObject("status"u8);
        WriteText(json, "message"u8, span.StatusMessage);
        if (span.Status != SpanStatus.Unset)
        {
            json.WriteNumber("code"u8, (int)span.Status);
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteAttributes(Utf8JsonWriter json, IReadOnlyList<OtlpAttribute> attributes, uint dropped)
    {
        if (attributes.Count > 0)
        {
            json.WriteStartArray("attributes"u8);
            foreach (var attribute in attributes)
            {
                json.WriteStartObject();
                json.WriteString("key"u8, attribute.Key);
                json.WriteStartObject("value"u8);
                WriteValue(json, attribute);
                json.WriteEndObject();
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        WriteCount(json, "droppedAttributesCount"u8, dropped);
    }

    /// <summary>The value with its type. Text that is not what its type says (it was redacted, or cut) is written as text.</summary>
    private static void WriteValue(Utf8JsonWriter json, OtlpAttribute attribute)
    {
        var value = attribute.Value;
        switch (attribute.Type)
        {
            case AttributeType.Empty when value.Length == 0:
                break;
            case AttributeType.Bool when value is "true" or "false":
                json.WriteBoolean("boolValue"u8, value == "true");
                break;
            case AttributeType.Int when long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _):
                json.WriteString("intValue"u8, value);
                break;
            case AttributeType.Double when double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number):
                WriteDouble(json, "doubleValue"u8, number);
                break;
            case AttributeType.Array when IsJsonObject(value):
                json.WritePropertyName("arrayValue"u8);
                json.WriteRawValue(value, skipInputValidation: true);
                break;
            case AttributeType.KeyValues when IsJsonObject(value):
                json.WritePropertyName("kvlistValue"u8);
                json.WriteRawValue(value, skipInputValidation: true);
                break;
            case AttributeType.Bytes when System.Buffers.Text.Base64.IsValid(value):
                json.WriteString("bytesValue"u8, value);
                break;
            default:
                json.WriteString("stringValue"u8, value);
                break;
        }
    }

    private static bool IsJsonObject(string value)
    {
        if (!value.StartsWith('{'))
        {
            return false;
        }

        try
        {
            var reader = new Utf8JsonReader(Encoding.UTF8.GetBytes(value), new JsonReaderOptions { MaxDepth = JsonTranscoder.JsonDepthMax });
            while (reader.Read())
            {
                // Reads to the end, which is what finds a value that was cut.
            }

            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static void WriteText(Utf8JsonWriter json, ReadOnlySpan<byte> name, string value)
    {
        if (value.Length > 0)
        {
            json.WriteString(name, value);
        }
    }

    private static void WriteCount(Utf8JsonWriter json, ReadOnlySpan<byte> name, uint count)
    {
        if (count > 0)
        {
            json.WriteNumber(name, count);
        }
    }

    private static void WriteNanos(Utf8JsonWriter json, ReadOnlySpan<byte> name, long nanos) => json.WriteString(name, nanos.ToString(CultureInfo.InvariantCulture));

    // Each text is preceded by its length, so that no two lists have one identity.
    private static string Identity(OtlpResource resource) => Identity(new StringBuilder(), resource.Attributes, resource.DroppedAttributes, resource.SchemaUrl);

    private static string Identity(OtlpScope scope) =>
        Identity(new StringBuilder().Append(scope.Name.Length).Append(':').Append(scope.Name).Append(scope.Version.Length).Append(':').Append(scope.Version), scope.Attributes, scope.DroppedAttributes, scope.SchemaUrl);

    private static string Identity(StringBuilder into, IReadOnlyList<OtlpAttribute> attributes, uint dropped, string schemaUrl)
    {
        into.Append(dropped).Append(':').Append(schemaUrl.Length).Append(':').Append(schemaUrl);
        foreach (var attribute in attributes)
        {
            into.Append((char)attribute.Type).Append(attribute.Key.Length).Append(':').Append(attribute.Key).Append(attribute.Value.Length).Append(':').Append(attribute.Value);
        }

        return into.ToString();
    }
}
