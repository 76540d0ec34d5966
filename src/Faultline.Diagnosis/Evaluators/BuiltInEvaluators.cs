using Faultline.Diagnosis.Evaluators.Groundedness;

namespace Faultline.Diagnosis.Evaluators;

/// <summary>What of a trace an evaluator judges.</summary>
public enum Judged
{
    /// <summary>The answer of a model call.</summary>
    Answer,

    /// <summary>What a retrieval found.</summary>
    Retrieval,
}

/// <summary>An evaluator that comes with the product.</summary>
/// <param name="Name">Of its score and metric.</param>
/// <param name="NeedsLanguage">Off without encoder and lexicon: by words alone its scores would be on another scale.</param>
/// <param name="NeedsWhole">Skipped when a length limit cut the text.</param>
public sealed record BuiltInEvaluator(string Name, int Version, Judged Judges, bool NeedsLanguage, bool NeedsWhole, Evaluator Evaluate);

/// <summary>The evaluators that need no model but the offline encoder: deterministic, safe for many threads, never an exception for bad text.</summary>
public static class BuiltInEvaluators
{
    /// <summary>Names in the order in which they are shown.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. All(LanguageResources.None).Select(evaluator => evaluator.Name)];

    public static IReadOnlyList<BuiltInEvaluator> All(LanguageResources resources) =>
    [
        new(GroundednessEvaluator.Name, GroundednessEvaluator.Version, Judged.Answer, NeedsLanguage: true, NeedsWhole: true, new GroundednessEvaluator(resources).Evaluate),
        new(AnswerRelevanceEvaluator.Name, AnswerRelevanceEvaluator.Version, Judged.Answer, NeedsLanguage: true, NeedsWhole: false, new AnswerRelevanceEvaluator(resources).Evaluate),
        new(RetrievalRelevanceEvaluator.Name, RetrievalRelevanceEvaluator.Version, Judged.Retrieval, NeedsLanguage: true, NeedsWhole: false, new RetrievalRelevanceEvaluator(resources).Evaluate),
        new(CoherenceEvaluator.Name, CoherenceEvaluator.Version, Judged.Answer, NeedsLanguage: false, NeedsWhole: false, new CoherenceEvaluator(resources).Evaluate),
        new(RefusalEvaluator.Name, RefusalEvaluator.Version, Judged.Answer, NeedsLanguage: false, NeedsWhole: false, RefusalEvaluator.Evaluate),
        new(LanguageEvaluator.Name, LanguageEvaluator.Version, Judged.Answer, NeedsLanguage: false, NeedsWhole: false, LanguageEvaluator.Evaluate),
        new(FormatEvaluator.Name, FormatEvaluator.Version, Judged.Answer, NeedsLanguage: false, NeedsWhole: true, FormatEvaluator.Evaluate),
    ];
}
