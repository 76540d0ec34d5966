using Faultline.Store.Traces;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Watchers.AgentRuns;

/// <summary>What <see cref="RunCritic"/> says of a trace in which a run of agents went wrong.</summary>
/// <param name="Span">In which the decisive message was recorded.</param>
/// <param name="Tools">Those that the decisive message calls.</param>
/// <param name="Messages">How many the run has.</param>
public sealed record RunFault(TraceId Trace, SpanId Span, IReadOnlyList<string> Tools, int Messages, RunCritique Critique)
{
    /// <summary>A question and its answer are no run: nobody but one could have gone wrong.</summary>
    private const int StepsMin = 3;

    /// <summary>Null when the trace is no run of agents, or nobody recorded what was said in it.</summary>
    /// <param name="spans">All spans of one trace, in any order. That the run failed is for the caller to know: of one that went well somebody is named, too.</param>
    public static RunFault? Of(IReadOnlyList<StoredSpan> spans)
    {
        var run = AgentRunReader.FromTrace(spans);
        if (run.Steps.Count < StepsMin || !(run.Steps.Any(static step => step.ToolCalls.Count > 0 || AgentRunReader.IsTool(step)) || Agents(run) > 1) || RunCritic.Critique(run) is not { } critique)
        {
            return null;
        }

        var decisive = run.Steps.First(step => step.Number == critique.Step);
        return new RunFault(spans[0].Summary.TraceId, decisive.Span, [.. decisive.ToolCalls.Select(static call => call.Name).Distinct(StringComparer.Ordinal)], run.Steps.Count, critique);
    }

    /// <summary>E.g. <c>message 4 of 9: it goes on after an error without trying again</c>.</summary>
    public string Words => $"message {Critique.Step + 1} of {Messages}{(Critique.Reasons is [var reason, ..] ? ": " + reason : "")}";

    private static int Agents(AgentRun run) => run.Steps.Where(static step => !AgentRunReader.IsUser(step)).Select(static step => step.Agent).Distinct(StringComparer.Ordinal).Count();
}
