using System.Globalization;
using Faultline.ClickHouse;

namespace Faultline.Store.Signatures;

/// <summary>A failure signature as it is written.</summary>
/// <param name="Digest">Says whether two writings of a case are the same.</param>
/// <param name="Vector">At most <see cref="SignatureStore.Dimensions"/> entries, not all 0.</param>
public sealed record SignatureRow(string CaseId, string Service, string FailureClass, string Cause, string Target, DateTimeOffset ResolvedAt, string Digest, IReadOnlyList<double> Vector);

/// <summary>Failure signatures as vectors: what was written, and which are nearest to one.</summary>
public sealed class SignatureStore
{
    /// <summary>Entries of a stored vector; shorter ones end in 0.</summary>
    public const int Dimensions = 64;

    private static readonly QueryLimits Limits = new(Time: TimeSpan.FromSeconds(10));

    private readonly IClickHouse _engine;
    private readonly TimeProvider _time;

    internal SignatureStore(IClickHouse engine, TimeProvider time)
    {
        _engine = engine;
        _time = time;
    }

    /// <summary>Digest of every signature of a project, by case.</summary>
    public async Task<IReadOnlyDictionary<string, string>> DigestsAsync(string project, CancellationToken cancel = default)
    {
        var result = await _engine.QueryAsync(
            "SELECT case_id, argMax(digest, written_unix_millis) AS digest FROM failure_signatures WHERE project = {project:String} GROUP BY case_id",
            new SqlParameters().Add("project", project), Limits, cancel);
        return result.Rows.ToDictionary(row => row.Text("case_id"), row => row.Text("digest"), StringComparer.Ordinal);
    }

    /// <summary>Writes signatures, over those of the same cases.</summary>
    public async Task WriteAsync(string project, IReadOnlyList<SignatureRow> rows, CancellationToken cancel = default)
    {
        if (rows.Count == 0)
        {
            return;
        }

        var vectors = new float[rows.Count * Dimensions];
        for (var i = 0; i < rows.Count; i++)
        {
            for (var k = 0; k < Math.Min(Dimensions, rows[i].Vector.Count); k++)
            {
                vectors[(i * Dimensions) + k] = (float)rows[i].Vector[k];
            }
        }

        int[] ends = [.. Enumerable.Range(1, rows.Count).Select(static row => row * Dimensions)];
        var written = new NativeBlock(rows.Count).StringConstant("project", project)
            .Strings("case_id", rows.Select(row => row.CaseId))
            .Strings("service", rows.Select(row => row.Service))
            .Strings("failure_class", rows.Select(row => row.FailureClass))
            .Strings("cause", rows.Select(row => row.Cause))
            .Strings("target", rows.Select(row => row.Target))
            .Fixed<long>("resolved_unix_millis", "Int64", [.. rows.Select(row => row.ResolvedAt.ToUnixTimeMilliseconds())])
            .Strings("digest", rows.Select(row => row.Digest))
            .FixedArrays<float>("signature", "Float32", ends, vectors)
            .FixedConstant("written_unix_millis", "Int64", _time.GetUtcNow().ToUnixTimeMilliseconds());
        await _engine.InsertAsync("failure_signatures", [written], cancel);
    }

    /// <summary>Forgets cases.</summary>
    public async Task DeleteAsync(string project, IReadOnlyList<string> cases, CancellationToken cancel = default)
    {
        if (cases.Count > 0)
        {
            await Mutation.ExecuteAsync(
                _engine, "DELETE FROM failure_signatures WHERE project = {project:String} AND case_id IN (SELECT arrayJoin({cases:Array(String)}))",
                new SqlParameters().Add("project", project).Add("cases", cases), cancel);
        }
    }

    /// <summary>Cases whose signatures are nearest by cosine distance, nearest first, each once.</summary>
    /// <remarks>
    /// The same statement is answered from the index where the engine can use it, else by comparing all: it may find a little less by the
    /// index, never other distances.
    /// </remarks>
    public async Task<IReadOnlyList<string>> NearestAsync(string project, IReadOnlyList<double> vector, int limit, CancellationToken cancel = default)
    {
        // A case that was written several times has several rows until they are merged.
        const int RowsPerCase = 4;
        var result = await _engine.QueryAsync(NearestSql, Parameters(project, vector).Add("limit", limit * RowsPerCase), Limits, cancel);
        return [.. result.Rows.Select(row => row.Text("case_id")).Distinct(StringComparer.Ordinal).Take(limit)];
    }

    /// <summary>How the engine would answer <see cref="NearestAsync"/>, in its own words.</summary>
    internal async Task<string> ExplainAsync(string project, IReadOnlyList<double> vector, CancellationToken cancel = default)
    {
        var result = await _engine.QueryAsync("EXPLAIN indexes = 1 " + NearestSql, Parameters(project, vector).Add("limit", 10), Limits, cancel);
        return string.Join('\n', result.Rows.Select(row => row.Text("explain")));
    }

    private const string NearestSql = """
        SELECT case_id, cosineDistance(signature, {vector:Array(Float32)}) AS distance FROM failure_signatures
        WHERE project = {project:String} ORDER BY distance ASC LIMIT {limit:UInt64}
        """;

    private static SqlParameters Parameters(string project, IReadOnlyList<double> vector)
    {
        var padded = Enumerable.Range(0, Dimensions).Select(i => i < vector.Count ? vector[i] : 0);
        return new SqlParameters().Add("project", project).Add("vector", "[" + string.Join(',', padded.Select(value => value.ToString("R", CultureInfo.InvariantCulture))) + "]");
    }
}
