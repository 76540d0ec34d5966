using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Faultline.Diagnosis.Reasoning.Chat;

/// <summary>How an answer's schema is asked for; an endpoint that refuses one is asked with the next.</summary>
internal enum SchemaMode
{
    JsonSchema,
    JsonObject,
    None,
}

/// <summary>What an endpoint takes. Found out from what it refuses.</summary>
/// <param name="CompletionTokens">It wants <c>max_completion_tokens</c>, not <c>max_tokens</c>.</param>
internal sealed record ChatShape(bool CompletionTokens = false, bool Temperature = true, SchemaMode Schema = SchemaMode.JsonSchema);

/// <summary>Requests and answers as the chat completions API has them.</summary>
/// <remarks>Source: OpenAI API reference, "Create chat completion" (<c>CreateChatCompletionRequest</c>, <c>CreateChatCompletionResponse</c>).</remarks>
internal static class ChatFormat
{
    private const int ToolCallsMax = 32;
    private const double CharactersPerToken = 4;
    private static readonly JsonWriterOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static byte[] Write(string model, ChatRequest request, ChatShape shape)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, Relaxed))
        {
            json.WriteStartObject();
            json.WriteString("model", model);
            json.WriteStartArray("messages");
            foreach (var message in request.Messages)
            {
                Write(json, message);
            }

            json.WriteEndArray();
            if (request.Tools.Count > 0)
            {
                WriteTools(json, request.Tools);
            }

            if (request.Schema is { } schema)
            {
                WriteSchema(json, schema, shape.Schema);
            }

            if (shape.Temperature)
            {
                json.WriteNumber("temperature", 0);
            }

            json.WriteNumber(shape.CompletionTokens ? "max_completion_tokens" : "max_tokens", request.AnswerTokensMax);
            json.WriteBoolean("stream", false);
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    /// <returns>Null when it is no such answer.</returns>
    public static ChatReply? Read(ReadOnlyMemory<byte> body, long requestBytes)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            if (!(document.RootElement is { ValueKind: JsonValueKind.Object } root
                && root.TryGetProperty("choices", out var choices) && choices.ValueKind == JsonValueKind.Array && choices.GetArrayLength() > 0
                && choices[0] is { ValueKind: JsonValueKind.Object } choice
                && choice.TryGetProperty("message", out var message) && message.ValueKind == JsonValueKind.Object))
            {
                return null;
            }

            return new ChatReply(TextOf(message, "content"), CallsOf(message), TextOf(choice, "finish_reason"), TextOf(message, "refusal"), UsageOf(root, requestBytes, body.Length));
        }
        catch (Exception wrong) when (wrong is JsonException or InvalidOperationException)      // the second for text that is not UTF-16
        {
            return null;
        }
    }

    /// <summary>What an error body says: its message, parameter and code in one text; empty when it says nothing.</summary>
    public static string ReadError(ReadOnlyMemory<byte> body)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            var error = document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty("error", out var inner) ? inner : document.RootElement;
            return error.ValueKind switch
            {
                JsonValueKind.String => error.GetString()!,
                JsonValueKind.Object => string.Join(' ', ((string[])[TextOf(error, "message"), TextOf(error, "param"), TextOf(error, "code")]).Where(text => text.Length > 0)),
                _ => "",
            };
        }
        catch (Exception wrong) when (wrong is JsonException or InvalidOperationException)
        {
            return Encoding.UTF8.GetString(body.Span[..Math.Min(body.Length, 300)]);
        }
    }

    /// <summary>About how many tokens a text has, where nobody says.</summary>
    public static long EstimateTokens(long characters) => (long)Math.Ceiling(characters / CharactersPerToken);

    private static void Write(Utf8JsonWriter json, ChatMessage message)
    {
        json.WriteStartObject();
        json.WriteString("role", message.Role);
        if (message.Content.Length == 0 && message.ToolCalls.Count > 0)
        {
            json.WriteNull("content");
        }
        else
        {
            json.WriteString("content", message.Content);
        }

        if (message.ToolCallId.Length > 0)
        {
            json.WriteString("tool_call_id", message.ToolCallId);
        }

        if (message.ToolCalls.Count > 0)
        {
            json.WriteStartArray("tool_calls");
            foreach (var call in message.ToolCalls)
            {
                json.WriteStartObject();
                json.WriteString("id", call.Id);
                json.WriteString("type", "function");
                json.WriteStartObject("function");
                json.WriteString("name", call.Name);
                json.WriteString("arguments", call.Arguments);
                json.WriteEndObject();
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private static void WriteTools(Utf8JsonWriter json, IReadOnlyList<ToolSpec> tools)
    {
        json.WriteStartArray("tools");
        foreach (var tool in tools)
        {
            json.WriteStartObject();
            json.WriteString("type", "function");
            json.WriteStartObject("function");
            json.WriteString("name", tool.Name);
            json.WriteString("description", tool.Description);
            json.WritePropertyName("parameters");
            json.WriteRawValue(tool.Parameters);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteString("tool_choice", "auto");
    }

    private static void WriteSchema(Utf8JsonWriter json, AnswerSchema schema, SchemaMode mode)
    {
        if (mode == SchemaMode.None)
        {
            return;
        }

        json.WriteStartObject("response_format");
        json.WriteString("type", mode == SchemaMode.JsonSchema ? "json_schema" : "json_object");
        if (mode == SchemaMode.JsonSchema)
        {
            json.WriteStartObject("json_schema");
            json.WriteString("name", schema.Name);
            json.WriteBoolean("strict", true);
            json.WritePropertyName("schema");
            json.WriteRawValue(schema.Json);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    // A text, or the text parts of a list as some servers send it.
    private static string TextOf(JsonElement holder, string name) => !holder.TryGetProperty(name, out var value) ? "" : value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!,
        JsonValueKind.Array => string.Concat(value.EnumerateArray().Where(part => part.ValueKind == JsonValueKind.Object).Select(part => TextOf(part, "text"))),
        _ => "",
    };

    private static List<ToolCall> CallsOf(JsonElement message)
    {
        List<ToolCall> calls = [];
        if (message.TryGetProperty("tool_calls", out var list) && list.ValueKind == JsonValueKind.Array)
        {
            foreach (var call in list.EnumerateArray().Take(ToolCallsMax))
            {
                if (call.ValueKind == JsonValueKind.Object && call.TryGetProperty("function", out var function) && function.ValueKind == JsonValueKind.Object)
                {
                    var arguments = function.TryGetProperty("arguments", out var given) && given.ValueKind == JsonValueKind.Object ? given.GetRawText() : TextOf(function, "arguments");
                    calls.Add(new ToolCall(TextOf(call, "id") is { Length: > 0 } id ? id : $"call_{calls.Count}", TextOf(function, "name"), arguments));
                }
            }
        }

        return calls;
    }

    private static ChatUsage UsageOf(JsonElement root, long requestBytes, long answerBytes) =>
        root.TryGetProperty("usage", out var usage) && usage.ValueKind == JsonValueKind.Object && Count(usage, "prompt_tokens") is { } input && Count(usage, "completion_tokens") is { } output
            ? new ChatUsage(input, output, IsEstimated: false)
            : new ChatUsage(EstimateTokens(requestBytes), EstimateTokens(answerBytes), IsEstimated: true);

    private static long? Count(JsonElement usage, string name) =>
        usage.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var count) && count >= 0 ? count : null;
}
