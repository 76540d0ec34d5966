using Faultline.Cases.Events;

namespace Faultline.Cases.Projections;

public enum DeletionState
{
    Asked,
    Completed,
    Refused,
}

/// <summary>A deletion, as the ledger tells it.</summary>
/// <param name="Kind">traces, user, session, project or before.</param>
/// <param name="Subject">Keyed hash of the user's or session's id.</param>
/// <param name="Rows">Rows deleted, by table.</param>
/// <param name="Left">Rows counted afterwards.</param>
/// <param name="Reason">Why it was refused.</param>
public sealed record DeletionView(string Id, DeletionState State, string Kind, string? Project, string? Subject, int Traces, DateTimeOffset? Before, string Actor, DateTimeOffset AskedAt)
{
    public DateTimeOffset? CompletedAt { get; init; }

    public IReadOnlyDictionary<string, long> Rows { get; init; } = new Dictionary<string, long>(StringComparer.Ordinal);

    public IReadOnlyDictionary<string, long> Left { get; init; } = new Dictionary<string, long>(StringComparer.Ordinal);

    public int Blobs { get; init; }

    public string? Reason { get; init; }

    internal string ScopeBlob { get; init; } = "";
}

/// <summary>A legal hold.</summary>
public sealed record HoldView(string Id, string Kind, string? Project, string? Subject, int Traces, DateTimeOffset? Before, string Actor, DateTimeOffset PlacedAt, string Reason, DateTimeOffset? LiftedAt)
{
    internal string ScopeBlob { get; init; } = "";

    internal string ReasonBlob { get; init; } = "";
}

/// <summary>What all deletions and holds of the ledger add up to.</summary>
/// <param name="Asked">Deletions by kind: traces, user, session, project or before.</param>
/// <param name="Rows">Rows deleted, by table.</param>
/// <param name="HoldsInForce">Placed and not lifted.</param>
public sealed record DeletionTotals(IReadOnlyDictionary<string, long> Asked, long Completed, long Refused, IReadOnlyDictionary<string, long> Rows, int HoldsInForce);

/// <summary>Deletions and holds, in the order told.</summary>
internal sealed class DeletionBook
{
    private readonly Dictionary<string, DeletionView> _deletions = new(StringComparer.Ordinal);
    private readonly Dictionary<string, HoldView> _holds = new(StringComparer.Ordinal);
    private readonly List<string> _order = [];

    public IEnumerable<DeletionView> Deletions => _order.Select(id => _deletions[id]);

    public IEnumerable<HoldView> Holds => _holds.Values;

    /// <summary>What all of them add up to, at this moment.</summary>
    public DeletionTotals Totals => new(
        Sums(_deletions.Values.Select(deletion => (deletion.Kind, 1L))),
        _deletions.Values.LongCount(deletion => deletion.State == DeletionState.Completed),
        _deletions.Values.LongCount(deletion => deletion.State == DeletionState.Refused),
        Sums(_deletions.Values.SelectMany(deletion => deletion.Rows.Select(table => (table.Key, table.Value)))),
        _holds.Values.Count(hold => hold.LiftedAt is null));

    public DeletionView? Find(string id) => _deletions.GetValueOrDefault(id);

    public HoldView? FindHold(string id) => _holds.GetValueOrDefault(id);

    /// <param name="text">Reads a blob.</param>
    public void Apply(DateTimeOffset at, FaultlineEvent happened, Func<string, string> text)
    {
        switch (happened)
        {
            case DeletionAsked asked:
                _order.Add(asked.Id);
                _deletions[asked.Id] = new DeletionView(asked.Id, DeletionState.Asked, asked.Kind, asked.Project, asked.Subject, asked.Traces, asked.Before, asked.Actor, at) { ScopeBlob = asked.Scope };
                break;
            case DeletionCompleted done when _deletions.TryGetValue(done.Id, out var asked):
                _deletions[done.Id] = asked with { State = DeletionState.Completed, CompletedAt = at, Rows = done.Rows, Left = done.Left, Blobs = done.Blobs };
                break;
            case DeletionRefused refused when _deletions.TryGetValue(refused.Id, out var asked):
                _deletions[refused.Id] = asked with { State = DeletionState.Refused, CompletedAt = at, Reason = refused.Reason };
                break;
            case HoldPlaced placed:
                _holds[placed.Id] = new HoldView(placed.Id, placed.Kind, placed.Project, placed.Subject, placed.Traces, placed.Before, placed.Actor, at, text(placed.Reason), null)
                { ScopeBlob = placed.Scope, ReasonBlob = placed.Reason };
                break;
            case HoldLifted lifted when _holds.TryGetValue(lifted.Id, out var placed):
                _holds[lifted.Id] = placed with { LiftedAt = at };
                break;
        }
    }

    private static SortedDictionary<string, long> Sums(IEnumerable<(string Of, long Count)> counts)
    {
        var sums = new SortedDictionary<string, long>(StringComparer.Ordinal);
        foreach (var (of, count) in counts)
        {
            sums[of] = sums.GetValueOrDefault(of) + count;
        }

        return sums;
    }
}
