using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Findings;
using Faultline.Telemetry.Changes;

namespace Faultline.Diagnosis.Reasoning;

/// <summary>What a language model is asked about. All of it is stored already; nothing it says changes any of it.</summary>
/// <param name="Verdict">The deterministic answer. It stands, whatever the model says.</param>
public sealed record ReasoningCase(string CaseId, Finding Finding, Verdict Verdict, IReadOnlyList<ChangeEvent> Changes, IReadOnlyList<PastCase> Past);

/// <summary>How the asking ended.</summary>
public enum ContributionOutcome
{
    /// <summary>At least one hypothesis of the model rests on facts that were checked.</summary>
    Held,

    /// <summary>It answered, and nothing of it held.</summary>
    NothingHeld,

    /// <summary>No answer that could be used: time, budget, endpoint or form.</summary>
    Failed,
}

/// <summary>A model's claim with the stored fact that was found to bear it.</summary>
/// <param name="Supports">Else it speaks against the cause.</param>
/// <param name="Words">The model's own, cleaned and cut; shown as such.</param>
/// <param name="Fact">What the store says, in Faultline's words.</param>
public sealed record CheckedClaim(bool Supports, string Words, Evidence Fact);

/// <summary>A cause that a model holds likely, with what of it held.</summary>
/// <param name="Confidence">The least of what it stated and what its checked facts earn.</param>
/// <param name="Stated">What the model said; shown beside, never used alone.</param>
/// <param name="Rank">Place of the same cause in the deterministic answer, 0 is the first; null when it is not there.</param>
public sealed record CheckedHypothesis(string Cause, string Target, double Confidence, double Stated, int? Rank, IReadOnlyList<CheckedClaim> Claims);

/// <summary>Something a model said that code did not let through.</summary>
/// <param name="Words">The model's own, cleaned and cut.</param>
/// <param name="Reason">Why, in a sentence's end.</param>
public sealed record DroppedClaim(string Cause, string Words, string Reason);

/// <summary>What the asking cost.</summary>
/// <param name="ToolCalls">That were carried out.</param>
/// <param name="Refused">That were not: unknown tools, broken arguments, over a bound.</param>
/// <param name="IsEstimated">The endpoint did not count tokens for every request; four characters are taken for one.</param>
public sealed record ContributionCost(int Calls, int ToolCalls, int Refused, long InputTokens, long OutputTokens, bool IsEstimated, long ToolBytes, double Seconds);

/// <summary>What a language model added to a case. It stands beside the deterministic answer: it changes no verdict, suggests no action.</summary>
/// <param name="Words">What is to be said of it, in a sentence.</param>
/// <param name="Over">The deterministic first hypothesis at the time, "cause of target".</param>
/// <param name="Missing">What the model says would settle it; may be empty.</param>
public sealed record Contribution(
    ContributionOutcome Outcome, string Words, string Model, string Host, string Over, IReadOnlyList<CheckedHypothesis> Hypotheses, IReadOnlyList<DroppedClaim> Dropped,
    string Missing, ContributionCost Cost);

/// <summary>One line of the conversation.</summary>
/// <param name="Role">system, user, assistant, call (what the model asked a tool) or tool (what it got).</param>
/// <param name="Name">The tool's, else empty.</param>
public sealed record TranscriptLine(string Role, string Name, string Text);

/// <summary>A contribution and the whole conversation that led to it.</summary>
public sealed record Reasoned(Contribution Contribution, IReadOnlyList<TranscriptLine> Transcript);
