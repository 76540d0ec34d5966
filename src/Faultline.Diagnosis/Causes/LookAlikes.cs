using Faultline.Diagnosis.Facts;
using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Findings;
using Faultline.Store.Traces;

namespace Faultline.Diagnosis.Causes;

/// <summary>
/// Causes that nothing points at but the symptom itself: they look like the leading one, or mostly show as this class. They are listed
/// behind, with the little weight that is honest, so that who reads the answer knows what else it may be.
/// </summary>
/// <remarks>Of two that fit alike the likelier is the one whose tell-tale was not measured: where it was, and stayed as it was, it speaks against.</remarks>
internal static class LookAlikes
{
    private const double OfLeader = -1.6;
    private const double OfClass = -2;

    /// <summary>What a place further behind takes off.</summary>
    private const double Behind = 0.2;

    /// <summary>What a tell-tale that stayed as it was takes off.</summary>
    private const double Steady = 1.5;

    /// <summary>Fewer spans of a stage than this, and the stage is none of these requests'.</summary>
    private const int SpansMin = 3;

    /// <param name="found">Candidates that facts point at, the likeliest first.</param>
    public static IEnumerable<Candidate> Of(CaseFacts facts, IReadOnlyList<Candidate> found)
    {
        if (Symptom(facts) is not { } symptom)
        {
            yield break;
        }

        var told = 0;
        var known = found.Select(static candidate => candidate.Cause).ToHashSet(StringComparer.Ordinal);
        IReadOnlyList<string> ofLeader = found is [{ } leader, ..] && leader.Score > Diagnostician.UnknownScore ? Vocabulary.Of(leader.Cause).LooksLike : [];
        var ofClass = found.Count > 0 && found[0].Score > Diagnostician.UnknownScore ? [] : Vocabulary.Rows.Where(row => row.ShowsAs.Contains(facts.Finding.FailureClass));
        foreach (var row in ofLeader.Select(Vocabulary.Of).Concat(ofClass))
        {
            if (known.Add(row.Name) && Sign(facts, row.Name) is { IsPossible: true } sign)
            {
                var prior = ofLeader.Count > 0 ? OfLeader - (Behind * told++) : OfClass - (Behind * row.ShowsAs.TakeWhile(shown => shown != facts.Finding.FailureClass).Count());
                yield return new Candidate(row.Name, sign.Target, $"Nothing points at it but the symptom: {row.NextCheck}", prior)
                    .Supports(0, symptom)
                    .Contradicts(Steady, sign.Steady);
            }
        }
    }

    private static Evidence? Symptom(CaseFacts facts) =>
        facts.Shifts.Where(static shift => shift.IsBad).OrderByDescending(shift => facts.Finding.Symptoms.Any(symptom => string.Equals(symptom.Query, shift.Query, StringComparison.Ordinal)))
            .ThenByDescending(static shift => Math.Abs(shift.Z)).FirstOrDefault()?.Evidence;

    private readonly record struct Telltale(bool IsPossible, string Target, Evidence? Steady);

    /// <summary>Whether these requests have the stage at all, whom it would be, and what would have shown it and did not.</summary>
    private static Telltale Sign(CaseFacts facts, string cause)
    {
        var service = facts.Finding.Service;
        Telltale With(bool possible, string? target, params ReadOnlySpan<Feature> features)
        {
            foreach (var feature in features)
            {
                if (facts.Of(feature) is { IsKnown: true, IsAbnormal: false } shift)
                {
                    return new Telltale(possible, target ?? service, shift.Evidence);
                }
            }

            return new Telltale(possible, target ?? service, null);
        }

        string? Usual(Func<SpanSummary, string> name, params string[] operations) => facts.Bad.SelectMany(static trace => trace.Spans)
            .Where(span => operations.Contains(span.GenAi.Operation, StringComparer.Ordinal)).Select(name).Commonest(SpansMin);

        bool Has(params string[] operations) => facts.Bad.SelectMany(static trace => trace.Spans).Count(span => operations.Contains(span.GenAi.Operation, StringComparer.Ordinal)) >= SpansMin;

        var retrieves = Has("retrieval");
        var calls = Has("chat", "completion");
        var asks = Usual(static span => span.GenAi.ModelRequested, "chat", "completion");
        var answers = Usual(static span => span.GenAi.ModelResponded, "chat", "completion");
        var provider = Usual(static span => span.GenAi.Provider, "chat", "completion") ?? asks;
        var prompt = Usual(static span => span.GenAi.PromptName, "chat", "completion");
        var tool = Usual(static span => span.GenAi.Tool, "tool");
        var agent = Usual(static span => span.GenAi.Agent, "agent");
        var judged = facts.BadAppScores.FirstOrDefault();
        return cause switch
        {
            "index_stale" => With(retrieves, DataSources.Weakest(facts), FeatureTable.RetrievalTopScore, FeatureTable.RetrievalMeanScore),
            "embedding_model_changed" => With(retrieves, Usual(static span => span.GenAi.ModelRequested, "embeddings") ?? DataSources.Weakest(facts), FeatureTable.RetrievalTopScore, FeatureTable.RetrievalMeanScore),
            "retriever_parameters_changed" => With(retrieves, DataSources.Resized(facts, null), FeatureTable.RetrievalDocuments),
            "chunking_changed" => With(retrieves, DataSources.Recut(facts), FeatureTable.ChunkLength),
            "reranker_failed" => With(Has("rerank"), Usual(static span => span.GenAi.ModelRequested, "rerank"), FeatureTable.RerankErrorRate, FeatureTable.RerankLatency),
            "data_source_unavailable" => With(retrieves, DataSources.Silent(facts), FeatureTable.RetrievalEmpty, FeatureTable.RetrievalErrorRate),
            "prompt_template_regressed" => With(calls, prompt) with { IsPossible = calls && facts.Change("prompt", "deploy", "config") is not null },
            "system_prompt_lost" => With(calls, service, FeatureTable.SystemPromptLength, FeatureTable.InputTokens),
            "few_shot_lost" => With(calls, service, FeatureTable.InputTokens),
            "variables_unfilled" => With(calls, service, FeatureTable.UnfilledShare),
            "context_truncated" => With(calls && retrieves, service, FeatureTable.InputTokens),
            "history_growing" => With(calls, service, FeatureTable.InputMessages, FeatureTable.InputTokens),
            "model_version_changed" => With(calls && answers is null, asks),
            "model_replaced" => With(false, asks),      // calls say which model is asked for
            "provider_degraded" => With(calls, provider, FeatureTable.ModelLatency, FeatureTable.ModelErrorRate),
            "rate_limited" => With(calls, provider, FeatureTable.ModelErrorRate),
            "sampling_parameters_changed" => With(calls && facts.Change("config", "deploy", "model") is not null, asks),
            "max_tokens_lowered" => With(calls, service, FeatureTable.FinishLength, FeatureTable.OutputTokens),
            "tool_unavailable" or "tool_schema_changed" => With(tool is not null, tool, FeatureTable.ToolErrorRate),
            "tool_slow" => With(tool is not null, tool, FeatureTable.ToolLatency),
            "tool_result_malformed" => With(tool is not null, tool, FeatureTable.ToolUseless),
            "loop_same_call" => With(tool is not null, tool, FeatureTable.MaxToolRepeats, FeatureTable.ToolCalls),
            "loop_ping_pong" => With(agent is not null, agent, FeatureTable.AgentTurns),
            "plan_churn" => With(Has("plan"), agent, FeatureTable.Plans),
            "memory_poisoned" => With(Has("memory"), Usual(static span => span.GenAi.DataSource.Length > 0 ? span.GenAi.DataSource : span.Name, "memory")),
            "guardrail_overblocking" => With(facts.Bad.Any(static trace => trace.Spans.Exists(Guardrails.IsOne)), facts.Bad.SelectMany(static trace => trace.Spans).FirstOrDefault(Guardrails.IsOne)?.Name, FeatureTable.Blocked),
            "refusals_risen" => With(calls, asks, FeatureTable.Refusals),
            "output_format_broken" => With(calls, service, FeatureTable.JsonShare),
            "cache_lost" => With(calls, service, FeatureTable.CachedInput),
            "queueing" => With(true, service, FeatureTable.Wait),
            "deploy_regressed" => With(facts.Change("deploy") is not null, service),
            "traffic_shifted" => With(true, service, FeatureTable.Calls),
            "input_language_or_topic_shifted" or "abuse_or_injection" => With(facts.Inputs is null, service),
            "evaluator_changed" => With(judged is not null, judged?.Feature.Words),
            _ => default,       // nothing but facts of its own says that it may be
        };
    }
}
