using System.Text;

namespace Faultline.Telemetry.Otlp;

/// <summary>How a field's JSON form becomes protobuf.</summary>
internal enum FieldKind
{
    String,

    /// <summary>Base64 in JSON.</summary>
    Bytes,

    /// <summary>Trace and span ids: hexadecimal in OTLP/JSON, unlike other bytes.</summary>
    Id,
    Bool,
    Int64,
    UInt32,

    /// <summary>A varint that is zigzag-coded in protobuf.</summary>
    SInt32,
    UInt64,
    Enum,
    Double,
    Fixed64,
    SFixed64,
    Fixed32,
    Message,
}

/// <summary>One field of a protobuf message, found by either of its JSON names.</summary>
internal sealed class FieldSchema(int number, string name, FieldKind kind, Func<MessageSchema>? message = null, bool repeated = false, params string[] enumNames)
{
    public int Number { get; } = number;

    public FieldKind Kind { get; } = kind;

    public bool Repeated { get; } = repeated;

    public MessageSchema Message => message!();

    /// <summary>Names of an enum's numbers, by number.</summary>
    public string[] EnumNames { get; } = enumNames;

    /// <summary>As in the .proto file: <c>start_time_unix_nano</c>.</summary>
    public byte[] OriginalName { get; } = Encoding.UTF8.GetBytes(name);

    /// <summary>As in OTLP/JSON: <c>startTimeUnixNano</c>.</summary>
    public byte[] JsonName { get; } = Encoding.UTF8.GetBytes(CamelCase(name));

    public bool IsPacked => Repeated && Kind is FieldKind.Double or FieldKind.Fixed64 or FieldKind.UInt64;

    private static string CamelCase(string name)
    {
        var words = name.Split('_');
        return words[0] + string.Concat(words.Skip(1).Select(word => word.Length == 0 ? word : char.ToUpperInvariant(word[0]) + word[1..]));
    }
}

/// <summary>A protobuf message's fields.</summary>
internal sealed class MessageSchema(params FieldSchema[] fields)
{
    public FieldSchema? Find(ReadOnlySpan<byte> name)
    {
        foreach (var field in fields)
        {
            if (name.SequenceEqual(field.JsonName) || name.SequenceEqual(field.OriginalName))
            {
                return field;
            }
        }

        return null;
    }
}

/// <summary>The OTLP messages that are read from JSON, as data.</summary>
/// <remarks>Source: opentelemetry-proto v1.9, trace, logs, metrics, resource and common. Fields that are neither read nor forwarded are left out.</remarks>
internal static class OtlpSchema
{
    private static readonly MessageSchema s_keyValue = new(
        new(1, "key", FieldKind.String),
        new(2, "value", FieldKind.Message, () => AnyValue!));


    private static readonly MessageSchema s_resource = new(
        new(1, "attributes", FieldKind.Message, () => s_keyValue, true),
        new(2, "dropped_attributes_count", FieldKind.UInt32));

    private static readonly MessageSchema s_scope = new(
        new(1, "name", FieldKind.String),
        new(2, "version", FieldKind.String),
        new(3, "attributes", FieldKind.Message, () => s_keyValue, true),
        new(4, "dropped_attributes_count", FieldKind.UInt32));

    private static readonly MessageSchema s_event = new(
        new(1, "time_unix_nano", FieldKind.Fixed64),
        new(2, "name", FieldKind.String),
        new(3, "attributes", FieldKind.Message, () => s_keyValue, true),
        new(4, "dropped_attributes_count", FieldKind.UInt32));

    private static readonly MessageSchema s_link = new(
        new(1, "trace_id", FieldKind.Id),
        new(2, "span_id", FieldKind.Id),
        new(3, "trace_state", FieldKind.String),
        new(4, "attributes", FieldKind.Message, () => s_keyValue, true),
        new(5, "dropped_attributes_count", FieldKind.UInt32),
        new(6, "flags", FieldKind.Fixed32));

    private static readonly MessageSchema s_status = new(
        new(2, "message", FieldKind.String),
        new(3, "code", FieldKind.Enum, null, false, "STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"));

    private static readonly MessageSchema s_span = new(
        new(1, "trace_id", FieldKind.Id),
        new(2, "span_id", FieldKind.Id),
        new(3, "trace_state", FieldKind.String),
        new(4, "parent_span_id", FieldKind.Id),
        new(16, "flags", FieldKind.Fixed32),
        new(5, "name", FieldKind.String),
        new(6, "kind", FieldKind.Enum, null, false, "SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER", "SPAN_KIND_CLIENT", "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER"),
        new(7, "start_time_unix_nano", FieldKind.Fixed64),
        new(8, "end_time_unix_nano", FieldKind.Fixed64),
        new(9, "attributes", FieldKind.Message, () => s_keyValue, true),
        new(10, "dropped_attributes_count", FieldKind.UInt32),
        new(11, "events", FieldKind.Message, () => s_event, true),
        new(12, "dropped_events_count", FieldKind.UInt32),
        new(13, "links", FieldKind.Message, () => s_link, true),
        new(14, "dropped_links_count", FieldKind.UInt32),
        new(15, "status", FieldKind.Message, () => s_status));

    private static readonly MessageSchema s_logRecord = new(
        new(1, "time_unix_nano", FieldKind.Fixed64),
        new(11, "observed_time_unix_nano", FieldKind.Fixed64),
        new(2, "severity_number", FieldKind.Enum, null, false, SeverityNames()),
        new(3, "severity_text", FieldKind.String),
        new(5, "body", FieldKind.Message, () => AnyValue!),
        new(6, "attributes", FieldKind.Message, () => s_keyValue, true),
        new(7, "dropped_attributes_count", FieldKind.UInt32),
        new(8, "flags", FieldKind.Fixed32),
        new(9, "trace_id", FieldKind.Id),
        new(10, "span_id", FieldKind.Id),
        new(12, "event_name", FieldKind.String));

    private static readonly string[] s_temporalities = ["AGGREGATION_TEMPORALITY_UNSPECIFIED", "AGGREGATION_TEMPORALITY_DELTA", "AGGREGATION_TEMPORALITY_CUMULATIVE"];

    // Read by nothing here, but forwarded.
    private static readonly MessageSchema s_exemplar = new(
        new(7, "filtered_attributes", FieldKind.Message, () => s_keyValue, true),
        new(2, "time_unix_nano", FieldKind.Fixed64),
        new(3, "as_double", FieldKind.Double),
        new(6, "as_int", FieldKind.SFixed64),
        new(4, "span_id", FieldKind.Id),
        new(5, "trace_id", FieldKind.Id));

    private static readonly MessageSchema s_numberPoint = new(
        new(7, "attributes", FieldKind.Message, () => s_keyValue, true),
        new(2, "start_time_unix_nano", FieldKind.Fixed64),
        new(3, "time_unix_nano", FieldKind.Fixed64),
        new(4, "as_double", FieldKind.Double),
        new(6, "as_int", FieldKind.SFixed64),
        new(5, "exemplars", FieldKind.Message, () => s_exemplar, true),
        new(8, "flags", FieldKind.UInt32));

    private static readonly MessageSchema s_histogramPoint = new(
        new(9, "attributes", FieldKind.Message, () => s_keyValue, true),
        new(2, "start_time_unix_nano", FieldKind.Fixed64),
        new(3, "time_unix_nano", FieldKind.Fixed64),
        new(4, "count", FieldKind.Fixed64),
        new(5, "sum", FieldKind.Double),
        new(6, "bucket_counts", FieldKind.Fixed64, null, true),
        new(7, "explicit_bounds", FieldKind.Double, null, true),
        new(8, "exemplars", FieldKind.Message, () => s_exemplar, true),
        new(10, "flags", FieldKind.UInt32),
        new(11, "min", FieldKind.Double),
        new(12, "max", FieldKind.Double));

    private static readonly MessageSchema s_exponentialBuckets = new(
        new(1, "offset", FieldKind.SInt32),
        new(2, "bucket_counts", FieldKind.UInt64, null, true));

    private static readonly MessageSchema s_exponentialPoint = new(
        new(1, "attributes", FieldKind.Message, () => s_keyValue, true),
        new(2, "start_time_unix_nano", FieldKind.Fixed64),
        new(3, "time_unix_nano", FieldKind.Fixed64),
        new(4, "count", FieldKind.Fixed64),
        new(5, "sum", FieldKind.Double),
        new(6, "scale", FieldKind.SInt32),
        new(7, "zero_count", FieldKind.Fixed64),
        new(8, "positive", FieldKind.Message, () => s_exponentialBuckets),
        new(9, "negative", FieldKind.Message, () => s_exponentialBuckets),
        new(10, "flags", FieldKind.UInt32),
        new(11, "exemplars", FieldKind.Message, () => s_exemplar, true),
        new(12, "min", FieldKind.Double),
        new(13, "max", FieldKind.Double),
        new(14, "zero_threshold", FieldKind.Double));

    private static readonly MessageSchema s_quantile = new(
        new(1, "quantile", FieldKind.Double),
        new(2, "value", FieldKind.Double));

    private static readonly MessageSchema s_summaryPoint = new(
        new(7, "attributes", FieldKind.Message, () => s_keyValue, true),
        new(2, "start_time_unix_nano", FieldKind.Fixed64),
        new(3, "time_unix_nano", FieldKind.Fixed64),
        new(4, "count", FieldKind.Fixed64),
        new(5, "sum", FieldKind.Double),
        new(6, "quantile_values", FieldKind.Message, () => s_quantile, true),
        new(8, "flags", FieldKind.UInt32));

    private static readonly MessageSchema s_metric = new(
        new(1, "name", FieldKind.String),
        new(2, "description", FieldKind.String),
        new(3, "unit", FieldKind.String),
        new(5, "gauge", FieldKind.Message, () => Points(s_numberPoint)),
        new(7, "sum", FieldKind.Message, () => Points(s_numberPoint)),
        new(9, "histogram", FieldKind.Message, () => Points(s_histogramPoint)),
        new(10, "exponential_histogram", FieldKind.Message, () => Points(s_exponentialPoint)),
        new(11, "summary", FieldKind.Message, () => Points(s_summaryPoint)),
        new(12, "metadata", FieldKind.Message, () => s_keyValue, true));

    public static MessageSchema ArrayValue { get; } = new(new FieldSchema(1, "values", FieldKind.Message, () => AnyValue!, true));

    public static MessageSchema KeyValueList { get; } = new(new FieldSchema(1, "values", FieldKind.Message, () => s_keyValue, true));

    public static MessageSchema AnyValue { get; } = new(
        new(1, "string_value", FieldKind.String),
        new(2, "bool_value", FieldKind.Bool),
        new(3, "int_value", FieldKind.Int64),
        new(4, "double_value", FieldKind.Double),
        new(5, "array_value", FieldKind.Message, () => ArrayValue),
        new(6, "kvlist_value", FieldKind.Message, () => KeyValueList),
        new(7, "bytes_value", FieldKind.Bytes));

    public static MessageSchema Traces { get; } = Request("resource_spans", "scope_spans", "spans", s_span);

    public static MessageSchema Logs { get; } = Request("resource_logs", "scope_logs", "log_records", s_logRecord);

    public static MessageSchema Metrics { get; } = Request("resource_metrics", "scope_metrics", "metrics", s_metric);

    private static MessageSchema Request(string resources, string scopes, string rows, MessageSchema row)
    {
        var scope = new MessageSchema(
            new(1, "scope", FieldKind.Message, () => s_scope),
            new(2, rows, FieldKind.Message, () => row, true),
            new(3, "schema_url", FieldKind.String));
        var resource = new MessageSchema(
            new(1, "resource", FieldKind.Message, () => s_resource),
            new(2, scopes, FieldKind.Message, () => scope, true),
            new(3, "schema_url", FieldKind.String));
        return new MessageSchema(new FieldSchema(1, resources, FieldKind.Message, () => resource, true));
    }

    private static MessageSchema Points(MessageSchema point) => new(
        new(1, "data_points", FieldKind.Message, () => point, true),
        new(2, "aggregation_temporality", FieldKind.Enum, null, false, s_temporalities),
        new(3, "is_monotonic", FieldKind.Bool));

    private static string[] SeverityNames()
    {
        string[] levels = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
        return ["SEVERITY_NUMBER_UNSPECIFIED", .. levels.SelectMany(level => Enumerable.Range(1, 4).Select(step => $"SEVERITY_NUMBER_{level}{(step == 1 ? "" : step)}"))];
    }
}
