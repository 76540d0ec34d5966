namespace Faultline.Telemetry.GenAi;

/// <summary>What attributes are read for. In <c>Dialects/fields.tsv</c> they are in snake case.</summary>
internal enum GenAiField
{
    Operation,
    Provider,
    ModelRequested,
    ModelResponded,
    ResponseId,
    FinishReasons,
    InputTokens,
    OutputTokens,
    CacheReadTokens,
    CacheWriteTokens,
    ReasoningTokens,
    FirstChunk,
    Agent,
    Tool,

    /// <summary>OpenLLMetry's name of whatever the span is: a tool, an agent.</summary>
    Entity,
    ToolArguments,

    /// <summary>The span's input in general: a tool's arguments when the span is a tool.</summary>
    ToolInput,
    DataSource,
    DocumentCount,

    /// <summary>Best score, or smallest distance, where documents are not listed one by one: a number, or a list of them.</summary>
    DocumentTopScore,
    DocumentTopDistance,
    PromptName,
    PromptVersion,
    Session,
    User,
    ServerAddress,
    Database,

    /// <summary>What is done with the database.</summary>
    DatabaseOperation,

    /// <summary>Logfire announces a span by a placeholder, which is no call.</summary>
    Pending,
}

/// <summary>How an attribute's text becomes the field's value.</summary>
internal enum Conversion
{
    Text,

    /// <summary>A whole number, sent as a number or as text; never negative.</summary>
    Count,

    /// <summary>A duration in seconds, to nanoseconds.</summary>
    Seconds,

    /// <summary>A duration in milliseconds, to nanoseconds.</summary>
    Milliseconds,

    /// <summary>An ISO 8601 time, to nanoseconds since the span's start.</summary>
    Instant,

    /// <summary>A <see cref="Count"/> at a path inside JSON.</summary>
    Json,

    /// <summary>A text at a path inside JSON.</summary>
    JsonText,

    /// <summary>An operation, by a vocabulary of <c>operations.tsv</c>.</summary>
    Operation,
}

/// <summary>What one attribute means for one field.</summary>
/// <param name="Rank">Its place in the table: of several the lowest wins.</param>
/// <param name="Argument">The path of <see cref="Conversion.Json"/> and <see cref="Conversion.JsonText"/>, the vocabulary of <see cref="Conversion.Operation"/>.</param>
/// <param name="IsGenAi">Whether the attribute alone makes its span a GenAI span.</param>
internal sealed record Meaning(GenAiField Field, string Dialect, int Rank, Conversion Conversion, string Argument, bool IsGenAi);
