using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Faultline.ClickHouse;
using Faultline.Diagnosis.Causes;
using Faultline.Store.Signatures;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Faultline.Diagnosis.Knowledge;

/// <summary>Which resolved cases are alike a fault with this signature.</summary>
/// <param name="at">When the fault began, on the telemetry's clock: memories are as old as they were then.</param>
public delegate Task<IReadOnlyList<PastCase>> RecallCases(DateTimeOffset at, IReadOnlyList<double> signature, CancellationToken cancel);

/// <summary>How long knowledge counts.</summary>
public sealed record KnowledgeOptions
{
    /// <summary>After so long a resolved case counts half.</summary>
    public TimeSpan HalfLife { get; init; } = TimeSpan.FromDays(180);

    public IEnumerable<string> Problems()
    {
        if (HalfLife < TimeSpan.FromHours(1))
        {
            yield return "knowledge.half_life: at least an hour, or nothing would be remembered.";
        }
    }
}

/// <summary>
/// What resolved cases teach, found again by the likeness of their signatures. The cases themselves are the ledger's; the vectors in the
/// store are made from them and brought up to date before each question. Not thread-safe: one question at a time.
/// </summary>
public sealed class KnowledgeBase(SignatureStore store, KnowledgeOptions options, ILogger? log = null)
{
    /// <summary>Cases that one recall weighs.</summary>
    private const int RecalledMax = 32;

    /// <summary>Below this many half-lives' weight a case is as good as forgotten.</summary>
    private const double WeightMin = 0.02;

    private readonly ILogger _log = log ?? NullLogger.Instance;
    private readonly Dictionary<string, Dictionary<string, string>> _written = new(StringComparer.Ordinal);

    /// <summary>The cases of <paramref name="past"/> that are alike, nearest first, each with the weight its age leaves it.</summary>
    /// <param name="past">Everything that may be remembered of the project.</param>
    public async Task<IReadOnlyList<PastCase>> RecallAsync(string project, IReadOnlyList<PastCase> past, DateTimeOffset at, IReadOnlyList<double> signature, CancellationToken cancel = default)
    {
        if (past.Count == 0 || IsNothing(signature))
        {
            return [];
        }

        IEnumerable<PastCase> candidates = past;
        try
        {
            await SynchroniseAsync(project, past, cancel);
            var byId = past.ToDictionary(one => one.CaseId, StringComparer.Ordinal);
            candidates = (await store.NearestAsync(project, signature, RecalledMax, cancel)).Select(id => byId.GetValueOrDefault(id)).OfType<PastCase>();
        }
        catch (ClickHouseException failed)
        {
            // The ledger knows them all: slower with thousands, never less.
            _log.NoSignatures(failed, project);
        }

        return [.. candidates
            .Select(one => (Case: one with { Weight = WeightAt(one, at) }, Similarity: Signature.Cosine(signature, one.Signature)))
            .Where(one => one.Similarity >= PastCases.SimilarMin && one.Case.Weight >= WeightMin)
            .OrderByDescending(one => one.Similarity).ThenBy(one => one.Case.CaseId, StringComparer.Ordinal)
            .Take(RecalledMax)
            .Select(one => one.Case)];
    }

    /// <summary>1 when it was just resolved, a half after each half-life.</summary>
    private double WeightAt(PastCase one, DateTimeOffset at) => double.Exp2(-Math.Max(0, (at - one.ResolvedAt) / options.HalfLife));

    /// <summary>Writes what is new or changed since the last question, and deletes what is not remembered any more (a case that was reopened).</summary>
    private async Task SynchroniseAsync(string project, IReadOnlyList<PastCase> past, CancellationToken cancel)
    {
        if (!_written.TryGetValue(project, out var written))
        {
            written = new(await store.DigestsAsync(project, cancel), StringComparer.Ordinal);
            _written.Add(project, written);
        }

        var rows = past.Where(one => !IsNothing(one.Signature)).Select(RowOf).ToList();
        var changed = rows.Where(row => written.GetValueOrDefault(row.CaseId) != row.Digest).ToList();
        await store.WriteAsync(project, changed, cancel);
        foreach (var row in changed)
        {
            written[row.CaseId] = row.Digest;
        }

        var gone = written.Keys.Except(rows.Select(row => row.CaseId), StringComparer.Ordinal).ToList();
        await store.DeleteAsync(project, gone, cancel);
        foreach (var id in gone)
        {
            written.Remove(id);
        }
    }

    private static SignatureRow RowOf(PastCase one)
    {
        var text = string.Join('\0', one.Service, one.FailureClass, one.Cause, one.Target, string.Join(',', one.Signature.Select(value => value.ToString("R", CultureInfo.InvariantCulture))));
        var digest = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 8));
        return new SignatureRow(one.CaseId, one.Service, one.FailureClass.ToString(), one.Cause, one.Target, one.ResolvedAt, digest, one.Signature);
    }

    private static bool IsNothing(IReadOnlyList<double> signature) => signature.All(value => value == 0 || !double.IsFinite(value));
}

internal static partial class KnowledgeLog
{
    [LoggerMessage(4501, LogLevel.Warning, "Signatures of project {Project} could not be searched in the store; all resolved cases are compared instead.")]
    public static partial void NoSignatures(this ILogger log, Exception exception, string project);
}
