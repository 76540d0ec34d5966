using System.Threading.Channels;
using Faultline.Cases.Projections;
using Faultline.ClickHouse;
using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Findings;
using Faultline.Diagnosis.Reasoning;
using Faultline.Metrics.PromQL;
using Faultline.Store;
using Faultline.Store.Samples;
using Faultline.Telemetry.Changes;
using Faultline.Telemetry.Samples;
using Microsoft.Extensions.Logging;

namespace Faultline.Cases.Lifecycle;

/// <summary>From a finding to its causes.</summary>
public delegate Task<Verdict> Diagnose(Finding finding, IReadOnlyList<ChangeEvent> changes, IReadOnlyList<PastCase> past, CancellationToken cancel);

/// <summary>
/// What moves cases by itself: opens them from findings, has them diagnosed (again when more was found), and while a fix is
/// being verified runs the verification query on the telemetry's clock.
/// </summary>
public sealed class CaseWorker(CaseBook cases, ChannelReader<FindingNews> news, Diagnose diagnose, TelemetryStore store, PromQlEngine promQl, TimeProvider time, ILogger<CaseWorker> log, ReasoningWorker? reasoning = null)
{
    /// <summary>How often cases are looked at.</summary>
    internal static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

    /// <summary>The first answer is given at once; it is thought over when this much more telemetry has come in.</summary>
    private static readonly TimeSpan[] Thoughts = [TimeSpan.Zero, TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(5)];

    private static readonly TimeSpan AfterBurst = TimeSpan.FromSeconds(10);

    /// <summary>The query looks back over a minute or more; that minute must lie after the fix.</summary>
    private static readonly TimeSpan AfterFix = TimeSpan.FromSeconds(60);

    /// <summary>A service that is silent for this long after its fix is said to be; windows close some seconds late.</summary>
    private static readonly TimeSpan NoDataAfter = TimeSpan.FromMinutes(3);

    private readonly SnapshotBuilder _snapshots = new(store);
    private readonly Dictionary<CaseId, (Finding Finding, DateTimeOffset Due, int Thought)> _undiagnosed = [];

    /// <summary>A finding waits to be heard, or a diagnosis is due.</summary>
    public bool HasWork => news.Count > 0 || _undiagnosed.Any(one => one.Value.Due <= time.GetUtcNow());

    /// <summary>Works until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        using var timer = new PeriodicTimer(Interval, time);
        var tick = timer.WaitForNextTickAsync(cancel).AsTask();
        var arrived = news.WaitToReadAsync(cancel).AsTask();
        while (true)
        {
            await Task.WhenAny(tick, arrived);
            if (arrived.IsCompleted && !await arrived)
            {
                return;
            }

            var ticked = tick.IsCompleted;
            if (ticked)
            {
                await tick;
                tick = timer.WaitForNextTickAsync(cancel).AsTask();
            }

            await StepAsync(verify: ticked, cancel);
            if (arrived.IsCompleted)
            {
                arrived = news.WaitToReadAsync(cancel).AsTask();
            }
        }
    }

    /// <summary>One round: hears what waits, verifies fixes, diagnoses what is due.</summary>
    public async Task StepAsync(bool verify, CancellationToken cancel)
    {
        while (news.TryRead(out var told))
        {
            await TryAsync("open a case", () => HearAsync(told, cancel), cancel);
        }

        if (verify)
        {
            await VerifyAsync(cancel);
        }

        await DiagnoseDueAsync(cancel);
    }

    private async Task HearAsync(FindingNews told, CancellationToken cancel)
    {
        switch (told)
        {
            case FindingNews.Cleared cleared:
                await cases.ClearedAsync(cleared.FindingId, cleared.At, cancel);
                break;
            case FindingNews.Raised raised when await cases.RaiseAsync(raised.Finding, stop => _snapshots.BuildAsync(raised.Finding, stop), cancel) is { } opened:
                if (opened.IsNew)
                {
                    log.CaseOpened(opened.Case.Id.ToString(), opened.Case.Title);
                }

                if (opened.Case.State is not (CaseState.FIX_APPLIED or CaseState.VERIFYING or CaseState.RESOLVED))
                {
                    // Symptoms come in bursts: a case that has a verdict is thought over when the burst is over.
                    var due = opened.Case.Verdict is null ? time.GetUtcNow() : time.GetUtcNow() + AfterBurst;
                    _undiagnosed[opened.Case.Id] = (WithCase(raised.Finding, opened.Case), due, 0);
                }

                break;
        }
    }

    /// <summary>The case's own finding, with what other findings added to it: what is looked at lies around its own beginning, however late another one came.</summary>
    private static Finding WithCase(Finding finding, CaseView view) => finding with { Symptoms = view.Symptoms, OnsetAt = view.OnsetAt, DetectedAt = view.CreatedAt, Title = view.Title };

    private async Task DiagnoseDueAsync(CancellationToken cancel)
    {
        foreach (var (id, (finding, _, thought)) in _undiagnosed.Where(one => one.Value.Due <= time.GetUtcNow()).ToList())
        {
            _undiagnosed.Remove(id);
            await TryAsync($"diagnose {id}", () => DiagnoseAsync(id, finding, thought, cancel), cancel);
        }
    }

    private async Task DiagnoseAsync(CaseId id, Finding finding, int thought, CancellationToken cancel)
    {
        if (cases.Find(null, id) is not { State: not (CaseState.RESOLVED or CaseState.VERIFYING or CaseState.FIX_APPLIED) } view)
        {
            return;
        }

        var changes = cases.ChangesAround(finding, time.GetUtcNow());
        var past = cases.Past(finding.Project);
        var verdict = await diagnose(finding, changes, past, cancel);
        if (thought + 1 < Thoughts.Length)
        {
            _undiagnosed.TryAdd(id, (finding, time.GetUtcNow() + Thoughts[thought + 1], thought + 1));
        }

        if (view.Verdict is null || !Same(view.Verdict, verdict))
        {
            await cases.DiagnosedAsync(view, verdict, cancel);
        }

        if (thought > 0)
        {
            // A first thought is from few traces, and a model's time costs more than ours.
            reasoning?.Offer(view, new ReasoningCase(id.ToString(), finding, verdict, changes, past));
        }
    }

    /// <summary>Says the same to somebody who reads it: the same causes in the same order, no confidence much changed.</summary>
    private static bool Same(Verdict before, Verdict now) =>
        before.FailureClass == now.FailureClass && before.Hypotheses.Count == now.Hypotheses.Count
        && before.Hypotheses.Zip(now.Hypotheses).All(pair => pair.First.Cause == pair.Second.Cause && pair.First.Target == pair.Second.Target && Math.Abs(pair.First.Confidence - pair.Second.Confidence) < 0.05);

    private async Task VerifyAsync(CancellationToken cancel)
    {
        foreach (var view in cases.List(null).Where(view => view is { State: CaseState.VERIFYING, FixAppliedAt: not null }))
        {
            await TryAsync($"verify {view.Id}", () => VerifyAsync(view, cancel), cancel);
        }
    }

    private async Task VerifyAsync(CaseView view, CancellationToken cancel)
    {
        var fix = view.FixAppliedAt!.Value;
        var newest = await NewestAsync(view, fix, cancel);
        if (newest is not { } at || at < fix + AfterFix)
        {
            // Nothing can be said yet, and no data is never a pass.
            if (time.GetUtcNow() > fix + NoDataAfter)
            {
                await cases.VerifiedAsync(view.Id, null, newest ?? fix, cancel);
            }

            return;
        }

        var answer = await promQl.InstantAsync(view.Project, view.VerificationQuery, at.ToUnixTimeMilliseconds(), cancel);
        var passed = answer switch
        {
            PromQlResult.Vector vector => vector.Samples.Count > 0,
            PromQlResult.Scalar scalar => scalar.Value != 0 && !double.IsNaN(scalar.Value),
            _ => false,
        };
        await cases.VerifiedAsync(view.Id, passed, at, cancel);
    }

    /// <summary>Time of the service's newest feature since the fix: the telemetry's "now".</summary>
    private async Task<DateTimeOffset?> NewestAsync(CaseView view, DateTimeOffset since, CancellationToken cancel)
    {
        var series = await store.Samples.SelectAsync(
            view.Project,
            [new LabelMatcher(Labels.MetricName, MatchKind.Equal, "faultline_feature_count"), new LabelMatcher("service_name", MatchKind.Equal, view.Service)],
            since.ToUnixTimeMilliseconds(), time.GetUtcNow().AddHours(1).ToUnixTimeMilliseconds(), cancel);
        return series.Count == 0 || series.All(one => one.UnixMillis.Length == 0) ? null
            : DateTimeOffset.FromUnixTimeMilliseconds(series.Where(one => one.UnixMillis.Length > 0).Max(one => one.UnixMillis[^1]));
    }

    /// <summary>A case that cannot be helped now is tried again at the next occasion; the others go on.</summary>
    private async Task TryAsync(string what, Func<Task> attempt, CancellationToken cancel)
    {
        try
        {
            await attempt();
        }
        catch (Exception failed) when (failed is ClickHouseException or PromQlException or StoreUnavailableException or IOException && !cancel.IsCancellationRequested)
        {
            log.NotDone(what, failed.Message);
        }
    }
}
