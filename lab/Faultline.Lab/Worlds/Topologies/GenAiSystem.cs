using System.Globalization;
using Faultline.Lab.Worlds.Dialects;
using Faultline.Lab.Worlds.Words;

namespace Faultline.Lab.Worlds.Topologies;

/// <summary>What a system has that can go wrong. A fault kind says what it needs.</summary>
[Flags]
internal enum Abilities
{
    None = 0,
    Retrieval = 1 << 0,
    Rerank = 1 << 1,
    Embedding = 1 << 2,
    Tools = 1 << 3,
    Agents = 1 << 4,
    HandOver = 1 << 5,
    Plans = 1 << 6,
    Memory = 1 << 7,
    Sessions = 1 << 8,
    Json = 1 << 9,
    SelfHosted = 1 << 10,
    Hosted = 1 << 11,
    PromptCache = 1 << 12,
    ResponseCache = 1 << 13,
    Guardrail = 1 << 14,
    Database = 1 << 15,
    Http = 1 << 16,
    FewShot = 1 << 17,
    Scores = 1 << 18,
    Texts = 1 << 19,
    MultiIndex = 1 << 20,
}

/// <summary>Which version is in force when. Versions are made in time order, and no number is given twice.</summary>
internal sealed class VersionLine(string first)
{
    private readonly List<(long From, string Version)> _entries = [(0, first)];
    private string _newest = first;

    public string At(long at) => _entries.FindLast(entry => entry.From <= at).Version;

    /// <summary>The next number, in force from then on: 7 becomes 8; 1.4.2 becomes 1.4.3 or 1.5.0.</summary>
    public string Release(long from, bool minor = false)
    {
        var version = Make(minor);
        _entries.Add((from, version));
        return version;
    }

    /// <summary>The next number, for whom a caller decides.</summary>
    public string Make(bool minor = false)
    {
        var parts = _newest.Split('.').Select(part => int.Parse(part, CultureInfo.InvariantCulture)).ToArray();
        _newest = parts.Length == 1 ? $"{parts[0] + 1}" : minor ? $"{parts[0]}.{parts[1] + 1}.0" : $"{parts[0]}.{parts[1]}.{parts[2] + 1}";
        return _newest;
    }

    public void Return(long from, string version) => _entries.Add((from, version));
}

/// <summary>A deployed service; its version changes when it is released.</summary>
internal sealed class Service(string role, string name, string version, int instances)
{
    public string Role => role;

    public string Name => name;

    public int Instances => instances;

    public VersionLine Version { get; } = new(version);
}

/// <summary>A model that a system calls.</summary>
internal sealed record ModelRoute(string Provider, string Model, string Version, string NextVersion, string Fallback, string Host, double FirstTokenSeconds, double SecondsPerToken, int Window);

/// <summary>How scores of answers reach us, if they do.</summary>
internal enum ScoreForm
{
    None,
    SpanEvents,
    LateLogs,
    Inline,
}

/// <summary>One GenAI application with all its fixed properties.</summary>
internal sealed class GenAiSystem
{
    public required Topology Topology { get; init; }
    public required Abilities Abilities { get; init; }
    public required WordPools Words { get; init; }
    public required Library Library { get; init; }
    public required IReadOnlyList<Service> Services { get; init; }
    public required IReadOnlyList<ModelRoute> Routes { get; init; }
    public required IReadOnlyList<string> Indexes { get; init; }
    public required IReadOnlyList<(string Name, string Argument)> Tools { get; init; }
    public required IReadOnlyList<string> Agents { get; init; }
    public required IReadOnlyList<string> Templates { get; init; }
    public required IReadOnlyList<string> Tenants { get; init; }
    public required string EmbeddingModel { get; init; }
    public required string NextEmbeddingModel { get; init; }
    public required string RerankModel { get; init; }
    public required string MemoryStore { get; init; }
    public required string Guardrail { get; init; }
    public required (string Kind, string Name) Database { get; init; }
    public required string Dependency { get; init; }
    public required string JudgeModel { get; init; }
    public required IReadOnlyList<string> ScoreNames { get; init; }
    public required ScoreForm ScoreForm { get; init; }
    public required double ScoreShare { get; init; }
    public required Dialect Dialect { get; init; }
    public required bool TemplatesShown { get; init; }
    public required bool TenantsShown { get; init; }
    public required bool EmbeddingShown { get; init; }
    public required int TopK { get; init; }
    public required double ScoreLevel { get; init; }
    public required string SystemText { get; init; }
    public required string FewShotText { get; init; }
    public required double Temperature { get; init; }
    public required int MaxTokens { get; init; }

    /// <summary>Requests a second at an average moment.</summary>
    public required double Rate { get; init; }

    /// <summary>Of its main template.</summary>
    public VersionLine TemplateVersion { get; } = new("7");

    public bool Has(Abilities needed) => (Abilities & needed) == needed;

    public Service Role(string role) => Services.FirstOrDefault(service => service.Role == role) ?? Services[0];
}
