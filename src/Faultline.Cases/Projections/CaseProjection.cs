using System.Globalization;
using System.Text.Json;
using Faultline.Cases.Blobs;
using Faultline.Cases.Events;
using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Findings;
using Faultline.Diagnosis.Reasoning;
using Faultline.Diagnosis.Rules;
using Faultline.Telemetry.Changes;

namespace Faultline.Cases.Projections;

/// <summary>What the events add up to. The same events give the same cases, live or replayed.</summary>
internal sealed class CaseProjection(BlobStore blobs)
{
    private const string Gone = "(deleted)";

    private readonly SortedDictionary<int, CaseView> _cases = [];
    private readonly Dictionary<int, HashSet<string>> _findings = [];
    private readonly Dictionary<int, HashSet<string>> _openFindings = [];
    private readonly Dictionary<(string Case, string Cause), int> _helpful = [];
    private readonly Dictionary<(string Project, string Case), PastCase> _imported = [];
    private ChangeList _changes = new();
    private int _lastCase;

    public IReadOnlyCollection<CaseView> Cases => _cases.Values;

    public ChangeList Changes => _changes;

    public DeletionBook Deletions { get; } = new();

    public CitedBlobs Blobs { get; } = new();

    public int NextCase => _lastCase + 1;

    public CaseView? Find(int number) => _cases.GetValueOrDefault(number);

    /// <summary>
    /// The open case that a finding belongs to, by its id or because it is of the same fault: it began with it, or it is of the same class
    /// and the case's symptoms are there still or went not long ago (a fault that flaps).
    /// </summary>
    public CaseView? OpenCaseOf(Finding finding) =>
        _cases.Values.LastOrDefault(view => _findings[view.Id.Number].Contains(finding.Id))
        ?? _cases.Values.LastOrDefault(view => view.State != CaseState.RESOLVED
            && view.Project == finding.Project && view.Environment == finding.Environment && view.Service == finding.Service
            && ((finding.OnsetAt - view.OnsetAt).Duration() <= SameFaultWithin
                || ((view.FailureClass == finding.FailureClass || view.OpenedAs == finding.FailureClass) && (view.SymptomsClearedAt is not { } cleared || finding.OnsetAt - cleared <= FlapsWithin))));

    /// <summary>Symptoms of one service that begin this close together are of one fault.</summary>
    public static readonly TimeSpan SameFaultWithin = TimeSpan.FromMinutes(10);

    /// <summary>A fault that was away for longer than this is another occurrence, even when nobody closed the first case.</summary>
    public static readonly TimeSpan FlapsWithin = TimeSpan.FromMinutes(30);

    public CaseView? OfFinding(string findingId) => _cases.Values.LastOrDefault(view => _findings[view.Id.Number].Contains(findingId));

    /// <summary>+1 for each "helpful" that a suggestion of this cause got, in the case or in a later one that cited it; -1 for each "not helpful".</summary>
    public int HelpfulOf(string caseId, string cause) => _helpful.GetValueOrDefault((caseId, cause));

    /// <summary>What diagnosis may remember of a project: resolved cases, and those of other Faultlines that were imported.</summary>
    public IReadOnlyList<PastCase> Past(string project) =>
    [
        .. _cases.Values.Where(view => view.Project == project).Select(Past).OfType<PastCase>(),
        .. _imported.Where(one => one.Key.Project == project).Select(one => one.Value with { Helpful = one.Value.Helpful + HelpfulOf(one.Value.CaseId, one.Value.Cause) }),
    ];

    /// <summary>What it was: the first hypothesis if the analysis stood by it, or one that somebody found helpful; null when nobody knows.</summary>
    private PastCase? Past(CaseView view)
    {
        if (view is not { Resolution: { } resolution, Verdict: { Hypotheses.Count: > 0 } verdict })
        {
            return null;
        }

        var id = view.Id.ToString();
        var was = verdict.Hypotheses.Select((hypothesis, rank) => (Hypothesis: hypothesis, Rank: rank, Helpful: HelpfulOf(id, hypothesis.Cause)))
            .OrderByDescending(one => Math.Max(0, one.Helpful)).ThenBy(one => one.Rank).First();
        return verdict.UnableBecause is not null && was.Helpful <= 0 ? null : new PastCase(id, view.Service, view.FailureClass, was.Hypothesis.Cause, was.Hypothesis.Target, resolution.FixApplied, verdict.Signature, was.Helpful, resolution.VerifiedAt);
    }

    /// <returns>The case that changed, or null.</returns>
    public CaseView? Apply(long sequence, DateTimeOffset at, FaultlineEvent happened)
    {
        Deletions.Apply(at, happened, blob => blobs.Get(blob) ?? Gone);
        Blobs.Apply(at, happened);
        switch (happened)
        {
            case DeletionCompleted done when Deletions.Find(done.Id) is { Kind: "project", Project: { } project } asked:
                Forget(project, asked.AskedAt);
                return null;
            case ChangeRecorded change:
                var words = WordsOf(change.Words);
                _changes.Add(new ChangeEvent(change.Id, change.Project, change.Type, change.Service, words.Detail, change.At, words.Attributes));
                return null;
            case ChangeSeen seen:
                var said = WordsOf(seen.Words);
                _changes.Add(new ChangeEvent(seen.Id, seen.Project, seen.Type, seen.Service, said.Detail, seen.At, said.Attributes) { Source = ChangeEvent.Telemetry });
                return null;
            case KnowledgeImported imported:
                foreach (var one in Read<IReadOnlyList<PastCase>>(imported.Cases) ?? [])
                {
                    _imported[(imported.Project, one.CaseId)] = one;
                }

                return null;
            case CaseOpened opened:
                _lastCase = Math.Max(_lastCase, opened.Case);
                _cases[opened.Case] = Open(opened);
                _findings[opened.Case] = [opened.FindingId];
                _openFindings[opened.Case] = [opened.FindingId];
                break;
        }

        if (happened is not CaseEvent ofCase || !_cases.TryGetValue(ofCase.Case, out var before))
        {
            return null;
        }

        var (after, actor, line) = Step(before, at, ofCase);
        after = after with
        {
            Version = sequence,
            Timeline = [.. before.Timeline, new CaseEventLine(sequence, at, EventFormat.NameOf(happened), actor, line)],
        };
        _cases[ofCase.Case] = after;
        return after;
    }

    /// <summary>A project that was deleted has no cases and no changes from before; their events stay, without their texts.</summary>
    private void Forget(string project, DateTimeOffset before)
    {
        foreach (var number in _cases.Values.Where(view => view.Project == project && view.Timeline[0].At <= before).Select(view => view.Id.Number).ToList())
        {
            _cases.Remove(number);
        }

        foreach (var key in _imported.Keys.Where(key => key.Project == project).ToList())
        {
            _imported.Remove(key);
        }

        var kept = new ChangeList();
        foreach (var change in _changes.All.Where(change => change.Project != project))
        {
            kept.Add(change);
        }

        _changes = kept;
    }

    private (CaseView After, string Actor, string Words) Step(CaseView view, DateTimeOffset at, CaseEvent happened)
    {
        const string Us = "faultline";
        switch (happened)
        {
            case CaseOpened:
                return (view, Us, view.Title);
            case SymptomsAdded added:
                _findings[added.Case].Add(added.FindingId);
                var finding = Read<Finding>(added.Context);
                // What is said changes with a fault, but is told by far longer windows: it holds no case open that something else opened.
                var holds = finding is not { IsOfTopics: true } || finding.Id == view.FindingId;
                if (holds)
                {
                    _openFindings[added.Case].Add(added.FindingId);
                }

                var more = finding is null ? view : view with
                {
                    SymptomsClearedAt = holds ? null : view.SymptomsClearedAt,
                    Severity = Higher(view.Severity, finding.Severity),
                    Symptoms = finding.Id == view.FindingId ? finding.Symptoms : [.. view.Symptoms, .. finding.Symptoms.Where(symptom => view.Symptoms.All(known => known.Feature != symptom.Feature))],
                    BadTraces = [.. view.BadTraces.Union(finding.BadTraces.Select(trace => trace.ToString()), StringComparer.Ordinal).Take(10)],
                    GoodTraces = [.. view.GoodTraces.Union(finding.GoodTraces.Select(trace => trace.ToString()), StringComparer.Ordinal).Take(10)],
                    Title = finding.Id == view.FindingId ? finding.Title : view.Title,
                    VerificationQuery = finding.Id == view.FindingId ? added.VerificationQuery : view.VerificationQuery,
                    FailureClass = finding.Id == view.FindingId && view.Verdict is null ? added.FailureClass : view.FailureClass,
                };
                return (more, Us, "More of it: " + string.Join("; ", (finding?.Symptoms ?? []).Select(symptom => symptom.Words)));
            case CaseTriaged triaged:
                return (view with { State = CaseState.TRIAGED }, triaged.Actor, "Triaged");
            case CaseAssigned assigned:
                return (view with { Assignee = assigned.Assignee }, assigned.Actor, $"Assigned to {assigned.Assignee}");
            case CaseCommented commented:
                return (view, commented.Actor, blobs.Get(commented.Text) ?? Gone);
            case InvestigationStarted started:
                return (view with { State = CaseState.INVESTIGATING }, started.Actor, "Investigation started");
            case CaseDiagnosed diagnosed:
                return (
                    view with { FailureClass = diagnosed.FailureClass, Verdict = Read<Verdict>(diagnosed.Verdict) ?? view.Verdict }, Us,
                    diagnosed.Determined ? string.Create(CultureInfo.InvariantCulture, $"{diagnosed.Cause} of {diagnosed.Target}, confidence {diagnosed.Confidence:P0}") : "Unable to determine root cause");
            case CaseReasoned reasoned:
                var contribution = Read<Contribution>(reasoned.Contribution);
                return (view with { Contribution = contribution ?? view.Contribution, TranscriptBlob = reasoned.Transcript, ContributionCount = view.ContributionCount + 1 }, reasoned.Model, contribution?.Words ?? Gone);
            case RemediationSuggested suggested:
                return (
                    view with { State = view.State is CaseState.FIX_APPLIED or CaseState.VERIFYING or CaseState.RESOLVED ? view.State : CaseState.REMEDIATION_SUGGESTED }, Us,
                    $"Suggested a fix for {suggested.Cause} of {suggested.Target}: effort {suggested.Effort}, risk {suggested.Risk}" + (suggested.SimilarCase is null ? "" : $"; seen before in {suggested.SimilarCase}"));
            case FixApplied applied:
                var fix = blobs.Get(applied.Fix) ?? Gone;
                return (view with { State = CaseState.FIX_APPLIED, FixAppliedAt = at, FixApplied = fix }, applied.Actor, "Fix applied: " + fix);
            case VerificationStarted verification:
                return (
                    view with { State = CaseState.VERIFYING, Verification = new VerificationStatus(verification.Query, null, null, "Waiting for data from after the fix") }, Us,
                    "Verification started");
            case VerificationRan ran:
                var said = ran.Outcome switch
                {
                    "passed" => "The verification query passes",
                    "failed" => "The verification query does not pass yet",
                    _ => "No data to judge by since the fix",
                };
                return (view with { Verification = new VerificationStatus(view.VerificationQuery, ran.At, ran.Outcome == "no_data" ? null : ran.Outcome == "passed", said) }, Us, said);
            case SymptomsCleared cleared:
                var held = _openFindings[cleared.Case].Remove(cleared.FindingId ?? view.FindingId);
                return (!held ? view : view with { SymptomsClearedAt = _openFindings[cleared.Case].Count == 0 ? cleared.At : null }, Us, $"The figures are usual again since {cleared.At:u}");
            case CaseResolved resolved:
                var reason = resolved.Reason is null ? null : blobs.Get(resolved.Reason) ?? Gone;
                return (
                    view with
                    {
                        State = CaseState.RESOLVED,
                        Resolution = new CaseResolution(resolved.RootCause, view.FixApplied ?? reason ?? "", resolved.VerifiedAt, view.VerificationQuery, TimeSpan.FromSeconds(resolved.SecondsToRemediate)),
                    },
                    resolved.Actor, resolved.By == "hand" ? "Resolved by hand: " + reason : "Resolved: the verification query passes");
            case CaseReopened reopened:
                return (view with { State = CaseState.INVESTIGATING, Resolution = null, Verification = null, FixAppliedAt = null, FixApplied = null }, reopened.Actor, "Reopened: " + (blobs.Get(reopened.Reason) ?? Gone));
            case FeedbackGiven feedback:
                var cited = view.Verdict is { } weighed && feedback.Rank < weighed.Hypotheses.Count ? weighed.Hypotheses[feedback.Rank].SimilarCase : null;
                foreach (var id in (string?[])[view.Id.ToString(), cited])
                {
                    if (id is not null)
                    {
                        _helpful[(id, feedback.Cause)] = HelpfulOf(id, feedback.Cause) + (feedback.Helpful ? 1 : -1);
                    }
                }

                return (view, feedback.Actor, $"{feedback.Cause} was {(feedback.Helpful ? "helpful" : "not helpful")}");
            default:
                throw new System.Diagnostics.UnreachableException(happened.GetType().Name);
        }
    }

    private CaseView Open(CaseOpened opened)
    {
        var context = Read<CaseContext>(opened.Context);
        return new CaseView
        {
            Id = new CaseId(opened.Case),
            Project = opened.Project,
            Environment = opened.Environment,
            Service = opened.Service,
            Title = context?.Finding.Title ?? Gone,
            CreatedAt = opened.DetectedAt,
            OnsetAt = opened.OnsetAt,
            Trigger = opened.Trigger,
            Severity = context?.Finding.Severity,
            FindingId = opened.FindingId,
            State = CaseState.DETECTED,
            FailureClass = opened.FailureClass,
            OpenedAs = opened.FailureClass,
            Symptoms = context?.Finding.Symptoms ?? [],
            Snapshot = context?.Snapshot ?? new ContextSnapshot([], [], [], [], [], []),
            RecentChanges = context?.Changes ?? [],
            BadTraces = [.. (context?.Finding.BadTraces ?? []).Select(trace => trace.ToString())],
            GoodTraces = [.. (context?.Finding.GoodTraces ?? []).Select(trace => trace.ToString())],
            VerificationQuery = opened.VerificationQuery,
            Timeline = [],
            Version = 0,
        };
    }

    private static string? Higher(string? one, string? other) =>
        Enum.TryParse<Severity>(one, out var a) && (!Enum.TryParse<Severity>(other, out var b) || a >= b) ? one : other ?? one;

    private ChangeWords WordsOf(string blob) => Read<ChangeWords>(blob) ?? new ChangeWords(Gone, new Dictionary<string, string>(StringComparer.Ordinal));

    private T? Read<T>(string blob)
        where T : class => blobs.Get(blob) is { } text ? JsonSerializer.Deserialize<T>(text, EventFormat.Json) : null;
}
