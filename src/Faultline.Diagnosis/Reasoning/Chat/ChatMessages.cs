namespace Faultline.Diagnosis.Reasoning.Chat;

/// <summary>A tool that the model asks for.</summary>
/// <param name="Arguments">Meant to be a JSON object; what came, however broken.</param>
internal sealed record ToolCall(string Id, string Name, string Arguments);

/// <summary>One message of a conversation.</summary>
/// <param name="Role">system, user, assistant or tool.</param>
/// <param name="ToolCallId">Of a tool message: the call that it answers.</param>
internal sealed record ChatMessage(string Role, string Content, string ToolCallId = "")
{
    /// <summary>Of an assistant message.</summary>
    public IReadOnlyList<ToolCall> ToolCalls { get; init; } = [];
}

/// <param name="Parameters">JSON Schema of the arguments.</param>
internal sealed record ToolSpec(string Name, string Description, string Parameters);

/// <param name="Json">JSON Schema; every property required and none else allowed, as strict mode wants.</param>
internal sealed record AnswerSchema(string Name, string Json);

/// <param name="Tools">What the model may call; none when empty.</param>
/// <param name="Schema">What the answer must look like; null: any text.</param>
internal sealed record ChatRequest(IReadOnlyList<ChatMessage> Messages, IReadOnlyList<ToolSpec> Tools, AnswerSchema? Schema, int AnswerTokensMax);

/// <summary>Tokens of one request, as the endpoint counts them.</summary>
/// <param name="IsEstimated">The endpoint did not say; four characters are taken for a token.</param>
internal readonly record struct ChatUsage(long Input, long Output, bool IsEstimated)
{
    public long Total => Input + Output;
}

/// <param name="Text">Empty where the model only calls tools.</param>
/// <param name="FinishReason">stop, length, tool_calls, content_filter, or the endpoint's own.</param>
/// <param name="Refusal">Why the model will not answer; else empty.</param>
internal sealed record ChatReply(string Text, IReadOnlyList<ToolCall> ToolCalls, string FinishReason, string Refusal, ChatUsage Usage);

/// <summary>What became of a request.</summary>
internal abstract record ChatOutcome
{
    private ChatOutcome()
    {
    }

    public sealed record Replied(ChatReply Reply) : ChatOutcome;

    /// <param name="Kind">One word for counters: timeout, unreachable, unauthorized, limited, server_error, bad_request, malformed.</param>
    /// <param name="Reason">A sentence's end: "the endpoint …".</param>
    public sealed record Failed(string Kind, string Reason) : ChatOutcome;
}
