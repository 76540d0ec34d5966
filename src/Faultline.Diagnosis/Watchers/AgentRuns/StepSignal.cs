namespace Faultline.Diagnosis.Watchers.AgentRuns;

/// <summary>What <see cref="StepReader"/> sees in a step. All are 0 or 1 except where a unit is said.</summary>
internal enum StepSignal
{
    First,
    FirstWithCode,

    /// <summary>Natural logarithm of one more than the steps of actors before it.</summary>
    Place,

    /// <summary>Natural logarithm of one more than its characters.</summary>
    Length,
    Short,
    Bookkeeping,
    FirstInstruction,
    Delegate,
    DeclaresDone,
    Code,
    FirstToFail,
    ClaimAfterFailure,

    /// <summary>It follows a result and calls no tool: it only says what the result means.</summary>
    ReadsResult,
    Blocked,

    /// <summary>Share of its numbers that nothing before it holds.</summary>
    UnsupportedNumbers,
    Guesses,
    Concludes,
    Acts,

    /// <summary>It changes something by a tool, and what a person said last is no assent.</summary>
    ActsUnasked,

    /// <summary>It changes something by a tool, and what a person says next is an objection.</summary>
    ActObjectedTo,
    ChangeOfMind,

    /// <summary>A person says yes.</summary>
    Assents,
}

/// <summary>How much each signal speaks for a step being the decisive one, and how to say so; what every step has some of is no reason.</summary>
/// <remarks>
/// Conditional logit over the steps of a run, weights pulled to 0 (ridge of 0.2, chosen by cross-validation), fitted on 131 failed runs whose decisive step
/// people had marked: halves of Who&amp;When (Zhang et al. 2025, MIT) and AgentRx (microsoft/AgentRx, MIT). Cross-validated figures, with runs of
/// the same task kept together, are in bench/RESULTS.md.
/// </remarks>
internal static class StepWeights
{
    public static readonly (StepSignal Signal, double Weight, string Sentence)[] Table =
    [
        (StepSignal.First, -1.81, "it opens the run"),
        (StepSignal.FirstWithCode, 1.2, "code is run before anything was looked at"),
        (StepSignal.Place, -0.49, "it comes late"),
        (StepSignal.Length, 0.26, ""),
        (StepSignal.Short, -0.84, "it says nothing of its own"),
        (StepSignal.Bookkeeping, -1.36, "it only keeps the plan"),
        (StepSignal.FirstInstruction, 0.83, "it is the first instruction to another agent"),
        (StepSignal.Delegate, 0.28, "it carries out what another agent asked for"),
        (StepSignal.DeclaresDone, 3.97, "it declares the task done"),
        (StepSignal.Code, 0.57, "it writes code"),
        (StepSignal.FirstToFail, 0.44, "it is the first step whose result is an error"),
        (StepSignal.ClaimAfterFailure, 1.15, "it goes on after an error without trying again"),
        (StepSignal.ReadsResult, -0.9, "it only says what a result means"),
        (StepSignal.Blocked, 1.89, "it met a refusal, an advertisement or a limit"),
        (StepSignal.UnsupportedNumbers, 0.92, "it states numbers that nothing before it holds"),
        (StepSignal.Guesses, 0.45, "it assumes, simulates or estimates"),
        (StepSignal.Concludes, 0.56, "it draws a conclusion"),
        (StepSignal.Acts, 1.62, "it changes something by a tool"),
        (StepSignal.ActsUnasked, 2.43, "it changes something by a tool, and the user had not said yes"),
        (StepSignal.ActObjectedTo, 3.33, "it changes something by a tool, and the user objects"),
        (StepSignal.ChangeOfMind, 2.36, "the user changes the request"),
        (StepSignal.Assents, -2.11, "the user says yes"),
    ];
}
