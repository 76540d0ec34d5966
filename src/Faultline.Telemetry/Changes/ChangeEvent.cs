namespace Faultline.Telemetry.Changes;

/// <summary>Something that changed in the observed system: what somebody looks for first.</summary>
/// <param name="Id">Unique; <c>chg-</c> and 16 hexadecimal digits.</param>
/// <param name="Project">The project whose key or user recorded it.</param>
/// <param name="Type">deploy, prompt, model, config, data or index.</param>
/// <param name="Service">The service that changed.</param>
/// <param name="Detail">In words, as sent.</param>
/// <param name="At">When it changed, in the observed system's time.</param>
/// <param name="Attributes">Anything else that was sent.</param>
public sealed record ChangeEvent(
    string Id,
    string Project,
    string Type,
    string Service,
    string Detail,
    DateTimeOffset At,
    IReadOnlyDictionary<string, string> Attributes)
{
    public static readonly IReadOnlyList<string> Types = ["deploy", "prompt", "model", "config", "data", "index"];

    /// <summary>Somebody, or a pipeline, said so.</summary>
    public const string Recorded = "recorded";

    /// <summary>Nobody said so: spans or scores began to carry another value.</summary>
    public const string Telemetry = "telemetry";

    /// <summary>How it is known: <see cref="Recorded"/> or <see cref="Telemetry"/>.</summary>
    public string Source { get; init; } = Recorded;

    public bool IsSeen => Source == Telemetry;
}
