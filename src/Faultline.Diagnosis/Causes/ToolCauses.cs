using Faultline.Diagnosis.Facts;
using Faultline.Diagnosis.Features;
using Faultline.Store.Traces;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Causes;

/// <summary>What can be wrong with tools.</summary>
internal static class ToolCauses
{
    private static readonly string[] ArgumentWords = ["argument", "parameter", "schema", "validation", "invalid_", "invalid input", "unexpected field", "unknown field", "missing required", "required property", "bad request", "badrequest", "invalidarg", "invalidparam", "unprocessable", "typeerror", "400", "422", "-32602"];

    /// <summary>What is said of something that is not there, or does not answer.</summary>
    private static readonly string[] DownWords = ["timeout", "timed out", "time-out", "unavailable", "refused", "unreachable", "reset by", "econn", "no route", "internal server", "internal error", "502", "503", "504", "is down"];

    public static IEnumerable<Candidate> Of(CaseFacts facts)
    {
        var errors = facts.Worse(FeatureTable.ToolErrorRate);
        var dependency = facts.Worse(FeatureTable.DependencyErrorRate) ?? facts.Worse(FeatureTable.DependencyLatency);
        if (errors is not null)
        {
            foreach (var candidate in Failing(facts, errors))
            {
                yield return candidate.Contradicts(1.2, dependency?.Evidence);
            }
        }

        if (facts.Worse(FeatureTable.ToolUseless) is { } useless)
        {
            yield return new Candidate("tool_result_malformed", useless.Dimension, $"{useless.Dimension} answers {useless.Service} without an error and without a usable result.", -0.3)
                .Supports(4, useless.Evidence)
                .Contradicts(0.5, errors?.Evidence);
        }

        else if (errors is null && Named(facts) is { } named)
        {
            yield return named;
        }

        if (facts.Worse(FeatureTable.ToolLatency) is { } slow)
        {
            var candidate = new Candidate("tool_slow", slow.Dimension, $"The tool {slow.Dimension} became slow in {slow.Service}.", -1)
                .Supports(2.7, slow.Evidence);
            if (facts.Rose(FeatureTable.LatencyP50) is { } whole && slow.After - slow.Before > 0.4 * (whole.After - whole.Before))
            {
                candidate.Supports(1.8, whole.Evidence);
            }

            candidate.Contradicts(1, errors?.Evidence).Contradicts(1.5, dependency?.Evidence);
            yield return candidate;
        }
    }

    /// <summary>Answers became worse after a change that names a tool, whose calls all succeed: what it answers may be wrong, and no one recorded it.</summary>
    private static Candidate? Named(CaseFacts facts)
    {
        if (facts.BadScores.FirstOrDefault() is not { } worse)
        {
            return null;
        }

        foreach (var tool in facts.Bad.SelectMany(static trace => trace.Spans).Where(static span => span.GenAi.Operation is "tool").Select(static span => span.GenAi.Tool).Distinct(StringComparer.Ordinal))
        {
            if (facts.Names(tool) is { } change)
            {
                return new Candidate("tool_result_malformed", tool, $"{tool} was changed before the answers of {facts.Finding.Service} became worse; its calls succeed, so it may be what they return.", -1)
                    .Supports(2.2 * facts.Nearness(change), facts.Cite(change))
                    .Supports(1, worse.Evidence)
                    .Contradicts(2, facts.Of(FeatureTable.ToolUseless, tool) is { IsKnown: true, IsAbnormal: false } whole ? whole.Evidence : null);
            }
        }

        return null;
    }

    /// <summary>A tool that refuses its arguments is there; one that is down is not.</summary>
    private static IEnumerable<Candidate> Failing(CaseFacts facts, Shift errors)
    {
        bool IsFailure(SpanSummary span) => span is { Status: SpanStatus.Error, GenAi.Operation: "tool" } && string.Equals(span.GenAi.Tool, errors.Dimension, StringComparison.Ordinal);
        var failures = facts.Bad.SelectMany(trace => trace.Spans).Where(IsFailure).ToList();
        var refused = failures.Count(SaysArguments) > failures.Count / 2;
        var down = !refused && failures.Count(static span => Says(span, DownWords)) > failures.Count / 2;
        var example = facts.Example(IsFailure, span => $"A failed call of {span.GenAi.Tool}: {span.StatusMessage}");
        var argument = facts.Example(span => IsFailure(span) && SaysArguments(span), span => $"{span.GenAi.Tool} refuses its arguments: {span.StatusMessage}");
        yield return new Candidate("tool_unavailable", errors.Dimension, $"The tool {errors.Dimension} fails in {errors.Service}.", -0.5)
            .Supports(3.5, errors.Evidence)
            .Supports(down ? 0.8 : 0, refused ? null : example)
            .Contradicts(2.8, refused ? argument : null);
        if (down)
        {
            yield break;
        }

        // Where a failure does not say in words we know what it is, a release or another prompt at the onset says as much.
        var change = facts.Change("deploy", "prompt", "config");
        var candidate = new Candidate("tool_schema_changed", errors.Dimension, $"{errors.Dimension} no longer takes the arguments that {errors.Service} sends.", -0.5)
            .Supports(2.5, errors.Evidence)
            .Supports(refused ? 2.2 : 0, refused ? argument : example);
        yield return change is { } brought ? candidate.Supports((refused ? 0.5 : 1.5) * brought.Nearness, facts.Cite(brought.Change)) : candidate;
    }

    private static bool SaysArguments(SpanSummary span) => Says(span, ArgumentWords);

    private static bool Says(SpanSummary span, string[] words) =>
        span.StatusMessage.ContainsAny(words) || span.Attributes.Any(attribute => attribute.Key is "error.type" or "exception.type" or "exception.message" && attribute.Value.ContainsAny(words));
}
