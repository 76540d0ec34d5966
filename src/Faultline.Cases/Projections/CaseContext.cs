using Faultline.Diagnosis.Findings;

namespace Faultline.Cases.Projections;

/// <summary>What a case was opened with; lies in a blob.</summary>
public sealed record CaseContext(Finding Finding, ContextSnapshot Snapshot, IReadOnlyList<CaseChange> Changes);

/// <summary>A change's words; lie in a blob.</summary>
internal sealed record ChangeWords(string Detail, IReadOnlyDictionary<string, string> Attributes);
