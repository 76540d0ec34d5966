using Faultline.Metrics.Exposition;

namespace Faultline.Cases.Deletions;

/// <summary>What the desk has done since the process began; read by any thread.</summary>
public sealed class DeletionFigures
{
    private long _failures;
    private long _lateRows;
    private DeletionSweep? _lastSweep;

    /// <summary>Rounds that did not come to their end, and are tried again.</summary>
    public long Failures => Interlocked.Read(ref _failures);

    /// <summary>Rows of deleted traces that came later, and were deleted too.</summary>
    public long LateRows => Interlocked.Read(ref _lateRows);

    /// <summary>The last look for late arrivals that came to its end; null before the first.</summary>
    public DeletionSweep? LastSweep => Volatile.Read(ref _lastSweep);

    internal void Failed() => Interlocked.Increment(ref _failures);

    internal void Swept(DeletionSweep sweep, long rows)
    {
        Interlocked.Add(ref _lateRows, rows);
        Volatile.Write(ref _lastSweep, sweep);
    }
}

public sealed record DeletionSweep(DateTimeOffset EndedAt, TimeSpan Took);

/// <summary>Deletions and holds for <c>:8888</c>.</summary>
public static class DeletionMetrics
{
    public static IEnumerable<MetricFamily> Families(DeletionDesk desk)
    {
        var (totals, figures) = (desk.Totals, desk.Figures);
        var asked = totals.Asked.Values.Sum();
        yield return MetricFamily.Counter("faultline_deletions_requested", "Deletions that were asked for, since the ledger began.", [.. totals.Asked.Select(kind => MetricFamily.Of(kind.Value, ("kind", kind.Key)))]);
        yield return MetricFamily.Counter(
            "faultline_deletions_finished", "Deletions that are over, since the ledger began: completed, or refused for a hold or a scope that can no longer be read.",
            MetricFamily.Of(totals.Completed, ("outcome", "completed")), MetricFamily.Of(totals.Refused, ("outcome", "refused")));
        yield return MetricFamily.Gauge("faultline_deletions_waiting", "Deletions that were asked for and are not over.", MetricFamily.Of(asked - totals.Completed - totals.Refused));
        yield return MetricFamily.Counter("faultline_deletion_failures", "Rounds that the store or the disk did not let end; what waits is tried again.", MetricFamily.Of(figures.Failures));
        yield return MetricFamily.Counter("faultline_deleted_rows", "Rows that completed deletions deleted, since the ledger began.", [.. totals.Rows.Select(table => MetricFamily.Of(table.Value, ("table", table.Key)))]);
        yield return MetricFamily.Counter("faultline_deleted_late_rows", "Rows of deleted traces that came later and were deleted too.", MetricFamily.Of(figures.LateRows));
        yield return MetricFamily.Gauge("faultline_holds_in_force", "Legal holds that were placed and not lifted.", MetricFamily.Of(totals.HoldsInForce));
        if (figures.LastSweep is { } sweep)
        {
            yield return MetricFamily.Gauge("faultline_deletion_sweep_success_timestamp_seconds", "When late rows of deleted traces were last looked for to the end.", MetricFamily.Of(sweep.EndedAt.ToUnixTimeMilliseconds() / 1000.0));
            yield return MetricFamily.Gauge("faultline_deletion_sweep_seconds", "How long that took.", MetricFamily.Of(sweep.Took.TotalSeconds));
        }
    }
}
