using Faultline.Diagnosis.Findings;
using Faultline.Telemetry.Changes;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Causes;

/// <summary>A stored fact that a claim rests on.</summary>
/// <param name="Kind">span, log, series, change or case.</param>
/// <param name="Ref">TRACE/SPAN, log id, PromQL@from..to (RFC 3339), change id, case id.</param>
/// <param name="Text">What it says, in a sentence.</param>
public sealed record Evidence(string Kind, string Ref, string Text);

/// <summary>One candidate cause, weighed.</summary>
/// <param name="Cause">A name of the causes' vocabulary (docs/causes.md), e.g. <c>index_stale</c>.</param>
/// <param name="Target">The service, model, template, tool, index … it is about.</param>
/// <param name="Words">The claim in one sentence.</param>
/// <param name="Confidence">0 to 1.</param>
/// <param name="Action">What to do.</param>
/// <param name="Effort">E.g. "30 min".</param>
/// <param name="Risk">Info, Low, Medium, High or Critical.</param>
/// <param name="SimilarCase">Id of a resolved case with the same signature, or null.</param>
/// <param name="For">Evidence for it.</param>
/// <param name="Against">Evidence against it.</param>
/// <param name="NextCheck">What would confirm or refute it next.</param>
public sealed record Hypothesis(
    string Cause, string Target, string Words, double Confidence, string Action, string Effort, string Risk, string? SimilarCase,
    IReadOnlyList<Evidence> For, IReadOnlyList<Evidence> Against, string NextCheck);

/// <summary>One stage of the chain retrieve → prompt → model → tools → output, before and after the onset.</summary>
public sealed record StageReading(string Stage, bool Abnormal, string Words, IReadOnlyList<Symptom> Figures);

/// <summary>An attribute value that sets bad traces apart.</summary>
public sealed record Distinction(string Attribute, string Value, double ShareOfBad, double ShareOfGood);

/// <summary>The answer to "why".</summary>
/// <param name="UnableBecause">When the best confidence is below 0.5: what is missing. Otherwise null.</param>
public sealed record Verdict(
    FailureClass FailureClass, IReadOnlyList<Hypothesis> Hypotheses, IReadOnlyList<StageReading> Chain, IReadOnlyList<Distinction> Distinctions,
    string? UnableBecause, IReadOnlyList<double> Signature)
{
    /// <summary>Which requests it meets, which services the additional time or failures come from, and which agent went wrong first; empty where that cannot be told.</summary>
    public IReadOnlyList<Evidence> Where { get; init; } = [];
}

/// <summary>A resolved case, as diagnosis remembers it.</summary>
/// <param name="Helpful">Feedback so far: +1 each helpful, -1 each not helpful.</param>
public sealed record PastCase(string CaseId, string Service, FailureClass FailureClass, string Cause, string Target, string FixApplied, IReadOnlyList<double> Signature, int Helpful, DateTimeOffset ResolvedAt)
{
    /// <summary>What its age leaves of it: 1 when fresh, 0 when forgotten.</summary>
    public double Weight { get; init; } = 1;
}
