using System.Text.Json.Serialization;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Findings;

/// <summary>The eight failure classes; stored and shown by these names.</summary>
public enum FailureClass
{
    HALLUCINATION,
    RETRIEVAL_DRIFT,
    COHERENCE_DEGRADATION,
    AGENT_LOOP,
    LATENCY_REGRESS,
    CONTEXT_OVERFLOW,
    PROMPT_REGRESSION,
    TOKEN_EXPLOSION,
}

/// <summary>One measured thing that left its usual band.</summary>
/// <param name="Feature">Name of the feature, e.g. <c>score:relevance</c>, <c>retrieval_top_score</c>, <c>tool_repeats</c>.</param>
/// <param name="Words">One sentence: "relevance of support-bot fell from 0.87 to 0.41".</param>
/// <param name="Query">PromQL that draws it, on the telemetry's clock.</param>
/// <param name="Usual">Centre of the baseline, in the feature's unit.</param>
/// <param name="Low">Lower edge of the band.</param>
/// <param name="High">Upper edge of the band.</param>
/// <param name="Observed">What was measured.</param>
/// <param name="Unit">s, tokens, 1 (ratio or score), calls.</param>
public sealed record Symptom(string Feature, string Words, string Query, double Usual, double Low, double High, double Observed, string Unit)
{
    /// <summary>The part of the requests that it is about; null when it is about all of them.</summary>
    public SymptomPart? Part { get; init; }
}

/// <summary>A part of a service's requests: those with one value of an attribute.</summary>
/// <param name="Attribute">E.g. <c>tenant.id</c>; of a member of a JSON object with its name behind a dot.</param>
/// <param name="WholeQuery">PromQL that draws the same of all requests.</param>
public sealed record SymptomPart(string Attribute, string Value, string WholeQuery);

/// <summary>Something is wrong, in one sentence. What a case is opened from.</summary>
public sealed record Finding
{
    /// <summary>Derived from project, environment, service, what fired and the onset, so that a restart makes the same one.</summary>
    public required string Id { get; init; }

    public required string Project { get; init; }

    public required string Environment { get; init; }

    public required string Service { get; init; }

    /// <summary>Which detector or watcher fired: <c>baseline</c>, <c>agent_loop</c>, …</summary>
    public required string Trigger { get; init; }

    /// <summary>The <see cref="Trigger"/> of what prompts and outputs say: topics that fail, and drift.</summary>
    public const string OfTopics = "topics";

    [JsonIgnore]
    public bool IsOfTopics => string.Equals(Trigger, OfTopics, StringComparison.Ordinal);

    /// <summary>The finding in words, a case's title.</summary>
    public required string Title { get; init; }

    public required FailureClass FailureClass { get; init; }

    /// <summary>First abnormal moment, on the telemetry's clock.</summary>
    public required DateTimeOffset OnsetAt { get; init; }

    /// <summary>When the detector was sure, on the telemetry's clock.</summary>
    public required DateTimeOffset DetectedAt { get; init; }

    public required IReadOnlyList<Symptom> Symptoms { get; init; }

    /// <summary>Traces that show it; at most ten.</summary>
    public required IReadOnlyList<TraceId> BadTraces { get; init; }

    /// <summary>Traces of the same kind from before; at most ten.</summary>
    public required IReadOnlyList<TraceId> GoodTraces { get; init; }

    /// <summary>Info, Low, Medium, High or Critical where a rule says so; else null.</summary>
    public string? Severity { get; init; }

    /// <summary>PromQL that gives a non-empty answer only when the fault is gone and there was data to judge by.</summary>
    public required string VerificationQuery { get; init; }
}

/// <summary>What the detectors say about a finding over time.</summary>
public abstract record FindingNews
{
    private FindingNews()
    {
    }

    /// <summary>A new one, or more symptoms of one that was raised before (same id).</summary>
    public sealed record Raised(Finding Finding) : FindingNews;

    /// <summary>Its figures have been usual again for long enough.</summary>
    public sealed record Cleared(string FindingId, DateTimeOffset At) : FindingNews;
}
