using System.Globalization;
using Faultline.ClickHouse;
using Faultline.Store.Deletions;
using Faultline.Store.Writes.Journal;
using Faultline.Telemetry;
using Faultline.Telemetry.Spans;

namespace Faultline.Store.Tiers;

/// <summary>Why a trace is still there, or when it goes.</summary>
/// <param name="Rule">That keeps it; null: none does.</param>
/// <param name="Until">The day on which it goes (UTC).</param>
/// <param name="IsDecided">Its day has left the hot window; before, it is what would be decided now.</param>
public sealed record TraceKeep(string? Rule, DateOnly Until, bool IsDecided);

/// <summary>Traces that the control plane wants kept: by project, as far as they are known when asked.</summary>
/// <param name="Linked">Traces that cases cite.</param>
/// <param name="Held">Scopes under a legal hold.</param>
public sealed record Pins(IReadOnlyList<(string Project, TraceId Trace)> Linked, IReadOnlyList<DeletionScope> Held);

/// <summary>
/// Takes received days out of the hot window: decides with the whole trace in view, then puts what stays of a day in the day's place. Days change as partitions,
/// never row by row.
/// </summary>
/// <remarks>
/// What stays is copied into a table of the same form, whose partition then replaces the day's in one atomic step: a reader sees the day before or after, never
/// both, and a process that ends in between has changed nothing. Every step may be done again.
/// </remarks>
public sealed class RetentionStore
{
    /// <summary>The rule that stands for a legal hold.</summary>
    public const string HoldRule = "legal hold";

    /// <summary>Where traces are counted by rule: rules that are no longer set, and still keep what they once decided on.</summary>
    public const string FormerRules = "(former)";

    /// <summary>Traces decided in one statement.</summary>
    private const long TracesAtOnce = 1_000_000;

    /// <summary>A trace's rows are looked for so many days before the day that leaves.</summary>
    private const int DaysBefore = 2;

    private static readonly string[] DayTables = ["logs", "scores", "spans"];
    private static readonly QueryLimits Limits = new(Time: TimeSpan.FromMinutes(30));

    private readonly IClickHouse _engine;
    private readonly Turn _turn;
    private readonly TimeProvider _time;
    private readonly AsideRequests? _aside;

    /// <param name="aside">What the engine would not take; null where nothing is kept apart.</param>
    internal RetentionStore(IClickHouse engine, Turn turn, TimeProvider time, AsideRequests? aside)
    {
        _engine = engine;
        _turn = turn;
        _time = time;
        _aside = aside;
    }

    /// <summary>Drops what a process that ended in the middle had copied.</summary>
    internal static async Task CleanAsync(IClickHouse engine, CancellationToken cancel)
    {
        foreach (var table in DayTables)
        {
            await engine.ExecuteAsync($"DROP TABLE IF EXISTS retention_{table} SYNC", cancel: cancel);
        }
    }

    /// <summary>Days that have left the window and are due, the oldest first.</summary>
    public async Task<IReadOnlyList<DateOnly>> DueAsync(RetentionOptions options, CancellationToken cancel = default)
    {
        if (options.Hot is not { } hot)
        {
            return [];
        }

        var first = FirstHotDay(hot);
        var days = await _engine.QueryAsync(
            """
            SELECT DISTINCT partition AS day FROM system.parts
            WHERE database = currentDatabase() AND table IN ('spans', 'logs', 'scores') AND active AND partition < {first:String}
              AND partition NOT IN (SELECT toString(day) FROM (SELECT day, argMax(next_look, looked_unix_millis) AS next FROM retention_days GROUP BY day) WHERE next > {today:Date})
            ORDER BY day
            """,
            new SqlParameters().Add("first", Text(first)).Add("today", Text(Today)), Limits, cancel);
        return [.. days.Rows.Select(row => DateOnly.ParseExact(row.Text("day"), "yyyy-MM-dd", CultureInfo.InvariantCulture))];
    }

    /// <summary>Decides what stays of a day that has left the window, and drops the rest.</summary>
    /// <returns>Rows dropped.</returns>
    public Task<long> TakeOutAsync(DateOnly day, RetentionOptions options, Pins pins, CancellationToken cancel = default) =>
        _turn.RunAsync(() => TakeOutInTurnAsync(day, options, pins, cancel), cancel);

    private async Task<long> TakeOutInTurnAsync(DateOnly day, RetentionOptions options, Pins pins, CancellationToken cancel)
    {
        await DecideAsync(day, options, pins, cancel);
        var dropped = 0L;
        foreach (var table in DayTables)
        {
            dropped += await ReplaceAsync(table, day, pins.Held, cancel);
        }

        await _engine.ExecuteAsync(
            $$"""
            INSERT INTO retention_days (day, next_look, looked_unix_millis)
            SELECT {day:Date}, least(min(until), toDate('2149-01-01')), {now:Int64} FROM (SELECT project, trace_id, max(keep_until) AS until FROM kept_traces GROUP BY project, trace_id)
            WHERE until > {today:Date} AND {{AnyRow}}
            HAVING count() > 0
            """,
            OfDay(day).Add("now", _time.GetUtcNow().ToUnixTimeMilliseconds()), cancel);
        return dropped;
    }

    /// <summary>Drops the days of samples that are older than they may be, and the months of series behind them.</summary>
    /// <returns>Samples dropped.</returns>
    public Task<long> DropMetricsAsync(RetentionOptions options, CancellationToken cancel = default) =>
        options.Metrics is { } kept ? _turn.RunAsync(() => DropMetricsInTurnAsync(DateOnly.FromDateTime((_time.GetUtcNow() - kept).UtcDateTime), cancel), cancel) : Task.FromResult(0L);

    private async Task<long> DropMetricsInTurnAsync(DateOnly first, CancellationToken cancel)
    {
        // A series is written again every day that it is seen, so a month that ended before the first day left says nothing of what stays.
        var old = await _engine.QueryAsync(
            """
            SELECT table, partition, sum(rows) AS row_count FROM system.parts
            WHERE database = currentDatabase() AND active
              AND ((table = 'metric_samples' AND partition < {first:String}) OR (table = 'metric_series' AND addMonths(toDate(partition), 1) <= {first_day:Date}))
            GROUP BY table, partition ORDER BY table, partition
            """,
            new SqlParameters().Add("first", Text(first)).Add("first_day", Text(first)), Limits, cancel);
        var dropped = 0L;
        foreach (var row in old.Rows)
        {
            await _engine.ExecuteAsync($"ALTER TABLE {row.Text("table")} DROP PARTITION '{row.Text("partition")}'", cancel: cancel);
            dropped += row.Text("table") is "metric_samples" ? row.Int64("row_count") : 0;
        }

        return dropped;
    }

    /// <summary>Deletes requests that were set aside and have left the hot window; those of a project of which something is held stay.</summary>
    /// <returns>Requests deleted.</returns>
    /// <exception cref="IOException">A file could not be read or deleted.</exception>
    public Task<int> DropAsideAsync(RetentionOptions options, IReadOnlyList<DeletionScope> held, CancellationToken cancel = default) =>
        options.Hot is { } hot && _aside is { Count: > 0 } aside && !held.Any(scope => scope.Project is null)
            ? _turn.RunAsync(() => Task.FromResult(DropAside(aside, DeletionScope.OfAge(new DateTimeOffset(FirstHotDay(hot), TimeOnly.MinValue, TimeSpan.Zero)), held)), cancel)
            : Task.FromResult(0);

    private static int DropAside(AsideRequests aside, DeletionScope left, IReadOnlyList<DeletionScope> held)
    {
        var projects = held.Select(scope => scope.Project!).Distinct(StringComparer.Ordinal).Select(DeletionScope.OfProject).ToList();
        var gone = 0;
        foreach (var request in aside.Read().Where(request => request.MayBeAbout(left, []) && !projects.Exists(project => request.MayBeAbout(project, []))))
        {
            request.Delete();
            gone++;
        }

        return gone;
    }

    /// <summary>A day has left when its last row is as old as the window.</summary>
    private DateOnly FirstHotDay(TimeSpan hot) => DateOnly.FromDateTime((_time.GetUtcNow() - hot).UtcDateTime);

    /// <summary>Forgets decisions about traces that are gone.</summary>
    public async Task ForgetAsync(CancellationToken cancel = default)
    {
        const string Gone = "keep_until < {before:Date}";
        var parameters = new SqlParameters().Add("before", Text(Today.AddDays(-DaysBefore)));
        if ((await _engine.QueryAsync($"SELECT count() AS n FROM kept_traces WHERE {Gone}", parameters, Limits, cancel)).Rows.First().Int64("n") > 0)
        {
            await Mutation.ExecuteAsync(_engine, $"DELETE FROM kept_traces WHERE {Gone}", parameters, cancel);
        }
    }

    /// <summary>
    /// Traces that outlive the hot window, by rule; every rule in force is named. Estimated where there are many (ClickHouse's <c>uniq</c>), so that it costs little
    /// memory; one that two rules keep may count for both.
    /// </summary>
    public async Task<IReadOnlyDictionary<string, long>> KeptByRuleAsync(RetentionOptions options, CancellationToken cancel = default)
    {
        var kept = options.InForce.Select(rule => rule.Name).Append(HoldRule).Distinct(StringComparer.Ordinal).ToDictionary(name => name, _ => 0L, StringComparer.Ordinal);
        var rules = await _engine.QueryAsync(
            "SELECT toString(rule) AS name, uniq(project, trace_id) AS traces FROM kept_traces WHERE keep_until > {today:Date} GROUP BY name",
            new SqlParameters().Add("today", Text(Today)), Limits, cancel);
        foreach (var row in rules.Rows)
        {
            var name = kept.ContainsKey(row.Text("name")) ? row.Text("name") : FormerRules;
            kept[name] = kept.GetValueOrDefault(name) + row.Int64("traces");
        }

        return kept;
    }

    /// <summary>Why a trace is still there; null where it is not, or where nothing is ever dropped.</summary>
    /// <param name="pins">Asked only where they decide.</param>
    public async Task<TraceKeep?> OfTraceAsync(string project, TraceId trace, RetentionOptions options, Func<Pins> pins, CancellationToken cancel = default)
    {
        if (options.Hot is null)
        {
            return null;
        }

        var parameters = new SqlParameters().Add("project", project).Add("trace", trace.ToString()).Add("today", Text(Today));
        var match = new TraceMatch(options.InForce, parameters);
        const string Of = "project = {project:String} AND trace_id = toFixedString(unhex({trace:String}), 16)";
        var found = await _engine.QueryAsync(
            $$"""
            SELECT max(received_date) AS newest, {{match.Place}} AS place, ({rule_names:Array(String)})[place] AS kept_rule, toInt64(({rule_days:Array(Int64)})[place]) AS days,
              (SELECT max(keep_until) FROM kept_traces WHERE {{Of}} AND keep_until > {today:Date}) AS decided,
              ifNull((SELECT argMax(toString(rule), keep_until) FROM kept_traces WHERE {{Of}} AND keep_until > {today:Date}), '') AS decided_rule
            FROM spans WHERE {{Of}} HAVING count() > 0
            """,
            parameters, Limits, cancel);
        if (found.RowCount == 0)
        {
            return null;
        }

        var row = found.Rows.First();
        if (row.Text("decided_rule") is { Length: > 0 } decided)
        {
            return new TraceKeep(decided, Date(row, "decided"), IsDecided: true);
        }

        var newest = Date(row, "newest");
        var keep = (Rule: row.Text("kept_rule"), Days: (int)row.Int64("days"));
        if (options.InForce.FirstOrDefault(rule => rule.Condition is KeepCondition.CaseLinked) is { } linked && linked.KeepDays > keep.Days && pins().Linked.Contains((project, trace)))
        {
            keep = (linked.Name, linked.KeepDays);
        }

        return keep.Days > options.HotDays
            ? new TraceKeep(keep.Rule, newest.AddDays(keep.Days), IsDecided: false)
            : new TraceKeep(null, newest.AddDays(options.HotDays + 1), IsDecided: false);
    }

    private async Task DecideAsync(DateOnly day, RetentionOptions options, Pins pins, CancellationToken cancel)
    {
        var count = (await _engine.QueryAsync($"SELECT uniq(project, trace_id) AS n FROM ({TracesOfDay})", OfDay(day), Limits, cancel)).Rows.First().Int64("n");
        var pieces = (count / TracesAtOnce) + 1;
        for (var piece = 0L; piece < pieces; piece++)
        {
            var parameters = OfDay(day).Add("pieces", pieces).Add("piece", piece);
            var match = new TraceMatch(options.InForce, parameters);
            await _engine.ExecuteAsync(
                $$"""
                INSERT INTO kept_traces (project, trace_id, rule, keep_until, decided_date)
                SELECT project, trace_id, ({rule_names:Array(String)})[place], newest + ({rule_days:Array(Int64)})[place], {today:Date} FROM
                (
                  SELECT project, trace_id, max(received_date) AS newest, {{match.Place}} AS place FROM spans
                  WHERE received_date >= {day:Date} - {{DaysBefore}} AND project != '{{TelemetryBatch.CanaryProject}}' AND cityHash64(trace_id) % {pieces:UInt64} = {piece:UInt64}
                    AND (project, trace_id) IN (SELECT project, trace_id FROM ({{TracesOfDay}}) WHERE cityHash64(trace_id) % {pieces:UInt64} = {piece:UInt64})
                  GROUP BY project, trace_id
                )
                WHERE place > 0 AND newest + ({rule_days:Array(Int64)})[place] > {today:Date}
                SETTINGS max_bytes_before_external_group_by = 268435456
                """,
                parameters, cancel);
        }

        if (options.InForce.FirstOrDefault(rule => rule.Condition is KeepCondition.CaseLinked) is { } linked)
        {
            foreach (var project in pins.Linked.GroupBy(one => one.Project, one => one.Trace.ToString(), StringComparer.Ordinal))
            {
                foreach (var traces in project.Chunk(DeletionScope.TracesMax))
                {
                    await KeepAsync(day, linked.Name, "project = {project:String} AND trace_id IN (SELECT toFixedString(unhex(arrayJoin({traces:Array(String)})), 16))", linked.KeepDays, OfDay(day).Add("project", project.Key).Add("traces", traces), cancel);
                }
            }
        }

        foreach (var held in pins.Held)
        {
            // Until it is lifted: looked at again every day.
            var parameters = OfDay(day);
            await KeepAsync(day, HoldRule, held.Condition("held_", parameters), null, parameters, cancel);
        }
    }

    /// <param name="days">From the day on which the trace was received; null: until tomorrow.</param>
    private async Task KeepAsync(DateOnly day, string rule, string condition, int? days, SqlParameters parameters, CancellationToken cancel)
    {
        parameters.Add("rule", rule).Add("keep_days", days ?? 1);
        foreach (var table in DayTables)
        {
            await _engine.ExecuteAsync(
                $$"""
                INSERT INTO kept_traces (project, trace_id, rule, keep_until, decided_date)
                SELECT DISTINCT project, trace_id, {rule:String}, {{(days is null ? "{today:Date}" : "{day:Date}")}} + {keep_days:Int64} AS until, {today:Date} FROM {{table}}
                WHERE received_date = {day:Date} AND trace_id != toFixedString('', 16) AND until > {today:Date} AND ({{condition}})
                """,
                parameters, cancel);
        }
    }

    /// <summary>Puts what stays of a day in its place.</summary>
    private async Task<long> ReplaceAsync(string table, DateOnly day, IReadOnlyList<DeletionScope> held, CancellationToken cancel)
    {
        const string Kept = "(project, trace_id) IN (SELECT project, trace_id FROM kept_traces WHERE keep_until > {today:Date})";
        var stays = table != "scores" ? Kept : $$"""
            ({{Kept}} OR (response_id != '' AND (project, response_id) IN
              (SELECT project, genai_response_id FROM spans WHERE received_date >= {day:Date} - {{DaysBefore}} AND genai_response_id != '' AND {{Kept}})))
            """;
        var parameters = OfDay(day);
        for (var i = 0; i < held.Count; i++)
        {
            // Also what belongs to no trace.
            stays += $" OR ({held[i].Condition($"held{i}_", parameters)})";
            stays += table == "logs" && held[i].LonelyLogs($"held{i}_", parameters) is { } lonely ? $" OR ({lonely})" : "";
        }

        var rows = (await _engine.QueryAsync($$"""SELECT count() AS n, countIf({{stays}}) AS kept FROM {{table}} WHERE received_date = {day:Date}""", parameters, Limits, cancel)).Rows.First();
        var (all, kept) = (rows.Int64("n"), rows.Int64("kept"));
        if (all == kept)
        {
            return 0;
        }

        if (kept == 0)
        {
            await _engine.ExecuteAsync($"ALTER TABLE {table} DROP PARTITION '{Text(day)}'", cancel: cancel);
            return all;
        }

        // Made anew each time: the last one may have failed in the middle, and the table's form changes with its schema.
        await _engine.ExecuteAsync($"DROP TABLE IF EXISTS retention_{table} SYNC", cancel: cancel);
        await _engine.ExecuteAsync($"CREATE TABLE retention_{table} AS {table}", cancel: cancel);
        await _engine.ExecuteAsync(
            $$"""
            INSERT INTO retention_{{table}} SELECT * FROM {{table}} WHERE received_date = {day:Date} AND ({{stays}})
            SETTINGS min_insert_block_size_rows = 65536, min_insert_block_size_bytes = 67108864, max_insert_block_size = 65536
            """,
            parameters, cancel);
        await _engine.ExecuteAsync($"ALTER TABLE {table} REPLACE PARTITION '{Text(day)}' FROM retention_{table}", cancel: cancel);
        await _engine.ExecuteAsync($"DROP TABLE retention_{table} SYNC", cancel: cancel);
        return all - kept;
    }

    private const string TracesOfDay = """
        SELECT DISTINCT project, trace_id FROM spans WHERE received_date = {day:Date}
        UNION DISTINCT SELECT DISTINCT project, trace_id FROM logs WHERE received_date = {day:Date} AND trace_id != toFixedString('', 16)
        UNION DISTINCT SELECT DISTINCT project, trace_id FROM scores WHERE received_date = {day:Date} AND trace_id != toFixedString('', 16)
        """;

    private const string AnyRow = $"(project, trace_id) IN ({TracesOfDay})";

    private SqlParameters OfDay(DateOnly day) => new SqlParameters().Add("day", Text(day)).Add("today", Text(Today));

    private DateOnly Today => DateOnly.FromDateTime(_time.GetUtcNow().UtcDateTime);

    private static string Text(DateOnly day) => day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    private static DateOnly Date(Row row, string column) => (DateOnly)row.Value(column)!;
}
