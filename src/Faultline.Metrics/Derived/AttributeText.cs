using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Faultline.Telemetry.Columns;

namespace Faultline.Metrics.Derived;

/// <summary>Values of attributes as the collector writes them as text: in labels they must be the same to the last character.</summary>
/// <remarks>Source: opentelemetry-collector, pdata/pcommon, <c>Value.AsString</c>: numbers as ECMAScript writes them, arrays and maps as JSON with sorted keys.</remarks>
internal static class AttributeText
{
    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <param name="value">As an <see cref="AttributeColumn"/> holds it.</param>
    public static ReadOnlySpan<byte> Of(ReadOnlySpan<byte> value, AttributeType type) => type switch
    {
        AttributeType.Double => Encoding.UTF8.GetBytes(Number(double.Parse(value, CultureInfo.InvariantCulture))),
        AttributeType.Array or AttributeType.KeyValues => Json(value, type),
        _ => value,
    };

    /// <summary>Without an exponent from a millionth to a trilliard, as ECMAScript does.</summary>
    internal static string Number(double number)
    {
        var shortest = number.ToString("R", CultureInfo.InvariantCulture);
        var e = shortest.IndexOf('E', StringComparison.Ordinal);
        if (e < 0 || !double.IsFinite(number))
        {
            return shortest;
        }

        var size = Math.Abs(number);
        return size is < 1e-6 or >= 1e21
            ? string.Create(CultureInfo.InvariantCulture, $"{shortest.AsSpan(0, e)}e{(shortest[e + 1] is '-' ? '-' : '+')}{shortest.AsSpan(e + 2).TrimStart('0')}")
            : Unfolded(shortest, e);
    }

    /// <summary><c>1.5E-05</c> as <c>0.000015</c>, <c>1.5E+16</c> as <c>15000000000000000</c>.</summary>
    private static string Unfolded(string shortest, int e)
    {
        var exponent = int.Parse(shortest.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        var sign = shortest[0] is '-' ? "-" : "";
        var mantissa = shortest[sign.Length..e];
        var digits = mantissa.Replace(".", "", StringComparison.Ordinal);
        var point = exponent + 1;
        return sign + (point <= 0 ? "0." + new string('0', -point) + digits : point >= digits.Length ? digits.PadRight(point, '0') : digits[..point] + "." + digits[point..]);
    }

    private static byte[] Json(ReadOnlySpan<byte> value, AttributeType type)
    {
        // What lies in the column is OTLP/JSON of our own writing.
        var reader = new Utf8JsonReader(value);
        using var document = JsonDocument.ParseValue(ref reader);
        using var text = new MemoryStream();
        using (var writer = new Utf8JsonWriter(text, Plain))
        {
            if (type == AttributeType.Array)
            {
                WriteArray(writer, document.RootElement);
            }
            else
            {
                WriteMap(writer, document.RootElement);
            }
        }

        return text.ToArray();
    }

    private static void WriteArray(Utf8JsonWriter writer, JsonElement array)
    {
        writer.WriteStartArray();
        foreach (var value in Values(array))
        {
            Write(writer, value);
        }

        writer.WriteEndArray();
    }

    private static void WriteMap(Utf8JsonWriter writer, JsonElement map)
    {
        writer.WriteStartObject();
        foreach (var entry in Values(map).OrderBy(entry => entry.GetProperty("key").GetString(), StringComparer.Ordinal))
        {
            writer.WritePropertyName(entry.GetProperty("key").GetString()!);
            Write(writer, entry.TryGetProperty("value", out var value) ? value : default);
        }

        writer.WriteEndObject();
    }

    private static JsonElement.ArrayEnumerator Values(JsonElement list) => list.TryGetProperty("values", out var values) ? values.EnumerateArray() : default;

    private static void Write(Utf8JsonWriter writer, JsonElement any)
    {
        var member = any.ValueKind == JsonValueKind.Object ? any.EnumerateObject().FirstOrDefault() : default;
        switch (member.Value.ValueKind == JsonValueKind.Undefined ? "" : member.Name)
        {
            case "stringValue" or "bytesValue":
                writer.WriteStringValue(member.Value.GetString());
                break;
            case "intValue":
                writer.WriteRawValue(member.Value.ToString());
                break;
            case "doubleValue" when member.Value.ValueKind == JsonValueKind.Number:
                writer.WriteRawValue(Number(member.Value.GetDouble()));
                break;
            case "boolValue":
                writer.WriteBooleanValue(member.Value.GetBoolean());
                break;
            case "arrayValue":
                WriteArray(writer, member.Value);
                break;
            case "kvlistValue":
                WriteMap(writer, member.Value);
                break;
            default:
                writer.WriteNullValue();
                break;
        }
    }
}
