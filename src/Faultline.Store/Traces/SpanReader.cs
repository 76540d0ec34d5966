using Faultline.ClickHouse;
using Faultline.Telemetry.Spans;

namespace Faultline.Store.Traces;

/// <summary>Turns answers about table <c>spans</c> into summaries and whole spans.</summary>
internal sealed class SpanReader(QueryResult result)
{
    /// <summary>What <see cref="Summary"/> reads.</summary>
    public const string SummaryColumns = """
        trace_id, span_id, parent_span_id, service_name, environment, release, name, kind, start_unix_nanos, duration_nanos, status, status_message,
        attributes, attribute_types, session, user, genai_operation, genai_provider, genai_model_requested, genai_model_responded, genai_response_id,
        genai_finish_reasons, genai_input_tokens, genai_output_tokens, genai_cache_read_tokens, genai_cache_write_tokens, genai_reasoning_tokens,
        genai_usage_basis, genai_counted, genai_first_chunk_nanos, genai_agent, genai_tool, genai_tool_arguments_hash, genai_data_source,
        genai_prompt_name, genai_prompt_version, genai_document_count, genai_document_top_score, genai_document_mean_score,
        genai_input_preview, genai_output_preview, genai_source
        """;

    /// <summary>What <see cref="Span"/> reads besides.</summary>
    public const string OtherColumns = """
        trace_state, flags, end_unix_nanos, received_unix_nanos, bodies, body_types,
        event_unix_nanos, event_names, event_attributes, event_attribute_types, event_dropped_attributes,
        link_trace_ids, link_span_ids, link_trace_states, link_flags, link_attributes, link_attribute_types, link_dropped_attributes,
        resource_attributes, resource_attribute_types, resource_schema_url, resource_dropped_attributes,
        scope_name, scope_version, scope_attributes, scope_attribute_types, scope_dropped_attributes, scope_schema_url,
        dropped_attributes, dropped_events, dropped_links
        """;

    private readonly Dictionary<string, Array> _columns = result.Columns.ToDictionary(column => column.Name, column => column.Values, StringComparer.Ordinal);

    public int Count => result.RowCount;

    public SpanSummary Summary(int row) => new(
        Stored.Trace(Of<byte[]>("trace_id", row)),
        Stored.Span(Of<byte[]>("span_id", row)),
        Stored.Span(Of<byte[]>("parent_span_id", row)),
        Text("service_name", row),
        Text("environment", row),
        Text("release", row),
        Text("name", row),
        (SpanKind)Of<byte>("kind", row),
        Of<long>("start_unix_nanos", row),
        Of<long>("duration_nanos", row),
        (SpanStatus)Of<byte>("status", row),
        Text("status_message", row),
        GenAi(row),
        Attributes("attributes", "attribute_types", row));

    public StoredSpan Span(int row, IReadOnlyList<Scores.StoredScore> scores) => new(
        Summary(row),
        Text("trace_state", row),
        Of<uint>("flags", row),
        Of<long>("end_unix_nanos", row),
        Of<long>("received_unix_nanos", row),
        Attributes("bodies", "body_types", row),
        Events(row),
        Links(row),
        Attributes("resource_attributes", "resource_attribute_types", row),
        Text("resource_schema_url", row),
        Of<uint>("resource_dropped_attributes", row),
        Text("scope_name", row),
        Text("scope_version", row),
        Attributes("scope_attributes", "scope_attribute_types", row),
        Of<uint>("scope_dropped_attributes", row),
        Text("scope_schema_url", row),
        Of<uint>("dropped_attributes", row),
        Of<uint>("dropped_events", row),
        Of<uint>("dropped_links", row),
        scores);

    private GenAiFields GenAi(int row) => new(
        Text("genai_operation", row),
        Text("genai_provider", row),
        Text("genai_model_requested", row),
        Text("genai_model_responded", row),
        Text("genai_response_id", row),
        Text("genai_finish_reasons", row) is { Length: > 0 } reasons ? reasons.Split(',') : [],
        Of<long?>("genai_input_tokens", row),
        Of<long?>("genai_output_tokens", row),
        Of<long?>("genai_cache_read_tokens", row),
        Of<long?>("genai_cache_write_tokens", row),
        Of<long?>("genai_reasoning_tokens", row),
        Text("genai_usage_basis", row),
        Of<byte>("genai_counted", row) != 0,
        Of<long?>("genai_first_chunk_nanos", row),
        Text("genai_agent", row),
        Text("genai_tool", row),
        Text("genai_tool_arguments_hash", row),
        Text("genai_data_source", row),
        Text("genai_prompt_name", row),
        Text("genai_prompt_version", row),
        Text("session", row),
        Text("user", row),
        Of<long?>("genai_document_count", row),
        Of<double?>("genai_document_top_score", row),
        Of<double?>("genai_document_mean_score", row),
        Text("genai_input_preview", row),
        Text("genai_output_preview", row),
        Text("genai_source", row));

    private StoredEvent[] Events(int row)
    {
        var times = Of<long[]>("event_unix_nanos", row);
        var names = Of<byte[][]>("event_names", row);
        var attributes = Of<KeyValuePair<byte[], byte[]>[][]>("event_attributes", row);
        var types = Of<byte[][]>("event_attribute_types", row);
        var dropped = Of<uint[]>("event_dropped_attributes", row);
        var events = new StoredEvent[times.Length];
        for (var i = 0; i < times.Length; i++)
        {
            events[i] = new StoredEvent(times[i], Stored.Text(names[i]), Stored.Attributes(attributes[i], types[i]), dropped[i]);
        }

        return events;
    }

    private StoredLink[] Links(int row)
    {
        var traces = Of<byte[][]>("link_trace_ids", row);
        var spans = Of<byte[][]>("link_span_ids", row);
        var states = Of<byte[][]>("link_trace_states", row);
        var flags = Of<uint[]>("link_flags", row);
        var attributes = Of<KeyValuePair<byte[], byte[]>[][]>("link_attributes", row);
        var types = Of<byte[][]>("link_attribute_types", row);
        var dropped = Of<uint[]>("link_dropped_attributes", row);
        var links = new StoredLink[traces.Length];
        for (var i = 0; i < traces.Length; i++)
        {
            links[i] = new StoredLink(Stored.Trace(traces[i]), Stored.Span(spans[i]), Stored.Text(states[i]), flags[i], Stored.Attributes(attributes[i], types[i]), dropped[i]);
        }

        return links;
    }

    private T Of<T>(string column, int row) => ((T[])_columns[column])[row];

    private string Text(string column, int row) => Stored.Text(Of<byte[]>(column, row));

    private IReadOnlyList<StoredAttribute> Attributes(string map, string types, int row) =>
        Stored.Attributes(Of<KeyValuePair<byte[], byte[]>[]>(map, row), Of<byte[]>(types, row));
}
