namespace Faultline.Diagnosis.Watchers.AgentRuns;

/// <summary>What <see cref="StepReader"/> sees in a step. All are 0 or 1 except where a unit is said.</summary>
internal enum StepSignal
{
    First,
    FirstWithCode,

    /// <summary>Natural logarithm of one more than the steps of actors before it.</summary>
    Place,

    /// <summary>A tenth of the natural logarithm of one more than its characters.</summary>
    Length,
    Short,
    Bookkeeping,
    FirstInstruction,
    Delegate,
    DeclaresDone,
    Code,
    FirstToFail,
    AfterFailure,
    ClaimAfterFailure,
    Blocked,

    /// <summary>Share of its numbers that nothing before it holds.</summary>
    UnsupportedNumbers,
    Guesses,
    Concludes,
    Repeats,
    Acts,
    LastAct,
    ChangeOfMind,
}

/// <summary>How much each signal speaks for a step being the decisive one, and how to say so.</summary>
/// <remarks>
/// Conditional logit over the steps of a run, weights pulled to 0 (ridge of 2), fitted on 131 failed runs whose decisive step people had marked: halves of
/// Who&amp;When (Zhang et al. 2025, MIT) and AgentRx (microsoft/AgentRx, MIT). Cross-validated figures, with runs of the same task
/// kept together, are in bench/RESULTS.md.
/// </remarks>
internal static class StepWeights
{
    public static readonly (StepSignal Signal, double Weight, string Sentence)[] Table =
    [
        (StepSignal.First, -0.8, "it opens the run"),
        (StepSignal.FirstWithCode, 0.67, "code is run before anything was looked at"),
        (StepSignal.Place, -0.39, "what comes late is mostly a consequence"),
        (StepSignal.Length, 0.65, "it says much"),
        (StepSignal.Short, -0.47, "it says nothing of its own"),
        (StepSignal.Bookkeeping, -1.06, "it only keeps the plan"),
        (StepSignal.FirstInstruction, 0.33, "it is the first instruction to another agent"),
        (StepSignal.Delegate, 0.58, "it carries out what another agent asked for"),
        (StepSignal.DeclaresDone, 1.2, "it declares the task done"),
        (StepSignal.Code, 0.53, "it writes code"),
        (StepSignal.FirstToFail, 0.59, "it is the first step whose result is an error"),
        (StepSignal.AfterFailure, -0.25, "it answers an error"),
        (StepSignal.ClaimAfterFailure, 0.38, "it goes on after an error without trying again"),
        (StepSignal.Blocked, 0.88, "it met a refusal, an advertisement or a limit"),
        (StepSignal.UnsupportedNumbers, 0.77, "it states numbers that nothing before it holds"),
        (StepSignal.Guesses, 0.43, "it assumes, simulates or estimates"),
        (StepSignal.Concludes, 0.45, "it draws a conclusion"),
        (StepSignal.Repeats, -0.49, "it repeats an earlier step"),
        (StepSignal.Acts, 1.26, "it changes something by a tool"),
        (StepSignal.LastAct, 0.95, "it is the last change by a tool"),
        (StepSignal.ChangeOfMind, 0.93, "the user changes the request"),
    ];
}
