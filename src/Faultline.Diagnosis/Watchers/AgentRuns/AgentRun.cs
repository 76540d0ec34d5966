using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Watchers.AgentRuns;

/// <summary>A call of a tool by an agent.</summary>
public sealed record AgentToolCall(string Name, string Arguments);

/// <summary>One message of a run.</summary>
/// <param name="Number">As the run counts; ascending.</param>
public sealed record AgentStep(int Number, string Agent, string Content, IReadOnlyList<AgentToolCall> ToolCalls)
{
    /// <summary>The span in which the message was recorded; none when the run is not from a trace.</summary>
    public SpanId Span { get; init; }
}

/// <summary>A run of one or several agents that failed, as their messages.</summary>
public sealed record AgentRun(string Task, IReadOnlyList<AgentStep> Steps)
{
    /// <summary>The agent that sets the others to work; null when that is not known, and has to show in what they write.</summary>
    public string? Coordinator { get; init; }

    /// <summary>The run is longer than what was read of it.</summary>
    public bool IsCut { get; init; }
}

/// <summary>What was wrong with a step, in the words of the AgentRx taxonomy (microsoft/AgentRx).</summary>
public enum StepErrorKind
{
    InstructionOrPlanAdherence,
    IntentPlanMisalignment,
    MisinterpretationOfToolOutput,
    InvalidInvocation,
    IntentNotSupported,
    GuardrailsTriggered,
    UnderspecifiedUserIntent,
}

/// <summary>An error of one step.</summary>
public sealed record StepError(int Step, StepErrorKind Kind);

/// <summary>Who made a run fail, and where.</summary>
/// <param name="Agent">As the run writes it.</param>
/// <param name="Step">The decisive step; one of <paramref name="Agent"/>.</param>
/// <param name="Share">0 to 1: how much of the suspicion is on this step.</param>
/// <param name="Errors">The decisive step first, then others in their order.</param>
/// <param name="Reasons">One sentence a signal of the decisive step, weightiest first.</param>
public sealed record RunCritique(string Agent, int Step, double Share, IReadOnlyList<StepError> Errors, IReadOnlyList<string> Reasons);
