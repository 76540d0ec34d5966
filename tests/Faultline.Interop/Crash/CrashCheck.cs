using Faultline.ClickHouse;

namespace Faultline.Interop.Crash;

/// <summary>What the store of a stopped server holds, held against what its clients heard.</summary>
/// <param name="Missing">Acknowledged requests that are not there, or not whole.</param>
/// <param name="Doubled">Requests with more rows than were sent.</param>
/// <param name="Torn">Requests that were given up, of which a table holds a part of its rows.</param>
/// <param name="Examples">The first of them, in words.</param>
internal sealed record CrashCheck(int Missing, int Doubled, int Torn, IReadOnlyList<string> Examples)
{
    private const int ExamplesMax = 10;
    private static readonly QueryLimits s_limits = new(TimeSpan.FromMinutes(5));

    public bool IsFine => Missing + Doubled + Torn == 0;

    public static async Task<CrashCheck> RunAsync(string dataDirectory, CrashLoad load)
    {
        await using var store = await StoppedStore.OpenAsync(dataDirectory);
        var (spans, logs, scores) = (await CountsAsync(store, "spans"), await CountsAsync(store, "logs"), await CountsAsync(store, "scores"));

        var (missing, doubled, torn) = (0, 0, 0);
        var examples = new List<string>();
        foreach (var (request, isAcknowledged) in load.Acknowledged.Select(request => (request, true)).Concat(load.GivenUp.Select(request => (request, false))))
        {
            (string Table, int Sent, long Stored)[] tables =
            [
                ("spans", request.Spans, spans.GetValueOrDefault(request.TraceId)),
                ("logs", request.Logs, logs.GetValueOrDefault(request.TraceId)),
                ("scores", request.Scores, scores.GetValueOrDefault(request.TraceId)),
            ];
            var isMissing = isAcknowledged && tables.Any(table => table.Stored < table.Sent);
            var isDoubled = tables.Any(table => table.Stored > table.Sent);
            var isTorn = !isAcknowledged && tables.Any(table => table.Stored != 0 && table.Stored < table.Sent);
            (missing, doubled, torn) = (missing + (isMissing ? 1 : 0), doubled + (isDoubled ? 1 : 0), torn + (isTorn ? 1 : 0));
            if ((isMissing || isDoubled || isTorn) && examples.Count < ExamplesMax)
            {
                examples.Add($"{request.TraceId} ({(isAcknowledged ? "acknowledged" : "given up")}): " + string.Join(", ", tables.Where(table => table.Sent + table.Stored > 0).Select(table => $"{table.Stored} of {table.Sent} {table.Table}")));
            }
        }

        return new CrashCheck(missing, doubled, torn, examples);
    }

    private static async Task<Dictionary<string, long>> CountsAsync(StoppedStore store, string table)
    {
        var counts = await store.QueryAsync($"SELECT lower(hex(trace_id)) AS trace, count() AS rows FROM {table} WHERE service_name = 'crash' GROUP BY trace", s_limits);
        return counts.Rows.ToDictionary(row => row.Text("trace"), row => row.Int64("rows"), StringComparer.Ordinal);
    }
}
