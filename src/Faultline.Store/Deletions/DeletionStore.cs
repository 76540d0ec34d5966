using System.Globalization;
using Faultline.ClickHouse;
using Faultline.Store.Writes;
using Faultline.Store.Writes.Journal;
using Faultline.Telemetry.Spans;

namespace Faultline.Store.Deletions;

/// <summary>Deletes for good. Many deletions go into one statement a table.</summary>
/// <remarks>
/// A delete is a mark on rows (ClickHouse's lightweight delete), or the drop of whole received days where the scope allows it. Marked rows are read by
/// nobody; <see cref="EraseAsync"/> writes the parts anew without them. What is deleted by value is first resolved to ids, in
/// <c>deletion_targets</c>: ClickHouse keeps a mutation's text in a file, and that text then holds no word of anybody.
/// </remarks>
public sealed class DeletionStore
{
    /// <summary>Whole days for which late arrivals of deleted traces are deleted too.</summary>
    public const int LateDays = 2;

    /// <summary>Stands among the tables for requests that were set aside; they are counted, not their rows.</summary>
    public const string SetAsideRequests = "set_aside_requests";

    private const int ProofTries = 5;

    private static readonly string[] TraceTables = ["spans", "logs", "scores"];
    private static readonly string[] ErasedTables = ["spans", "logs", "scores", "metric_samples", "metric_series", "metric_metadata", "failure_signatures", "topics", "kept_traces"];
    private static readonly string[] DroppedTables = ["spans", "logs", "scores", "metric_samples"];

    private const string LogHash = "sipHash128(project, request_hash, received_unix_nanos, time_unix_nanos, body)";
    private const string ResponseHash = "sipHash128('response', response_id)";

    private static readonly QueryLimits Limits = new(Time: TimeSpan.FromMinutes(10));

    private readonly IClickHouse _engine;
    private readonly Turn _turn;
    private readonly TimeProvider _time;
    private readonly Action _seriesDeleted;
    private readonly Func<CancellationToken, Task> _flush;
    private readonly AsideRequests? _aside;
    private long _sweptTo;

    /// <param name="aside">What the engine would not take; null where nothing is kept apart.</param>
    /// <param name="flush">Returns when what was acknowledged before is in the tables.</param>
    /// <param name="seriesDeleted">Called when rows of <c>metric_series</c> are gone, so that those still in use are written again.</param>
    internal DeletionStore(IClickHouse engine, Turn turn, TimeProvider time, AsideRequests? aside, Func<CancellationToken, Task> flush, Action seriesDeleted)
    {
        _engine = engine;
        _turn = turn;
        _time = time;
        _aside = aside;
        _flush = flush;
        _seriesDeleted = seriesDeleted;
    }

    /// <summary>How many rows a deletion would delete, by table; nothing is changed.</summary>
    public async Task<IReadOnlyDictionary<string, long>> CountAsync(DeletionScope scope, CancellationToken cancel = default)
    {
        var rows = await CountRowsAsync(scope, cancel);
        return await CountAsideAsync(cancel, scope) is var aside and > 0 ? WithAside(rows, aside) : rows;
    }

    private async Task<SortedDictionary<string, long>> CountRowsAsync(DeletionScope scope, CancellationToken cancel)
    {
        var rows = new SortedDictionary<string, long>(StringComparer.Ordinal);
        if (!scope.IsOfTraces)
        {
            foreach (var (table, condition, parameters) in await WholeAsync(scope, cancel))
            {
                rows[table] = await NumberAsync($"SELECT count() AS n FROM {table} WHERE {condition}", parameters, cancel);
            }

            return rows;
        }

        foreach (var table in TraceTables)
        {
            var parameters = new SqlParameters();
            rows[table] = await NumberAsync($"SELECT count() AS n FROM {table} WHERE {scope.Condition("of_", parameters)}", parameters, cancel);
        }

        var others = new SqlParameters();
        if (scope.LonelyLogs("of_", others) is { } lonely)
        {
            rows["logs"] += await NumberAsync($"SELECT count() AS n FROM logs WHERE {lonely}", others, cancel);
            rows["metric_series"] = await NumberAsync($"SELECT count() AS n FROM metric_series WHERE {SeriesOf}", others, cancel);
            rows["metric_samples"] = await NumberAsync($$"""
                SELECT count() AS n FROM metric_samples WHERE project = {of_project:String} AND series_id IN (SELECT series_id FROM metric_series WHERE {{SeriesOf}})
                """, others, cancel);
        }

        return rows;
    }

    /// <summary>Rows of spans, logs and scores that are in both scopes, and requests set aside that may be.</summary>
    public async Task<long> OverlapAsync(DeletionScope one, DeletionScope other, CancellationToken cancel = default)
    {
        var rows = 0L;
        foreach (var table in TraceTables)
        {
            var parameters = new SqlParameters();
            rows += await NumberAsync($"SELECT count() AS n FROM {table} WHERE ({one.Condition("one_", parameters)}) AND ({other.Condition("other_", parameters)})", parameters, cancel);
        }

        return rows + await CountAsideAsync(cancel, one, other);
    }

    /// <summary>Deletes, and counts what is left. Answers by the deletions' ids.</summary>
    /// <param name="deletions">Each with an id of its own; they may overlap.</param>
    /// <exception cref="ClickHouseException">The engine could not; the same call goes on where this one ended.</exception>
    public Task<IReadOnlyDictionary<string, DeletedRows>> DeleteAsync(IReadOnlyList<(string Id, DeletionScope Scope)> deletions, CancellationToken cancel = default) =>
        _turn.RunAsync(() => DeleteInTurnAsync(deletions, cancel), cancel);

    private async Task<IReadOnlyDictionary<string, DeletedRows>> DeleteInTurnAsync(IReadOnlyList<(string Id, DeletionScope Scope)> deletions, CancellationToken cancel)
    {
        await _flush(cancel);
        var answers = new Dictionary<string, DeletedRows>(StringComparer.Ordinal);
        var ofTraces = deletions.Where(one => one.Scope.IsOfTraces).ToList();
        if (ofTraces.Count > 0)
        {
            foreach (var (id, rows) in await DeleteTracesAsync(ofTraces, cancel))
            {
                answers[id] = rows;
            }
        }

        foreach (var (id, scope) in deletions.Where(one => !one.Scope.IsOfTraces))
        {
            answers[id] = await DeleteWholeAsync(scope, cancel);
        }

        return DeleteAside(deletions, answers);
    }

    private Dictionary<string, DeletedRows> DeleteAside(IReadOnlyList<(string Id, DeletionScope Scope)> deletions, Dictionary<string, DeletedRows> answers)
    {
        if (_aside is not { Count: > 0 } aside)
        {
            return answers;
        }

        var found = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var request in aside.Read())
        {
            var meant = deletions.Where(one => IsMeant(request, one)).ToList();
            meant.ForEach(one => found[one.Id] = found.GetValueOrDefault(one.Id) + 1);
            if (meant.Count > 0)
            {
                request.Delete();
            }
        }

        var asked = deletions.Where(one => found.ContainsKey(one.Id)).ToList();
        if (asked.Count == 0)
        {
            return answers;
        }

        var left = aside.Read().SelectMany(request => asked.Where(one => IsMeant(request, one))).ToLookup(one => one.Id, StringComparer.Ordinal);
        foreach (var (id, _) in asked)
        {
            answers[id] = answers[id] with { Found = WithAside(answers[id].Found, found[id]), Left = WithAside(answers[id].Left, left[id].Count()) };
        }

        return answers;

        bool IsMeant(AsideRequest request, (string Id, DeletionScope Scope) one) => request.MayBeAbout(one.Scope, answers[one.Id].Traces);
    }

    /// <summary>Requests set aside that are, or may be, about all of these scopes.</summary>
    private async Task<int> CountAsideAsync(CancellationToken cancel, params DeletionScope[] scopes)
    {
        if (_aside is not { Count: > 0 } aside)
        {
            return 0;
        }

        List<(DeletionScope Scope, IReadOnlyCollection<TraceId> Traces)> known = [];
        foreach (var scope in scopes)
        {
            known.Add((scope, await TracesOfAsync(scope, cancel)));
        }

        return aside.Read().Count(request => known.TrueForAll(one => request.MayBeAbout(one.Scope, one.Traces)));
    }

    /// <summary>Traces of a user or a session; of other scopes none but those they name.</summary>
    private async Task<IReadOnlyCollection<TraceId>> TracesOfAsync(DeletionScope scope, CancellationToken cancel)
    {
        if (scope.Kind is not (ScopeKind.User or ScopeKind.Session))
        {
            return [];
        }

        var parameters = new SqlParameters();
        var traces = await _engine.QueryAsync($"SELECT trace_id FROM ({scope.TracesSql("of_", parameters)})", parameters, Limits, cancel);
        return [.. traces.Rows.Select(row => Stored.Trace(row.Bytes("trace_id")))];
    }

    private static SortedDictionary<string, long> WithAside(IReadOnlyDictionary<string, long> rows, int aside) =>
        new(rows.ToDictionary(StringComparer.Ordinal), StringComparer.Ordinal) { [SetAsideRequests] = aside };

    /// <summary>Deletes what has come since of traces that were deleted in the last days, and forgets older deletions.</summary>
    /// <returns>Rows.</returns>
    public Task<long> SweepAsync(CancellationToken cancel = default) => _turn.RunAsync(() => SweepInTurnAsync(cancel), cancel);

    private async Task<long> SweepInTurnAsync(CancellationToken cancel)
    {
        var today = _time.GetUtcNow().UtcDateTime.Date;
        foreach (var day in await DaysAsync("deletion_targets", today.AddDays(-LateDays), cancel))
        {
            await _engine.ExecuteAsync($"ALTER TABLE deletion_targets DROP PARTITION '{day}'", cancel: cancel);
        }

        if (await NumberAsync("SELECT count() AS n FROM deletion_targets", null, cancel) == 0)
        {
            return 0;
        }

        // A batch's place rises with its commit, but a commit may still be under way while the clock goes on.
        await _flush(cancel);
        var now = DeletionScope.Nanos(_time.GetUtcNow());
        var since = Math.Max(_sweptTo, DeletionScope.Nanos(new DateTimeOffset(today.AddDays(-LateDays), TimeSpan.Zero)));
        var swept = 0L;
        foreach (var table in TraceTables)
        {
            const string Late = """
                received_unix_nanos > {since:Int64} AND (project, trace_id) IN (SELECT project, id FROM deletion_targets WHERE kind = 'trace')
                """;
            var parameters = new SqlParameters().Add("since", since);
            var rows = await NumberAsync($"SELECT count() AS n FROM {table} WHERE {Late}", parameters, cancel);
            if (rows > 0)
            {
                await MarkAsync(table, Late, parameters, cancel);
                swept += rows;
            }
        }

        _sweptTo = now - (TimeSpan.FromMinutes(2).Ticks * 100);
        return swept;
    }

    /// <summary>Writes parts with deleted rows anew, without them. The old parts go from the disk some minutes later (ClickHouse's <c>old_parts_lifetime</c>).</summary>
    /// <returns>Tables.</returns>
    public Task<int> EraseAsync(CancellationToken cancel = default) => _turn.RunAsync(() => EraseInTurnAsync(cancel), cancel);

    private async Task<int> EraseInTurnAsync(CancellationToken cancel)
    {
        var marked = await _engine.QueryAsync("SELECT DISTINCT table FROM system.parts WHERE database = currentDatabase() AND active AND has_lightweight_delete = 1", null, Limits, cancel);
        var tables = marked.Rows.Select(row => row.Text("table")).Where(table => ErasedTables.Contains(table, StringComparer.Ordinal)).ToList();
        foreach (var table in tables)
        {
            await Mutation.ExecuteAsync(_engine, $"ALTER TABLE {table} APPLY DELETED MASK SETTINGS mutations_sync = 1", cancel: cancel);
        }

        return tables.Count;
    }

    /// <summary>Deletes topics of a project; of the sides of services only those not written since.</summary>
    public Task DeleteTopicsAsync(string project, DateTimeOffset writtenBefore, CancellationToken cancel = default) =>
        _turn.RunAsync(
            () => MarkAsync(
                "topics", "project = {project:String} AND written_unix_millis < {before:Int64}",
                new SqlParameters().Add("project", project).Add("before", writtenBefore.ToUnixTimeMilliseconds()), cancel),
            cancel);

    private async Task<IReadOnlyDictionary<string, DeletedRows>> DeleteTracesAsync(List<(string Id, DeletionScope Scope)> deletions, CancellationToken cancel)
    {
        var batch = "batch-" + Guid.NewGuid().ToString("N");
        await TargetAsync(batch, deletions, cancel);
        var parameters = new SqlParameters().Add("batch", batch);
        var found = await CountTargetsAsync(parameters, cancel);
        var left = found;
        for (var tries = 0; tries < ProofTries && left.Values.Any(rows => rows.Values.Any(count => count > 0)); tries++)
        {
            await DeleteTargetsAsync(parameters, left, cancel);
            left = await CountTargetsAsync(parameters, cancel);
        }

        var traces = await _engine.QueryAsync("SELECT DISTINCT deletion, id FROM deletion_targets WHERE batch = {batch:String} AND kind = 'trace'", parameters, Limits, cancel);
        var ofDeletion = traces.Rows.ToLookup(row => row.Text("deletion"), row => Stored.Trace(row.Bytes("id")), StringComparer.Ordinal);
        return deletions.ToDictionary(
            one => one.Id, one => new DeletedRows(found[one.Id], left[one.Id], [.. ofDeletion[one.Id]]), StringComparer.Ordinal);

        async Task<Dictionary<string, IReadOnlyDictionary<string, long>>> CountTargetsAsync(SqlParameters of, CancellationToken stop)
        {
            var counts = deletions.ToDictionary(one => one.Id, one => (SortedDictionary<string, long>)new(StringComparer.Ordinal) { ["spans"] = 0, ["logs"] = 0, ["scores"] = 0 }, StringComparer.Ordinal);
            foreach (var target in Targets)
            {
                var rows = await _engine.QueryAsync(
                    $$"""
                    SELECT deletion, count() AS n FROM
                      (SELECT project, {{target.Key}} AS target FROM {{target.Table}} WHERE {{target.Condition}}) AS stored
                      INNER JOIN (SELECT DISTINCT deletion, project, id FROM deletion_targets WHERE batch = {batch:String} AND kind = '{{target.Kind}}') AS targets
                        ON stored.project = targets.project AND stored.target = targets.id
                    GROUP BY deletion
                    """,
                    of, Limits, stop);
                foreach (var row in rows.Rows)
                {
                    var ofOne = counts[row.Text("deletion")];
                    ofOne[target.Table] = ofOne.GetValueOrDefault(target.Table) + row.Int64("n");
                }
            }

            return counts.ToDictionary(one => one.Key, one => (IReadOnlyDictionary<string, long>)one.Value, StringComparer.Ordinal);
        }
    }

    /// <summary>Rows by their ids in <c>deletion_targets</c>. Series come after their samples: without them nobody would know which.</summary>
    private sealed record Target(string Table, string Kind, string Key)
    {
        // The ids alone first: indexes know them, and pairs they do not.
        public string Condition => $$"""
            {{(Key == "trace_id" ? $"trace_id IN (SELECT id FROM deletion_targets WHERE batch = {{batch:String}} AND kind = '{Kind}') AND " : "")}}
            {{Only}} (project, {{Key}}) IN (SELECT project, id FROM deletion_targets WHERE batch = {batch:String} AND kind = '{{Kind}}')
            """;

        private string Only => Kind switch
        {
            "log" => "trace_id = toFixedString('', 16) AND",
            "response" => "response_id != '' AND",
            _ => "",
        };
    }

    private static readonly Target[] Targets =
    [
        new("spans", "trace", "trace_id"),
        new("logs", "trace", "trace_id"),
        new("logs", "log", LogHash),
        new("scores", "trace", "trace_id"),
        new("scores", "response", ResponseHash),
        new("kept_traces", "trace", "trace_id"),
        new("metric_samples", "series", "reinterpretAsFixedString(series_id)"),
        new("metric_series", "series", "reinterpretAsFixedString(series_id)"),
    ];

    private const string SeriesOf = "project = {of_project:String} AND has(mapValues(labels), {of_value:String})";

    /// <summary>Resolves every deletion to ids.</summary>
    private async Task TargetAsync(string batch, List<(string Id, DeletionScope Scope)> deletions, CancellationToken cancel)
    {
        var today = _time.GetUtcNow().UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
        Task InsertAsync(string id, string kind, string select, SqlParameters parameters) => _engine.ExecuteAsync(
            $$"""
            INSERT INTO deletion_targets (asked_date, batch, deletion, project, kind, id)
            SELECT {today:Date}, {batch:String}, {{id}}, {of_project:String}, '{{kind}}', {{select}}
            """,
            parameters.Add("today", today).Add("batch", batch), cancel);

        foreach (var project in deletions.Where(one => one.Scope.Kind == ScopeKind.Traces).GroupBy(one => one.Scope.Project!, StringComparer.Ordinal))
        {
            foreach (var piece in project.SelectMany(one => one.Scope.Traces.Select(trace => (one.Id, Trace: trace.ToString()))).Chunk(DeletionScope.TracesMax))
            {
                await InsertAsync(
                    "pair.1", "trace", "toFixedString(unhex(pair.2), 16) FROM (SELECT arrayJoin(arrayZip({ids:Array(String)}, {traces:Array(String)})) AS pair)",
                    new SqlParameters().Add("of_project", project.Key).Add("ids", piece.Select(one => one.Id)).Add("traces", piece.Select(one => one.Trace)));
            }
        }

        foreach (var (id, scope) in deletions.Where(one => one.Scope.Kind is ScopeKind.User or ScopeKind.Session))
        {
            var parameters = new SqlParameters().Add("id", id);
            await InsertAsync("{id:String}", "trace", $"trace_id FROM ({scope.TracesSql("of_", parameters)})", parameters);
            await InsertAsync("{id:String}", "log", $"{LogHash} FROM logs WHERE {scope.LonelyLogs("of_", parameters)}", parameters);
            await InsertAsync("{id:String}", "series", $"reinterpretAsFixedString(series_id) FROM metric_series WHERE {SeriesOf}", parameters);
        }

        // What an earlier try found: some of its rows may be gone, and with them what says whose they were.
        await _engine.ExecuteAsync(
            """
            INSERT INTO deletion_targets (asked_date, batch, deletion, project, kind, id)
            SELECT DISTINCT {today:Date}, {batch:String}, deletion, project, kind, id FROM deletion_targets WHERE batch != {batch:String} AND deletion IN (SELECT arrayJoin({ids:Array(String)}))
            """,
            new SqlParameters().Add("today", today).Add("batch", batch).Add("ids", deletions.Select(one => one.Id)), cancel);

        await _engine.ExecuteAsync(
            $$"""
            INSERT INTO deletion_targets (asked_date, batch, deletion, project, kind, id)
            SELECT DISTINCT {today:Date}, {batch:String}, targets.deletion, targets.project, 'response', sipHash128('response', calls.response)
            FROM (SELECT project, trace_id, genai_response_id AS response FROM spans
                  WHERE genai_response_id != '' AND trace_id IN (SELECT id FROM deletion_targets WHERE batch = {batch:String} AND kind = 'trace')) AS calls
            INNER JOIN (SELECT DISTINCT deletion, project, id FROM deletion_targets WHERE batch = {batch:String} AND kind = 'trace') AS targets
              ON calls.project = targets.project AND calls.trace_id = targets.id
            """,
            new SqlParameters().Add("today", today).Add("batch", batch), cancel);
    }

    private async Task DeleteTargetsAsync(SqlParameters parameters, Dictionary<string, IReadOnlyDictionary<string, long>> left, CancellationToken cancel)
    {
        var kinds = (await _engine.QueryAsync("SELECT DISTINCT kind FROM deletion_targets WHERE batch = {batch:String}", parameters, Limits, cancel)).Rows.Select(row => row.Text("kind")).ToHashSet(StringComparer.Ordinal);
        foreach (var target in Targets.Where(target => kinds.Contains(target.Kind) && left.Values.Any(rows => rows.GetValueOrDefault(target.Table) > 0)))
        {
            await MarkAsync(target.Table, target.Condition, parameters, cancel);
        }
    }

    private async Task<DeletedRows> DeleteWholeAsync(DeletionScope scope, CancellationToken cancel)
    {
        // What is stored from here on is new, and not meant.
        var conditions = await WholeAsync(scope, cancel);
        var found = await CountAsync(conditions, cancel);
        if (scope is { Kind: ScopeKind.Before, Project: null })
        {
            foreach (var table in DroppedTables)
            {
                foreach (var day in await DaysAsync(table, scope.Before!.Value.UtcDateTime.Date, cancel))
                {
                    await _engine.ExecuteAsync($"ALTER TABLE {table} DROP PARTITION '{day}'", cancel: cancel);
                }
            }
        }

        var left = await CountAsync(conditions, cancel);
        for (var tries = 0; tries < ProofTries && left.Values.Any(rows => rows > 0); tries++)
        {
            foreach (var (table, condition, parameters) in conditions.Where(one => left[one.Table] > 0))
            {
                await MarkAsync(table, condition, parameters, cancel);
            }

            left = await CountAsync(conditions, cancel);
        }

        return new DeletedRows(found, left, []);
    }

    /// <summary>What a project or an age is in every table.</summary>
    private async Task<IReadOnlyList<(string Table, string Condition, SqlParameters Parameters)>> WholeAsync(DeletionScope scope, CancellationToken cancel)
    {
        var parameters = new SqlParameters().Add("now", _time.GetUtcNow().ToUnixTimeMilliseconds());
        var received = scope.Condition("of_", parameters);
        if (scope.Kind == ScopeKind.Project)
        {
            var newest = await _engine.QueryAsync(
                """
                SELECT (SELECT max(version) FROM metric_samples WHERE project = {of_project:String}) AS version,
                  greatest((SELECT max(received_unix_nanos) FROM spans WHERE project = {of_project:String}), (SELECT max(received_unix_nanos) FROM logs WHERE project = {of_project:String}),
                    (SELECT max(received_unix_nanos) FROM scores WHERE project = {of_project:String})) AS received
                """,
                parameters, Limits, cancel);
            parameters.Add("version", newest.Rows.First().NullableInt64("version") ?? 0).Add("received", newest.Rows.First().NullableInt64("received") ?? 0);
            received += " AND received_unix_nanos <= {received:Int64}";
            return
            [
                .. TraceTables.Select(table => (table, received, parameters)),
                ("metric_samples", "project = {of_project:String} AND version <= {version:Int64}", parameters),
                ("metric_series", "project = {of_project:String} AND series_id NOT IN (SELECT series_id FROM metric_samples WHERE project = {of_project:String} AND version > {version:Int64})", parameters),
                ("metric_metadata", "project = {of_project:String} AND version <= {version:Int64}", parameters),
                ("failure_signatures", "project = {of_project:String} AND written_unix_millis <= {now:Int64}", parameters),
                ("topics", "project = {of_project:String} AND written_unix_millis <= {now:Int64}", parameters),
                ("kept_traces", "project = {of_project:String}", parameters),
            ];
        }

        var before = scope.Before!.Value.UtcDateTime;
        parameters.Add("day", before.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)).Add("millis", scope.Before.Value.ToUnixTimeMilliseconds());
        var project = scope.Project is null ? "" : "project = {of_project:String} AND ";
        return
        [
            .. TraceTables.Select(table => (table, received, parameters)),
            ("metric_samples", project + "(received_date < {day:Date} OR (received_date = {day:Date} AND unix_millis < {millis:Int64}))", parameters),
            ("metric_series", project + "received_date < {day:Date} AND (project, series_id) NOT IN (SELECT project, series_id FROM metric_samples)", parameters),
            ("topics", project + "newest_unix_millis < {millis:Int64}", parameters),
        ];
    }

    private async Task<Dictionary<string, long>> CountAsync(IReadOnlyList<(string Table, string Condition, SqlParameters Parameters)> conditions, CancellationToken cancel)
    {
        var rows = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var (table, condition, parameters) in conditions)
        {
            rows[table] = await NumberAsync($"SELECT count() AS n FROM {table} WHERE {condition}", parameters, cancel);
        }

        return rows;
    }

    private async Task MarkAsync(string table, string condition, SqlParameters? parameters, CancellationToken cancel)
    {
        await Mutation.ExecuteAsync(_engine, $"DELETE FROM {table} WHERE {condition}", parameters, cancel);
        if (table == "metric_series")
        {
            _seriesDeleted();
        }
    }

    /// <summary>Received days of a table that are over before <paramref name="before"/>.</summary>
    private async Task<List<string>> DaysAsync(string table, DateTime before, CancellationToken cancel)
    {
        var days = await _engine.QueryAsync(
            "SELECT DISTINCT partition FROM system.parts WHERE database = currentDatabase() AND table = {table:String} AND active AND partition < {before:String} ORDER BY partition",
            new SqlParameters().Add("table", table).Add("before", before.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)), Limits, cancel);
        return [.. days.Rows.Select(row => row.Text("partition"))];
    }

    private async Task<long> NumberAsync(string sql, SqlParameters? parameters, CancellationToken cancel) =>
        (await _engine.QueryAsync(sql, parameters, Limits, cancel)).Rows.First().Int64("n");
}
