using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Findings;
using Faultline.Diagnosis.Reasoning;

namespace Faultline.Cases.Projections;

/// <summary>A case's id: <c>CASE-</c> and a number from 1.</summary>
public readonly record struct CaseId(int Number)
{
    public override string ToString() => $"CASE-{Number}";

    public static bool TryParse(string? text, out CaseId id)
    {
        id = default;
        if (text is null || !text.StartsWith("CASE-", StringComparison.OrdinalIgnoreCase) || !int.TryParse(text.AsSpan(5), out var number) || number < 1)
        {
            return false;
        }

        id = new CaseId(number);
        return true;
    }
}

/// <summary>The seven states; stored and shown by these names.</summary>
public enum CaseState
{
    DETECTED,
    TRIAGED,
    INVESTIGATING,
    REMEDIATION_SUGGESTED,
    FIX_APPLIED,
    VERIFYING,
    RESOLVED,
}

/// <summary>One ledger event of a case, for its timeline.</summary>
public sealed record CaseEventLine(long Sequence, DateTimeOffset At, string Type, string Actor, string Words);

/// <summary>A prompt, chunk, output or score kept with the case, so that it stays when the telemetry goes.</summary>
public sealed record SnapshotItem(string Ref, string Text);

/// <summary>What was true when the case was opened. Texts lie in content-addressed blobs; the ledger holds their hash.</summary>
public sealed record ContextSnapshot(
    IReadOnlyList<string> Traces, IReadOnlyList<SnapshotItem> Prompts, IReadOnlyList<SnapshotItem> RetrievedChunks,
    IReadOnlyList<SnapshotItem> ModelOutputs, IReadOnlyList<SnapshotItem> EvalScores, IReadOnlyList<Symptom> InfraMetrics);

/// <param name="Source">recorded, telemetry, or null: from before telemetry was watched for changes.</param>
public sealed record CaseChange(string Id, string Type, string Service, string Detail, DateTimeOffset At, string? Source = null);

public sealed record CaseResolution(string RootCause, string FixApplied, DateTimeOffset VerifiedAt, string VerificationQuery, TimeSpan TimeToRemediate);

/// <summary>How the verification stands while a case is in VERIFYING.</summary>
public sealed record VerificationStatus(string Query, DateTimeOffset? LastRunAt, bool? Passed, string Words);

/// <summary>A case as the ledger's events add up to it.</summary>
public sealed record CaseView
{
    public required CaseId Id { get; init; }

    public required string Project { get; init; }

    public required string Environment { get; init; }

    public required string Service { get; init; }

    public required string Title { get; init; }

    /// <summary>On the telemetry's clock.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    public required DateTimeOffset OnsetAt { get; init; }

    public required string Trigger { get; init; }

    /// <summary>Info, Low, Medium, High or Critical: the highest that a rule gave it; null where no rule fired.</summary>
    public string? Severity { get; init; }

    public required string FindingId { get; init; }

    public required CaseState State { get; init; }

    public required FailureClass FailureClass { get; init; }

    /// <summary>The class that the symptoms alone pointed to; diagnosis may have named another.</summary>
    public required FailureClass OpenedAs { get; init; }

    public required IReadOnlyList<Symptom> Symptoms { get; init; }

    public required ContextSnapshot Snapshot { get; init; }

    public required IReadOnlyList<CaseChange> RecentChanges { get; init; }

    /// <summary>Null until diagnosed.</summary>
    public Verdict? Verdict { get; init; }

    /// <summary>What a language model added when it was last asked; null while none was. It changes nothing of <see cref="Verdict"/>.</summary>
    public Contribution? Contribution { get; init; }

    /// <summary>How often one was asked.</summary>
    public int ContributionCount { get; init; }

    /// <summary>Where the conversation lies; see <see cref="CaseBook.TranscriptOf"/>.</summary>
    internal string? TranscriptBlob { get; init; }

    public required IReadOnlyList<string> BadTraces { get; init; }

    public required IReadOnlyList<string> GoodTraces { get; init; }

    /// <summary>When the last of its findings was over, on the telemetry's clock; null while one is not.</summary>
    public DateTimeOffset? SymptomsClearedAt { get; init; }

    public string? Assignee { get; init; }

    public required string VerificationQuery { get; init; }

    public VerificationStatus? Verification { get; init; }

    public CaseResolution? Resolution { get; init; }

    public DateTimeOffset? FixAppliedAt { get; init; }

    public string? FixApplied { get; init; }

    /// <summary>Events in ledger order.</summary>
    public required IReadOnlyList<CaseEventLine> Timeline { get; init; }

    /// <summary>Sequence number of the last event that touched it.</summary>
    public required long Version { get; init; }
}
