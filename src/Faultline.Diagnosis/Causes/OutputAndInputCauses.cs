using Faultline.Diagnosis.Facts;
using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Findings;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Causes;

/// <summary>Filters and formats at the end of the chain; traffic before its beginning; what lies under all of it.</summary>
internal static class OutputAndInputCauses
{
    public static IEnumerable<Candidate> Of(CaseFacts facts)
    {
        var service = facts.Finding.Service;
        if (facts.Of(FeatureTable.FinishFiltered) is { IsBad: true } filtered)
        {
            yield return new Candidate("guardrail_overblocking", service, $"A filter blocks more answers of {service} than before.", -0.5).Supports(3, filtered.Evidence);
        }

        if (facts.BadScores.FirstOrDefault(score => HasWord(score, "format", "json", "schema", "parse")) is { } format)
        {
            yield return new Candidate("output_format_broken", service, $"Answers of {service} no longer have the form they should have.", -0.5).Supports(2.5, format.Evidence);
        }

        if (facts.BadScores.FirstOrDefault(score => HasWord(score, "refus")) is { } refusals)
        {
            yield return new Candidate("refusals_risen", service, $"{service} refuses more than before.", -0.5).Supports(2.5, refusals.Evidence);
        }

        if (facts.Differs(AttributeNames.Release) is { } release)
        {
            yield return Deployed(facts, release);
        }
        else if (facts.Change("deploy") is { } change && change.Nearness > 0.3)
        {
            yield return new Candidate("deploy_regressed", service, $"{service} was deployed shortly before the onset.", -1).Supports(1.5 * change.Nearness, facts.Cite(change.Change));
        }

        if (facts.Of(FeatureTable.Calls) is { Rose: true } more && more.After > 1.7 * more.Before)
        {
            var candidate = new Candidate("traffic_shifted", service, $"{service} gets {Sentences.Number(more.After / more.Before)} times the requests it had before.", -1.5)
                .Supports(2.5, more.Evidence);
            foreach (var score in facts.BadScores.Take(1))
            {
                candidate.Contradicts(2, score.Evidence);       // more requests do not make answers worse by themselves
            }

            if (facts.IsLoop)
            {
                candidate.Lacks(3);
            }

            yield return candidate;
        }

        foreach (var candidate in Dependency(facts))
        {
            yield return candidate;
        }

        foreach (var candidate in Missing(facts))
        {
            yield return candidate;
        }
    }

    private static Candidate Deployed(CaseFacts facts, Distinction release)
    {
        var candidate = new Candidate(
            "deploy_regressed", facts.Finding.Service, $"Bad traces share release {release.Value} of {facts.Finding.Service}{(facts.InsteadOf(release) is { } old ? $", the good ones had {old}" : "")}.", -0.7)
            .Supports(2.5, facts.Cite(release));
        if (facts.Change("deploy") is { } change)
        {
            candidate.Supports(1.2 * change.Nearness, facts.Cite(change.Change));
        }

        // Whatever more special sets the bad traces apart came with the release and says more about it.
        if (facts.Differs(AttributeNames.Prompt, AttributeNames.ModelRequested, AttributeNames.ModelResponded, AttributeNames.EmbeddingModel, "gen_ai.retrieval.top_k", "gen_ai.request.max_tokens", "gen_ai.request.temperature") is { } special)
        {
            candidate.Contradicts(1.8, facts.Cite(special));
        }

        return candidate;
    }

    /// <summary>A call of something that is no part of the chain, slower than before and deep in the trace.</summary>
    private static IEnumerable<Candidate> Dependency(CaseFacts facts)
    {
        if (facts.Of(FeatureTable.LatencyP50) is not { Rose: true } whole)
        {
            yield break;
        }

        var before = Durations(facts.Good);
        foreach (var (name, after) in Durations(facts.Bad))
        {
            if (after.Count < 5 || !before.TryGetValue(name, out var usual) || usual.Count < 5)
            {
                continue;
            }

            double now = Median(after), then = Median(usual);
            if (now > 2 * then && now - then > 0.4 * (whole.After - whole.Before))
            {
                yield return new Candidate("network_or_dependency", name, $"{name}, which {facts.Finding.Service} calls, takes {Sentences.Number(now)} s instead of {Sentences.Number(then)} s.", -0.5)
                    .Supports(3, facts.Example(span => string.Equals(span.Name, name, StringComparison.Ordinal) && span.DurationNanos / 1e9 >= now, span => $"{name} took {Sentences.Number(span.DurationNanos / 1e9)} s here."))
                    .Supports(0.5, whole.Evidence);
            }
        }
    }

    private static Dictionary<string, List<double>> Durations(IReadOnlyList<TraceFacts> traces)
    {
        Dictionary<string, List<double>> durations = new(StringComparer.Ordinal);
        foreach (var span in traces.SelectMany(trace => trace.Spans))
        {
            if (span is { Kind: SpanKind.Client, GenAi.Operation: "", ParentSpanId.IsNone: false })
            {
                (durations.TryGetValue(span.Name, out var list) ? list : durations[span.Name] = []).Add(span.DurationNanos / 1e9);
            }
        }

        return durations;
    }

    private static double Median(List<double> values) => Baselines.RobustStatistics.Median(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(values));

    /// <summary>A stage that reported before and says nothing now, while requests go on.</summary>
    private static IEnumerable<Candidate> Missing(CaseFacts facts)
    {
        if (facts.Of(FeatureTable.Calls) is not { WindowsAfter: > 2 })
        {
            yield break;
        }

        (Stage Stage, string Name, Feature[] Features)[] stages =
        [
            (Stage.Retrieve, "retrieval", [FeatureTable.RetrievalTopScore, FeatureTable.RetrievalLatency]),
            (Stage.Model, "the model", [FeatureTable.ModelLatency, FeatureTable.OutputTokens]),
            (Stage.Tools, "tools", [FeatureTable.ToolLatency]),
        ];
        foreach (var (_, name, features) in stages)
        {
            var shifts = facts.Shifts.Where(shift => Array.Exists(features, feature => ReferenceEquals(feature, shift.Feature))).ToList();
            if (shifts.Exists(shift => shift.WindowsBefore >= 6) && shifts.TrueForAll(shift => shift.WindowsAfter == 0))
            {
                var silent = shifts.MaxBy(shift => shift.WindowsBefore)!;
                yield return new Candidate("telemetry_missing", facts.Finding.Service, $"{Sentences.Capital(name)} of {facts.Finding.Service} stopped reporting at the onset.", -0.5)
                    .Supports(2.5, new Evidence("series", silent.Evidence.Ref, $"{Sentences.Capital(silent.Feature.Words)} has {silent.WindowsBefore} windows before the onset and none after."));
            }
        }
    }

    private static bool HasWord(Shift score, params ReadOnlySpan<string> words)
    {
        foreach (var word in words)
        {
            if (score.Feature.Name.Contains(word, StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return false;
    }
}
