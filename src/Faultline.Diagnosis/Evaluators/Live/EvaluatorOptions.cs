namespace Faultline.Diagnosis.Evaluators.Live;

/// <summary>Which evaluators judge what is stored, and how much of a core they may take.</summary>
public sealed record EvaluatorOptions
{
    /// <summary>Stands for an empty list.</summary>
    public const string None = "none";

    public IReadOnlyList<string> Enabled { get; init; } = BuiltInEvaluators.Names;

    /// <summary>Share of traces that are judged, 0 to 1; a trace is judged whole or not at all.</summary>
    public double Sample { get; init; } = 1;

    /// <summary>Share of one core, 0 to 1. What does not fit is skipped and counted.</summary>
    public double CoreShare { get; init; } = 0.25;

    /// <summary>How long a call waits for the rest of its trace: documents, and scores of the application's own.</summary>
    public TimeSpan Settle { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Whether topics and drift of what they are given are watched too.</summary>
    public bool Topics { get; init; } = true;

    public IEnumerable<string> Problems()
    {
        foreach (var name in Enabled.Where(name => !BuiltInEvaluators.Names.Contains(name, StringComparer.Ordinal)))
        {
            yield return $"evaluators.enabled: '{name}' is no evaluator; there are {string.Join(", ", BuiltInEvaluators.Names)}, or {None} alone.";
        }

        if (Sample is not (>= 0 and <= 1))
        {
            yield return $"evaluators.sample: {Sample} is not a share between 0 and 1.";
        }

        if (CoreShare is not (> 0 and <= 1))
        {
            yield return $"evaluators.core_share: {CoreShare} is not a share of a core above 0 and up to 1; to switch evaluators off, set evaluators.enabled to {None}.";
        }

        if (Settle < TimeSpan.Zero || Settle > TimeSpan.FromMinutes(1))
        {
            yield return $"evaluators.settle: {Settle} is not between 0s and 1m.";
        }
    }
}
