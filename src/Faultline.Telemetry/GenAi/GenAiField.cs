namespace Faultline.Telemetry.GenAi;

/// <summary>The canonical fields; their names in the table are these, in snake case.</summary>
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
    ToolArguments,
    DataSource,
    PromptName,
    PromptVersion,
    Session,
    User,
    Documents,
    Query,
    Input,
    Output,
    Server,
}
