using Faultline.ClickHouse;
using Faultline.Telemetry.Spans;

namespace Faultline.Store.Scores;

public sealed record StoredScore(string Service, TraceId TraceId, SpanId SpanId, string ResponseId, string Name, double Value, string Label, string Explanation, string Evaluator, long UnixNanos)
{
    /// <summary>Begins <see cref="Evaluator"/> of what a built-in evaluator said; name and version follow.</summary>
    public const string BuiltInPrefix = "faultline/";

    /// <summary>A language model's that is asked by us: its name begins with this after <see cref="BuiltInPrefix"/>.</summary>
    public const string JudgePrefix = "judge_";

    /// <summary><see cref="BuiltInPrefix"/> as a batch has it.</summary>
    public static ReadOnlySpan<byte> BuiltInPrefixUtf8 => "faultline/"u8;

    /// <summary>Given by code of ours, which says the same of the same text; a language model that judges for us does not.</summary>
    public static bool IsBuiltIn(string evaluator) =>
        evaluator.StartsWith(BuiltInPrefix, StringComparison.Ordinal) && !evaluator.AsSpan(BuiltInPrefix.Length).StartsWith(JudgePrefix, StringComparison.Ordinal);

    /// <inheritdoc cref="IsBuiltIn(string)"/>
    public static bool IsBuiltIn(ReadOnlySpan<byte> evaluator) => evaluator.StartsWith(BuiltInPrefixUtf8) && !evaluator[BuiltInPrefixUtf8.Length..].StartsWith("judge_"u8);
}

/// <summary>Questions asked of stored evaluation scores.</summary>
public sealed class ScoreStore
{
    private const string Columns = "service_name, trace_id, span_id, response_id, name, value, label, explanation, evaluator, unix_nanos";

    // The same judgement twice is a request that was sent twice.
    private const string Once = "LIMIT 1 BY service_name, trace_id, span_id, response_id, name, evaluator, unix_nanos, value, label";

    private static readonly QueryLimits Limits = new(Time: TimeSpan.FromSeconds(30));

    private readonly IClickHouse _engine;

    internal ScoreStore(IClickHouse engine) => _engine = engine;

    /// <summary>Scores in a time range, newest first; lowest first when <paramref name="worstFirst"/>.</summary>
    public async Task<IReadOnlyList<StoredScore>> ScoresAsync(string project, string? service, string? name, long fromUnixNanos, long toUnixNanos, int limit, bool worstFirst = false, CancellationToken cancel = default)
    {
        var result = await _engine.QueryAsync(
            $$"""
            SELECT {{Columns}} FROM scores
            WHERE project = {project:String} AND unix_nanos BETWEEN {from:Int64} AND {to:Int64}
            {{(service is null ? "" : "AND service_name = {service:String}")}} {{(name is null ? "" : "AND name = {name:String}")}}
            ORDER BY {{(worstFirst ? "value ASC, unix_nanos DESC" : "unix_nanos DESC, value ASC")}}, trace_id, span_id, name
            {{Once}} LIMIT {limit:UInt64}
            """,
            new SqlParameters().Add("project", project).Add("service", service ?? "").Add("name", name ?? "").Add("from", fromUnixNanos).Add("to", toUnixNanos).Add("limit", Math.Max(0, limit)),
            Limits,
            cancel);
        return Read(result);
    }

    /// <summary>Scores that name the trace or one of its responses, by time.</summary>
    internal async Task<IReadOnlyList<StoredScore>> OfTraceAsync(string project, TraceId trace, IReadOnlyList<string> responseIds, CancellationToken cancel)
    {
        var scores = Read(await _engine.QueryAsync(
            $$"""
            SELECT {{Columns}} FROM
            (
              SELECT {{Columns}} FROM scores WHERE project = {project:String} AND trace_id = toFixedString(unhex({trace:String}), 16)
              UNION ALL
              SELECT {{Columns}} FROM scores WHERE project = {project:String} AND trace_id != toFixedString(unhex({trace:String}), 16)
                AND response_id != '' AND response_id IN (SELECT arrayJoin({responses:Array(String)}))
            )
            ORDER BY unix_nanos, name, span_id {{Once}}
            """,
            new SqlParameters().Add("project", project).Add("trace", trace.ToString()).Add("responses", responseIds),
            Limits,
            cancel));

        // What the application says of a span by a name takes the place of what a built-in evaluator says.
        return [.. scores.Where(score => !IsBuiltIn(score) || !scores.Any(other => !IsBuiltIn(other) && Judges(other, score)))];
    }

    private static bool IsBuiltIn(StoredScore score) => score.Evaluator.StartsWith(StoredScore.BuiltInPrefix, StringComparison.Ordinal);

    private static bool Judges(StoredScore one, StoredScore other) =>
        string.Equals(one.Name, other.Name, StringComparison.OrdinalIgnoreCase)
        && ((!one.SpanId.IsNone && one.SpanId == other.SpanId) || (one.ResponseId.Length > 0 && one.ResponseId == other.ResponseId));

    /// <summary>The lowest score of each trace that has any, whether it names the trace or one of its responses.</summary>
    internal async Task<IReadOnlyDictionary<TraceId, WorstScore>> WorstAsync(string project, IReadOnlyList<TraceId> traces, IReadOnlyDictionary<string, TraceId> traceOfResponse, CancellationToken cancel)
    {
        var result = await _engine.QueryAsync(
            """
            SELECT trace_id, '' AS response_id, argMin(toString(name), value) AS worst_name, min(value) AS worst FROM scores
            WHERE project = {project:String} AND NOT isNaN(value) AND trace_id IN (SELECT toFixedString(unhex(arrayJoin({traces:Array(String)})), 16))
            GROUP BY trace_id
            UNION ALL
            SELECT toFixedString('', 16) AS trace_id, response_id, argMin(toString(name), value) AS worst_name, min(value) AS worst FROM scores
            WHERE project = {project:String} AND NOT isNaN(value) AND response_id != '' AND response_id IN (SELECT arrayJoin({responses:Array(String)}))
            GROUP BY response_id
            """,
            new SqlParameters().Add("project", project).Add("traces", traces.Select(trace => trace.ToString())).Add("responses", traceOfResponse.Keys),
            Limits,
            cancel);
        var worst = new Dictionary<TraceId, WorstScore>();
        foreach (var row in result.Rows)
        {
            var trace = row.Text("response_id") is { Length: > 0 } response ? traceOfResponse[response] : Stored.Trace(row.Bytes("trace_id"));
            var score = new WorstScore(row.Text("worst_name"), row.Float64("worst"));
            if (!worst.TryGetValue(trace, out var known) || score.Value < known.Value)
            {
                worst[trace] = score;
            }
        }

        return worst;
    }

    private static IReadOnlyList<StoredScore> Read(QueryResult result) =>
    [
        .. result.Rows.Select(row => new StoredScore(
            row.Text("service_name"), Stored.Trace(row.Bytes("trace_id")), Stored.Span(row.Bytes("span_id")), row.Text("response_id"), row.Text("name"),
            row.Float64("value"), row.Text("label"), row.Text("explanation"), row.Text("evaluator"), row.Int64("unix_nanos"))),
    ];
}

internal sealed record WorstScore(string Name, double Value);
