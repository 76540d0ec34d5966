using Faultline.Diagnosis.Facts;
using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Findings;

namespace Faultline.Diagnosis.Causes;

/// <summary>Reads the stages of the chain before and after the onset: the earliest abnormal one is where to look.</summary>
internal static class Chain
{
    private static readonly (Stage Stage, string Name)[] Stages =
        [(Stage.Retrieve, "retrieve"), (Stage.Prompt, "prompt"), (Stage.Model, "model"), (Stage.Tools, "tools"), (Stage.Output, "output")];

    public static IReadOnlyList<StageReading> Of(CaseFacts facts)
    {
        List<StageReading> readings = [];
        foreach (var (stage, name) in Stages)
        {
            var shifts = facts.Shifts.Where(shift => shift.Feature.Stage == stage && shift.IsKnown).OrderByDescending(shift => shift.IsAbnormal).ThenByDescending(shift => Math.Abs(shift.Z)).ToList();
            var differs = stage switch
            {
                Stage.Retrieve => facts.Differs(AttributeNames.EmbeddingModel, "data_source", "gen_ai.retrieval.top_k", "gen_ai.request.top_k"),
                Stage.Prompt => facts.Differs(AttributeNames.Prompt),
                Stage.Model => facts.Differs(AttributeNames.ModelRequested, AttributeNames.ModelResponded, "gen_ai.request.temperature", "gen_ai.request.max_tokens"),
                _ => null,
            };
            var loops = stage == Stage.Tools && facts.IsLoop;
            var moved = shifts.Where(shift => shift.IsAbnormal).ToList();
            var abnormal = moved.Exists(shift => shift.IsBad) || differs is not null || loops;
            List<Symptom> figures = [.. shifts.Take(4).Select(shift => shift.Figure)];
            if (loops)
            {
                figures.Insert(0, facts.Finding.Symptoms.First(symptom => string.Equals(symptom.Feature, FeatureTable.MaxToolRepeats.Name, StringComparison.Ordinal)));
            }

            var words = loops ? facts.Finding.Symptoms.First(symptom => string.Equals(symptom.Feature, FeatureTable.MaxToolRepeats.Name, StringComparison.Ordinal)).Words
                : differs is not null ? $"{differs.Attribute} {differs.Value} in {AttributeNames.Percent(differs.ShareOfBad)} of the bad traces, {AttributeNames.Percent(differs.ShareOfGood)} of the good ones"
                : moved.Count > 0 ? moved[0].Words
                : shifts.Count > 0 ? "as before"
                : "nothing was measured here";
            readings.Add(new StageReading(name, abnormal, Sentences.Capital(words) + ".", figures));
        }

        return readings;
    }
}
