using System.Globalization;
using System.Text.Json;
using Faultline.Store.Traces;

namespace Faultline.Web.Traces;

/// <summary>A piece of a message.</summary>
/// <param name="Kind">text, reasoning, tool_call, tool_result or media.</param>
/// <param name="Name">The tool's name, or the medium's type.</param>
public sealed record ChatPart(string Kind, string Text, string Name = "", string Id = "");

/// <summary>One message of a conversation.</summary>
/// <param name="Role">system, user, assistant, tool …</param>
/// <param name="IsOutput">True for what the model answered with this call.</param>
public sealed record ChatMessage(string Role, IReadOnlyList<ChatPart> Parts, bool IsOutput, string FinishReason = "");

/// <summary>One retrieved document.</summary>
public sealed record RetrievedDocument(string Id, double? Score, string Text, IReadOnlyList<KeyValuePair<string, string>> Details);

/// <summary>What was said in a span: read from its bodies when somebody looks at it.</summary>
public sealed record SpanContent(
    IReadOnlyList<ChatMessage> Messages, string RetrievalQuery, IReadOnlyList<RetrievedDocument> Documents, string ToolArguments, string ToolResult, string Input, string Output)
{
    /// <summary>Nesting that is still read as JSON.</summary>
    private const int DepthMax = 64;

    public static SpanContent Of(StoredSpan span)
    {
        var messages = new List<ChatMessage>();
        if (Text(span, "gen_ai.system_instructions") is { } instructions)
        {
            var parts = Parts(instructions);
            messages.Add(new ChatMessage("system", parts.Count > 0 ? parts : [new ChatPart("text", instructions)], IsOutput: false));
        }

        messages.AddRange(ReadMessages(Text(span, "gen_ai.input.messages"), "user", isOutput: false));
        messages.AddRange(ReadMessages(Text(span, "gen_ai.output.messages"), "assistant", isOutput: true));
        return new SpanContent(
            messages,
            Text(span, "gen_ai.retrieval.query.text") ?? "",
            ReadDocuments(Text(span, "gen_ai.retrieval.documents")),
            Text(span, "gen_ai.tool.call.arguments") ?? "",
            Text(span, "gen_ai.tool.call.result") ?? "",
            Text(span, "input.value") ?? "",
            Text(span, "output.value") ?? "");
    }

    private static string? Text(StoredSpan span, string key) =>
        (span.Bodies.FirstOrDefault(body => body.Key == key) ?? span.Summary.Attributes.FirstOrDefault(attribute => attribute.Key == key))?.Value;

    private static List<ChatMessage> ReadMessages(string? json, string role, bool isOutput)
    {
        var messages = new List<ChatMessage>();
        if (json is null)
        {
            return messages;
        }

        if (Parse(json) is not { ValueKind: JsonValueKind.Array } array)
        {
            messages.Add(new ChatMessage(role, [new ChatPart("text", json)], isOutput));
            return messages;
        }

        foreach (var item in array.EnumerateArray().Where(item => item.ValueKind == JsonValueKind.Object))
        {
            var parts = item.TryGetProperty("parts", out var given) ? PartsOf(given) : item.TryGetProperty("content", out var content) ? PartsOf(content) : [];
            messages.Add(new ChatMessage(Member(item, "role") is { Length: > 0 } said ? said : role, parts, isOutput, Member(item, "finish_reason")));
        }

        return messages;
    }

    private static List<ChatPart> Parts(string json) => Parse(json) is { } element ? PartsOf(element) : [];

    private static List<ChatPart> PartsOf(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.String => [new ChatPart("text", element.GetString() ?? "")],
        JsonValueKind.Array => [.. element.EnumerateArray().SelectMany(PartsOf)],
        JsonValueKind.Object => [Part(element)],
        _ => [],
    };

    private static ChatPart Part(JsonElement part) => Member(part, "type") switch
    {
        "tool_call" => new ChatPart("tool_call", Inner(part, "arguments"), Member(part, "name"), Member(part, "id")),
        "tool_call_response" => new ChatPart("tool_result", Inner(part, "response") is { Length: > 0 } response ? response : Inner(part, "result"), Member(part, "name"), Member(part, "id")),
        "reasoning" or "thinking" => new ChatPart("reasoning", Member(part, "content")),
        "blob" or "uri" or "file" => new ChatPart("media", Member(part, "uri"), Member(part, "mime_type")),
        _ => new ChatPart("text", Member(part, "content") is { Length: > 0 } content ? content : Member(part, "text") is { Length: > 0 } text ? text : part.GetRawText()),
    };

    private static List<RetrievedDocument> ReadDocuments(string? json)
    {
        if (json is null || Parse(json) is not { ValueKind: JsonValueKind.Array } array)
        {
            return [];
        }

        return [.. array.EnumerateArray().Where(item => item.ValueKind == JsonValueKind.Object).Select(item => new RetrievedDocument(
            Member(item, "id"),
            item.TryGetProperty("score", out var score) && score.ValueKind == JsonValueKind.Number ? score.GetDouble() : null,
            Member(item, "content"),
            [.. item.EnumerateObject().Where(one => one.Name is not ("id" or "score" or "content")).Select(one => KeyValuePair.Create(one.Name, one.Value.ValueKind == JsonValueKind.String ? one.Value.GetString() ?? "" : one.Value.GetRawText()))]))];
    }

    private static string Member(JsonElement item, string name) =>
        item.ValueKind == JsonValueKind.Object && item.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() ?? "" : "";

    private static string Inner(JsonElement item, string name) =>
        !item.TryGetProperty(name, out var value) ? "" : value.ValueKind == JsonValueKind.String ? value.GetString() ?? "" : value.GetRawText();

    private static JsonElement? Parse(string json)
    {
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = DepthMax });
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            // Attributes are cut by senders' length limits: what is no JSON is shown as the text it is.
            return null;
        }
    }

    /// <summary>JSON with line breaks, or the text itself.</summary>
    public static string Pretty(string text) =>
        text.AsSpan().TrimStart() is ['{' or '[', ..] && Parse(text) is { } element ? JsonSerializer.Serialize(element, Indented) : text;

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, MaxDepth = DepthMax, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    internal static string Number(double value) => value.ToString("0.000", CultureInfo.InvariantCulture);
}
