using Faultline.Diagnosis.Facts;
using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Findings;
using Faultline.Store.Traces;

namespace Faultline.Diagnosis.Causes;

/// <summary>Before the chain's beginning: how much is asked, what, and by whom.</summary>
internal static class InputCauses
{
    public static IEnumerable<Candidate> Of(CaseFacts facts)
    {
        if ((Longer(facts) ?? Traffic(facts)) is { } traffic)
        {
            yield return traffic;
        }

        if (facts.Inputs is { AreNew: true })
        {
            yield return NewInputs(facts, facts.Inputs);
        }
        else if (facts.Worse(FeatureTable.NewInput)?.Evidence is { } counted)
        {
            yield return NewWords(facts, counted, facts.Worse(FeatureTable.NewInput)!.After > MostNew ? 3 : 2);
        }
        else if (NewTopics(facts) is { } topics)
        {
            yield return NewWords(facts, topics, 2.5);
        }

        if (facts.Inputs is not { } inputs)
        {
            yield break;
        }

        if (Abuse(facts, inputs) is { } abuse)
        {
            yield return abuse;
        }
    }

    private static Candidate? Traffic(CaseFacts facts)
    {
        if (facts.Of(FeatureTable.Calls) is not { Rose: true } more || more.After <= 1.6 * more.Before)
        {
            return null;
        }

        var service = facts.Finding.Service;
        var candidate = new Candidate("traffic_shifted", service, $"{service} gets {Sentences.Number(more.After / more.Before)} times the requests it had before.", -1.5)
            .Supports(2.7, more.Evidence)
            .Supports(1.5, InfrastructureCauses.Flooded(facts) is null ? null : facts.Worse(FeatureTable.Wait)?.Evidence);
        foreach (var score in facts.BadScores.Take(1))
        {
            candidate.Contradicts(2, score.Evidence);       // more requests do not make answers worse by themselves
        }

        candidate.Contradicts(1.5, facts.Worse(FeatureTable.ModelErrorRate)?.Evidence)
            .Contradicts(1.5, facts.Inputs is { } inputs ? Phrase(inputs) : null);
        if (facts.IsLoop)
        {
            candidate.Lacks(3);
        }

        return candidate;
    }

    /// <summary>Larger prompts of which nothing grew but what users wrote.</summary>
    private static Candidate? Longer(CaseFacts facts)
    {
        if (facts.Rose(FeatureTable.InputTokens) is not { } tokens)
        {
            return null;
        }

        var written = facts.Inputs is { CharactersBad: var bad, CharactersGood: var good, LongExample: { } example } && bad > LongerMin * good ? (bad, good, example) : ((double, double, SpanSummary)?)null;
        var candidate = new Candidate("traffic_shifted", facts.Finding.Service, $"Requests to {facts.Finding.Service} are longer than before; what is added to them is not.", -0.8)
            .Supports(2.3, tokens.Evidence)
            .Supports(0.5, facts.Rose(FeatureTable.Calls)?.Evidence)
            .Supports(2, written is var (now, before, longest) ? Cite(longest, $"Inputs have {Sentences.Number(now)} characters, before {Sentences.Number(before)}; one of them") : null)
            .Contradicts(1.5, facts.Differs(AttributeNames.Prompt, RequestParameters.TopK) is { } changed ? facts.Cite(changed) : null);
        foreach (var part in (ReadOnlySpan<Feature>)[FeatureTable.RetrievalDocuments, FeatureTable.ChunkLength, FeatureTable.InputMessages, FeatureTable.SystemPromptLength, FeatureTable.ToolCalls, FeatureTable.AgentTurns])
        {
            candidate.Contradicts(2.5, facts.Rose(part)?.Evidence);
        }

        if (written is null)
        {
            // Where what users wrote can be read and is as long as ever, they did not write more; where it cannot, nobody saw that they did.
            candidate.Lacks(facts.Inputs switch { null => 0.7, { CharactersBad: < ReadWhole } => 2, _ => 1 });
        }

        return SessionGrowth.Of(facts.Bad).IsMoreThan(SessionGrowth.Of(facts.Good)) ? candidate.Lacks(2) : candidate;
    }

    /// <summary>Characters up to which an input is read as it was: previews are cut off beyond.</summary>
    private const double ReadWhole = 200;

    /// <summary>Inputs that much longer are more than chance.</summary>
    private const double LongerMin = 1.3;

    private static Candidate NewInputs(CaseFacts facts, InputFacts inputs) =>
        new Candidate(
            "input_language_or_topic_shifted", facts.Finding.Service,
            $"{AttributeNames.Percent(inputs.NewBad)} of the bad requests to {facts.Finding.Service} are in words that none before used: another topic, or another language.", -0.8)
            .Supports(4, Cite(inputs.NewExample, "A request mostly in words that no good one has"))
            .Contradicts(1.5, facts.Differs(AttributeNames.Prompt, AttributeNames.ModelResponded, AttributeNames.EmbeddingModel) is { } changed ? facts.Cite(changed) : null)
            .Contradicts(2, facts.Worse(FeatureTable.UnfilledShare)?.Evidence)
            .Contradicts(2, inputs.Instructed(0.1));

    /// <summary>That most requests are in other words was counted when they came; of the few whose texts are compared it does not show.</summary>
    private static Candidate NewWords(CaseFacts facts, Evidence words, double weight) =>
        new Candidate("input_language_or_topic_shifted", facts.Finding.Service, $"Requests to {facts.Finding.Service} are in words that none before used: another topic, or another language.", -0.8)
            .Supports(weight, words)
            .Supports(0.7, NewTopics(facts))
            .Contradicts(1.5, facts.Differs(AttributeNames.Prompt, AttributeNames.ModelResponded, AttributeNames.EmbeddingModel) is { } changed ? facts.Cite(changed) : null)
            .Contradicts(2, facts.Worse(FeatureTable.UnfilledShare)?.Evidence)
            .Contradicts(2, facts.Inputs is { } inputs ? inputs.Instructed(0.1) ?? Phrase(inputs) ?? (SourceOf(inputs) is { } one ? Cite(one) : null) : null);

    /// <summary>What the finding tells of topics: prompts that are not what they were, a new kind of them that goes wrong.</summary>
    internal static Evidence? NewTopics(CaseFacts facts) =>
        facts.Finding.Symptoms.FirstOrDefault(static symptom => symptom.Feature is "prompt_drift" || (symptom.Feature is "topic_failure_share" && symptom.Query.Contains("side=\"prompt\"", StringComparison.Ordinal))) is { } symptom
            ? new Evidence("series", $"{symptom.Query}@{Shift.Rfc3339(facts.OnsetAt)}..{Shift.Rfc3339(facts.Finding.DetectedAt)}", Sentences.Capital(symptom.Words) + ".")
            : null;

    /// <summary>A share of requests in new words that is most of them.</summary>
    private const double MostNew = 0.5;

    /// <summary>How many more of the bad requests than of the good ones tell the model to leave its instructions, when that is what is wrong.</summary>
    internal const double ManyInstructed = 0.08;

    private static Candidate? Abuse(CaseFacts facts, InputFacts inputs)
    {
        var instructed = inputs.Instructed(ManyInstructed);
        var source = SourceOf(inputs);
        var phrase = facts.Rose(FeatureTable.Calls) is null ? null : Phrase(inputs);
        if (instructed is null && source is null && phrase is null)
        {
            return null;
        }

        var who = source?.Name ?? (instructed is null ? null : inputs.InstructedBy) ?? Tenant(facts) ?? facts.Finding.Service;
        return new Candidate(
            "abuse_or_injection", who,
            instructed is not null ? $"Requests to {facts.Finding.Service} tell the model to leave its instructions."
            : source is not null ? $"{AttributeNames.Percent(source.Value.Bad)} of the bad requests come from {who}."
            : $"{facts.Finding.Service} gets more requests than before, and what is new in them is word for word the same: a machine sends them.", -0.8)
            .Supports(4, instructed)
            .Supports(instructed is null && source is null ? 3 : 0.5, phrase)
            .Supports(source is { Bad: > 0.6 } many && many.Bad > many.Good + 0.4 ? 3.2 : 2, source is { } from ? Cite(from) : null)
            .Supports(source is null ? 0.3 : 1, facts.Rose(FeatureTable.Calls)?.Evidence);
    }

    /// <summary>A user that sends far more of the bad requests than of the good ones.</summary>
    private static (string Name, double Bad, double Good, SpanSummary Example)? SourceOf(InputFacts inputs) =>
        inputs.Source is { } one && one.Bad > 0.2 && one.Bad > (3 * one.Good) + 0.05 ? inputs.Source : null;

    private static Evidence? Cite((string Name, double Bad, double Good, SpanSummary Example) source) =>
        Cite(source.Example, $"{source.Name} sent {AttributeNames.Percent(source.Bad)} of the bad requests and {AttributeNames.Percent(source.Good)} of the good ones; one of them");

    private static Evidence? Phrase(InputFacts inputs) =>
        inputs.Phrase is { } phrase ? Cite(phrase.Example, $"{AttributeNames.Percent(phrase.Bad)} of the bad requests say “{phrase.Words}”, next to none of the good ones; one of them") : null;

    /// <summary>The one tenant that most of the bad requests are of.</summary>
    private static string? Tenant(CaseFacts facts) => facts.Distinctions
        .FirstOrDefault(static one => one.ShareOfBad > TenantMin && one.ShareOfBad > one.ShareOfGood && AttributeNames.IsTenant(one.Attribute))?.Value
        ?? facts.Finding.Symptoms.Select(static symptom => symptom.Part).FirstOrDefault(static part => part is not null)?.Value;

    private const double TenantMin = 0.6;

    private static Evidence? Cite(SpanSummary? span, string says) => span is null ? null : new Evidence("span", $"{span.TraceId}/{span.SpanId}", $"{says}: {span.GenAi.InputPreview}");
}
