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
                    if (symptom.Feature.StartsWith(FeatureTable.ScorePrefix, StringComparison.Ordinal) && symptom.Feature.Contains(word, StringComparison.OrdinalIgnoreCase))
                    {
                        return true;
                    }
                }
            }

            return false;
        }

        return Has(FeatureTable.MaxToolRepeats) ? FailureClass.AGENT_LOOP
            : Has(FeatureTable.RetrievalTopScore) || Has(FeatureTable.RetrievalMeanScore) || Has(FeatureTable.RetrievalEmpty) || Has(FeatureTable.RetrievalErrorRate) ? FailureClass.RETRIEVAL_DRIFT
            : Has(FeatureTable.FinishLength) ? FailureClass.COHERENCE_DEGRADATION
            : HasScore("ground", "faithful", "hallucinat", "factual") ? FailureClass.HALLUCINATION
            : HasScore("coheren", "repetition", "complete", "fluen", "format", "refus") || Has(FeatureTable.FinishFiltered) ? FailureClass.COHERENCE_DEGRADATION
            : HasScore("retriev", "context") ? FailureClass.RETRIEVAL_DRIFT
            : HasScore("") ? FailureClass.COHERENCE_DEGRADATION
            : Has(FeatureTable.ToolCalls) ? FailureClass.AGENT_LOOP
            : Has(FeatureTable.InputTokens) || Has(FeatureTable.OutputTokens) ? FailureClass.TOKEN_EXPLOSION
            : FailureClass.LATENCY_REGRESS;
    }
}
