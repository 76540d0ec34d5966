namespace Faultline.Diagnosis.Reasoning.Chat;

/// <summary>Which language model may be asked. Without an endpoint none is, and everything works.</summary>
public sealed record LlmOptions
{
    /// <summary>Base address of an OpenAI-compatible API, e.g. <c>http://127.0.0.1:11434/v1</c>; empty: no model is asked.</summary>
    public string Endpoint { get; init; } = "";

    public string Model { get; init; } = "";

    /// <summary>Sent as a bearer token when not empty. From the environment only; never shown, logged or stored.</summary>
    public string Key { get; init; } = "";

    /// <summary>One request may take this long; then it is given up.</summary>
    public TimeSpan CallTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Wait before the first repetition of a request that may be repeated; three times as long before the second.</summary>
    internal TimeSpan RetryDelay { get; init; } = TimeSpan.FromSeconds(1);

    public bool IsOn => Endpoint.Length > 0 && Model.Length > 0;

    /// <summary>Where requests go.</summary>
    internal Uri Address => new(Endpoint.TrimEnd('/') is var address && address.EndsWith("/chat/completions", StringComparison.Ordinal) ? address : address + "/chat/completions");

    /// <summary>The endpoint's host and port: as much of the address as is shown.</summary>
    public string Host => Uri.TryCreate(Endpoint, UriKind.Absolute, out var address) ? address.Authority : "";

    /// <summary>Without the key, wherever settings are printed.</summary>
    public override string ToString() => $"{Model} at {Host}";

    public IEnumerable<string> Problems()
    {
        if (Endpoint.Length > 0 && !(Uri.TryCreate(Endpoint, UriKind.Absolute, out var address) && address.Scheme is "http" or "https"))
        {
            yield return $"llm.endpoint: '{Endpoint}' is not an http or https address (for example http://127.0.0.1:11434/v1).";
        }
        else if (Endpoint.Length > 0 && new Uri(Endpoint).UserInfo.Length > 0)
        {
            yield return "llm.endpoint: the address holds a user name or password. Give the key in the environment as FAULTLINE_LLM_KEY.";
        }

        if (Endpoint.Length > 0 && Model.Length == 0)
        {
            yield return "llm.model: an endpoint is set, but no model. Name one that the endpoint serves.";
        }

        if (CallTimeout <= TimeSpan.Zero || CallTimeout > TimeSpan.FromMinutes(10))
        {
            yield return $"llm.call_timeout: {CallTimeout} is not above 0s and up to 10m.";
        }
    }
}
