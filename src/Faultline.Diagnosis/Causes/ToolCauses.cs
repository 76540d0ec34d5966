using Faultline.Diagnosis.Facts;
using Faultline.Diagnosis.Features;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Causes;

/// <summary>What can be wrong with tools, and with agents that use them.</summary>
internal static class ToolCauses
{
    public static IEnumerable<Candidate> Of(CaseFacts facts)
    {
        var errors = facts.Of(FeatureTable.ToolErrorRate) is { IsBad: true } failing ? failing : null;
        var slow = facts.Of(FeatureTable.ToolLatency) is { IsBad: true } latency ? latency : null;
        if (facts.IsLoop)
        {
            yield return Loop(facts, errors);
        }

        if (errors is not null)
        {
            yield return new Candidate("tool_unavailable", errors.Dimension, $"The tool {errors.Dimension} fails in {facts.Finding.Service}.", -0.5)
                .Supports(3.5, errors.Evidence)
                .Supports(0.8, facts.Example(
                    span => span is { Status: SpanStatus.Error, GenAi.Operation: "tool" } && string.Equals(span.GenAi.Tool, errors.Dimension, StringComparison.Ordinal),
                    span => $"A failed call of {span.GenAi.Tool}: {span.StatusMessage}"));
        }

        if (slow is not null)
        {
            var candidate = new Candidate("tool_slow", slow.Dimension, $"The tool {slow.Dimension} became slow in {facts.Finding.Service}.", -1)
                .Supports(2.5, slow.Evidence);
            if (facts.Of(FeatureTable.LatencyP50) is { Rose: true } whole && slow.After - slow.Before > 0.4 * (whole.After - whole.Before))
            {
                candidate.Supports(1.8, whole.Evidence);
            }

            candidate.Contradicts(1, errors?.Evidence);
            yield return candidate;
        }
    }

    private static Candidate Loop(CaseFacts facts, Shift? errors)
    {
        var (tool, agent, calls, example) = Repeated(facts);
        var who = agent.Length > 0 ? agent : facts.Finding.Service;
        var candidate = new Candidate(
            "loop_same_call", tool.Length > 0 ? tool : who, $"{who} makes the same call of {(tool.Length > 0 ? tool : "a tool")} up to {calls} times in one trace: nothing tells it to stop.", 0.5)
            .Supports(4.5, example)
            .Contradicts(2, errors?.Evidence);
        if (facts.Shifts.FirstOrDefault(shift => ReferenceEquals(shift.Feature, FeatureTable.MaxToolRepeats) && shift.WindowsAfter > 0) is { } repeats)
        {
            candidate.Supports(0.5, new Evidence("series", repeats.Evidence.Ref, $"Most calls of one tool with the same arguments in a trace of {repeats.Service}, window by window."));
        }

        // The change before it is evidence for the loop as well: it says what to revert.
        if (facts.Change("prompt", "deploy", "config", "model") is { } change)
        {
            candidate.Supports(0.8 * change.Nearness, facts.Cite(change.Change));
        }

        return candidate;
    }

    private static (string Tool, string Agent, int Calls, Evidence? Example) Repeated(CaseFacts facts)
    {
        var worst = facts.Bad.MaxBy(trace => trace.MaxToolRepeats());
        var group = worst?.Spans.Where(span => span.GenAi.Operation is "tool").GroupBy(span => (span.GenAi.Tool, span.GenAi.ToolArgumentsHash)).MaxBy(calls => calls.Count());
        if (group is null)
        {
            return ("", "", 0, null);
        }

        // The last of them: by then there was no doubt.
        var last = group.MaxBy(span => span.StartUnixNanos)!;
        var calls = group.Count();
        return (last.GenAi.Tool, last.GenAi.Agent, calls, new Evidence("span", $"{last.TraceId}/{last.SpanId}", $"Call {calls} of {last.GenAi.Tool} with the same arguments in this trace."));
    }
}
