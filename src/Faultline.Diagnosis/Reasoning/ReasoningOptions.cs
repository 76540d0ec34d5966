namespace Faultline.Diagnosis.Reasoning;

/// <summary>What a language model may spend on one case, and on all of a day.</summary>
public sealed record ReasoningOptions
{
    /// <summary>Only with an endpoint (<see cref="Chat.LlmOptions"/>).</summary>
    public bool Enabled { get; init; } = true;

    /// <summary>Requests to the endpoint for one case, the final answer included.</summary>
    public int CallsMax { get; init; } = 12;

    /// <summary>Tokens in and out for one case.</summary>
    public long TokensMax { get; init; } = 120_000;

    /// <summary>From the first request to the answer.</summary>
    public TimeSpan TimeMax { get; init; } = TimeSpan.FromMinutes(3);

    /// <summary>Bytes of tool results for one case.</summary>
    public long ToolBytesMax { get; init; } = 128 << 10;

    /// <summary>Tokens of all cases in one day (UTC); then the deterministic answers stand alone until the next.</summary>
    public long TokensPerDay { get; init; } = 2_000_000;

    public IEnumerable<string> Problems()
    {
        if (CallsMax is < 3 or > 100)
        {
            yield return $"reasoning.calls_max: {CallsMax} is not between 3 (a look, an answer, its repair) and 100.";
        }

        if (TokensMax < 5_000)
        {
            yield return $"reasoning.tokens_max: {TokensMax} is too few for a case and an answer; give at least 5000, or set reasoning.enabled to false.";
        }

        if (TimeMax < TimeSpan.FromSeconds(1) || TimeMax > TimeSpan.FromMinutes(30))
        {
            yield return $"reasoning.time_max: {TimeMax} is not between 1s and 30m.";
        }

        if (ToolBytesMax < 4 << 10)
        {
            yield return $"reasoning.tool_bytes_max: {ToolBytesMax} bytes hold no answer of a tool; give at least 4KiB.";
        }

        if (TokensPerDay < 0)
        {
            yield return $"reasoning.tokens_per_day: {TokensPerDay} is below 0.";
        }
    }
}
