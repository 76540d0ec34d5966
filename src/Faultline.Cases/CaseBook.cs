using System.Security.Cryptography;
using System.Text.Json;
using Faultline.Cases.Blobs;
using Faultline.Cases.Events;
using Faultline.Cases.Projections;
using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Findings;
using Faultline.Diagnosis.Reasoning;
using Faultline.Ledger;
using Faultline.Store;
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
    private readonly LedgerFile _ledger;
    private readonly BlobStore _blobs;
    private CaseProjection _projection;
    private readonly Turn _writing = new();
    private readonly Lock _read = new();
    private readonly TimeProvider _time;

    private CaseBook(LedgerFile ledger, BlobStore blobs, TimeProvider time)
    {
        _ledger = ledger;
        _blobs = blobs;
        _projection = new CaseProjection(blobs);
        _time = time;
    }

    /// <summary>Raised after each append, with the case that changed, or null for a change event. Handlers must not block.</summary>
    public event Action<CaseView?>? Changed;

    /// <summary>Raised with each change of the observed system, recorded or seen in its telemetry. Handlers must not block.</summary>
    public event Action<ChangeEvent>? ChangeNoted;

    /// <summary>Replays the ledger.</summary>
    public static async Task<CaseBook> OpenAsync(LedgerFile ledger, string blobDirectory, TimeProvider time, CancellationToken cancel = default)
    {
        var book = new CaseBook(ledger, new BlobStore(blobDirectory), time);
        book._projection = await book.ReplayAsync(cancel);
        return book;
    }

    /// <summary>What the whole ledger adds up to, with what was deleted since left out of what was told before.</summary>
    private async Task<CaseProjection> ReplayAsync(CancellationToken cancel)
    {
        var told = new List<(LedgerEntry Entry, FaultlineEvent Event)>();
        await foreach (var entry in _ledger.ReadAsync(0, cancel))
        {
            if (EventFormat.Read(entry) is { } happened)
            {
                told.Add((entry, happened));
            }
        }

        foreach (var (gone, by) in told.Select(one => one.Event).OfType<DeletionCompleted>().SelectMany(done => done.Replaced))
        {
            // The process may have ended between the event and the file.
            _blobs.DeleteFile(gone);
            _blobs.Replace(gone, by);
        }

        var projection = new CaseProjection(_blobs);
        foreach (var (entry, happened) in told)
        {
            projection.Apply(entry.Sequence, entry.At, happened);
        }

        return projection;
    }

    internal BlobStore Blobs => _blobs;

    internal T Read<T>(Func<CaseProjection, T> read)
    {
        lock (_read)
        {
            return read(_projection);
        }
    }

    /// <summary>Reads everything anew, after blobs were deleted.</summary>
    internal async Task RebuildAsync(CancellationToken cancel)
    {
        await _writing.RunAsync(
            async () =>
            {
                var projection = await ReplayAsync(cancel);
                lock (_read)
                {
                    _projection = projection;
                }
            },
            cancel);
        Changed?.Invoke(null);
    }

    /// <summary>Newest first. Null project: all.</summary>
    public IReadOnlyList<CaseView> List(string? project)
    {
        lock (_read)
        {
            return [.. _projection.Cases.Where(view => project is null || view.Project == project).Reverse()];
        }
    }

    public CaseView? Find(string? project, CaseId id)
    {
        lock (_read)
        {
            return _projection.Find(id.Number) is { } view && (project is null || view.Project == project) ? view : null;
        }
    }

    /// <summary>Changes in a range of the telemetry's clock, newest first.</summary>
    public IReadOnlyList<ChangeEvent> Changes(string project, DateTimeOffset from, DateTimeOffset to, string? service = null)
    {
        lock (_read)
        {
            return [.. _projection.Changes.Each
                .Where(change => change.Project == project && change.At >= from && change.At <= to && (service is null || change.Service == service))
                .OrderByDescending(change => change.At)];
        }
    }

    public async Task<ChangeEvent> RecordChangeAsync(string project, string type, string service, string detail, DateTimeOffset at, IReadOnlyDictionary<string, string> attributes, string actor, CancellationToken cancel = default)
    {
        var id = "chg-" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));
        var words = await BlobAsync(new ChangeWords(detail, attributes), cancel);
        await AppendAsync(() => [new ChangeRecorded(id, project, type, service, at, actor, words)], cancel);
        var change = new ChangeEvent(id, project, type, service, detail, at, attributes);
        ChangeNoted?.Invoke(change);
        return change;
    }

    /// <summary>One change by its id, or null.</summary>
    public ChangeEvent? FindChange(string project, string id)
    {
        lock (_read)
        {
            return _projection.Changes.Find(project, id);
        }
    }

    /// <summary>Notes a change that telemetry shows, unless it is known: by its id, or because somebody recorded the same thing at about that time.</summary>
    public async Task NoteSeenAsync(ChangeEvent change, CancellationToken cancel = default)
    {
        lock (_read)
        {
            if (_projection.Changes.Knows(change))
            {
                return;
            }
        }

        var words = await BlobAsync(new ChangeWords(change.Detail, change.Attributes), cancel);
        await AppendAsync(
            () => _projection.Changes.Knows(change) ? [] : [new ChangeSeen(change.Id, change.Project, change.Type, change.Service, change.At, words)],
            cancel);
        ChangeNoted?.Invoke(change);
    }

    public Task<CaseAnswer> TriageAsync(string? project, CaseId id, string actor, CancellationToken cancel = default) =>
        ChangeAsync(project, id, view => view.State == CaseState.DETECTED
            ? Events(new CaseTriaged(id.Number, actor))
            : Not($"{id} is {view.State}: only a case that is DETECTED can be triaged."), cancel);

    public Task<CaseAnswer> AssignAsync(string? project, CaseId id, string assignee, string actor, CancellationToken cancel = default) =>
        ChangeAsync(project, id, _ => Events(new CaseAssigned(id.Number, assignee, actor)), cancel);

    public async Task<CaseAnswer> CommentAsync(string? project, CaseId id, string text, string actor, CancellationToken cancel = default)
    {
        var blob = await _blobs.PutAsync(text, cancel);
        return await ChangeAsync(project, id, _ => Events(new CaseCommented(id.Number, actor, blob)), cancel);
    }

    /// <param name="fix">What was done, in words; null: the first suggestion's action.</param>
    public async Task<CaseAnswer> FixAppliedAsync(string? project, CaseId id, string? fix, string actor, CancellationToken cancel = default)
    {
        var suggested = Find(project, id) is { Verdict: { UnableBecause: null, Hypotheses: [var first, ..] } } ? first.Action : null;
        var blob = await _blobs.PutAsync(string.IsNullOrWhiteSpace(fix) ? suggested ?? "A fix that was not described" : fix, cancel);
        return await ChangeAsync(project, id, view => view.State == CaseState.RESOLVED
            ? Not($"{id} is RESOLVED already. If it is not over, reopen it.")
            : Events(new FixApplied(id.Number, actor, blob), new VerificationStarted(id.Number, view.VerificationQuery)), cancel);
    }

    /// <summary>Resolves by hand, without verification; the reason is kept.</summary>
    public async Task<CaseAnswer> ResolveAsync(string? project, CaseId id, string reason, string actor, CancellationToken cancel = default)
    {
        var blob = await _blobs.PutAsync(reason, cancel);
        return await ChangeAsync(project, id, view => view.State == CaseState.RESOLVED
            ? Not($"{id} is RESOLVED already.")
            : Events(Resolved(view, "hand", actor, _time.GetUtcNow(), blob)), cancel);
    }

    public async Task<CaseAnswer> ReopenAsync(string? project, CaseId id, string reason, string actor, CancellationToken cancel = default)
    {
        var blob = await _blobs.PutAsync(reason, cancel);
        return await ChangeAsync(project, id, view => view.State != CaseState.RESOLVED
            ? Not($"{id} is {view.State}: only a RESOLVED case can be reopened.")
            : Events(new CaseReopened(id.Number, actor, blob)), cancel);
    }

    /// <summary>Was the suggestion with this rank (0 is the first) helpful?</summary>
    public Task<CaseAnswer> FeedbackAsync(string? project, CaseId id, int rank, bool helpful, string actor, CancellationToken cancel = default) =>
        ChangeAsync(project, id, view => view.Verdict is { } verdict && rank >= 0 && rank < verdict.Hypotheses.Count
            ? Events(new FeedbackGiven(id.Number, rank, verdict.Hypotheses[rank].Cause, helpful, actor))
            : Not($"{id} has no suggestion number {rank + 1}."), cancel);

    /// <summary>Resolved cases, and imported ones, for diagnosis to remember by.</summary>
    public IReadOnlyList<PastCase> Past(string project)
    {
        lock (_read)
        {
            return _projection.Past(project);
        }
    }

    /// <summary>Takes resolved cases of another Faultline into what diagnosis remembers; those with the same ids are replaced.</summary>
    public async Task ImportAsync(string project, IReadOnlyList<PastCase> cases, string actor, CancellationToken cancel = default)
    {
        var blob = await BlobAsync(cases, cancel);
        await AppendAsync(() => [new KnowledgeImported(project, cases.Count, actor, blob)], cancel);
    }

    /// <summary>Opens a case for a finding, or folds it into the case it belongs to.</summary>
    /// <returns>The case, and whether anything was appended; null when the finding's case is over.</returns>
    internal async Task<(CaseView Case, bool IsNew)?> RaiseAsync(Finding finding, Func<CancellationToken, Task<ContextSnapshot>> snapshot, CancellationToken cancel)
    {
        CaseView? known;
        lock (_read)
        {
            known = _projection.OpenCaseOf(finding);
        }

        if (known is { State: CaseState.RESOLVED })
        {
            // The finding was told again, by a restart say, after its case was closed.
            return null;
        }

        if (known is not null)
        {
            if (!IsNews(known, finding))
            {
                return (known, false);
            }

            var blob = await BlobAsync(finding, cancel);
            await AppendAsync(() => [new SymptomsAdded(known.Id.Number, finding.Id, finding.FailureClass, finding.VerificationQuery, blob)], cancel);
            return (Find(null, known.Id)!, false);
        }

        var changes = ChangesAround(finding, finding.DetectedAt)
            .Where(change => change.Service.Length == 0 || change.Service == finding.Service)
            .Select(change => new CaseChange(change.Id, change.Type, change.Service, change.Detail, change.At, change.Source));
        var context = await BlobAsync(new CaseContext(finding, await snapshot(cancel), [.. changes]), cancel);
        var number = 0;
        await AppendAsync(
            () =>
            {
                number = _projection.NextCase;
                return
                [
                    new CaseOpened(
                        number, finding.Project, finding.Environment, finding.Service, finding.Trigger, finding.FailureClass, finding.Id,
                        finding.OnsetAt, finding.DetectedAt, finding.VerificationQuery, context),
                    new CaseTriaged(number, "faultline"),
                    new InvestigationStarted(number, "faultline"),
                ];
            },
            cancel);
        return (Find(null, new CaseId(number))!, true);
    }

    /// <summary>Enough example traces for anybody; more of the same are no event.</summary>
    private const int ExamplesWanted = 5;

    /// <summary>A fault that goes on is told again and again; an event is what a reader of the case would want to know.</summary>
    private static bool IsNews(CaseView known, Finding finding) =>
        known.SymptomsClearedAt is not null
        || finding.Symptoms.Any(symptom => known.Symptoms.FirstOrDefault(old => old.Feature == symptom.Feature) is not { } old || Math.Abs(symptom.Observed - old.Observed) > Math.Abs(old.Observed) / 2)
        || (known.BadTraces.Count < ExamplesWanted && finding.BadTraces.Any(trace => !known.BadTraces.Contains(trace.ToString(), StringComparer.Ordinal)));

    /// <summary>How far back a change is still "recent".</summary>
    internal static readonly TimeSpan RecentChanges = TimeSpan.FromHours(1);

    /// <summary>Changes from <see cref="RecentChanges"/> before a finding's onset; what was seen in another environment is none of them.</summary>
    internal IReadOnlyList<ChangeEvent> ChangesAround(Finding finding, DateTimeOffset to) =>
        [.. Changes(finding.Project, finding.OnsetAt - RecentChanges, to).Where(change => !change.IsSeen || change.Attributes.GetValueOrDefault("environment", "") == finding.Environment)];

    internal async Task DiagnosedAsync(CaseView view, Verdict verdict, CancellationToken cancel)
    {
        var best = verdict.Hypotheses is [var first, ..] ? first : null;
        var determined = verdict.UnableBecause is null && best is not null;
        var blob = await BlobAsync(verdict, cancel);
        await AppendAsync(
            () =>
            {
                var events = new List<FaultlineEvent> { new CaseDiagnosed(view.Id.Number, verdict.FailureClass, determined ? best!.Cause : "unknown", determined ? best!.Target : view.Service, best?.Confidence ?? 0, determined, blob) };
                if (determined)
                {
                    events.Add(new RemediationSuggested(view.Id.Number, best!.Cause, best.Target, best.Effort, best.Risk, best.SimilarCase));
                }

                return events;
            },
            cancel);
    }

    /// <summary>Keeps what a language model added, and what it cost. No state, verdict or suggestion changes.</summary>
    internal async Task ReasonedAsync(CaseId id, Reasoned reasoned, CancellationToken cancel)
    {
        var added = reasoned.Contribution;
        var contribution = await BlobAsync(added, cancel);
        var transcript = await BlobAsync(reasoned.Transcript, cancel);
        var outcome = added.Outcome switch
        {
            ContributionOutcome.Held => "held",
            ContributionOutcome.NothingHeld => "nothing_held",
            _ => "failed",
        };
        await AppendAsync(
            () => [new CaseReasoned(id.Number, outcome, added.Model, added.Hypotheses.Count, added.Dropped.Count, added.Cost.Calls, added.Cost.InputTokens, added.Cost.OutputTokens, contribution, transcript)],
            cancel);
    }

    /// <summary>The last conversation with a language model about a case; empty when there was none, or its text was deleted.</summary>
    public IReadOnlyList<TranscriptLine> TranscriptOf(CaseView view) =>
        view.TranscriptBlob is { } blob && _blobs.Get(blob) is { } text ? JsonSerializer.Deserialize<List<TranscriptLine>>(text, EventFormat.Json) ?? [] : [];

    internal Task ClearedAsync(string findingId, DateTimeOffset at, CancellationToken cancel) => AppendAsync(
        () => _projection.OfFinding(findingId) is { State: not CaseState.RESOLVED } view ? [new SymptomsCleared(view.Id.Number, at, findingId)] : [],
        cancel);

    /// <param name="passed">Null: there was no data.</param>
    internal Task VerifiedAsync(CaseId id, bool? passed, DateTimeOffset at, CancellationToken cancel) => AppendAsync(
        () =>
        {
            if (_projection.Find(id.Number) is not { State: CaseState.VERIFYING } view)
            {
                return [];
            }

            var outcome = passed switch
            {
                true => "passed",
                false => "failed",
                null => "no_data",
            };
            var ran = new VerificationRan(id.Number, outcome, at);
            return passed == true ? [ran, Resolved(view, "verification", "faultline", at, null)]
                : view.Verification?.LastRunAt is null || view.Verification.Passed != passed ? [ran]
                : [];
        },
        cancel);

    private static CaseResolved Resolved(CaseView view, string by, string actor, DateTimeOffset at, string? reason)
    {
        var best = view.Verdict is { Hypotheses: [var first, ..] } ? first : null;
        var cause = best is null || view.Verdict!.UnableBecause is not null ? "unknown" : $"{best.Cause} of {best.Target}";
        return new CaseResolved(view.Id.Number, by, actor, cause, at, Math.Max(0, (at - view.CreatedAt).TotalSeconds), reason);
    }

    private static (IReadOnlyList<FaultlineEvent> Events, string? Reason) Events(params IReadOnlyList<FaultlineEvent> events) => (events, null);

    private static (IReadOnlyList<FaultlineEvent> Events, string? Reason) Not(string reason) => ([], reason);

    private async Task<CaseAnswer> ChangeAsync(string? project, CaseId id, Func<CaseView, (IReadOnlyList<FaultlineEvent> Events, string? Reason)> decide, CancellationToken cancel)
    {
        string? refused = null;
        var found = false;
        await AppendAsync(
            () =>
            {
                if (_projection.Find(id.Number) is not { } view || (project is not null && view.Project != project))
                {
                    return [];
                }

                found = true;
                var (events, reason) = decide(view);
                refused = reason;
                return events;
            },
            cancel);
        return !found ? new CaseAnswer.NotFound(id.ToString())
            : refused is not null ? new CaseAnswer.NotNow(refused)
            : new CaseAnswer.Done(Find(project, id)!);
    }

    private Task<string> BlobAsync<T>(T value, CancellationToken cancel) => _blobs.PutAsync(JsonSerializer.Serialize(value, EventFormat.Json), cancel);

    /// <summary>Decides on events, appends them, applies them; one caller at a time, so that a decision still holds when it is written.</summary>
    internal async Task AppendAsync(Func<IReadOnlyList<FaultlineEvent>> decide, CancellationToken cancel)
    {
        var changed = new List<CaseView?>();
        await _writing.RunAsync(
            async () =>
            {
                var events = decide();
                if (events.Count == 0)
                {
                    return;
                }

                // Once begun, an append is finished: a client that goes away must not leave a case half told.
                var entries = await _ledger.AppendAsync([.. events.Select(EventFormat.Write)], CancellationToken.None);
                lock (_read)
                {
                    for (var i = 0; i < events.Count; i++)
                    {
                        changed.Add(_projection.Apply(entries[i].Sequence, entries[i].At, events[i]));
                    }
                }
            },
            cancel);

        foreach (var view in changed.DistinctBy(view => view?.Id))
        {
            Changed?.Invoke(view is null ? null : Find(null, view.Id));
        }
    }
}
