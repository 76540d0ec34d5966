namespace Faultline.Diagnosis.Evaluators;

/// <summary>What evaluators see of one call. Texts may be anything, empty and broken ones included.</summary>
/// <param name="Question">What the user asked; empty when unknown.</param>
/// <param name="Chunks">What was retrieved, in order; empty when nothing was.</param>
/// <param name="Answer">What the model said.</param>
/// <param name="Schema">JSON Schema that the answer was asked to follow; null when none was.</param>
public sealed record EvaluatedCall(string Question, IReadOnlyList<string> Chunks, string Answer, string? Schema = null);

/// <summary>What one evaluator says of one call.</summary>
/// <param name="Name">Stable: the name of its score and metric.</param>
/// <param name="Score">0 (bad) to 1 (good); NaN when skipped.</param>
/// <param name="Label">One word for tables: what the score means here.</param>
/// <param name="Explanation">One sentence with the words it rests on; of a skip, the reason.</param>
/// <param name="Version">Rises when the same text may get another score.</param>
public sealed record Evaluation(string Name, double Score, string Label, string Explanation, int Version)
{
    /// <summary>Claim by claim, for groundedness; empty elsewhere.</summary>
    public IReadOnlyList<ClaimEvaluation> Claims { get; init; } = [];

    /// <summary>The language model that judged; empty where none did.</summary>
    public string Model { get; init; } = "";

    public bool IsSkipped => double.IsNaN(Score);

    internal static Evaluation Skipped(string name, string reason, int version) => new(name, double.NaN, "skipped", reason, version);
}

/// <summary>One statement of an answer.</summary>
/// <param name="Claim">As in the answer.</param>
/// <param name="Score">0 (contradicted or nowhere) to 1 (stands there).</param>
/// <param name="Passage">The nearest sentence of the chunks; null when there is none.</param>
/// <param name="Reasons">What speaks against it, in words.</param>
public sealed record ClaimEvaluation(string Claim, double Score, string? Passage, IReadOnlyList<string> Reasons);

/// <summary>An evaluator: a pure function of the call.</summary>
public delegate Evaluation Evaluator(EvaluatedCall call);
