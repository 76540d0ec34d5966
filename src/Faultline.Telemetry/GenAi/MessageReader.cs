namespace Faultline.Telemetry.GenAi;

/// <summary>
/// Messages and their parts out of a tree: OpenTelemetry's form, and those of the providers' own APIs and of frameworks, which
/// senders write into the same attributes.
/// </summary>
internal static class MessageReader
{
    /// <summary>Wrappers inside wrappers, such as <c>{"inputs":{"messages":[[…]]}}</c>.</summary>
    private const int WrappersMax = 6;

    private static readonly string[] s_wrappers = ["messages", "input", "inputs", "contents", "prompt", "choices", "candidates", "generations", "output", "outputs", "response"];

    public static List<ContentMessage> Messages(ContentNode node, string role) => Messages(node, role, WrappersMax);

    /// <summary>Whether a general value is messages, not just any object or text.</summary>
    public static bool LooksLikeMessages(ContentNode node) => node.Kind switch
    {
        ContentKind.Array => node.Items.Count > 0 && IsMessage(node.Items[0]),
        ContentKind.Object => IsMessage(node) || node.Member("messages", "choices", "contents", "candidates") is { Kind: ContentKind.Array },
        _ => false,
    };

    public static string Role(string role) => role switch
    {
        "human" or "HumanMessage" => "user",
        "ai" or "AIMessage" or "AIMessageChunk" or "model" => "assistant",
        "SystemMessage" => "system",
        "ToolMessage" or "function" => "tool",
        _ => role,
    };

    /// <summary>The parts of a message's content, whatever its shape.</summary>
    public static List<ContentPart> Parts(ContentNode content) => content.Kind switch
    {
        ContentKind.Null => [],
        ContentKind.Array when content.Items is [{ Kind: ContentKind.Object } only] => [Part(only)],
        ContentKind.Array => [.. content.Items.SelectMany(Parts)],
        ContentKind.Object => [Part(content)],
        _ => content.Text.IsEmpty ? [] : [new ContentPart("text", content.Text)],
    };

    /// <summary>Content that is text or JSON of parts: an answer that happens to be JSON stays the text it is.</summary>
    public static List<ContentPart> Parts(ContentNode content, ContentText original) =>
        content.Kind == ContentKind.Array && content.Items.Count > 0 && content.Items.TrueForAll(item => item.IsObject && item.Member("type", "text") is not null)
            ? Parts(content)
            : [new ContentPart("text", original)];

    public static ContentPart ToolCall(ContentNode call)
    {
        var function = call.Member("function") is { IsObject: true } inner ? inner : call;
        return new ContentPart(
            "tool_call",
            function.TextOf("arguments", "args", "input"),
            function.WordOf("name", "toolName", "tool_name"),
            call.WordOf("id", "call_id", "tool_call_id", "toolCallId"));
    }

    private static List<ContentMessage> Messages(ContentNode node, string role, int wrappers)
    {
        switch (node.Kind)
        {
            case ContentKind.Null:
                return [];
            case ContentKind.Array when node.Items.Count > 0 && node.Items.TrueForAll(item => item.IsObject && !IsMessage(item)):
                var parts = Parts(node);
                return parts.Count == 0 ? [] : [new ContentMessage(role, parts)];
            case ContentKind.Array:
                return wrappers == 0 ? []
                    : node.Items is [var only] ? Messages(only, role, wrappers - 1)
                    : [.. node.Items.SelectMany(item => Messages(item, role, wrappers - 1))];
            case ContentKind.Object when IsMessage(node):
                return [Message(node, role)];
            case ContentKind.Object:
                return Wrapped(node, role, wrappers);
            default:
                return node.Text.IsEmpty ? [] : [new ContentMessage(role, [new ContentPart("text", node.Text)])];
        }
    }

    private static List<ContentMessage> Wrapped(ContentNode node, string role, int wrappers)
    {
        var messages = new List<ContentMessage>();
        if (node.Member("system") is { } system)
        {
            messages.Add(new ContentMessage("system", Parts(system)));
        }

        foreach (var name in wrappers == 0 ? [] : s_wrappers)
        {
            if (node.Member(name) is { } inner && Messages(inner, role, wrappers - 1) is { Count: > 0 } found)
            {
                messages.AddRange(found);
                return messages;
            }
        }

        if (messages.Count == 0)
        {
            messages.Add(new ContentMessage(role, [Part(node)]));
        }

        return messages;
    }

    private static bool IsMessage(ContentNode node) =>
        node.IsObject && (node.Member("role", "parts", "message", "kwargs", "tool_calls") is not null
            || (node.Member("content") is not null && node.WordOf("type") is "" or "human" or "ai" or "system" or "tool" or "message"));

    private static ContentMessage Message(ContentNode node, string role)
    {
        // A choice holds its message; LangChain holds everything in kwargs, and its class's name says the role.
        var reason = node.WordOf("finish_reason", "finishReason", "stop_reason") is { Length: > 0 } direct ? direct
            : (node.At("generation_info", "finish_reason") ?? node.At("response_metadata", "finish_reason") ?? node.At("message", "kwargs", "response_metadata", "finish_reason"))?.Text.ToString() ?? "";
        var said = node.WordOf("role");
        if (node.Member("message") is { IsObject: true } message)
        {
            node = message;
            said = node.WordOf("role");
        }

        if (node.Member("kwargs") is { IsObject: true } kwargs)
        {
            said = node.Member("id")?.Items.LastOrDefault()?.Text.ToString() ?? kwargs.WordOf("type");
            node = kwargs;
        }
        else if (node.Member("content") is { IsObject: true } content && content.Member("parts") is not null)
        {
            node = content;
            said = node.WordOf("role");
        }

        if (said.Length == 0)
        {
            said = node.WordOf("type") is var type and ("human" or "ai" or "system" or "tool") ? type : role;
        }

        said = Role(said);
        var parts = new List<ContentPart>();
        if (node.TextOf("reasoning_content", "reasoning") is { IsEmpty: false } reasoning)
        {
            parts.Add(new ContentPart("reasoning", reasoning));
        }

        if (node.Member("parts", "content", "text") is { } given)
        {
            parts.AddRange(Parts(given));
        }

        if (node.Member("tool_calls", "toolCalls") is { } calls)
        {
            parts.AddRange(calls.Items.Where(call => call.IsObject).Select(ToolCall));
        }

        var callId = node.WordOf("tool_call_id", "toolCallId") is { Length: > 0 } id ? id : said == "tool" ? node.WordOf("id") : "";
        if (said == "tool")
        {
            parts = [.. parts.Select(part => part.Type == "text" ? part with { Type = "tool_call_response", Id = callId, Name = node.WordOf("name") } : part)];
        }

        return new ContentMessage(said, parts, reason.Length > 0 ? Vocabulary.FinishReason(reason) : "", node.WordOf("name"));
    }

    private static ContentPart Part(ContentNode part)
    {
        var type = part.WordOf("type");
        switch (type)
        {
            case "text" or "input_text" or "output_text":
                return new ContentPart("text", part.TextOf("content", "text"));
            case "reasoning" or "thinking":
                return new ContentPart("reasoning", part.TextOf("content", "text", "thinking", "reasoning", "summary"));
            case "tool_call" or "tool_use" or "function_call" or "function" or "tool-call":
                return ToolCall(part);
            case "tool_call_response" or "tool_result" or "function_call_output" or "tool-result":
                return new ContentPart(
                    "tool_call_response",
                    part.Member("response", "result", "content", "output") is { } result ? Result(result) : default,
                    part.WordOf("name", "toolName"),
                    part.WordOf("id", "tool_use_id", "call_id", "tool_call_id", "toolCallId"));
            case "server_tool_call" or "server_tool_call_response":
                return new ContentPart(type, part.TextOf(type), part.WordOf("name"), part.WordOf("id"));
            case "uri" or "image_url" or "image" or "input_image":
                return new ContentPart("uri", (part.At("image_url", "url") ?? part.At("source", "url") ?? part.Member("uri", "image_url", "url", "image"))?.ToText() ?? default, MediaType: MediaType(part, "image"));
            case "file":
                return new ContentPart("file", part.TextOf("file_id", "uri", "filename"), MediaType: MediaType(part, "document"));
            case "blob":
                // The bytes themselves are of no use to a reader.
                return new ContentPart("blob", "", MediaType: MediaType(part, ""));
        }

        if (type.Length == 0)
        {
            if (part.Member("functionCall", "function_call") is { IsObject: true } call)
            {
                return ToolCall(call);
            }

            if (part.Member("functionResponse", "function_response") is { IsObject: true } response)
            {
                return new ContentPart("tool_call_response", response.TextOf("response"), response.WordOf("name"), response.WordOf("id"));
            }

            if (part.TextOf("text", "content") is { IsEmpty: false } text)
            {
                return new ContentPart("text", text);
            }
        }

        return new ContentPart(type.Length == 0 ? "text" : type, part.TextOf("content", "text") is { IsEmpty: false } words ? words : part.ToText());
    }

    /// <summary>A tool's result: the words of text parts, anything else as it is.</summary>
    private static ContentText Result(ContentNode result) =>
        result.Kind == ContentKind.Array && result.Items.Count > 0 && result.Items.TrueForAll(item => item.IsObject && item.WordOf("type") == "text")
            ? string.Join('\n', result.Items.Select(item => item.TextOf("text", "content")))
            : result.ToText();

    private static string MediaType(ContentNode part, string otherwise) =>
        part.WordOf("mime_type", "mimeType", "media_type", "modality") is { Length: > 0 } type ? type : otherwise;
}
