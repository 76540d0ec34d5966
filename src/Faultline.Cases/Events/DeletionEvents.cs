namespace Faultline.Cases.Events;

/// <summary>Somebody asked for something to be deleted for good. Written before the first row is touched, so that a restart goes on with it.</summary>
/// <param name="Kind">traces, user, session, project or before.</param>
/// <param name="Project">Null: every project, by age.</param>
/// <param name="Subject">Keyed hash of the user's or the session's id; null for the other kinds.</param>
/// <param name="Traces">How many traces were named.</param>
/// <param name="Before">For ages: what was received before.</param>
/// <param name="Scope">Blob: the scope itself; deleted with the last row.</param>
[LedgerEvent("deletion.asked", 1)]
internal sealed record DeletionAsked(string Id, string Kind, string? Project, string? Subject, int Traces, DateTimeOffset? Before, string Actor, string Scope) : FaultlineEvent;

/// <summary>It was done, and counted afterwards.</summary>
/// <param name="Rows">Rows found, by table.</param>
/// <param name="Left">Rows counted afterwards, by table: zeros.</param>
/// <param name="Blobs">Blobs deleted or written anew without what was to be deleted.</param>
/// <param name="Replaced">Blob → the one that has the rest of it; those that are not here are gone whole.</param>
[LedgerEvent("deletion.completed", 1)]
internal sealed record DeletionCompleted(
    string Id, IReadOnlyDictionary<string, long> Rows, IReadOnlyDictionary<string, long> Left, int Blobs, IReadOnlyDictionary<string, string> Replaced) : FaultlineEvent;

/// <summary>It was not done: something of it is under a hold that was placed after it was asked for, or another reason in words of ours.</summary>
[LedgerEvent("deletion.refused", 1)]
internal sealed record DeletionRefused(string Id, string Reason) : FaultlineEvent;

/// <summary>Nothing of this scope is deleted until the hold is lifted.</summary>
/// <param name="Scope">Blob: the scope itself; deleted when the hold is lifted.</param>
/// <param name="Reason">Blob.</param>
[LedgerEvent("hold.placed", 1)]
internal sealed record HoldPlaced(string Id, string Kind, string? Project, string? Subject, int Traces, DateTimeOffset? Before, string Actor, string Scope, string Reason) : FaultlineEvent;

[LedgerEvent("hold.lifted", 1)]
internal sealed record HoldLifted(string Id, string Actor) : FaultlineEvent;
