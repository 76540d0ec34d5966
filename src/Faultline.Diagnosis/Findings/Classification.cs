using Faultline.Diagnosis.Features;

namespace Faultline.Diagnosis.Findings;

/// <summary>The failure class that symptoms alone point to; diagnosis may know better once it has read the traces.</summary>
internal static class Classification
{
    public static FailureClass Of(IReadOnlyList<Symptom> symptoms)
    {
        bool Has(Feature feature) => symptoms.Any(symptom => string.Equals(symptom.Feature, feature.Name, StringComparison.Ordinal));
        bool HasScore(params ReadOnlySpan<string> words)
        {
            foreach (var symptom in symptoms)
            {
                foreach (var word in words)
                {
                    if (FeatureTable.Find(symptom.Feature)?.Evaluation is { } evaluation && evaluation.Contains(word, StringComparison.OrdinalIgnoreCase))
                    {
                        return true;
                    }
                }
            }

            return false;
        }

        return Has(FeatureTable.MaxToolRepeats) || Has(FeatureTable.Plans) || Has(FeatureTable.AgentTurns) ? FailureClass.AGENT_LOOP
            : Has(FeatureTable.RetrievalTopScore) || Has(FeatureTable.RetrievalMeanScore) || Has(FeatureTable.RetrievalDistance) || Has(FeatureTable.RetrievalEmpty) || Has(FeatureTable.RetrievalErrorRate) || Has(FeatureTable.RerankErrorRate) ? FailureClass.RETRIEVAL_DRIFT
            : Has(FeatureTable.SystemPromptLength) || Has(FeatureTable.UnfilledShare) ? FailureClass.PROMPT_REGRESSION
            : Has(FeatureTable.FinishLength) || Has(FeatureTable.JsonShare) || Has(FeatureTable.Refusals) || Has(FeatureTable.Blocked) || Has(FeatureTable.EmptyAnswers) || Has(FeatureTable.Garbled) || Has(FeatureTable.Unfinished) || (Has(FeatureTable.NewAnswer) && !Has(FeatureTable.NewInput)) ? FailureClass.COHERENCE_DEGRADATION
            : Has(FeatureTable.ToolUseless) ? FailureClass.HALLUCINATION
            : Has(FeatureTable.ToolCalls) || Has(FeatureTable.ToolErrorRate) ? FailureClass.AGENT_LOOP
            : HasScore("ground", "faithful", "hallucinat", "factual") ? FailureClass.HALLUCINATION
            : HasScore("coheren", "repetition", "complete", "fluen", "format", "refus") || Has(FeatureTable.FinishFiltered) ? FailureClass.COHERENCE_DEGRADATION
            : HasScore("retriev", "context") ? FailureClass.RETRIEVAL_DRIFT
            : HasScore("") ? FailureClass.COHERENCE_DEGRADATION
            : Has(FeatureTable.InputTokensFall) ? FailureClass.PROMPT_REGRESSION
            : Has(FeatureTable.NewInput) ? FailureClass.HALLUCINATION
            : Has(FeatureTable.RetrievalDocumentsRise) || Has(FeatureTable.ChunkLengthRise) ? FailureClass.RETRIEVAL_DRIFT
            : Has(FeatureTable.ModelCalls) ? FailureClass.AGENT_LOOP
            : Has(FeatureTable.InputTokens) || Has(FeatureTable.OutputTokens) ? FailureClass.TOKEN_EXPLOSION
            : (Has(FeatureTable.ModelShare) || Has(FeatureTable.VersionShare)) && !Has(FeatureTable.LatencyP50) && !Has(FeatureTable.ModelLatency) ? FailureClass.COHERENCE_DEGRADATION
            : FailureClass.LATENCY_REGRESS;
    }
}
