using Faultline.Diagnosis.Facts;
using Faultline.Diagnosis.Features;
using Faultline.Store.Traces;

namespace Faultline.Diagnosis.Causes;

/// <summary>Filters, refusals and formats at the end of the chain, and who judges them.</summary>
internal static class OutputCauses
{
    public static IEnumerable<Candidate> Of(CaseFacts facts)
    {
        var service = facts.Finding.Service;
        var blocked = facts.Worse(FeatureTable.Blocked);
        var filtered = facts.Worse(FeatureTable.FinishFiltered);
        if (blocked is not null || filtered is not null)
        {
            var target = blocked?.Dimension is { Length: > 0 } guardrail ? guardrail : service;
            var candidate = new Candidate("guardrail_overblocking", target, $"{(blocked is null ? "A filter" : target)} blocks more of what {service} handles than before.", -0.5)
                .Supports(4, blocked?.Evidence)
                .Supports(blocked is null ? 3.5 : 0.5, filtered?.Evidence);
            if (facts.Change("config", "deploy") is { } change)
            {
                candidate.Supports(0.5 * change.Nearness, facts.Cite(change.Change));
            }

            yield return candidate;
        }

        if (Refusals(facts) is { } refusals)
        {
            yield return refusals.Contradicts(1.5, blocked?.Evidence);
        }

        if (Format(facts) is { } format)
        {
            yield return format;
        }

        if (Evaluator(facts) is { } evaluator)
        {
            yield return evaluator;
        }
    }

    private static Candidate? Refusals(CaseFacts facts)
    {
        var refusals = (facts.Worse(FeatureTable.Refusals) ?? facts.BadScores.FirstOrDefault(score => score.HasWord("refus")))?.Evidence
            ?? Said(facts, static answer => answer is ['{' or '[', ..] && AnswerWords.Refuses(answer), "An answer that refuses");          // within JSON no window counts it
        if (refusals is null)
        {
            return Canned(facts) is not { } canned ? null
                : new Candidate("refusals_risen", ModelOf(facts, static _ => true) ?? facts.Finding.Service, $"{facts.Finding.Service} gives the same words for an answer again and again: it may refuse.", -0.3)
                    .Supports(0.8, canned)
                    .Supports(0.5, facts.Fell(FeatureTable.OutputTokens)?.Evidence)
                    .Contradicts(2.5, Upstream(facts))
                    .Contradicts(1.5, facts.Worse(FeatureTable.NewInput)?.Evidence ?? InputCauses.NewTopics(facts));          // asked alike, answered alike
        }

        // What made it refuse is named with it: the prompt or the model that changed.
        var prompt = facts.Differs(AttributeNames.Prompt);
        var name = prompt is not null ? prompt.Value.Split('@')[0] : facts.Change("prompt") is { Nearness: > CaseFacts.NearMin } ? null : ModelOf(facts, static span => AnswerWords.Refuses(span.GenAi.OutputPreview)) ?? ModelOf(facts, static _ => true);
        return new Candidate("refusals_risen", name ?? facts.Finding.Service, $"{facts.Finding.Service} refuses more than before{(prompt is null ? "" : $", since {prompt.Value}")}.", -0.3)
            .Supports(3.7, refusals)
            .Supports(0.5, prompt is null ? null : facts.Cite(prompt))
            .Contradicts(2.5, Upstream(facts));
    }

    /// <summary>An answer of a bad trace that says such a thing, where many more of the bad traces' answers do than of the good ones'.</summary>
    private static Evidence? Said(CaseFacts facts, Predicate<string> says, string words)
    {
        var bad = Answers(facts.Bad);
        var good = Answers(facts.Good);
        if (bad.Count < AnswersMin || good.Count < AnswersMin)
        {
            return null;
        }

        var saying = bad.FindAll(span => says(span.GenAi.OutputPreview));
        var usual = good.Count(span => says(span.GenAi.OutputPreview)) / (double)good.Count;
        return BubbleUp.IsMore(saying.Count / (double)bad.Count, bad.Count, usual, good.Count)
            ? new Evidence("span", $"{saying[0].TraceId}/{saying[0].SpanId}", $"{words}, as do {AttributeNames.Percent(saying.Count / (double)bad.Count)} of the answers in the bad traces and {AttributeNames.Percent(usual)} in the good ones: {saying[0].GenAi.OutputPreview}")
            : null;
    }

    /// <summary>Whatever language a model refuses in, it does so in set words.</summary>
    private static Evidence? Canned(CaseFacts facts)
    {
        var bad = Answers(facts.Bad);
        var good = Answers(facts.Good);
        return bad.Count >= AnswersMin && good.Count >= AnswersMin && SharedPhrase.Of(bad, good, static span => span.GenAi.OutputPreview) is { } phrase
            ? new Evidence("span", $"{phrase.Example.TraceId}/{phrase.Example.SpanId}", $"{AttributeNames.Percent(phrase.Bad)} of the answers in the bad traces say “{phrase.Words}”, next to none in the good ones: {phrase.Example.GenAi.OutputPreview}")
            : null;
    }

    private static List<SpanSummary> Answers(IReadOnlyList<TraceFacts> traces) =>
        [.. traces.SelectMany(static trace => trace.Spans).Where(static span => span.GenAi is { Operation: "chat" or "completion", OutputPreview.Length: > 0 })];

    /// <summary>Fewer answers than this on a side are no comparison.</summary>
    private const int AnswersMin = 5;

    /// <summary>Where nobody touched the prompt, it is the model that refuses.</summary>
    private static string? ModelOf(CaseFacts facts, Func<SpanSummary, bool> answers) =>
        ModelCauses.Asked(facts.Bad.SelectMany(static trace => trace.Spans).Where(span => span.GenAi.Operation is "chat" or "completion" && answers(span)));

    /// <summary>What leaves a model nothing to answer with, or asks it for what it must not say: refusing is right then.</summary>
    private static Evidence? Upstream(CaseFacts facts)
    {
        foreach (var worse in (ReadOnlySpan<Feature>)[FeatureTable.RetrievalTopScore, FeatureTable.RetrievalEmpty, FeatureTable.RetrievalErrorRate, FeatureTable.UnfilledShare, FeatureTable.ToolErrorRate])
        {
            if (facts.Worse(worse) is { } shift)
            {
                return shift.Evidence;
            }
        }

        return facts.Differs(AttributeNames.ModelRequested, AttributeNames.ModelResponded, AttributeNames.EmbeddingModel) is { } other ? facts.Cite(other)
            : facts.Inputs?.Instructed(InputCauses.ManyInstructed);
    }

    private static Candidate? Format(CaseFacts facts)
    {
        var format = facts.Fell(FeatureTable.JsonShare);
        var score = facts.BadScores.FirstOrDefault(one => one.HasWord("format", "json", "schema", "parse"));
        var unread = facts.IsBad(FeatureTable.ErrorRate) || facts.IsBad(FeatureTable.ModelCalls) ? facts.Example(CouldNotRead, span => $"What came back could not be read: {span.StatusMessage}") : null;
        if (format is null && score is null && unread is null)
        {
            return null;
        }

        return new Candidate("output_format_broken", facts.Finding.Service, $"Answers of {facts.Finding.Service} no longer have the form they should have.", -0.7)
            .Supports(3.5, format?.Evidence)
            .Supports(format is null ? 3 : 0.5, score?.Evidence)
            .Supports(format is null ? 3.3 : 0.5, unread)
            .Contradicts(1.5, facts.Of(FeatureTable.RetrievalDocuments) is { IsAbnormal: true } ? null : facts.Fell(FeatureTable.InputTokens)?.Evidence)         // what the model was told comes before what it says
            .Contradicts(1, (facts.Rose(FeatureTable.FirstToken) ?? facts.Rose(FeatureTable.ModelLatency))?.Evidence)
            .Contradicts(2, facts.Worse(FeatureTable.FinishLength)?.Evidence)          // cut off, which is another fault
            .Contradicts(3, Said(facts, static answer => AnswerWords.IsGarbled(answer), "An answer whose characters were read in a wrong encoding"))
            .Contradicts(1.5, facts.Worse(FeatureTable.Refusals)?.Evidence)
            .Contradicts(1, facts.Differs(AttributeNames.ModelRequested, AttributeNames.ModelResponded) is { } model ? facts.Cite(model) : null);
    }

    /// <summary>A step after the model that failed on what it was given; the model's own failures say such things of requests.</summary>
    public static bool CouldNotRead(SpanSummary span) =>
        span.Status == Telemetry.Spans.SpanStatus.Error && span.GenAi.Operation is not ("chat" or "completion" or "tool" or "retrieval" or "embeddings" or "rerank")
        && span.StatusMessage.ContainsAny("json", "parse", "parsing", "schema", "deserial", "unexpected token", "malformed", "format");

    /// <summary>Scores moved, texts did not.</summary>
    private static Candidate? Evaluator(CaseFacts facts)
    {
        // That some are far off says no more of an evaluation than that their mean fell.
        var scores = facts.BadAppScores.OrderByDescending(static score => score.Feature.IsScore).DistinctBy(static score => score.Feature.Evaluation).ToList();
        if (scores.Count == 0)
        {
            return null;
        }

        // Only what replaced another judge: that bad traces were judged at all says nothing.
        var judge = facts.Distinctions.Where(one => one.ShareOfBad > one.ShareOfGood && one.Attribute.ContainsAny("judge", "evaluator", "evaluation") && facts.InsteadOf(one) is not null)
            .OrderByDescending(IsName).FirstOrDefault();
        var name = judge is null ? null : IsName(judge) ? judge.Value : facts.NameBeside(judge);
        var elsewhere = facts.Shifts.Where(shift => shift.IsBad && shift.Feature.Stage is not Stage.Output and not Stage.Whole).ToList();
        var candidate = new Candidate("evaluator_changed", name ?? scores[0].Feature.Evaluation!, "The scores moved and the answers did not: who judges them changed.", -1.2)
            .Supports(4, judge is null ? null : facts.Cite(judge))
            .Supports(scores.Count > 1 ? 1 : 0.5, scores[0].Evidence)
            .Supports(2.2, FellAlike(facts, scores) ? scores[^1].Evidence : null)
            .Contradicts(1.5, facts.BadScores.FirstOrDefault(static score => score.IsOurs)?.Evidence);
        foreach (var shift in elsewhere.Take(2))
        {
            candidate.Contradicts(1.2, shift.Evidence);
        }

        if (facts.Change("config", "model", "deploy") is { } change && change.Change.Detail.ContainsAny("judge", "evaluat", "scor", "rubric", "grader"))
        {
            candidate.Supports(2.5 * change.Nearness, facts.Cite(change.Change));
        }

        return candidate;
    }

    /// <summary>Whether it says who judges, and not in which version or by which number.</summary>
    private static bool IsName(Distinction judge) => !judge.Attribute.EndsWith("version", StringComparison.OrdinalIgnoreCase) && judge.Value.Any(char.IsLetter);

    /// <summary>Every score there is fell by about as much: what gets worse in answers shows in one more than in another.</summary>
    private static bool FellAlike(CaseFacts facts, List<Shift> scores)
    {
        var falls = scores.Where(static score => score.Fell && score.Before > 0).Select(static score => (score.Before - score.After) / score.Before).ToList();
        return falls.Count >= 3 && falls.Max() < AlikeMax * falls.Min()
            && !facts.Shifts.Any(shift => shift is { IsKnown: true, IsAbnormal: false, IsOurs: false, Feature.IsScore: true } && string.Equals(shift.Service, scores[0].Service, StringComparison.Ordinal));
    }

    private const double AlikeMax = 1.5;
}
