using System.Text;

namespace Faultline.Telemetry.GenAi;

/// <summary>Names and values that nearly every message has, so that reading one makes no new string.</summary>
internal static class ContentWords
{
    /// <summary>None of the words is longer.</summary>
    private const int BytesMax = 20;

    private static readonly Utf8Table<string> s_words = Table(
        "role", "parts", "message", "messages", "kwargs", "tool_calls", "toolCalls", "tool_call_id", "toolCallId", "call_id", "id", "name", "content", "type", "text",
        "finish_reason", "finishReason", "stop_reason", "reasoning_content", "reasoning", "thinking", "summary", "function", "arguments", "args", "input", "inputs", "output", "outputs",
        "contents", "prompt", "choices", "candidates", "generations", "response", "result", "toolName", "tool_name", "system", "user", "assistant", "tool", "human", "ai", "model",
        "input_text", "output_text", "tool_call", "tool_call_response", "tool_use", "tool_result", "function_call", "stop", "length", "content_filter", "end_turn",
        "document", "documents", "score", "distance", "metadata", "page_content", "document_id", "source", "index", "results", "matches", "relevance_score", "similarity",
        "description", "parameters", "properties", "required", "object", "string", "values", "stringValue", "intValue", "boolValue", "doubleValue", "arrayValue", "kvlistValue", "key", "value",
        "true", "false", "null");

    public static string Text(ReadOnlySpan<byte> utf8) => (utf8.Length <= BytesMax ? s_words.Find(utf8) : null) ?? Encoding.UTF8.GetString(utf8);

    private static Utf8Table<string> Table(params string[] words) => new([.. words.Select(word => KeyValuePair.Create(Encoding.UTF8.GetBytes(word), word))]);
}
