using Faultline.ClickHouse;
using Faultline.Store.Traces;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.GenAi;
using Faultline.Telemetry.Otlp;
using Faultline.Telemetry.Spans;

namespace Faultline.Store.Logs;

public sealed record StoredLog(long UnixNanos, long ObservedUnixNanos, int SeverityNumber, string SeverityText, string Service, string Body, string EventName, TraceId TraceId, SpanId SpanId, IReadOnlyList<StoredAttribute> Attributes, IReadOnlyList<StoredAttribute> Resource);

/// <summary>Questions asked of stored log records.</summary>
/// <remarks>A record's time is its own, or, where none was sent, when it was observed.</remarks>
public sealed class LogStore
{
    private const string Columns = """
        unix_nanos, observed_unix_nanos, severity_number, severity_text, service_name, body, event_name, trace_id, span_id,
        attributes, attribute_types, resource_attributes, resource_attribute_types
        """;

    /// <summary>Most log events read for the conversations of one trace, and most bytes of their bodies and attributes; later ones are left out.</summary>
    internal const int ContentEventsMax = 10_000;

    internal const long ContentBytesMax = 32L << 20;

    private static readonly QueryLimits Limits = new(Time: TimeSpan.FromSeconds(30));

    private readonly IClickHouse _engine;

    internal LogStore(IClickHouse engine) => _engine = engine;

    /// <summary>Records of one trace, oldest first.</summary>
    public async Task<IReadOnlyList<StoredLog>> OfTraceAsync(string project, TraceId trace, int limit, CancellationToken cancel = default) =>
        Read(await _engine.QueryAsync(
            $$"""
            SELECT {{Columns}} FROM logs WHERE project = {project:String} AND trace_id = toFixedString(unhex({trace:String}), 16)
            ORDER BY time_unix_nanos, span_id, body LIMIT {limit:UInt64}
            """,
            new SqlParameters().Add("project", project).Add("trace", trace.ToString()).Add("limit", Math.Max(0, limit)),
            Limits,
            cancel));

    /// <summary>Records of one trace that say what was said in its spans, by span, oldest first; of a record that was stored twice only one.</summary>
    internal async Task<ILookup<SpanId, OtlpEvent>> ContentOfTraceAsync(string project, TraceId trace, CancellationToken cancel)
    {
        var result = await _engine.QueryAsync(
            """
            SELECT span_id, received_unix_nanos, time_unix_nanos, name, body, body_type, attributes, attribute_types FROM
            (
              SELECT span_id, received_unix_nanos, time_unix_nanos, body, body_type, attributes, attribute_types, _part AS part, _part_offset AS place, if(event_name != '', toString(event_name), attributes['event.name']) AS name,
                     sum(length(body) + length(toString(attributes))) OVER (ORDER BY time_unix_nanos, part, place) AS bytes_so_far
              FROM logs
              WHERE project = {project:String} AND trace_id = toFixedString(unhex({trace:String}), 16) AND name IN ({names:Array(String)})
            )
            WHERE bytes_so_far <= {bytes:Int64}
            ORDER BY time_unix_nanos, part, place LIMIT {limit:UInt64}
            """,
            new SqlParameters().Add("project", project).Add("trace", trace.ToString()).Add("names", GenAiContent.LogEventNames).Add("bytes", ContentBytesMax).Add("limit", ContentEventsMax),
            Limits,
            cancel);

        // A request that was stored twice came at another time; the same words twice in one request were said twice.
        var firstReceived = new Dictionary<(SpanId Span, long UnixNanos, string Name, string Body), long>();
        var found = new List<(SpanId Span, OtlpEvent Event)>();
        foreach (var row in result.Rows)
        {
            var (span, at, name, body) = (Stored.Span(row.Bytes("span_id")), row.Int64("time_unix_nanos"), row.Text("name"), row.Text("body"));
            var received = row.Int64("received_unix_nanos");
            if (!firstReceived.TryAdd((span, at, name, body), received) && firstReceived[(span, at, name, body)] != received)
            {
                continue;
            }

            var type = row.Bytes("body_type") is [var letter, ..] ? (AttributeType)letter : AttributeType.Empty;
            var attributes = Attributes(row, "attributes", "attribute_types").Select(one => new OtlpAttribute(one.Key, one.Value, one.Type));
            found.Add((span, GenAiContent.LogEvent(at, name, new OtlpAttribute("", body, type), [.. attributes])));
        }

        return found.ToLookup(pair => pair.Span, pair => pair.Event);
    }

    /// <summary>Records in a time range, newest first. Text is looked for, any case, in body, event name and attribute values.</summary>
    public async Task<IReadOnlyList<StoredLog>> SearchAsync(string project, string? service, string? text, int severityMin, long fromUnixNanos, long toUnixNanos, int limit, CancellationToken cancel = default) =>
        Read(await _engine.QueryAsync(
            $$"""
            SELECT {{Columns}} FROM logs
            WHERE project = {project:String} AND time_unix_nanos BETWEEN {from:Int64} AND {to:Int64} AND severity_number >= {severity:Int32}
            {{(service is null ? "" : "AND service_name = {service:String}")}}
            {{(string.IsNullOrEmpty(text) ? "" : """
                AND (positionCaseInsensitiveUTF8(body, {text:String}) > 0 OR positionCaseInsensitiveUTF8(event_name, {text:String}) > 0
                  OR arrayExists(value -> positionCaseInsensitiveUTF8(value, {text:String}) > 0, mapValues(attributes)))
                """)}}
            ORDER BY time_unix_nanos DESC, span_id, body LIMIT {limit:UInt64}
            """,
            new SqlParameters().Add("project", project).Add("service", service ?? "").Add("text", text ?? "").Add("severity", severityMin).Add("from", fromUnixNanos).Add("to", toUnixNanos).Add("limit", Math.Max(0, limit)),
            Limits,
            cancel));

    private static IReadOnlyList<StoredLog> Read(QueryResult result) =>
    [
        .. result.Rows.Select(row => new StoredLog(
            row.Int64("unix_nanos"), row.Int64("observed_unix_nanos"), (int)row.Int64("severity_number"), row.Text("severity_text"), row.Text("service_name"),
            row.Text("body"), row.Text("event_name"), Stored.Trace(row.Bytes("trace_id")), Stored.Span(row.Bytes("span_id")),
            Attributes(row, "attributes", "attribute_types"), Attributes(row, "resource_attributes", "resource_attribute_types"))),
    ];

    private static IReadOnlyList<StoredAttribute> Attributes(Row row, string map, string types) =>
        Stored.Attributes((KeyValuePair<byte[], byte[]>[])row.Value(map)!, row.Bytes(types));
}
