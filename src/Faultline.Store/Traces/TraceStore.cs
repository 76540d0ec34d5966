using Faultline.ClickHouse;
using Faultline.Store.Logs;
using Faultline.Store.Scores;
using Faultline.Telemetry.Spans;

namespace Faultline.Store.Traces;

/// <summary>Questions asked of stored spans. Every one is of one project.</summary>
/// <remarks>
/// A span that is there twice (its request was resent after the memory of the writer had ended, or its sender sent it again
/// when it had more to say) is one span to every question about single traces and spans: the one received last.
/// </remarks>
public sealed class TraceStore
{
    /// <summary>How far a trace's other spans are looked for before and after those that a list found.</summary>
    public static readonly TimeSpan TraceLengthMax = TimeSpan.FromHours(24);

    /// <summary>Most models named for one service.</summary>
    public const int ModelsMax = 20;

    private static readonly QueryLimits Limits = new(Time: TimeSpan.FromSeconds(30));

    private readonly IClickHouse _engine;
    private readonly ScoreStore _scores;
    private readonly LogStore _logs;

    internal TraceStore(IClickHouse engine, ScoreStore scores, LogStore logs)
    {
        _engine = engine;
        _scores = scores;
        _logs = logs;
    }

    /// <summary>All spans of a trace with bodies, events, links, scores and the log records of what was said, by start time; empty when there is none.</summary>
    public async Task<IReadOnlyList<StoredSpan>> SpansOfAsync(string project, TraceId trace, CancellationToken cancel = default)
    {
        var result = await _engine.QueryAsync(
            $$"""
            SELECT {{SpanReader.SummaryColumns}}, {{SpanReader.OtherColumns}} FROM spans
            WHERE project = {project:String} AND trace_id = toFixedString(unhex({trace:String}), 16)
            ORDER BY start_unix_nanos, span_id, received_unix_nanos DESC
            LIMIT 1 BY span_id
            """,
            new SqlParameters().Add("project", project).Add("trace", trace.ToString()),
            Limits,
            cancel);
        var reader = new SpanReader(result);
        var summaries = Enumerable.Range(0, reader.Count).Select(reader.Summary).ToList();
        if (summaries.Count == 0)
        {
            return [];
        }

        var places = summaries.Select(span => new ScorePlace(span.SpanId, span.ParentSpanId, span.GenAi.ResponseId, span.GenAi.Counted)).ToList();
        var scores = await ScoresBySpanAsync(project, trace, places, cancel);
        var said = await _logs.ContentOfTraceAsync(project, trace, cancel);
        return [.. summaries.Select((summary, row) => reader.Span(row, scores[row].ToList()) with { LogEvents = [.. said[summary.SpanId]] })];
    }

    /// <summary>All spans of some traces that start in a range, without their bodies, trace by trace.</summary>
    public async Task<IReadOnlyList<SpanSummary>> SummariesOfAsync(string project, IReadOnlyList<TraceId> traces, long fromUnixNanos, long toUnixNanos, CancellationToken cancel = default)
    {
        var reader = await ReadTracesAsync(project, traces, fromUnixNanos, toUnixNanos, SpanReader.SummaryColumns, cancel);
        return [.. Enumerable.Range(0, reader.Count).Select(reader.Summary)];
    }

    /// <summary>As <see cref="SummariesOfAsync"/>, with bodies, events and links, but without what came beside them: scores and log records.</summary>
    public async Task<IReadOnlyList<StoredSpan>> SpansOfAsync(string project, IReadOnlyList<TraceId> traces, long fromUnixNanos, long toUnixNanos, CancellationToken cancel = default)
    {
        var reader = await ReadTracesAsync(project, traces, fromUnixNanos, toUnixNanos, $"{SpanReader.SummaryColumns}, {SpanReader.OtherColumns}", cancel);
        return [.. Enumerable.Range(0, reader.Count).Select(row => reader.Span(row, []))];
    }

    /// <summary>One span of a trace, as <see cref="SpansOfAsync"/> has it, without reading what the others said; null when it is not there.</summary>
    public async Task<StoredSpan?> SpanOfAsync(string project, TraceId trace, SpanId span, CancellationToken cancel = default)
    {
        var parameters = new SqlParameters().Add("project", project).Add("trace", trace.ToString()).Add("span", span.ToString());
        var found = await _engine.QueryAsync(
            $$"""
            SELECT {{SpanReader.SummaryColumns}}, {{SpanReader.OtherColumns}} FROM spans
            WHERE project = {project:String} AND trace_id = toFixedString(unhex({trace:String}), 16) AND span_id = toFixedString(unhex({span:String}), 8)
            ORDER BY received_unix_nanos DESC LIMIT 1
            """,
            parameters,
            Limits,
            cancel);
        if (found.RowCount == 0)
        {
            return null;
        }

        // Which scores are this span's depends on its neighbours: on who is the root, and who else has the response's id.
        var neighbours = await _engine.QueryAsync(
            """
            SELECT span_id, parent_span_id, genai_response_id, genai_counted FROM spans
            WHERE project = {project:String} AND trace_id = toFixedString(unhex({trace:String}), 16)
            ORDER BY start_unix_nanos, span_id, received_unix_nanos DESC
            LIMIT 1 BY span_id
            """,
            parameters,
            Limits,
            cancel);
        var places = neighbours.Rows
            .Select(row => new ScorePlace(Stored.Span(row.Bytes("span_id")), Stored.Span(row.Bytes("parent_span_id")), row.Text("genai_response_id"), row.Int64("genai_counted") != 0))
            .ToList();
        var scores = await ScoresBySpanAsync(project, trace, places, cancel);
        return new SpanReader(found).Span(0, scores[places.FindIndex(place => place.Span == span)].ToList());
    }

    /// <summary>Traces that match, newest first, one row each, and how many match in all.</summary>
    public async Task<TraceList> SearchAsync(string project, TraceFilter filter, CancellationToken cancel = default)
    {
        var where = await FilterAsync(project, filter, cancel);
        var page = await _engine.QueryAsync(
            $$"""
            SELECT trace_id, min(start_unix_nanos) AS first_start, count() OVER () AS total FROM spans
            WHERE {{where.Condition}}
            GROUP BY trace_id ORDER BY first_start DESC, trace_id LIMIT {limit:UInt64} OFFSET {offset:UInt64}
            """,
            where.Parameters.Add("limit", Math.Max(0, filter.Limit)).Add("offset", Math.Max(0, filter.Offset)),
            Limits,
            cancel);
        if (page.RowCount == 0)
        {
            // Past the end, or a page of no rows: the total was on no row.
            var count = await _engine.QueryAsync($"SELECT uniqExact(trace_id) AS total FROM spans WHERE {where.Condition}", where.Parameters, Limits, cancel);
            return new TraceList([], count.Rows.First().Int64("total"));
        }

        var ids = page.Column<byte[]>("trace_id").Select(Stored.Trace).ToList();
        var starts = page.Column<long>("first_start");
        var margin = TraceLengthMax.Ticks * 100;
        var rows = await TraceRowsAsync(project, ids, starts.Min() - margin, starts.Max() + margin, cancel);
        return new TraceList(rows, page.Rows.First().Int64("total"));
    }

    /// <summary>Counts and latency by time bucket for the histogram above the list.</summary>
    /// <returns>Every bucket, also the empty ones. A trace counts where its first matching span starts; its latency is its longest matching span's.</returns>
    public async Task<IReadOnlyList<TraceBucket>> HistogramAsync(string project, TraceFilter filter, int buckets, CancellationToken cancel = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(buckets, 1);
        var width = Math.Max(1, ((filter.ToUnixNanos - filter.FromUnixNanos) / buckets) + 1);
        var where = await FilterAsync(project, filter, cancel);
        var result = await _engine.QueryAsync(
            $$"""
            SELECT intDiv(first_start - {from:Int64}, {width:Int64}) AS bucket, count() AS traces, countIf(failed) AS errors,
                   quantile(0.5)(seconds) AS p50, quantile(0.95)(seconds) AS p95
            FROM
            (
              SELECT min(start_unix_nanos) AS first_start, max(status = 2) AS failed, max(duration_nanos) / 1e9 AS seconds FROM spans
              WHERE {{where.Condition}} GROUP BY trace_id
            )
            GROUP BY bucket
            """,
            where.Parameters.Add("width", width),
            Limits,
            cancel);
        var found = result.Rows.ToDictionary(row => row.Int64("bucket"));
        return [.. Enumerable.Range(0, buckets).Select(bucket => found.TryGetValue(bucket, out var row)
            ? new TraceBucket(filter.FromUnixNanos + (bucket * width), row.Int64("traces"), row.Int64("errors"), row.Float64("p50"), row.Float64("p95"))
            : new TraceBucket(filter.FromUnixNanos + (bucket * width), 0, 0, 0, 0))];
    }

    /// <summary>Spans (not traces) that match, without bodies, newest first: evidence and detectors read these.</summary>
    public async Task<IReadOnlyList<SpanSummary>> SpansAsync(string project, TraceFilter filter, CancellationToken cancel = default)
    {
        // First which, then what of them: the wide columns are read for the spans of the answer only.
        var where = await FilterAsync(project, filter, cancel);
        var result = await _engine.QueryAsync(
            $$"""
            SELECT {{SpanReader.SummaryColumns}} FROM spans
            WHERE project = {project:String} AND start_unix_nanos BETWEEN {from:Int64} AND {to:Int64} AND (start_unix_nanos, trace_id, span_id) IN
            (
              SELECT start_unix_nanos, trace_id, span_id FROM spans WHERE {{where.Condition}}
              ORDER BY start_unix_nanos DESC, trace_id, span_id
              LIMIT 1 BY trace_id, span_id
              LIMIT {limit:UInt64} OFFSET {offset:UInt64}
            )
            ORDER BY start_unix_nanos DESC, trace_id, span_id, received_unix_nanos DESC
            LIMIT 1 BY trace_id, span_id
            """,
            where.Parameters.Add("limit", Math.Max(0, filter.Limit)).Add("offset", Math.Max(0, filter.Offset)),
            Limits,
            cancel);
        var reader = new SpanReader(result);
        return [.. Enumerable.Range(0, reader.Count).Select(reader.Summary)];
    }

    /// <summary>
    /// One row a service seen in the range: requests (root, server or consumer spans), errors, p95, TTFT, tokens. A service that has
    /// no such span, because it is only ever called in-process, counts all its spans instead for errors and latency.
    /// </summary>
    public async Task<IReadOnlyList<ServiceSummary>> ServicesAsync(string project, long fromUnixNanos, long toUnixNanos, CancellationToken cancel = default)
    {
        var result = await _engine.QueryAsync(
            $$"""
            WITH (parent_span_id = toFixedString('', 8) OR kind IN (2, 5)) AS is_request,
                 if(genai_model_responded != '', toString(genai_model_responded), toString(genai_model_requested)) AS model
            SELECT service_name, count() AS span_count, countIf(is_request) AS requests,
                   if(requests > 0, countIf(is_request AND status = 2), countIf(status = 2)) AS errors,
                   if(requests > 0, quantileIf(0.5)(duration_nanos, is_request), quantile(0.5)(duration_nanos)) / 1e9 AS p50,
                   if(requests > 0, quantileIf(0.95)(duration_nanos, is_request), quantile(0.95)(duration_nanos)) / 1e9 AS p95,
                   quantile(0.5)(genai_first_chunk_nanos) / 1e9 AS first_chunk_p50,
                   ifNull(sumIf(genai_input_tokens, genai_counted = 1), 0) AS input_tokens,
                   ifNull(sumIf(genai_output_tokens, genai_counted = 1), 0) AS output_tokens,
                   arraySort(groupUniqArrayIf({{ModelsMax}})(model, model != '')) AS models,
                   max(start_unix_nanos) AS last_seen
            FROM spans
            WHERE project = {project:String} AND start_unix_nanos BETWEEN {from:Int64} AND {to:Int64}
            GROUP BY service_name ORDER BY service_name
            """,
            new SqlParameters().Add("project", project).Add("from", fromUnixNanos).Add("to", toUnixNanos),
            Limits,
            cancel);
        return [.. result.Rows.Select(row => new ServiceSummary(
            row.Text("service_name"), row.Int64("span_count"), row.Int64("requests"), row.Int64("errors"), row.Float64("p50"), row.Float64("p95"),
            row.NullableFloat64("first_chunk_p50") is { } seconds && double.IsFinite(seconds) ? seconds : null,
            row.Int64("input_tokens"), row.Int64("output_tokens"), row.TextArray("models"), row.Int64("last_seen")))];
    }

    /// <summary>Distinct values of a field (service, name, model, operation, or any attribute key) with counts, for completion.</summary>
    public async Task<IReadOnlyList<KeyValuePair<string, long>>> ValuesAsync(string project, string field, long fromUnixNanos, long toUnixNanos, int max, CancellationToken cancel = default)
    {
        var value = field switch
        {
            "service" or "service.name" => "service_name",
            "environment" => "environment",
            "release" => "release",
            "name" => "name",
            "operation" => "genai_operation",
            "provider" => "genai_provider",
            "model" => "if(genai_model_responded != '', genai_model_responded, genai_model_requested)",
            "agent" => "genai_agent",
            "tool" => "genai_tool",
            "session" => "session",
            "user" => "user",
            _ => "if(mapContains(attributes, {field:String}), attributes[{field:String}], resource_attributes[{field:String}])",
        };
        var result = await _engine.QueryAsync(
            $$"""
            SELECT toString({{value}}) AS value, count() AS spans FROM spans
            WHERE project = {project:String} AND start_unix_nanos BETWEEN {from:Int64} AND {to:Int64} AND value != ''
            GROUP BY value ORDER BY spans DESC, value LIMIT {max:UInt64}
            """,
            new SqlParameters().Add("project", project).Add("field", field).Add("from", fromUnixNanos).Add("to", toUnixNanos).Add("max", Math.Max(0, max)),
            Limits,
            cancel);
        return [.. result.Rows.Select(row => KeyValuePair.Create(row.Text("value"), row.Int64("spans")))];
    }

    private async Task<SpanReader> ReadTracesAsync(string project, IReadOnlyList<TraceId> traces, long fromUnixNanos, long toUnixNanos, string columns, CancellationToken cancel) =>
        new(await _engine.QueryAsync(
            $$"""
            SELECT {{columns}} FROM spans
            WHERE project = {project:String} AND start_unix_nanos BETWEEN {from:Int64} AND {to:Int64}
              AND trace_id IN (SELECT toFixedString(unhex(arrayJoin({traces:Array(String)})), 16))
            ORDER BY trace_id, start_unix_nanos, span_id, received_unix_nanos DESC
            LIMIT 1 BY trace_id, span_id
            """,
            new SqlParameters().Add("project", project).Add("from", fromUnixNanos).Add("to", toUnixNanos).Add("traces", traces.Select(trace => trace.ToString())),
            Limits,
            cancel));

    /// <summary>Rows of a page of traces, computed from all of each trace's spans, newest first.</summary>
    private async Task<IReadOnlyList<TraceSummary>> TraceRowsAsync(string project, IReadOnlyList<TraceId> traces, long fromUnixNanos, long toUnixNanos, CancellationToken cancel)
    {
        // A trace's words: its root's, or, where the root says nothing, the first question and the last answer of a model.
        var result = await _engine.QueryAsync(
            """
            WITH parent_span_id = toFixedString('', 8) AS is_root,
                 (NOT is_root, start_unix_nanos, span_id) AS nearest_root,
                 genai_operation IN ('chat', 'completion') AS is_chat,
                 if(genai_model_responded != '', toString(genai_model_responded), toString(genai_model_requested)) AS model_name
            SELECT trace_id, min(start_unix_nanos) AS first_start, max(end_unix_nanos) AS last_end, count() AS span_count, countIf(status = 2) AS error_count,
                   argMin(toString(service_name), nearest_root) AS root_service, argMin(toString(name), nearest_root) AS root_name, countIf(is_root) = 0 AS root_missing,
                   arraySort(groupUniqArray(toString(service_name))) AS services,
                   argMinIf(model_name, (NOT is_chat, start_unix_nanos), model_name != '') AS model,
                   sumIf(genai_input_tokens, genai_counted = 1) AS input_tokens, sumIf(genai_output_tokens, genai_counted = 1) AS output_tokens,
                   argMinIf(genai_input_preview, (NOT is_root, NOT is_chat, start_unix_nanos), genai_input_preview != '') AS input_preview,
                   argMaxIf(genai_output_preview, (is_root, is_chat, end_unix_nanos), genai_output_preview != '') AS output_preview,
                   groupUniqArrayIf(1000)(genai_response_id, genai_response_id != '') AS response_ids
            FROM
            (
              SELECT trace_id, span_id, parent_span_id, start_unix_nanos, end_unix_nanos, status, service_name, name, genai_operation, genai_counted,
                     genai_model_responded, genai_model_requested, genai_input_tokens, genai_output_tokens, genai_input_preview, genai_output_preview, genai_response_id
              FROM spans
              WHERE project = {project:String} AND start_unix_nanos BETWEEN {from:Int64} AND {to:Int64}
                AND trace_id IN (SELECT toFixedString(unhex(arrayJoin({traces:Array(String)})), 16))
              ORDER BY trace_id, span_id, received_unix_nanos DESC
              LIMIT 1 BY trace_id, span_id
            )
            GROUP BY trace_id
            """,
            new SqlParameters().Add("project", project).Add("from", fromUnixNanos).Add("to", toUnixNanos).Add("traces", traces.Select(trace => trace.ToString())),
            Limits,
            cancel);

        var traceOfResponse = new Dictionary<string, TraceId>(StringComparer.Ordinal);
        foreach (var row in result.Rows)
        {
            foreach (var response in row.TextArray("response_ids"))
            {
                traceOfResponse.TryAdd(response, Stored.Trace(row.Bytes("trace_id")));
            }
        }

        var worst = await _scores.WorstAsync(project, traces, traceOfResponse, cancel);
        return [.. result.Rows
            .Select(row =>
            {
                var id = Stored.Trace(row.Bytes("trace_id"));
                var start = row.Int64("first_start");
                var score = worst.GetValueOrDefault(id);
                return new TraceSummary(
                    id, row.Text("root_service"), row.Text("root_name"), start, row.Int64("last_end") - start, (int)row.Int64("span_count"), (int)row.Int64("error_count"),
                    row.TextArray("services"), row.Text("model"), row.NullableInt64("input_tokens"), row.NullableInt64("output_tokens"),
                    row.Text("input_preview"), row.Text("output_preview"), score?.Value, score?.Name ?? "", row.Int64("root_missing") != 0);
            })
            .OrderByDescending(trace => trace.StartUnixNanos)
            .ThenBy(trace => trace.TraceId.Value)];
    }

    /// <summary>
    /// The filter as SQL. Bodies are most of a store's bytes, so where attributes are asked for, a first and cheap query over the
    /// bodies' keys alone finds out whether any of the keys is a body's at all.
    /// </summary>
    private async Task<SpanFilter> FilterAsync(string project, TraceFilter filter, CancellationToken cancel)
    {
        if (filter.Attributes.Count == 0)
        {
            return SpanFilter.Of(project, filter, new HashSet<string>(StringComparer.Ordinal));
        }

        var keys = await _engine.QueryAsync(
            """
            SELECT DISTINCT toString(arrayJoin(arrayIntersect(mapKeys(bodies), {keys:Array(String)}))) AS key FROM spans
            WHERE project = {project:String} AND start_unix_nanos BETWEEN {from:Int64} AND {to:Int64}
            """,
            new SqlParameters().Add("project", project).Add("from", filter.FromUnixNanos).Add("to", filter.ToUnixNanos).Add("keys", filter.Attributes.Select(pair => pair.Key)),
            Limits,
            cancel);
        return SpanFilter.Of(project, filter, keys.Rows.Select(row => row.Text("key")).ToHashSet(StringComparer.Ordinal));
    }

    /// <summary>The scores of each of a trace's spans, by its place in the list.</summary>
    private async Task<ILookup<int, StoredScore>> ScoresBySpanAsync(string project, TraceId trace, List<ScorePlace> spans, CancellationToken cancel)
    {
        var responses = spans.Select(span => span.ResponseId).Where(id => id.Length > 0).Distinct(StringComparer.Ordinal).ToList();
        return ScorePlace.Assign(await _scores.OfTraceAsync(project, trace, responses, cancel), spans);
    }
}
