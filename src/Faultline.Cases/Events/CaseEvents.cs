using Faultline.Cases.Projections;
using Faultline.Diagnosis.Findings;

namespace Faultline.Cases.Events;

/// <summary>The stored name and version of an event; types may be renamed, these may not.</summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class LedgerEventAttribute(string name, int version) : Attribute
{
    public string Name { get; } = name;

    public int Version { get; } = version;
}

/// <summary>One fact, past tense. Texts are in blobs; an event has their name. Sequence and time come from the ledger.</summary>
internal abstract record FaultlineEvent;

/// <summary>An event of one case.</summary>
internal abstract record CaseEvent(int Case) : FaultlineEvent;

/// <param name="Words">Blob: detail and attributes.</param>
[LedgerEvent("change.recorded", 1)]
internal sealed record ChangeRecorded(string Id, string Project, string Type, string Service, DateTimeOffset At, string Actor, string Words) : FaultlineEvent;

/// <summary>Telemetry began to carry another value; nobody had recorded a change of it.</summary>
/// <param name="Words">Blob: detail and attributes.</param>
[LedgerEvent("change.seen", 1)]
internal sealed record ChangeSeen(string Id, string Project, string Type, string Service, DateTimeOffset At, string Words) : FaultlineEvent;

/// <summary>Resolved cases of another Faultline were taken into the knowledge base.</summary>
/// <param name="Cases">Blob: the cases.</param>
[LedgerEvent("knowledge.imported", 1)]
internal sealed record KnowledgeImported(string Project, int Count, string Actor, string Cases) : FaultlineEvent;

/// <param name="Context">Blob: the finding, the snapshot and the recent changes.</param>
[LedgerEvent("case.opened", 1)]
internal sealed record CaseOpened(
    int Case, string Project, string Environment, string Service, string Trigger, FailureClass FailureClass, string FindingId,
    DateTimeOffset OnsetAt, DateTimeOffset DetectedAt, string VerificationQuery, string Context) : CaseEvent(Case);

/// <summary>More of the same fault was found and folded into the case.</summary>
/// <param name="Context">Blob: the finding as it is now.</param>
[LedgerEvent("case.symptoms_added", 1)]
internal sealed record SymptomsAdded(int Case, string FindingId, FailureClass FailureClass, string VerificationQuery, string Context) : CaseEvent(Case);

[LedgerEvent("case.triaged", 1)]
internal sealed record CaseTriaged(int Case, string Actor) : CaseEvent(Case);

[LedgerEvent("case.assigned", 1)]
internal sealed record CaseAssigned(int Case, string Assignee, string Actor) : CaseEvent(Case);

/// <param name="Text">Blob.</param>
[LedgerEvent("case.commented", 1)]
internal sealed record CaseCommented(int Case, string Actor, string Text) : CaseEvent(Case);

[LedgerEvent("case.investigation_started", 1)]
internal sealed record InvestigationStarted(int Case, string Actor) : CaseEvent(Case);

/// <param name="Verdict">Blob: the whole answer with its evidence.</param>
[LedgerEvent("case.diagnosed", 1)]
internal sealed record CaseDiagnosed(int Case, FailureClass FailureClass, string Cause, string Target, double Confidence, bool Determined, string Verdict) : CaseEvent(Case);

/// <summary>A language model was asked about the case. It changes neither verdict nor suggestion.</summary>
/// <param name="Outcome">held, nothing_held or failed.</param>
/// <param name="Held">Hypotheses of it that rest on checked facts.</param>
/// <param name="Dropped">What it said that did not hold.</param>
/// <param name="Contribution">Blob: what held and what did not, with the facts.</param>
/// <param name="Transcript">Blob: the whole conversation.</param>
[LedgerEvent("case.reasoned", 1)]
internal sealed record CaseReasoned(
    int Case, string Outcome, string Model, int Held, int Dropped, int Calls, long InputTokens, long OutputTokens, string Contribution, string Transcript) : CaseEvent(Case);

[LedgerEvent("case.remediation_suggested", 1)]
internal sealed record RemediationSuggested(int Case, string Cause, string Target, string Effort, string Risk, string? SimilarCase) : CaseEvent(Case);

/// <param name="Fix">Blob: what was done.</param>
[LedgerEvent("case.fix_applied", 1)]
internal sealed record FixApplied(int Case, string Actor, string Fix) : CaseEvent(Case);

[LedgerEvent("case.verification_started", 1)]
internal sealed record VerificationStarted(int Case, string Query) : CaseEvent(Case);

/// <summary>The verification query was run and its answer is another than before.</summary>
/// <param name="Outcome">passed, failed or no_data.</param>
/// <param name="At">On the telemetry's clock.</param>
[LedgerEvent("case.verification_ran", 1)]
internal sealed record VerificationRan(int Case, string Outcome, DateTimeOffset At) : CaseEvent(Case);

/// <summary>The detectors see usual figures again. It decides nothing: the verification does.</summary>
[LedgerEvent("case.symptoms_cleared", 1)]
internal sealed record SymptomsCleared(int Case, DateTimeOffset At, string? FindingId = null) : CaseEvent(Case);

/// <param name="By">verification, or hand.</param>
/// <param name="Reason">Blob with the reason given by hand; null when verified.</param>
[LedgerEvent("case.resolved", 1)]
internal sealed record CaseResolved(int Case, string By, string Actor, string RootCause, DateTimeOffset VerifiedAt, double SecondsToRemediate, string? Reason) : CaseEvent(Case);

/// <param name="Reason">Blob.</param>
[LedgerEvent("case.reopened", 1)]
internal sealed record CaseReopened(int Case, string Actor, string Reason) : CaseEvent(Case);

/// <param name="Rank">Of the suggestion; 0 is the first.</param>
[LedgerEvent("case.feedback_given", 1)]
internal sealed record FeedbackGiven(int Case, int Rank, string Cause, bool Helpful, string Actor) : CaseEvent(Case);
