using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Faultline.Cases.Projections;
using Faultline.Telemetry.Spans;

namespace Faultline.Web.Api;

/// <summary>How REST writes JSON: snake_case, ids as hexadecimal text, enumerations by name, no number that JSON lacks.</summary>
public static class ApiJson
{
    public static JsonSerializerOptions Options { get; } = Make();

    public static void Configure(JsonSerializerOptions options)
    {
        options.PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower;
        options.DictionaryKeyPolicy = null;
        options.NumberHandling = JsonNumberHandling.Strict;
        options.Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;
        options.Converters.Add(new JsonStringEnumConverter());
        options.Converters.Add(new TextConverter<TraceId>(id => id.ToString(), text => TraceId.TryParse(text, out var id) ? id : throw new JsonException("a trace id is 32 hexadecimal digits")));
        options.Converters.Add(new TextConverter<SpanId>(id => id.IsNone ? "" : id.ToString(), text => SpanId.TryParse(text, out var id) ? id : throw new JsonException("a span id is 16 hexadecimal digits")));
        options.Converters.Add(new TextConverter<CaseId>(id => id.ToString(), text => CaseId.TryParse(text, out var id) ? id : throw new JsonException("a case id is CASE- and a number")));
        options.Converters.Add(new FiniteDouble());
    }

    private static JsonSerializerOptions Make()
    {
        var options = new JsonSerializerOptions(JsonSerializerDefaults.Web);
        Configure(options);
        options.MakeReadOnly(populateMissingResolver: true);
        return options;
    }

    private sealed class TextConverter<T>(Func<T, string> write, Func<string, T> read) : JsonConverter<T>
    {
        public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => read(reader.GetString() ?? "");

        public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) => writer.WriteStringValue(write(value));
    }

    /// <summary>JSON has no NaN: what is not a number is null.</summary>
    private sealed class FiniteDouble : JsonConverter<double>
    {
        public override double Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.GetDouble();

        public override void Write(Utf8JsonWriter writer, double value, JsonSerializerOptions options)
        {
            if (double.IsFinite(value))
            {
                writer.WriteNumberValue(value);
            }
            else
            {
                writer.WriteNullValue();
            }
        }
    }
}
