using Faultline.Diagnosis.Facts;
using Faultline.Diagnosis.Features;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Causes;

/// <summary>What can be wrong with what the model is told: template, system message, placeholders, a context cut off.</summary>
internal static class PromptCauses
{
    public static IEnumerable<Candidate> Of(CaseFacts facts)
    {
        var prompt = facts.Differs(AttributeNames.Prompt, "gen_ai.prompt.template.version");
        var change = facts.Change("prompt");
        if (prompt is not null || change is not null)
        {
            yield return Regressed(facts, prompt, change);
        }

        if (facts.SystemMessages is { } share && share.Good > 0.8 && share.Bad < 0.3)
        {
            yield return new Candidate("system_prompt_lost", facts.Finding.Service, $"Model calls of {facts.Finding.Service} go out without their system message.", -0.5)
                .Supports(4, facts.Example(span => span.GenAi.Operation is "chat", _ => $"A model call of a bad trace; {AttributeNames.Percent(share.Bad)} of them carry a system message, {AttributeNames.Percent(share.Good)} in good traces."));
        }

        if (facts.Of(FeatureTable.InputTokens) is { Fell: true } fewer && !facts.IsBad(FeatureTable.RetrievalEmpty) && facts.Of(FeatureTable.RetrievalDocuments) is not { IsAbnormal: true })
        {
            var candidate = new Candidate("few_shot_lost", facts.Finding.Service, $"Prompts of {facts.Finding.Service} became shorter: examples or instructions are gone.", -1.5)
                .Supports(2, fewer.Evidence);
            foreach (var score in facts.BadScores.Where(score => score.Feature.Name.Contains("format", StringComparison.OrdinalIgnoreCase)).Take(1))
            {
                candidate.Supports(1.5, score.Evidence);
            }

            yield return candidate;
        }

        var placeholder = facts.Example(span => span.GenAi.Operation is "chat" && HasPlaceholder(span.GenAi.InputPreview), span => $"A prompt with an unfilled placeholder: {span.GenAi.InputPreview}");
        if (placeholder is not null && !facts.Good.Any(trace => trace.Spans.Exists(span => HasPlaceholder(span.GenAi.InputPreview))))
        {
            yield return new Candidate("variables_unfilled", facts.Finding.Service, $"Prompts of {facts.Finding.Service} contain placeholders that were not filled.", 0).Supports(4, placeholder);
        }

        if (Ceiling(facts) is { } ceiling)
        {
            yield return new Candidate("context_truncated", facts.Finding.Service, $"Prompts of {facts.Finding.Service} are cut off at {ceiling.Tokens} tokens.", -1)
                .Supports(4, ceiling.Evidence)
                .Supports(0.5, facts.Of(FeatureTable.InputTokens) is { Rose: true } rose ? rose.Evidence : null);
        }
    }

    private static Candidate Regressed(CaseFacts facts, Distinction? prompt, (Telemetry.Changes.ChangeEvent Change, double Nearness)? change)
    {
        var name = prompt?.Value.Split('@')[0];
        var candidate = new Candidate(
            "prompt_template_regressed", name ?? facts.Finding.Service,
            prompt is null
                ? $"A prompt of {facts.Finding.Service} was changed shortly before the onset."
                : $"Bad traces share {prompt.Value}{(facts.InsteadOf(prompt) is { } old ? $"; the good ones used {old}" : "")}: the new template does worse.",
            -1);
        candidate.Supports(3, prompt is null ? null : facts.Cite(prompt));
        if (change is { } recorded)
        {
            candidate.Supports(2.2 * recorded.Nearness, facts.Cite(recorded.Change));
        }

        if (facts.IsLoop)
        {
            // It may well be what set the loop going; what loops is still the call, and a stop rule helps whatever the prompt says.
            return candidate.Lacks(1);
        }

        return candidate
            .Contradicts(2.5, facts.Of(FeatureTable.RetrievalTopScore) is { Fell: true } fell ? fell.Evidence : null)
            .Contradicts(1, prompt is not null && facts.Differs(AttributeNames.ModelResponded) is { } model ? facts.Cite(model) : null);
    }

    private static bool HasPlaceholder(string text)
    {
        var open = text.IndexOf("{{", StringComparison.Ordinal);
        return open >= 0 && text.IndexOf("}}", open, StringComparison.Ordinal) is var close && close > open && close - open < 60;
    }

    /// <summary>Half of the bad model calls have exactly the most tokens any has, and the good ones do not.</summary>
    private static (long Tokens, Evidence Evidence)? Ceiling(CaseFacts facts)
    {
        var bad = Inputs(facts.Bad);
        var good = Inputs(facts.Good);
        if (bad.Count < 6 || good.Count < 6)
        {
            return null;
        }

        var most = bad.Max();
        if (most < 1000 || bad.Count(tokens => tokens >= most * 0.995) < bad.Count / 2 || good.Count(tokens => tokens >= most * 0.995) > good.Count / 5)
        {
            return null;
        }

        return facts.Example(span => span.GenAi.InputTokens >= most * 0.995, span => $"A model call with {span.GenAi.InputTokens} input tokens; half of the bad ones end there, none goes beyond.") is { } evidence
            ? (most, evidence)
            : null;
    }

    private static List<long> Inputs(IReadOnlyList<TraceFacts> traces) =>
        [.. traces.SelectMany(trace => trace.Spans).Where(span => span is { Status: not SpanStatus.Error, GenAi: { Operation: "chat" or "completion", InputTokens: not null } }).Select(span => span.GenAi.InputTokens!.Value)];
}
