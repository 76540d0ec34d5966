using Faultline.ClickHouse;

namespace Faultline.Store.Topics;

/// <summary>Topics of one side of a service, as they are stored.</summary>
/// <param name="Side">prompt or output.</param>
/// <param name="NewestUnixMillis">The newest call that is in it.</param>
/// <param name="Summary">JSON for readers.</param>
/// <param name="State">What a restart goes on from; empty where only the summary was read.</param>
public sealed record StoredTopics(string Service, string Environment, string Side, long NewestUnixMillis, string Summary, string State);

/// <summary>What was learnt of the topics of prompts and outputs.</summary>
public sealed class TopicStore
{
    /// <summary>Rows of one answer: sides of services.</summary>
    public const int RowsMax = 1_000;

    private static readonly QueryLimits Limits = new(Time: TimeSpan.FromSeconds(10));

    private readonly IClickHouse _engine;
    private readonly TimeProvider _time;

    internal TopicStore(IClickHouse engine, TimeProvider time)
    {
        _engine = engine;
        _time = time;
    }

    /// <summary>Writes rows over those of the same sides.</summary>
    public async Task WriteAsync(string project, IReadOnlyList<StoredTopics> rows, CancellationToken cancel = default)
    {
        if (rows.Count == 0)
        {
            return;
        }

        var written = new NativeBlock(rows.Count).StringConstant("project", project)
            .Strings("service", rows.Select(row => row.Service))
            .Strings("environment", rows.Select(row => row.Environment))
            .Strings("side", rows.Select(row => row.Side))
            .Fixed<long>("newest_unix_millis", "Int64", [.. rows.Select(row => row.NewestUnixMillis)])
            .Strings("summary", rows.Select(row => row.Summary))
            .Strings("state", rows.Select(row => row.State))
            .FixedConstant("written_unix_millis", "Int64", _time.GetUtcNow().ToUnixTimeMilliseconds());
        await _engine.InsertAsync("topics", [written], cancel);
    }

    /// <summary>All sides of a project with what a restart goes on from, or what readers want of them.</summary>
    /// <param name="withState">Else <see cref="StoredTopics.State"/> is empty.</param>
    public async Task<IReadOnlyList<StoredTopics>> ReadAsync(string project, bool withState, CancellationToken cancel = default)
    {
        var result = await _engine.QueryAsync(
            $$"""
            SELECT service, environment, side, argMax(newest_unix_millis, written_unix_millis) AS newest, argMax(summary, written_unix_millis) AS summary,
                {{(withState ? "argMax(state, written_unix_millis)" : "''")}} AS state
            FROM topics WHERE project = {project:String} GROUP BY service, environment, side ORDER BY service, environment, side LIMIT {{RowsMax}}
            """,
            new SqlParameters().Add("project", project), Limits, cancel);
        return [.. result.Rows.Select(row => new StoredTopics(row.Text("service"), row.Text("environment"), row.Text("side"), row.Int64("newest"), row.Text("summary"), row.Text("state")))];
    }
}
