using Faultline.Diagnosis.Facts;
using Faultline.Diagnosis.Features;
using Faultline.Store.Traces;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Causes;

/// <summary>What can be wrong with the model and who serves it.</summary>
internal static class ModelCauses
{
    public static IEnumerable<Candidate> Of(CaseFacts facts)
    {
        var requested = facts.Differs(AttributeNames.ModelRequested);
        var responded = facts.Differs(AttributeNames.ModelResponded);
        var fell = facts.Of(FeatureTable.RetrievalTopScore) is { Fell: true } retrieval ? retrieval : null;
        if (requested is not null)
        {
            var candidate = new Candidate(
                "model_replaced", requested.Value, $"{facts.Finding.Service} asks {requested.Value}{Instead(facts, requested)}.", -0.3)
                .Supports(3.8, facts.Cite(requested))
                .Contradicts(1.5, fell?.Evidence);
            if (facts.Change("model", "deploy", "config") is { } change)
            {
                candidate.Supports(1.2 * change.Nearness, facts.Cite(change.Change));
            }

            yield return candidate;
        }
        else if (responded is not null)
        {
            var candidate = new Candidate(
                "model_version_changed", responded.Value, $"{facts.Finding.Service} asks for the same model as before, but {responded.Value} answers{Instead(facts, responded)}.", -0.3)
                .Supports(4, facts.Cite(responded))
                .Contradicts(1.5, fell?.Evidence);
            if (facts.Change("model") is { } change)
            {
                candidate.Supports(change.Nearness, facts.Cite(change.Change));
            }

            yield return candidate;
        }

        foreach (var candidate in Provider(facts, requested ?? responded))
        {
            yield return candidate;
        }

        if (Quantized(facts, responded) is { } quantized)
        {
            yield return quantized;
        }

        var sampling = facts.Differs(RequestParameters.Temperature, RequestParameters.TopP, RequestParameters.Seed);
        if (sampling is not null)
        {
            yield return new Candidate(
                "sampling_parameters_changed", AskedWith(facts, sampling), $"{facts.Finding.Service} asks its model with {sampling.Attribute} {sampling.Value}{Instead(facts, sampling)}.", -0.5)
                .Supports(3.5, facts.Cite(sampling));
        }

        var cut = facts.Of(FeatureTable.FinishLength);
        var limit = facts.Differs(RequestParameters.MaxTokens);
        if (cut is { IsBad: true } || limit is not null)
        {
            yield return new Candidate("max_tokens_lowered", AskedWith(facts, limit), $"Answers of {facts.Finding.Service} are cut off at the limit on output tokens.", -1)
                .Supports(2.8, cut is { IsBad: true } ? cut.Evidence : null)
                .Supports(2.5, limit is null ? null : facts.Cite(limit))
                .Supports(0.7, facts.Of(FeatureTable.OutputTokens) is { Fell: true } shorter ? shorter.Evidence : null)
                .Contradicts(1.5, facts.Rose(FeatureTable.OutputTokens)?.Evidence)          // more to say, not less room for it
                .Supports(0.3, facts.Example(span => span.GenAi.FinishReasons.Contains("length", StringComparer.Ordinal), _ => "An answer that ended because its length was reached."));
        }
    }

    /// <summary>A model server of one's own that became faster and worse with a release of it.</summary>
    private static Candidate? Quantized(CaseFacts facts, Distinction? responded)
    {
        var faster = facts.Fell(FeatureTable.ModelLatency) ?? facts.Fell(FeatureTable.FirstToken);
        var named = responded is not null && responded.Value.ContainsAny(QuantWords) ? facts.Cite(responded) : null;
        var change = facts.Change("deploy", "model", "config");
        var told = change is { } recorded && recorded.Change.Detail.ContainsAny([.. QuantWords, "weights", "precision", "compress", "distil"]) ? facts.Cite(recorded.Change) : null;
        if (named is null && told is null && (faster is null || responded is null))
        {
            return null;
        }

        return new Candidate("model_quantized", Target(facts), $"The model server of {facts.Finding.Service} runs other weights: its answers come faster and are worse.", -0.8)
            .Supports(2, faster?.Evidence)
            .Supports(3, named)
            .Supports(2.5, told)
            .Supports(0.8, facts.BadScores.FirstOrDefault()?.Evidence);
    }

    private static readonly string[] QuantWords = ["int8", "int4", "fp8", "fp4", "awq", "gptq", "gguf", "q4_", "q5_", "q8_", "-4bit", "-8bit", "quant"];

    private static IEnumerable<Candidate> Provider(CaseFacts facts, Distinction? otherModel)
    {
        var latency = facts.Of(FeatureTable.ModelLatency) is { IsBad: true } slow ? slow : null;
        var first = facts.Of(FeatureTable.FirstToken) is { IsBad: true } late ? late : null;
        var errors = facts.Of(FeatureTable.ModelErrorRate) is { IsBad: true } failing ? failing : null;
        if (latency is null && first is null && errors is null)
        {
            yield break;
        }

        var limited = facts.Example(span => IsRateLimit(span), span => $"A model call refused for its rate: {span.StatusMessage}");
        if (limited is not null)
        {
            yield return new Candidate("rate_limited", Target(facts), $"The provider refuses calls of {facts.Finding.Service} for their rate.", 0)
                .Supports(3.5, limited)
                .Supports(1, errors?.Evidence);
        }
        else if (errors is not null && !facts.Bad.Any(static trace => trace.Spans.Exists(static span => span is { Status: SpanStatus.Error, GenAi.Operation: "chat" or "completion" } && SaysWhy(span))))
        {
            // Calls that fail and do not say why may be refused for their rate; more so when more of them are made, or a setting was changed.
            var unsaid = new Candidate("rate_limited", Target(facts), $"The provider may refuse calls of {facts.Finding.Service} for their rate; they do not say why they fail.", -0.7)
                .Supports(1.5, errors.Evidence)
                .Supports(0.7, facts.Rose(FeatureTable.Calls)?.Evidence);
            yield return facts.Change("config") is { } change ? unsaid.Supports(0.7 * change.Nearness, facts.Cite(change.Change)) : unsaid;
        }

        var candidate = new Candidate("provider_degraded", Target(facts), $"The provider of {Target(facts)} answers {facts.Finding.Service} more slowly or fails.", -1)
            .Supports(2.2, first?.Evidence)
            .Supports(first is null ? 2.2 : 0.5, latency?.Evidence)
            .Supports(2.2, errors?.Evidence)
            .Supports(0.3, facts.Example(span => span is { GenAi.Operation: "chat", Status: SpanStatus.Error }, span => $"A failed model call: {span.StatusMessage}"))
            .Contradicts(2, limited)
            .Contradicts(2, otherModel is null ? null : facts.Cite(otherModel))
            .Contradicts(1.5, facts.Of(FeatureTable.OutputTokens) is { Rose: true } longer ? longer.Evidence : null)
            .Contradicts(1, facts.Of(FeatureTable.InputTokens) is { Rose: true } larger ? larger.Evidence : null)
            .Contradicts(1, errors is null && facts.Differs(AttributeNames.Prompt) is { } prompt ? facts.Cite(prompt) : null)
            .Contradicts(1.5, facts.Metrics.FirstOrDefault(metric => metric.Rose && metric.IsOf("gpu", "vram", "kv_cache"))?.Evidence)
            .Contradicts(1.5, facts.Fell(FeatureTable.CachedInput)?.Evidence);
        // What we changed may make a model slower, not unable to answer.
        if (errors is null && facts.Change("deploy", "prompt", "model", "config") is { Nearness: > 0.5 } ours)
        {
            candidate.Contradicts(0.7, facts.Cite(ours.Change));
        }
        else
        {
            candidate.Lacks(-0.7);      // nothing of ours changed, which is what a fault of theirs looks like
        }

        yield return candidate;
    }

    /// <summary>Who serves the model whose calls fail or are slow; where spans do not say who, that model.</summary>
    private static string Target(CaseFacts facts)
    {
        var worst = facts.Worse(FeatureTable.ModelErrorRate) ?? facts.Worse(FeatureTable.FirstToken) ?? facts.Worse(FeatureTable.ModelLatency);
        var calls = Calls(facts);
        var its = calls.FindAll(span => worst is { Dimension.Length: > 0 } && (span.GenAi.ModelRequested == worst.Dimension || span.GenAi.ModelResponded == worst.Dimension));
        static string? Provider(List<SpanSummary> calls) => calls.Select(static span => span.GenAi.Provider).Commonest();
        return Provider(its) ?? Provider(calls) ?? Asked(its) ?? Asked(calls) ?? worst?.Dimension ?? facts.Finding.Service;
    }

    /// <summary>The model that calls with such a setting ask for; of a setting that nobody tells, the one that bad requests mostly ask for.</summary>
    private static string AskedWith(CaseFacts facts, Distinction? setting)
    {
        var calls = Calls(facts);
        return (setting is null ? null : Asked(calls.FindAll(span => TraceFacts.Carries(span, setting.Attribute, setting.Value)))) ?? Asked(calls) ?? facts.Finding.Service;
    }

    private static List<SpanSummary> Calls(CaseFacts facts) =>
        [.. facts.Bad.SelectMany(static trace => trace.Spans).Where(static span => span.GenAi.Operation is "chat" or "completion")];

    /// <summary>The model that most of the calls ask for, or are answered by; null where no call says.</summary>
    public static string? Asked(IEnumerable<SpanSummary> calls) =>
        calls.Select(static span => span.GenAi.ModelRequested.Length > 0 ? span.GenAi.ModelRequested : span.GenAi.ModelResponded).Commonest();

    private static bool IsRateLimit(SpanSummary span) =>
        span.Status == SpanStatus.Error && span.GenAi.Operation is "chat" or "completion" or "embeddings"
        && (span.StatusMessage.Contains("429", StringComparison.Ordinal) || span.StatusMessage.Contains("rate limit", StringComparison.OrdinalIgnoreCase)
            || span.Attributes.Any(attribute => attribute.Key is "http.response.status_code" or "error.type" && (attribute.Value is "429" || attribute.Value.Contains("rate", StringComparison.OrdinalIgnoreCase))));

    /// <summary>A failure with a status, a type or a message.</summary>
    private static bool SaysWhy(SpanSummary span) =>
        span.StatusMessage.Length > 0 || span.Attributes.Any(static attribute => attribute.Key is "http.response.status_code" or "error.type" or "exception.type" or "exception.message");

    private static string Instead(CaseFacts facts, Distinction distinction) => facts.InsteadOf(distinction) is { } old ? $" instead of {old}" : "";
}
