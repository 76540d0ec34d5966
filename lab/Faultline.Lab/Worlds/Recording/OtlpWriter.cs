using System.Globalization;
using System.Text.Json;
using Faultline.Lab.Worlds.Dialects;
using Faultline.Lab.Worlds.Topologies;

namespace Faultline.Lab.Worlds.Recording;

/// <summary>Export requests in OTLP/JSON.</summary>
/// <remarks>Source: opentelemetry-proto, JSON Protobuf encoding (64-bit integers are text, ids are hex).</remarks>
internal static class OtlpWriter
{
    public static void Traces(Utf8JsonWriter json, Service service, int instance, long at, IReadOnlyList<Span> spans)
    {
        var dialect = spans[0].Run.System.Dialect;
        Begin(json, "resourceSpans", "scopeSpans", "spans", service, instance, at, dialect.Scope, dialect.ScopeVersion);
        foreach (var span in spans)
        {
            WriteSpan(json, span, dialect);
        }

        End(json);
    }

    public static void Logs(Utf8JsonWriter json, Service service, int instance, long at, IReadOnlyList<LogRecord> records)
    {
        Begin(json, "resourceLogs", "scopeLogs", "logRecords", service, instance, at, records[0].Scope, "1.0.0");
        foreach (var record in records)
        {
            json.WriteStartObject();
            Time(json, "timeUnixNano", record.UnixNanos);
            Time(json, "observedTimeUnixNano", record.UnixNanos);
            json.WriteNumber("severityNumber", record.Error ? 17 : 9);
            json.WriteString("severityText", record.Error ? "ERROR" : "INFO");
            if (record.EventName is { } name)
            {
                json.WriteString("eventName", name);
            }

            json.WriteStartObject("body");
            json.WriteString("stringValue", record.Body);
            json.WriteEndObject();
            Attributes(json, record.Attributes);
            json.WriteString("traceId", TraceId(record.Span));
            json.WriteString("spanId", SpanId(record.Span));
            json.WriteEndObject();
        }

        End(json);
    }

    public static void Gauges(Utf8JsonWriter json, Service service, int instance, long at, IReadOnlyList<(string Name, string Unit, double Value)> gauges)
    {
        Begin(json, "resourceMetrics", "scopeMetrics", "metrics", service, instance, at, "inference-exporter", "0.9.1");
        foreach (var (name, unit, value) in gauges)
        {
            json.WriteStartObject();
            json.WriteString("name", name);
            json.WriteString("unit", unit);
            json.WriteStartObject("gauge");
            json.WriteStartArray("dataPoints");
            json.WriteStartObject();
            Time(json, "timeUnixNano", at);
            json.WriteNumber("asDouble", value);
            json.WriteEndObject();
            json.WriteEndArray();
            json.WriteEndObject();
            json.WriteEndObject();
        }

        End(json);
    }

    private static void Begin(Utf8JsonWriter json, string resources, string scopes, string items, Service service, int instance, long at, string scope, string scopeVersion)
    {
        json.WriteStartObject();
        json.WriteStartArray(resources);
        json.WriteStartObject();
        json.WriteStartObject("resource");
        Attributes(json,
        [
            new("service.name", service.Name),
            new("service.version", service.Version.At(at)),
            new("service.instance.id", $"{service.Name}-{instance}"),
            new("deployment.environment.name", "production"),
        ]);
        json.WriteEndObject();
        json.WriteStartArray(scopes);
        json.WriteStartObject();
        json.WriteStartObject("scope");
        json.WriteString("name", scope);
        json.WriteString("version", scopeVersion);
        json.WriteEndObject();
        json.WriteStartArray(items);
    }

    private static void End(Utf8JsonWriter json)
    {
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteSpan(Utf8JsonWriter json, Span span, Dialect dialect)
    {
        var told = new Told(span.Name);
        dialect.Tell(span, told);
        Scores.Tell(span, told);
        json.WriteStartObject();
        json.WriteString("traceId", TraceId(span));
        json.WriteString("spanId", SpanId(span));
        if (span.Parent is { } parent)
        {
            json.WriteString("parentSpanId", SpanId(parent));
        }

        json.WriteString("name", told.Name);
        json.WriteNumber("kind", told.Kind);
        Time(json, "startTimeUnixNano", span.Start);
        Time(json, "endTimeUnixNano", span.End);
        Attributes(json, told.Attributes);
        if (told.Events.Count > 0)
        {
            json.WriteStartArray("events");
            foreach (var happened in told.Events)
            {
                json.WriteStartObject();
                json.WriteString("name", happened.Name);
                Time(json, "timeUnixNano", happened.UnixNanos);
                Attributes(json, happened.Attributes);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        if (span.Error is not null)
        {
            json.WriteStartObject("status");
            json.WriteNumber("code", 2);
            json.WriteString("message", span.ErrorMessage);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static void Attributes(Utf8JsonWriter json, IEnumerable<KeyValuePair<string, object>> attributes)
    {
        json.WriteStartArray("attributes");
        foreach (var (key, value) in attributes)
        {
            json.WriteStartObject();
            json.WriteString("key", key);
            json.WriteStartObject("value");
            Value(json, value);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void Value(Utf8JsonWriter json, object value)
    {
        switch (value)
        {
            case bool flag:
                json.WriteBoolean("boolValue", flag);
                break;
            case long number:
                json.WriteString("intValue", number.ToString(CultureInfo.InvariantCulture));
                break;
            case double number:
                json.WriteNumber("doubleValue", number);
                break;
            case string[] texts:
                json.WriteStartObject("arrayValue");
                json.WriteStartArray("values");
                foreach (var text in texts)
                {
                    json.WriteStartObject();
                    json.WriteString("stringValue", text);
                    json.WriteEndObject();
                }

                json.WriteEndArray();
                json.WriteEndObject();
                break;
            default:
                json.WriteString("stringValue", (string)value);
                break;
        }
    }

    private static void Time(Utf8JsonWriter json, string name, long unixNanos) => json.WriteString(name, unixNanos.ToString(CultureInfo.InvariantCulture));

    private static string TraceId(Span span) => $"{span.Run.Request.TraceHigh:x16}{span.Run.Request.TraceLow:x16}";

    private static string SpanId(Span span) => $"{span.Id:x16}";
}
