using Faultline.Lab.Worlds.Words;

namespace Faultline.Lab.Worlds.Topologies;

/// <summary>What a span is about; a dialect turns it into attributes.</summary>
internal enum Work
{
    Request,
    Hop,
    Workflow,
    Agent,
    Chat,
    Embedding,
    Retrieval,
    Rerank,
    Tool,
    Memory,
    Guardrail,
    Plan,
    Database,
    Http,
}

internal sealed record Message(string Role, string Text);

/// <summary>A retrieved passage. <paramref name="Right"/> is known to the laboratory only.</summary>
internal sealed record Passage(Document Document, string Text, double Score, double AgeDays, bool Right, bool Stale);

/// <summary>One call of a model.</summary>
internal sealed class ModelCall
{
    public required ModelRoute Route { get; init; }
    public required string RequestModel { get; init; }
    public required string ResponseModel { get; init; }
    public string? System { get; init; }
    public required IReadOnlyList<Message> Input { get; init; }
    public string Output { get; set; } = "";
    public string? ToolName { get; set; }
    public string? ToolArguments { get; set; }
    public int InputTokens { get; set; }
    public int OutputTokens { get; set; }
    public int CachedTokens { get; set; }
    public double Temperature { get; init; }
    public int MaxTokens { get; init; }
    public double FirstTokenSeconds { get; set; }
    public string Finish { get; set; } = "stop";
    public required string Template { get; init; }
    public string? TemplateVersion { get; init; }
    public string? ResponseId { get; set; }
}

/// <summary>One span of one request, in nobody's dialect.</summary>
internal sealed class Span
{
    public required Work Work { get; init; }
    public required string Name { get; init; }
    public required RequestRun Run { get; init; }
    public required Service Service { get; init; }
    public Span? Parent { get; init; }
    public ulong Id { get; init; }
    public long Start { get; init; }
    public long End { get; set; }

    /// <summary>The <c>error.type</c>; null when all went well.</summary>
    public string? Error { get; set; }
    public string? ErrorMessage { get; set; }
    public int? Status { get; set; }

    public ModelCall? Model { get; set; }
    public string? Query { get; set; }
    public string? Target { get; set; }
    public int TopK { get; set; }
    public IReadOnlyList<Passage>? Passages { get; set; }
    public IReadOnlyList<Passage>? PassagesIn { get; set; }
    public string? Arguments { get; set; }
    public string? Result { get; set; }
    public List<(string Name, double Value)>? Scores { get; set; }

    /// <summary>Does the instrumentation of its system record prompts, answers and documents?</summary>
    public bool ShowsTexts => Run.System.Has(Abilities.Texts);
}

/// <summary>One request of a user, before the system works on it.</summary>
internal sealed record Request(long At, ulong TraceHigh, ulong TraceLow, string Tenant, string User, string Session, int Turn, bool Strong, Document Document, string Question, string Kind);
