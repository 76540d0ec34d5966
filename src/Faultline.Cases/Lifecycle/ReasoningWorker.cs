using System.Threading.Channels;
using Faultline.Cases.Projections;
using Faultline.Diagnosis.Reasoning;
using Microsoft.Extensions.Logging;

namespace Faultline.Cases.Lifecycle;

/// <summary>Asks a language model about a case.</summary>
public delegate Task<Reasoned> Reason(ReasoningCase about, CancellationToken cancel);

/// <summary>
/// Has a language model asked about diagnosed cases, one at a time and apart from what moves cases: a slow model delays nothing. What it says is kept
/// with the case beside the verdict.
/// </summary>
public sealed class ReasoningWorker(CaseBook cases, Reason reason, ILogger<ReasoningWorker> log)
{
    public const int WaitingMax = 64;

    /// <summary>A case is asked about when its verdict has settled, and again when its first hypothesis changed; never more often than this.</summary>
    public const int ContributionsPerCaseMax = 3;

    private readonly Channel<ReasoningCase> _waiting = Channel.CreateBounded<ReasoningCase>(new BoundedChannelOptions(WaitingMax) { SingleReader = true });

    /// <summary>Takes a case that was diagnosed, unless it was asked about already; says in the log when too many wait.</summary>
    internal void Offer(CaseView view, ReasoningCase about)
    {
        if (IsWanted(view, about) && !_waiting.Writer.TryWrite(about))
        {
            log.NotReasoned(about.CaseId, $"{WaitingMax} cases wait already");
        }
    }

    /// <summary>Works until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        await foreach (var about in _waiting.Reader.ReadAllAsync(cancel))
        {
            await TryAsync(about, cancel);
        }
    }

    /// <summary>Asks about the case that waits longest; false when none does.</summary>
    internal async Task<bool> StepAsync(CancellationToken cancel)
    {
        if (!_waiting.Reader.TryRead(out var about))
        {
            return false;
        }

        await TryAsync(about, cancel);
        return true;
    }

    private async Task TryAsync(ReasoningCase about, CancellationToken cancel)
    {
        // It may have been closed, or asked about, while it waited.
        if (!CaseId.TryParse(about.CaseId, out var id) || cases.Find(null, id) is not { } view || !IsWanted(view, about))
        {
            return;
        }

        try
        {
            await cases.ReasonedAsync(id, await reason(about, cancel), cancel);
        }
        catch (Exception failed) when (!cancel.IsCancellationRequested)
        {
            // Optional, and about text of strangers: whatever goes wrong here, the case goes on without it.
            log.ReasoningFailed(failed, about.CaseId);
        }
    }

    private static bool IsWanted(CaseView view, ReasoningCase about) =>
        view.State is not (CaseState.FIX_APPLIED or CaseState.VERIFYING or CaseState.RESOLVED)
        && view.ContributionCount < ContributionsPerCaseMax
        && (view.Contribution is not { } known || !string.Equals(known.Over, Reasoner.Over(about.Verdict), StringComparison.Ordinal));
}
