using Faultline.Diagnosis.Facts;
using Faultline.Diagnosis.Features;
using Faultline.Telemetry.GenAi;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Causes;

/// <summary>What can be wrong with what the model is told: template, system message, placeholders, a context cut off.</summary>
internal static class PromptCauses
{
    public static IEnumerable<Candidate> Of(CaseFacts facts)
    {
        var prompt = facts.Differs(AttributeNames.Prompt) ?? facts.Distinctions.FirstOrDefault(static one => one.ShareOfBad > one.ShareOfGood && AttributeNames.IsPromptVersion(one.Attribute));
        var change = facts.Change("prompt");
        if (prompt is not null || change is not null)
        {
            yield return Regressed(facts, prompt, change);
        }

        foreach (var candidate in Lost(facts))
        {
            yield return candidate;
        }

        if (Unfilled(facts) is { } unfilled)
        {
            yield return unfilled;
        }

        if (History(facts) is { } history)
        {
            yield return history;
        }

        if (Ceiling(facts) is { } ceiling)
        {
            yield return new Candidate("context_truncated", facts.Finding.Service, $"Prompts of {facts.Finding.Service} are cut off at {ceiling.Tokens} tokens.", -1)
                .Supports(4, ceiling.Evidence)
                .Supports(0.5, facts.Rose(FeatureTable.InputTokens)?.Evidence)
                .Contradicts(2.5, facts.Worse(FeatureTable.RetrievalEmpty)?.Evidence)          // prompts without a document are about as long, too
                .Contradicts(2, facts.Of(FeatureTable.InputTokens) is { IsKnown: true, IsAbnormal: false } same && same.After > AsLong * same.Before ? same.Evidence : null);
        }
    }

    /// <summary>Prompts that are as long as this part of what they were had nothing taken away.</summary>
    private const double AsLong = 0.95;

    /// <summary>Conversations that are sent along whole: more messages a call, or input that grows from turn to turn.</summary>
    private static Candidate? History(CaseFacts facts)
    {
        var messages = facts.Rose(FeatureTable.InputMessages);
        var tokens = facts.Rose(FeatureTable.InputTokens);
        var growth = tokens is null ? default : SessionGrowth.Of(facts.Bad);
        var grows = growth is { Largest: { } largest } && growth.IsMoreThan(SessionGrowth.Of(facts.Good))
            ? new Evidence("span", $"{largest.TraceId}/{largest.SpanId}", $"Within sessions of the bad traces input grows by {AttributeNames.Percent(Math.Exp(growth.PerTurn) - 1)} a turn; this turn has {largest.GenAi.InputTokens} tokens.")
            : null;
        if (messages is null && grows is null)
        {
            return null;
        }

        var words = messages is null
            ? $"Input of model calls of {facts.Finding.Service} grows with every turn of a session: conversations are sent along whole."
            : $"Model calls of {facts.Finding.Service} are given {Findings.Sentences.Number(messages.After)} messages instead of {Findings.Sentences.Number(messages.Before)}: conversations are sent along whole.";
        return new Candidate("history_growing", facts.Finding.Service, words, -0.7)
            .Supports(3, messages?.Evidence)
            .Supports(messages is null ? 2.5 : 0.5, grows)
            .Supports(1.5, tokens?.Evidence)
            .Contradicts(2, facts.Rose(FeatureTable.ToolCalls)?.Evidence)
            .Contradicts(2, facts.Rose(FeatureTable.AgentTurns)?.Evidence);
    }

    private static Evidence? ToolErrors(CaseFacts facts) => facts.Worse(FeatureTable.ToolErrorRate)?.Evidence;

    /// <summary>System message, or examples, that the good calls had and the bad ones lack.</summary>
    private static IEnumerable<Candidate> Lost(CaseFacts facts)
    {
        var service = facts.Finding.Service;
        var shorter = facts.Fell(FeatureTable.SystemPromptLength);
        var lost = facts is { PromptsGood: { WithSystem: > 0.7 } had, PromptsBad: { } has } && has.WithSystem < had.WithSystem / 2;
        var gone = shorter is not null && shorter.After < 0.1 * shorter.Before;
        var call = facts.Example(span => span.GenAi.Operation is "chat" or "completion", _ => lost
            ? $"A model call of a bad trace; {AttributeNames.Percent(facts.PromptsBad!.WithSystem)} of them carry a system message, {AttributeNames.Percent(facts.PromptsGood!.WithSystem)} in good traces."
            : "A model call of a bad trace.");
        if (lost || gone)
        {
            yield return new Candidate("system_prompt_lost", service, $"Model calls of {service} go out without their system message.", -0.5)
                .Supports(4, lost ? call : shorter?.Evidence)
                .Supports(0.8, lost ? shorter?.Evidence : null);
        }

        var fewer = facts is { PromptsGood: { Examples: > 0.8 } with, PromptsBad: { } without } && without.Examples < 0.4 * with.Examples;
        var tokens = facts.Fell(FeatureTable.InputTokens) is { } fell && !facts.IsBad(FeatureTable.RetrievalEmpty) && facts.Of(FeatureTable.RetrievalDocuments) is not { IsAbnormal: true } ? fell : null;
        if (fewer || (tokens is not null && facts.Of(FeatureTable.ChunkLength) is not { IsAbnormal: true }))
        {
            var candidate = new Candidate("few_shot_lost", service, $"Prompts of {service} became shorter: examples or instructions are gone.", -1.3)
                .Supports(1.8, tokens?.Evidence)
                .Supports(3, fewer ? facts.Example(span => span.GenAi.Operation is "chat" or "completion", _ => $"A model call of a bad trace; prompts hold {Findings.Sentences.Number(facts.PromptsBad!.Examples)} examples, in good traces {Findings.Sentences.Number(facts.PromptsGood!.Examples)}.") : null)
                .Supports(0.5, (facts.Fell(FeatureTable.JsonShare) ?? facts.Worse(FeatureTable.ErrorRate))?.Evidence)
                .Contradicts(2.5, lost ? call : null);
            foreach (var score in facts.BadScores.Where(score => score.HasWord("format")).Take(1))
            {
                candidate.Supports(1, score.Evidence);
            }

            yield return candidate;
        }
    }

    private static Candidate? Unfilled(CaseFacts facts)
    {
        var share = facts.Worse(FeatureTable.UnfilledShare);
        var placeholder = facts.Example(span => span.GenAi.Operation is "chat" or "completion" && ContentTraits.HasPlaceholder(span.GenAi.InputPreview), span => $"A prompt with an unfilled placeholder: {span.GenAi.InputPreview}");
        var isNew = placeholder is not null && !facts.Good.Any(trace => trace.Spans.Exists(span => ContentTraits.HasPlaceholder(span.GenAi.InputPreview)));
        return share is null && !isNew ? null
            : new Candidate("variables_unfilled", facts.Finding.Service, $"Prompts of {facts.Finding.Service} contain placeholders that were not filled.", 0)
                .Supports(4, share?.Evidence ?? placeholder)
                .Supports(0.5, share is null ? null : placeholder);
    }

    private static Candidate Regressed(CaseFacts facts, Distinction? prompt, (Telemetry.Changes.ChangeEvent Change, double Nearness)? change)
    {
        var name = prompt is null ? null : NameOf(facts, prompt);
        var candidate = new Candidate(
            "prompt_template_regressed", name ?? facts.Finding.Service,
            prompt is null
                ? $"A prompt of {facts.Finding.Service} was changed shortly before the onset."
                : $"Bad traces share {prompt.Value}{(facts.InsteadOf(prompt) is { } old ? $"; the good ones used {old}" : "")}: the new template does worse.",
            -1);
        candidate.Supports(3, prompt is null ? null : facts.Cite(prompt));
        if (change is { } recorded)
        {
            candidate.Supports((prompt is null ? 3 : 2.2) * recorded.Nearness, facts.Cite(recorded.Change));
        }

        if (facts.IsLoop)
        {
            // It may well be what set the loop going; what loops is still the call, and a stop rule helps whatever the prompt says.
            return candidate.Lacks(1);
        }

        var (known, ranWell) = prompt is not null ? facts.RanWell.With(prompt) : default;
        return candidate
            .Contradicts(known, ranWell)
            .Contradicts(2.5, facts.Fell(FeatureTable.RetrievalTopScore)?.Evidence)
            .Contradicts(1.5, facts.Worse(FeatureTable.Refusals)?.Evidence)        // refusing has a name of its own, and so has blocking
            .Contradicts(1.5, facts.Worse(FeatureTable.Blocked)?.Evidence)
            .Contradicts(2.5, OnlySlow(facts)?.Evidence)
            .Contradicts(1.5, facts.Worse(FeatureTable.UnfilledShare)?.Evidence)
            .Contradicts(2, ToolErrors(facts))
            .Contradicts(3, facts.Worse(FeatureTable.ModelErrorRate)?.Evidence)
            .Contradicts(1, prompt is not null && facts.Differs(AttributeNames.ModelResponded) is { } model ? facts.Cite(model) : null);
    }

    /// <summary>Other words make a model slow by what they make it read or write: requests are slow, answers as good as before, and it reads and writes as much.</summary>
    private static Shift? OnlySlow(CaseFacts facts) =>
        facts.IsBad(FeatureTable.LatencyP50) && !facts.BadScores.Any() && facts.IsSteady(FeatureTable.OutputTokens) && facts.Rose(FeatureTable.InputTokens) is null && facts.Rose(FeatureTable.ModelCalls) is null
            ? facts.Of(FeatureTable.OutputTokens) : null;

    /// <summary>The template's name. A version that stands alone is of the template that the same span names, or else nothing to call it by.</summary>
    private static string? NameOf(CaseFacts facts, Distinction prompt)
    {
        if (!AttributeNames.IsPromptVersion(prompt.Attribute))
        {
            return prompt.Value.Split('@')[0];
        }

        return facts.Bad.SelectMany(static trace => trace.Spans)
            .Where(span => span.GenAi.PromptName.Length > 0 && TraceFacts.Carries(span, prompt.Attribute, prompt.Value))
            .Select(static span => span.GenAi.PromptName).FirstOrDefault() ?? facts.NameBeside(prompt);
    }

    /// <summary>Many of the bad model calls end at one same number of tokens that none goes beyond, and the good ones do not.</summary>
    private static (long Tokens, Evidence Evidence)? Ceiling(CaseFacts facts)
    {
        var bad = Inputs(facts.Bad);
        var good = Inputs(facts.Good);
        if (bad.Count < 6 || good.Count < 6)
        {
            return null;
        }

        // A few of the bad traces are from before the fault: what lies above a ceiling by that little is none of it.
        bad.Sort();
        var most = bad.TakeLast((bad.Count / 6) + 1).Reverse().FirstOrDefault(tokens => IsCeiling(tokens, bad));
        var near = most - Math.Max(CeilingTokens, most / 200);
        if (most < CeilingMin || good.Count(tokens => tokens >= near && tokens <= most) > 0.1 * good.Count)
        {
            return null;
        }

        // Prompts that are all alike end at about one number as well: a ceiling is one that prompts went beyond, or have grown up to.
        if (good.Count(tokens => tokens > most) < 0.1 * good.Count && !(most >= GrownMin && facts.Rose(FeatureTable.InputTokens) is not null))
        {
            return null;
        }

        return facts.Example(span => span.GenAi.InputTokens is { } tokens && tokens >= near && tokens <= most, span => $"A model call with {span.GenAi.InputTokens} input tokens; many of the bad ones end there, hardly any goes beyond.") is { } evidence
            ? (most, evidence)
            : null;
    }

    private static bool IsCeiling(long most, List<long> bad) => bad.Count(tokens => tokens <= most && tokens >= most - Math.Max(CeilingTokens, most / 200)) >= 0.35 * bad.Count;

    /// <summary>Truncation cuts at a token's or a word's end, so it does not always leave the same number.</summary>
    private const long CeilingTokens = 3;

    /// <summary>A prompt that grew up to a model's window has at least so many tokens.</summary>
    private const long GrownMin = 1000;

    /// <summary>No budget for a prompt is less.</summary>
    private const long CeilingMin = 100;

    private static List<long> Inputs(IReadOnlyList<TraceFacts> traces) =>
        [.. traces.SelectMany(trace => trace.Spans).Where(span => span is { Status: not SpanStatus.Error, GenAi: { Operation: "chat" or "completion", InputTokens: not null } }).Select(span => span.GenAi.InputTokens!.Value)];
}
