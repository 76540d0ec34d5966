using Faultline.Cases.Projections;
using Faultline.Diagnosis.Causes;
using Faultline.Ledger;
using Faultline.Telemetry.Changes;

namespace Faultline.Cases;

/// <summary>What became of something that was asked of a case.</summary>
public abstract record CaseAnswer
{
    private CaseAnswer()
    {
    }

    public sealed record Done(CaseView Case) : CaseAnswer;

    public sealed record NotFound(string Id) : CaseAnswer;

    /// <summary>The case's state does not allow it; the words say what does.</summary>
    public sealed record NotNow(string Reason) : CaseAnswer;
}

/// <summary>
/// All cases and changes: what the ledger's events add up to, and the only way to add one. Every method appends events
/// first and answers from the projection after.
/// </summary>
public sealed class CaseBook
{
    private CaseBook()
    {
    }

    /// <summary>Replays the ledger.</summary>
    public static Task<CaseBook> OpenAsync(LedgerFile ledger, string blobDirectory, TimeProvider time, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Raised after each append, with the case that changed, or null for a change event. Handlers must not block.</summary>
    public event Action<CaseView?>? Changed;

    /// <summary>Newest first. Null project: all.</summary>
    public IReadOnlyList<CaseView> List(string? project) => throw new NotImplementedException();

    public CaseView? Find(string? project, CaseId id) => throw new NotImplementedException();

    /// <summary>Changes in a range of the telemetry's clock, newest first.</summary>
    public IReadOnlyList<ChangeEvent> Changes(string project, DateTimeOffset from, DateTimeOffset to, string? service = null) => throw new NotImplementedException();

    public Task<ChangeEvent> RecordChangeAsync(string project, string type, string service, string detail, DateTimeOffset at, IReadOnlyDictionary<string, string> attributes, string actor, CancellationToken cancel = default) => throw new NotImplementedException();

    public Task<CaseAnswer> TriageAsync(string? project, CaseId id, string actor, CancellationToken cancel = default) => throw new NotImplementedException();

    public Task<CaseAnswer> AssignAsync(string? project, CaseId id, string assignee, string actor, CancellationToken cancel = default) => throw new NotImplementedException();

    public Task<CaseAnswer> CommentAsync(string? project, CaseId id, string text, string actor, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <param name="fix">What was done, in words; null: the first suggestion's action.</param>
    public Task<CaseAnswer> FixAppliedAsync(string? project, CaseId id, string? fix, string actor, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Resolves by hand, without verification; the reason is kept.</summary>
    public Task<CaseAnswer> ResolveAsync(string? project, CaseId id, string reason, string actor, CancellationToken cancel = default) => throw new NotImplementedException();

    public Task<CaseAnswer> ReopenAsync(string? project, CaseId id, string reason, string actor, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Was the suggestion with this rank (0 is the first) helpful?</summary>
    public Task<CaseAnswer> FeedbackAsync(string? project, CaseId id, int rank, bool helpful, string actor, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Resolved cases, for diagnosis to remember by.</summary>
    public IReadOnlyList<PastCase> Past(string project) => throw new NotImplementedException();

    private void Raise(CaseView? view) => Changed?.Invoke(view);
}
