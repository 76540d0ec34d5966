using Faultline.Diagnosis.Facts;
using Faultline.Diagnosis.Features;
using Faultline.Store.Traces;

namespace Faultline.Diagnosis.Causes;

/// <summary>What can be wrong with what is retrieved: index, embeddings, settings, source, reranker.</summary>
internal static class RetrievalCauses
{
    public static IEnumerable<Candidate> Of(CaseFacts facts)
    {
        var top = facts.Of(FeatureTable.RetrievalTopScore) is { Fell: true } fell ? fell : facts.Of(FeatureTable.RetrievalMeanScore) is { Fell: true } mean ? mean : null;
        var documents = facts.Of(FeatureTable.RetrievalDocuments);
        var source = DataSources.Weakest(facts);
        var embedding = facts.Differs(AttributeNames.EmbeddingModel) ?? facts.Differs(RequestParameters.EmbeddingDimension);
        var parameters = facts.Differs(RequestParameters.TopK, RequestParameters.ScoreThreshold);
        var weak = facts.Example(
            span => span.GenAi.Operation is "retrieval" && span.GenAi.DocumentTopScore is { } score && top is not null && score < (top.Before + top.After) / 2,
            span => $"Retrieval in a bad trace: best score {Findings.Sentences.Number(span.GenAi.DocumentTopScore ?? double.NaN)}.");

        if (top is not null)
        {
            yield return IndexStale(facts, top, documents, source, embedding, parameters, weak);
        }

        if (top is not null || embedding is not null)
        {
            yield return EmbeddingChanged(facts, top, source, embedding, weak);
        }

        var empty = facts.Of(FeatureTable.RetrievalEmpty) is { IsBad: true } nothing ? nothing : null;
        var thinned = empty is null ? null : Thinned(facts);
        var told = empty is not null && facts.Change("config", "deploy", "index") is { } settings && settings.Change.Detail.ContainsAny(SettingWords) ? settings : ((Telemetry.Changes.ChangeEvent Change, double Nearness)?)null;
        // A setting that was changed, whatever its words say, may be a cut-off that some queries no longer reach.
        var set = told is null && empty is { After: < PartlyMax } && facts.Change("config") is { Nearness: > CaseFacts.NearMin } config ? config : ((Telemetry.Changes.ChangeEvent Change, double Nearness)?)null;
        if (documents is { IsAbnormal: true } || parameters is not null || thinned is not null || told is not null || set is not null)
        {
            var candidate = new Candidate(
                "retriever_parameters_changed", DataSources.Resized(facts, parameters),
                documents is { Before: > 0, IsAbnormal: true }
                    ? $"The retriever of {facts.Finding.Service} returns {Findings.Sentences.Number(documents.After)} documents instead of {Findings.Sentences.Number(documents.Before)}: its settings changed."
                    : $"The retriever's settings of {facts.Finding.Service} changed.",
                -0.5);
            candidate.Supports(3, documents is { IsAbnormal: true } ? documents.Evidence : null)
                .Supports(2.5, parameters is null ? null : facts.Cite(parameters))
                .Supports(1.5, thinned)
                .Supports(2.5 * (told?.Nearness ?? 0), told is { } changed ? facts.Cite(changed.Change) : null)
                .Supports(1, facts.IsSteady(FeatureTable.RetrievalTopScore) ? facts.Of(FeatureTable.RetrievalTopScore)!.Evidence : null)
                .Contradicts(top is { } && top.After < 0.9 * top.Before ? 1.5 : 0.5, top?.Evidence);
            if (set is not null)
            {
                candidate.Supports(1.5, empty?.Evidence);
            }

            if (told is null && facts.Change("config", "deploy") is { } change)
            {
                candidate.Supports(1.5 * change.Nearness, facts.Cite(change.Change));
            }

            yield return candidate;
        }

        var errors = facts.Of(FeatureTable.RetrievalErrorRate);
        if (empty is not null || errors is { IsBad: true })
        {
            var silent = DataSources.Silent(facts);
            yield return new Candidate("data_source_unavailable", silent, $"{silent} does not answer the retrievals of {facts.Finding.Service}, or answers them empty.", -0.5)
                .Supports(3.5, empty?.Evidence)
                .Contradicts(1.5, thinned)
                .Contradicts(2 * (told?.Nearness ?? 0), told is { } raised ? facts.Cite(raised.Change) : null)
                .Contradicts(0.4 * (set?.Nearness ?? 0), set is { } altered ? facts.Cite(altered.Change) : null)
                .Supports(3, errors is { IsBad: true } ? errors.Evidence : null)
                .Supports(0.5, facts.Example(span => span.GenAi is { Operation: "retrieval", DocumentCount: 0 }, _ => "A retrieval without a single document."))
                .Supports(0.5, facts.Example(
                    span => span.GenAi.Operation is "retrieval" && span.Status == Telemetry.Spans.SpanStatus.Error, span => $"A failed retrieval: {span.StatusMessage}."));
        }

        if (facts.Of(FeatureTable.ChunkLength) is { IsAbnormal: true } chunks)
        {
            // Old documents and other scores are no matter of where they are cut.
            var cut = DataSources.Recut(facts);
            var candidate = new Candidate(
                "chunking_changed", cut, $"Retrieved chunks of {cut} are {Findings.Sentences.Number(chunks.After)} characters long instead of {Findings.Sentences.Number(chunks.Before)}: the index was cut anew.", -0.5)
                .Supports(3.7, chunks.Evidence)
                .Contradicts(2.5, Aged(facts))
                .Contradicts(1, top is { } && top.After < 0.85 * top.Before ? top.Evidence : null);
            if (facts.Change("index", "config") is { } change)
            {
                candidate.Supports(0.8 * change.Nearness, facts.Cite(change.Change));
            }

            yield return candidate;
        }
        else if (Recut(facts, documents) is { } recut)
        {
            yield return recut;
        }

        if (Reranker(facts, source) is { } reranker)
        {
            yield return reranker;
        }
    }

    private static readonly string[] SettingWords = ["score", "threshold", "cut-off", "cutoff", "top-k", "top_k", "topk", "top k", "similarity", "cut off", "relevance", "distance", "passages", "results"];

    /// <summary>A cut-off that is higher leaves some queries nothing and others less; a source that is gone leaves nothing or all.</summary>
    private static Evidence? Thinned(CaseFacts facts)
    {
        static List<SpanSummary> Found(IReadOnlyList<TraceFacts> traces) => [.. traces.SelectMany(static trace => trace.Spans).Where(static span => span.GenAi is { Operation: "retrieval", DocumentCount: > 0 })];
        var good = Found(facts.Good);
        var bad = Found(facts.Bad);
        if (good.Count < QueriesMin || bad.Count < ThinnedMin)
        {
            return null;
        }

        var usual = good.Select(static span => span.GenAi.DocumentCount!.Value).Order().ElementAt(good.Count / 2);
        var fewer = bad.FindAll(span => span.GenAi.DocumentCount < usual);
        var usually = good.Count(span => span.GenAi.DocumentCount < usual) / (double)good.Count;
        return BubbleUp.IsMore(fewer.Count / (double)bad.Count, bad.Count, usually, good.Count)
            ? new Evidence("span", $"{fewer[0].TraceId}/{fewer[0].SpanId}", $"Of the retrievals in bad traces that found anything, {AttributeNames.Percent(fewer.Count / (double)bad.Count)} found fewer than {usual} documents, {AttributeNames.Percent(usually)} in the good ones.")
            : null;
    }

    /// <summary>A source that answers more than that part of the queries is there.</summary>
    private const double PartlyMax = 0.7;

    /// <summary>Fewer that found anything are no comparison.</summary>
    private const int ThinnedMin = 5;

    /// <summary>Prompts of another length with as many documents in them, where no span says how long a document is.</summary>
    private static Candidate? Recut(CaseFacts facts, Shift? documents)
    {
        if (facts.Of(FeatureTable.ChunkLength) is { IsKnown: true } || documents is { IsAbnormal: true } || facts.IsBad(FeatureTable.RetrievalEmpty)
            || facts.Of(FeatureTable.InputTokens) is not { IsAbnormal: true } tokens || !facts.Bad.Any(static trace => trace.Spans.Exists(static span => span.GenAi.Operation is "retrieval")))
        {
            return null;
        }

        var cut = DataSources.Recut(facts);
        var candidate = new Candidate(
            "chunking_changed", cut, $"Prompts of {facts.Finding.Service} are {(tokens.Rose ? "longer" : "shorter")} with as many documents in them: {cut} may have been cut anew.", -0.8)
            .Supports(1.6, tokens.Evidence)
            .Contradicts(1.5, Aged(facts));
        return facts.Change("index", "config") is { } change
            ? candidate.Supports((change.Change.Detail.ContainsAny(CutWords) ? 2.5 : change.Change.Type is "index" ? 1.2 : 0.4) * change.Nearness, facts.Cite(change.Change))
            : candidate;
    }

    private static readonly string[] CutWords = ["chunk", "passage", "overlap", "splitter"];

    private static Candidate? Reranker(CaseFacts facts, string source)
    {
        static bool IsRerank(SpanSummary span) => span.GenAi.Operation is "rerank";
        var errors = facts.Worse(FeatureTable.RerankErrorRate);
        var slow = facts.Worse(FeatureTable.RerankLatency);
        var missing = facts.Of(FeatureTable.StageMissing, "rerank") is { IsBad: true } gone ? gone : null;
        if (errors is null && slow is null && missing is null)
        {
            return null;
        }

        var any = facts.Bad.Concat(facts.Good).SelectMany(trace => trace.Spans).FirstOrDefault(IsRerank);
        var name = any is null ? source : any.GenAi.ModelRequested.Length > 0 ? any.GenAi.ModelRequested : any.Name;
        return new Candidate("reranker_failed", name, $"The reranker of {facts.Finding.Service} {(missing is not null ? "is gone" : errors is not null ? "fails" : "became slow")}.", -0.3)
            .Supports(4, errors?.Evidence ?? slow?.Evidence ?? missing?.Evidence)
            .Supports(0.5, errors is null ? null : facts.Example(span => IsRerank(span) && span.Status == Telemetry.Spans.SpanStatus.Error, span => $"A failed rerank: {span.StatusMessage}."))
            .Supports(0.5, errors is not null ? slow?.Evidence : null)
            .Contradicts(2.5, errors is null && slow is null ? facts.Worse(FeatureTable.Blocked)?.Evidence : null);      // what is blocked goes no further
    }

    private static Candidate IndexStale(CaseFacts facts, Shift top, Shift? documents, string source, Distinction? embedding, Distinction? parameters, Evidence? weak)
    {
        var candidate = new Candidate(
            "index_stale", source,
            $"The index {source} no longer fits what {facts.Finding.Service} is asked: retrieval scores fell while the rest of the chain stayed as it was.",
            -1);
        candidate.Supports(2.5, top.Evidence)
            .Supports(0.2, weak)
            .Supports(0.5, facts.IsSteady(FeatureTable.LatencyP50) ? facts.Of(FeatureTable.LatencyP50)!.Evidence : null)
            .Contradicts(3.5, embedding is null ? null : facts.Cite(embedding))
            .Contradicts(1, parameters is null ? null : facts.Cite(parameters))
            .Contradicts(1, documents is { IsAbnormal: true } ? documents.Evidence : null)
            .Contradicts(Aged(facts) is null ? 2 : 0.5, facts.Of(FeatureTable.ChunkLength) is { IsAbnormal: true } chunks ? chunks.Evidence : null)
            .Contradicts(2, InputCauses.NewTopics(facts))
            .Contradicts(2, facts.Inputs is { AreNew: true, NewExample: { } asked } ? new Evidence("span", $"{asked.TraceId}/{asked.SpanId}", $"The bad requests ask other things than before: {asked.GenAi.InputPreview}") : null);
        candidate.Supports(2.5, Aged(facts)).Contradicts(1.5, AsFresh(facts));
        if (facts.Change("data", "index") is { } change)
        {
            // An index that was embedded anew is as fresh as can be.
            _ = SaysEmbedded(change.Change) || change.Change.Detail.ContainsAny(CutWords) ? candidate.Contradicts(2 * change.Nearness, facts.Cite(change.Change)) : candidate.Supports(1.8 * change.Nearness, facts.Cite(change.Change));
        }

        return Otherwise(facts, candidate);
    }

    /// <summary>Retrieved documents are much older than in good traces.</summary>
    private static Evidence? Aged(CaseFacts facts) =>
        facts is { DocumentDaysBad: { } bad, DocumentDaysGood: { } good } && bad > (2 * good) + 1
            ? facts.Example(span => span.GenAi.Operation is "retrieval", _ => $"Retrieved documents were {bad:0} days old, in the good traces {Math.Max(good, 0):0.#} days.")
            : null;

    /// <summary>Documents say how old they are, and are not older than before.</summary>
    private static Evidence? AsFresh(CaseFacts facts) =>
        facts is { DocumentDaysBad: { } bad, DocumentDaysGood: { } good } && bad <= (1.5 * good) + 1
            ? facts.Example(static span => span.GenAi.Operation is "retrieval", _ => $"Retrieved documents were {Math.Max(bad, 0):0} days old, as before ({Math.Max(good, 0):0}).")
            : null;

    /// <summary>What an index lacks, some queries miss; another embedding makes all of them score less.</summary>
    private static Evidence? EveryQuery(CaseFacts facts)
    {
        var onset = facts.OnsetAt.ToUnixTimeMilliseconds() * 1_000_000;
        List<double> before = [];
        List<SpanSummary> after = [];
        foreach (var span in facts.Bad.Concat(facts.Good).SelectMany(static trace => trace.Spans).Where(static span => span.GenAi is { Operation: "retrieval", DocumentTopScore: not null }))
        {
            if (span.StartUnixNanos < onset)
            {
                before.Add(span.GenAi.DocumentTopScore!.Value);
            }
            else
            {
                after.Add(span);
            }
        }

        if (before.Count < QueriesMin || after.Count < QueriesMin)
        {
            return null;
        }

        before.Sort();
        var low = before[before.Count / 10];
        var share = after.Count(span => span.GenAi.DocumentTopScore < low) / (double)after.Count;
        return share < EveryQueryMin ? null
            : new Evidence("span", $"{after[0].TraceId}/{after[0].SpanId}", $"{AttributeNames.Percent(share)} of all retrievals since the onset score below {Findings.Sentences.Number(low)}, which nine of ten reached before.");
    }

    private const int QueriesMin = 8;

    /// <summary>A ramp's first queries are as good as ever.</summary>
    private const double EveryQueryMin = 0.8;

    private static Candidate EmbeddingChanged(CaseFacts facts, Shift? top, string source, Distinction? embedding, Evidence? weak)
    {
        // One model gives vectors of several dimensions: then it is that model's setting.
        var isDimension = embedding?.Attribute is RequestParameters.EmbeddingDimension;
        var model = !isDimension ? embedding?.Value : ModelCauses.Asked(facts.Bad.SelectMany(static trace => trace.Spans).Where(span => TraceFacts.Carries(span, embedding!.Attribute, embedding.Value)));
        var candidate = new Candidate(
            "embedding_model_changed", model ?? source,
            embedding is null
                ? $"Queries of {facts.Finding.Service} are embedded differently from the index {source}."
                : $"Queries of {facts.Finding.Service} are embedded with {(isDimension ? $"a dimension of {embedding.Value}" : embedding.Value)}{(facts.InsteadOf(embedding) is { } old ? $" instead of {old}" : "")}, which the index {source} was not built with.",
            -1);
        candidate.Supports(3.5, embedding is null ? null : facts.Cite(embedding))
            .Supports(1.5, top?.Evidence)
            .Supports(0.2, weak);
        var told = facts.Change("model", "config", "index") is { } change && SaysEmbedded(change.Change) ? change : ((Telemetry.Changes.ChangeEvent Change, double Nearness)?)null;
        if (embedding is null && told is null)
        {
            // Embedding spans name their model: were it another one, it would be seen. What the index was built with, no span says; but where
            // its documents are as fresh as ever and every query finds less, it is not the documents.
            var everywhere = Aged(facts) is null ? EveryQuery(facts) : null;
            candidate.Supports(AsFresh(facts) is null ? 0.7 : 1.5, everywhere)
                .Lacks(everywhere is null && facts.Bad.Any(trace => trace.Spans.Exists(span => span.GenAi is { Operation: "embeddings", ModelRequested.Length: > 0 })) ? 2 : 0.5);
        }

        // What lowers all scores and is brought by a setting or another model, not by documents, is how queries are embedded.
        return told is { } recorded ? candidate.Supports(3 * recorded.Nearness, facts.Cite(recorded.Change))
            : embedding is null && facts.Change("config", "model", "index") is { } other ? candidate.Supports(1.2 * other.Nearness, facts.Cite(other.Change))
            : candidate;
    }

    private static bool SaysEmbedded(Telemetry.Changes.ChangeEvent change) => change.Detail.ContainsAny("embed", "vectori", "encoder", "minilm", "bge-", "gte-", "e5-");

    /// <summary>What speaks against any cause in retrieval: a later stage that changed by itself.</summary>
    private static Candidate Otherwise(CaseFacts facts, Candidate candidate)
    {
        if (facts.Differs(AttributeNames.Prompt) is { } prompt)
        {
            candidate.Contradicts(0.8, facts.Cite(prompt));
        }

        if (facts.Differs(AttributeNames.ModelResponded) is { } model)
        {
            candidate.Contradicts(0.5, facts.Cite(model));
        }

        return candidate;
    }
}
