using System.Text.Json;
using System.Text.Json.Nodes;

namespace Faultline.Lab.Demo;

/// <summary>JSON of the GenAI conventions' messages, as instrumentations put it into span attributes.</summary>
internal static class Messages
{
    public static string Text(string role, string text, string? finishReason = null)
    {
        var message = new JsonObject
        {
            ["role"] = role,
            ["parts"] = new JsonArray(new JsonObject { ["type"] = "text", ["content"] = text }),
        };
        if (finishReason is not null)
        {
            message["finish_reason"] = finishReason;
        }

        return message.ToJsonString();
    }

    public static string ToolCall(string id, string name, string argumentsJson) => new JsonObject
    {
        ["role"] = "assistant",
        ["parts"] = new JsonArray(new JsonObject
        {
            ["type"] = "tool_call",
            ["id"] = id,
            ["name"] = name,
            ["arguments"] = JsonNode.Parse(argumentsJson),
        }),
        ["finish_reason"] = "tool_call",
    }.ToJsonString();

    public static string Array(params IEnumerable<string> messages) => "[" + string.Join(',', messages) + "]";

    public static string Instructions(string text) =>
        new JsonArray(new JsonObject { ["type"] = "text", ["content"] = text }).ToJsonString();

    public static string Documents(IEnumerable<(string Id, double Score, string Content, DateTimeOffset IndexedAt)> documents)
    {
        var array = new JsonArray();
        foreach (var (id, score, content, indexedAt) in documents)
        {
            array.Add(new JsonObject { ["id"] = id, ["score"] = Math.Round(score, 4), ["content"] = content, ["metadata"] = new JsonObject { ["indexed_at"] = indexedAt.ToString("O") } });
        }

        return array.ToJsonString();
    }

    /// <summary>About four characters a token, as with English text and today's tokenizers.</summary>
    public static long Tokens(params ReadOnlySpan<string> texts)
    {
        long characters = 0;
        foreach (var text in texts)
        {
            characters += text.Length;
        }

        return Math.Max(1, characters / 4);
    }

    public static string Quote(string text) => JsonSerializer.Serialize(text);
}
