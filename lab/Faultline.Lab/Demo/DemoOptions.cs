namespace Faultline.Lab.Demo;

/// <summary>What one run of the demo does after the history.</summary>
public enum DemoMode
{
    /// <summary>One healthy minute, then both faults.</summary>
    Faults,

    /// <summary>No fault at all.</summary>
    Healthy,

    /// <summary>The fixes go out, then healthy traffic.</summary>
    Heal,
}

/// <param name="Endpoint">OTLP/HTTP, e.g. <c>http://127.0.0.1:4318</c>.</param>
/// <param name="ApiKey">Sent as <c>X-API-Key</c>.</param>
/// <param name="Server">REST, for change events and for "has it seen us before?".</param>
/// <param name="Token">Bearer token for <paramref name="Server"/>.</param>
/// <param name="Seed">Same seed, same texts and noise.</param>
/// <param name="Live">How long the live part lasts; null: what the mode needs.</param>
/// <param name="History">How far back the first run's healthy history goes.</param>
public sealed record DemoOptions(
    Uri Endpoint, string ApiKey, Uri Server, string Token, DemoMode Mode, int Seed = 1, TimeSpan? Live = null, TimeSpan? History = null);

/// <summary>What a run sent; the command prints it and tests read it.</summary>
public sealed record DemoReport(long HistorySpans, TimeSpan HistoryTook, long LiveSpans, DateTimeOffset? FaultsAt, IReadOnlyList<string> ChangeIds);
