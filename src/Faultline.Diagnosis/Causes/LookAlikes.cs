using Faultline.Diagnosis.Facts;
using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Findings;
using Faultline.Store.Traces;
using Faultline.Telemetry.Changes;

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

    /// <summary>Of what is listed for neither, but moves what was noticed first.</summary>
    private const double OfSymptom = -2.6;

    /// <summary>What a place further behind takes off.</summary>
    private const double Behind = 0.2;

    /// <summary>What a tell-tale that stayed as it was takes off.</summary>
    private const double Steady = 1.5;

    /// <summary>What it is worth to explain all of what got worse; a part of it is worth that part.</summary>
    private const double Explained = 0.6;

    /// <summary>What it takes off to explain nothing of it.</summary>
    private const double Unexplained = 1;

    /// <summary>What a change at the onset adds, of a type that brings it.</summary>
    private const double Brought = 0.8;

    /// <summary>What it takes off that somebody must have done it, and nobody is known to have.</summary>
    private const double Undone = 0.5;

    /// <summary>Fewer spans of a stage than this, and the stage is none of these requests'.</summary>
    private const int SpansMin = 3;

    /// <param name="found">Candidates that facts point at, the likeliest first.</param>
    public static IEnumerable<Candidate> Of(CaseFacts facts, IReadOnlyList<Candidate> found)
    {
        if (Symptom(facts) is not { } symptom)
        {
            yield break;
        }

        var worse = Worse(facts);
        var known = found.Select(static candidate => candidate.Cause).ToHashSet(StringComparer.Ordinal);
        IReadOnlyList<string> ofLeader = found is [{ } leader, ..] && leader.Score > Diagnostician.UnknownScore ? Vocabulary.Of(leader.Cause).LooksLike : [];
        foreach (var row in Vocabulary.Rows)
        {
            if (known.Contains(row.Name) || Prior(row, ofLeader, facts.Finding.FailureClass, worse) is not { } prior || Sign(facts, row.Name) is not { IsPossible: true } sign)
            {
                continue;
            }

            var explains = worse.Count == 0 ? 0 : worse.Count(row.Explains) / (double)worse.Count;
            var change = facts.Change([.. row.BroughtBy]) is { Nearness: > CaseFacts.NearMin } near ? near : ((ChangeEvent Change, double Nearness)?)null;
            prior += (explains > 0 ? Explained * explains : -Unexplained) - (row.IsDone && change is null ? Undone : 0);
            var candidate = new Candidate(row.Name, sign.Target, $"Nothing points at it but the symptom: {row.NextCheck}", prior)
                .Supports(0, symptom)
                .Contradicts(Steady, sign.Steady);
            yield return change is { } brought ? candidate.Supports(Brought * brought.Nearness, facts.Cite(brought.Change)) : candidate;
        }
    }

    /// <summary>How likely it is before it is asked what it explains; null when nothing says that it may be.</summary>
    private static double? Prior(CauseRow row, IReadOnlyList<string> ofLeader, FailureClass failure, IReadOnlyList<Feature> worse)
    {
        for (var i = 0; i < ofLeader.Count; i++)
        {
            if (string.Equals(ofLeader[i], row.Name, StringComparison.Ordinal))
            {
                return OfLeader - (Behind * i);
            }
        }

        return row.ShowsAs.Contains(failure) ? OfClass - (Behind * row.ShowsAs.TakeWhile(shown => shown != failure).Count())
            : worse is [var first, ..] && row.Explains(first) ? OfSymptom
            : null;
    }

    /// <summary>What got worse, what was noticed first before the others; a series that is judged both ways stands for the way it went.</summary>
    private static List<Feature> Worse(CaseFacts facts) =>
    [
        .. facts.Finding.Symptoms.Select(static symptom => FeatureTable.Find(symptom.Feature)).OfType<Feature>()
            .Concat(facts.Shifts.Where(static shift => shift.IsAbnormal)
                .Select(static shift => FeatureTable.JudgedBy(shift.Feature).FirstOrDefault(feature => feature.BadWhen == (shift.Z > 0 ? BadWhen.Rises : BadWhen.Falls))).OfType<Feature>())
            .DistinctBy(static feature => feature.Evaluation is not null ? FeatureTable.ScorePrefix : feature.Name, StringComparer.Ordinal),
    ];

    /// <summary>What is cited for them: the shift that the finding tells of, else the largest one, else the finding's own words.</summary>
    private static Evidence? Symptom(CaseFacts facts) =>
        facts.Shifts.Where(static shift => shift.IsBad).OrderByDescending(shift => facts.Finding.Symptoms.Any(symptom => string.Equals(symptom.Query, shift.Query, StringComparison.Ordinal)))
            .ThenByDescending(static shift => Math.Abs(shift.Z)).FirstOrDefault()?.Evidence
        ?? (facts.Finding.Symptoms is [var first, ..]
            ? new Evidence("series", $"{first.Query}@{Shift.Rfc3339(facts.OnsetAt)}..{Shift.Rfc3339(facts.Finding.DetectedAt)}", Sentences.Capital(first.Words) + ".")
            : null);

    /// <summary>Parts of the names, as OpenTelemetry lists them, of those whose machines are not ours.</summary>
    private static readonly string[] Hosted =
        ["openai", "anthropic", "azure", "aws", "bedrock", "gcp", "vertex", "gemini", "google", "cohere", "mistral", "groq", "deepseek", "perplexity", "x_ai", "xai", "watsonx"];

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

        bool Tells(string parameter) => facts.Bad.Any(trace => trace.Values().Any(value => string.Equals(value.Attribute, parameter, StringComparison.Ordinal)));

        string? Dependency() => facts.Shifts.Where(static shift => ReferenceEquals(shift.Feature, FeatureTable.DependencyLatency)).MaxBy(static shift => shift.Z)?.Dimension;

        var retrieves = Has("retrieval");
        var calls = Has("chat", "completion");
        var asks = Usual(static span => span.GenAi.ModelRequested, "chat", "completion");
        var answers = Usual(static span => span.GenAi.ModelResponded, "chat", "completion");
        var provider = Usual(static span => span.GenAi.Provider, "chat", "completion") ?? asks;
        var isOwn = provider is not null && !provider.ContainsAny(Hosted);
        var prompt = Usual(static span => span.GenAi.PromptName, "chat", "completion");
        var tool = Usual(static span => span.GenAi.Tool, "tool");
        var agent = Usual(static span => span.GenAi.Agent, "agent");
        var guardrail = facts.Bad.SelectMany(static trace => trace.Spans).FirstOrDefault(Guardrails.IsOne) is { } guard ? Guardrails.NameOf(guard) : null;
        var judged = facts.BadAppScores.FirstOrDefault();
        return cause switch
        {
            "index_stale" => With(retrieves, DataSources.Weakest(facts), FeatureTable.RetrievalTopScore, FeatureTable.RetrievalMeanScore),
            "embedding_model_changed" => With(retrieves, Usual(static span => span.GenAi.ModelRequested, "embeddings", "retrieval") ?? DataSources.Weakest(facts), FeatureTable.RetrievalTopScore, FeatureTable.RetrievalMeanScore),
            "retriever_parameters_changed" => With(retrieves, DataSources.Resized(facts, null), FeatureTable.RetrievalDocuments),
            "chunking_changed" => With(retrieves, DataSources.Recut(facts), FeatureTable.ChunkLength),
            "reranker_failed" => With(Has("rerank"), Usual(static span => span.GenAi.ModelRequested, "rerank"), FeatureTable.RerankErrorRate, FeatureTable.RerankLatency),
            "data_source_unavailable" => With(retrieves, DataSources.Silent(facts), FeatureTable.RetrievalEmpty, FeatureTable.RetrievalErrorRate),
            "prompt_template_regressed" => With(calls, prompt),
            "system_prompt_lost" => With(calls, service, FeatureTable.SystemPromptLength, FeatureTable.InputTokens),
            "few_shot_lost" => With(calls, service, FeatureTable.InputTokens),
            "variables_unfilled" => With(calls, service, FeatureTable.UnfilledShare),
            "context_truncated" => With(calls && retrieves, service, FeatureTable.InputTokens),
            "history_growing" => With(calls, service, FeatureTable.InputMessages, FeatureTable.InputTokens),
            "model_version_changed" => With(calls && answers is null, asks),
            "model_replaced" => With(false, asks),      // calls say which model is asked for
            "provider_degraded" => With(calls, provider, FeatureTable.ModelLatency, FeatureTable.ModelErrorRate),
            "rate_limited" => With(calls, provider, FeatureTable.ModelErrorRate),
            "sampling_parameters_changed" => With(calls && !Tells(RequestParameters.Temperature), asks),
            "max_tokens_lowered" => With(calls, asks, FeatureTable.FinishLength, FeatureTable.OutputTokens),
            "tool_unavailable" or "tool_schema_changed" => With(tool is not null, tool, FeatureTable.ToolErrorRate),
            "tool_slow" => With(tool is not null, tool, FeatureTable.ToolLatency),
            "tool_result_malformed" => With(tool is not null, tool, FeatureTable.ToolUseless),
            "loop_same_call" => With(tool is not null, tool, FeatureTable.MaxToolRepeats, FeatureTable.ToolCalls),
            "loop_ping_pong" => With(agent is not null, agent, FeatureTable.AgentTurns),
            "plan_churn" => With(Has("plan"), agent, FeatureTable.Plans),
            "memory_poisoned" => With(Has("memory"), Usual(static span => span.GenAi.DataSource.Length > 0 ? span.GenAi.DataSource : span.Service, "memory")),
            "guardrail_overblocking" => With(guardrail is not null, guardrail, FeatureTable.Blocked),
            "refusals_risen" => With(calls, asks, FeatureTable.Refusals),
            "output_format_broken" => With(calls, service, FeatureTable.JsonShare),
            "cache_lost" => With(calls, service, FeatureTable.CachedInput),
            "gpu_saturated" => With(calls && isOwn && facts.Metrics.Count == 0, provider, FeatureTable.FirstToken, FeatureTable.ModelLatency),
            "network_or_dependency" => With(Dependency() is not null, Dependency(), FeatureTable.DependencyLatency, FeatureTable.DependencyErrorRate),
            "model_quantized" => With(calls && isOwn && answers is null, provider),
            "queueing" => With(true, service, FeatureTable.Wait),
            "deploy_regressed" => With(facts.Change("deploy") is not null || !facts.Bad.Any(static trace => trace.Spans.Exists(static span => span.Release.Length > 0)), service),
            "traffic_shifted" => With(true, service, FeatureTable.Calls),
            "input_language_or_topic_shifted" or "abuse_or_injection" => With(facts.Inputs is null, service),
            "evaluator_changed" => With(judged is not null, judged?.Feature.Evaluation),
            _ => default,       // nothing but facts of its own says that it may be
        };
    }
}
