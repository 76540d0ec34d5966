using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Facts;
using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Findings;

namespace Faultline.Diagnosis.Knowledge;

/// <summary>A fault as a vector, so that it can be recognised: how far each feature moved, the class, the abnormal stages, what sets the bad traces apart.</summary>
internal static class Signature
{
    /// <summary>The features, in the order of the vector. Stored with cases: entries are only added at the end of the vector.</summary>
    private static readonly IReadOnlyList<Feature> Features =
    [
        FeatureTable.RetrievalTopScore, FeatureTable.RetrievalDocuments, FeatureTable.RetrievalEmpty, FeatureTable.RetrievalErrorRate, FeatureTable.RetrievalLatency,
        FeatureTable.InputTokens, FeatureTable.OutputTokens, FeatureTable.ModelLatency, FeatureTable.FirstToken, FeatureTable.ModelErrorRate, FeatureTable.FinishLength,
        FeatureTable.ToolCalls, FeatureTable.ToolLatency, FeatureTable.ToolErrorRate, FeatureTable.FinishFiltered, FeatureTable.LatencyP50, FeatureTable.ErrorRate,
    ];

    private static readonly string[] Stages = ["retrieve", "prompt", "model", "tools", "output"];

    /// <summary>Standard deviations at which a shift counts about three quarters.</summary>
    private const double Saturation = 8;

    private const double ClassWeight = 0.8;
    private const double StageWeight = 0.6;

    /// <summary>What differs tells look-alikes apart: a stale index from another embedding model.</summary>
    private const double DistinctionWeight = 0.7;

    /// <summary>Kinds of attributes that may set the bad traces apart, in the order of the vector.</summary>
    private static readonly string[][] Distinctions =
    [
        [AttributeNames.Prompt],
        [AttributeNames.ModelRequested],
        [AttributeNames.ModelResponded],
        [AttributeNames.EmbeddingModel, "gen_ai.embeddings.dimension.count"],
        ["gen_ai.retrieval.top_k", "gen_ai.request.top_k", "retrieval.top_k", "retrieval.score_threshold"],
        ["gen_ai.request.temperature", "gen_ai.request.top_p", "gen_ai.request.max_tokens"],
    ];

    /// <summary>What a loop drags along, more of it the longer it runs; it says nothing about the fault.</summary>
    private static readonly HashSet<Feature> DraggedByLoops =
        [FeatureTable.ToolCalls, FeatureTable.ToolLatency, FeatureTable.LatencyP50, FeatureTable.InputTokens, FeatureTable.OutputTokens, FeatureTable.ModelLatency];

    public static IReadOnlyList<double> Of(CaseFacts facts, FailureClass failureClass, IReadOnlyList<StageReading> chain)
    {
        List<double> vector = [];
        foreach (var feature in Features)
        {
            var counts = !(facts.IsLoop && DraggedByLoops.Contains(feature));
            vector.Add(counts && facts.Of(feature) is { IsAbnormal: true } shift ? Math.Tanh(shift.Z / Saturation) : 0);
        }

        vector.Add(facts.BadScores.FirstOrDefault() is { } score ? -Math.Tanh(Math.Abs(score.Z) / Saturation) : 0);
        vector.Add(facts.IsLoop ? 1 : 0);
        foreach (var known in Enum.GetValues<FailureClass>())
        {
            vector.Add(known == failureClass ? ClassWeight : 0);
        }

        foreach (var known in Stages)
        {
            vector.Add(chain.Any(reading => reading.Abnormal && string.Equals(known, reading.Stage, StringComparison.Ordinal)) ? StageWeight : 0);
        }

        foreach (var attributes in Distinctions)
        {
            vector.Add(facts.Differs(attributes) is null ? 0 : DistinctionWeight);
        }

        return vector;
    }

    /// <summary>Cosine of the angle between two signatures; an older, shorter one is taken as 0 where it ends.</summary>
    /// <returns>-1 to 1; 0 when either is empty or all 0.</returns>
    public static double Cosine(IReadOnlyList<double> one, IReadOnlyList<double> other)
    {
        double dot = 0, a = 0, b = 0;
        for (var i = 0; i < Math.Max(one.Count, other.Count); i++)
        {
            var x = i < one.Count ? one[i] : 0;
            var y = i < other.Count ? other[i] : 0;
            dot += x * y;
            a += x * x;
            b += y * y;
        }

        return a <= 0 || b <= 0 ? 0 : dot / Math.Sqrt(a * b);
    }
}

/// <summary>What resolved cases say about a finding like them.</summary>
internal static class PastCases
{
    /// <summary>
    /// Below this cosine two faults are not alike. Occurrences of one simulated fault lie above 0.99, a loop that is seen with and
    /// without the prompt that set it off at 0.84, most pairs of different causes below 0.6.
    /// </summary>
    public const double SimilarMin = 0.75;

    private const double SameServiceWeight = 1.6;
    private const double OtherServiceWeight = 1.0;

    /// <summary>Log-odds that each "not helpful" takes away, and each "helpful" adds.</summary>
    private const double FeedbackWeight = 0.7;

    /// <summary>Feedback of one case counts so often at most.</summary>
    private const int FeedbackMax = 3;

    /// <summary>Raises the causes that alike cases had, and names the cases; lowers those that were of no help.</summary>
    public static void Remember(List<Candidate> candidates, CaseFacts facts, IReadOnlyList<double> signature, IReadOnlyList<PastCase> past)
    {
        foreach (var group in past
            .Select(one => (Case: one, Similarity: Signature.Cosine(signature, one.Signature)))
            .Where(item => item.Similarity >= SimilarMin && Vocabulary.Contains(item.Case.Cause) && item.Case.Cause is not "unknown")
            .GroupBy(item => item.Case.Cause, StringComparer.Ordinal))
        {
            var ranked = group
                .OrderByDescending(item => string.Equals(item.Case.Service, facts.Finding.Service, StringComparison.Ordinal))
                .ThenByDescending(item => item.Similarity * item.Case.Weight)
                .ThenByDescending(item => item.Case.ResolvedAt)
                .ToList();
            var (closest, similarity) = ranked[0];
            var sameService = string.Equals(closest.Service, facts.Finding.Service, StringComparison.Ordinal);
            var feedback = Math.Clamp(ranked.Sum(item => item.Case.Helpful), -FeedbackMax, FeedbackMax);
            var weight = closest.Weight * (((sameService ? SameServiceWeight : OtherServiceWeight) * similarity) + (FeedbackWeight * feedback));
            var candidate = candidates.Find(one => string.Equals(one.Cause, closest.Cause, StringComparison.Ordinal));
            if (candidate is null)
            {
                if (weight <= 0)
                {
                    continue;
                }

                candidate = new Candidate(closest.Cause, closest.Target, $"A case like this one was {closest.Cause}.", -1);
                candidates.Add(candidate);
            }

            var feedbackWords = feedback switch { > 0 => ", found helpful", < 0 => ", found not helpful", _ => "" };
            candidate.Remembers(weight, closest.CaseId, new Evidence(
                "case", closest.CaseId, $"{closest.CaseId} of {closest.Service} looked like this (similarity {similarity:0.00}) and was {closest.Cause}; fixed by: {closest.FixApplied}{feedbackWords}."));
        }
    }
}
