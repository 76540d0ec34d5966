using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Faultline.Store.Traces;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.GenAi;

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
        var content = span.ReadContent();
        var messages = new List<ChatMessage>();
        if (content.System.Count > 0)
        {
            messages.Add(new ChatMessage("system", [.. content.System.Select(Part)], IsOutput: false));
        }

        messages.AddRange(content.Input.Select(message => Message(message, isOutput: false)));
        messages.AddRange(content.Output.Select(message => Message(message, isOutput: true)));
        return new SpanContent(
            messages, content.RetrievalQuery, [.. content.Documents.Select(Document)], content.ToolArguments, content.ToolResult,
            content.ToolArguments.Length > 0 ? "" : content.InputText, content.ToolResult.Length > 0 ? "" : content.OutputText);
    }

    private static ChatMessage Message(ContentMessage message, bool isOutput) => new(message.Role, [.. message.Parts.Select(Part)], isOutput, message.FinishReason);

    private static ChatPart Part(ContentPart part) => part.Type switch
    {
        "tool_call" or "server_tool_call" => new ChatPart("tool_call", part.Text, part.Name, part.Id),
        "tool_call_response" or "server_tool_call_response" => new ChatPart("tool_result", part.Text, part.Name, part.Id),
        "reasoning" => new ChatPart("reasoning", part.Text),
        "blob" or "uri" or "file" => new ChatPart("media", part.Text, part.MediaType),
        _ => new ChatPart("text", part.Text),
    };

    private static RetrievedDocument Document(ContentDocument document)
    {
        var details = new List<KeyValuePair<string, string>>();
        if (document.Distance is { } distance)
        {
            details.Add(new("distance", Number(distance)));
        }

        if (Parse(document.Metadata) is { ValueKind: JsonValueKind.Object } metadata)
        {
            details.AddRange(metadata.EnumerateObject().Select(one => KeyValuePair.Create(one.Name, one.Value.ToString())));
        }
        else if (document.Metadata.Length > 0)
        {
            details.Add(new("metadata", document.Metadata));
        }

        return new RetrievedDocument(document.Id, document.Score, document.Content, details);
    }

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

    /// <summary>An attribute's value as people write it: a list is <c>["stop"]</c>, not OTLP's <c>{"values":[{"stringValue":"stop"}]}</c>.</summary>
    public static string Plain(StoredAttribute attribute) =>
        attribute.Type is AttributeType.Array or AttributeType.KeyValues && Parse(attribute.Value) is { } element
            ? (attribute.Type == AttributeType.Array ? (JsonNode?)Values(element) : Pairs(element))?.ToJsonString(Compact) ?? attribute.Value
            : attribute.Value;

    private static JsonArray? Values(JsonElement list) =>
        list.ValueKind == JsonValueKind.Object && list.TryGetProperty("values", out var values) && values.ValueKind == JsonValueKind.Array ? [.. values.EnumerateArray().Select(AnyValue)] : null;

    private static JsonObject? Pairs(JsonElement list)
    {
        if (list.ValueKind != JsonValueKind.Object || !list.TryGetProperty("values", out var values) || values.ValueKind != JsonValueKind.Array)
        {
            return null;
        }

        var pairs = new JsonObject();
        foreach (var pair in values.EnumerateArray().Where(pair => pair.ValueKind == JsonValueKind.Object))
        {
            pairs[pair.TryGetProperty("key", out var key) ? key.ToString() : ""] = pair.TryGetProperty("value", out var value) ? AnyValue(value) : null;
        }

        return pairs;
    }

    private static JsonNode? AnyValue(JsonElement any)
    {
        if (any.ValueKind != JsonValueKind.Object || any.EnumerateObject().FirstOrDefault() is not { Value.ValueKind: not JsonValueKind.Undefined } set)
        {
            return null;
        }

        return set.Name switch
        {
            "arrayValue" => Values(set.Value),
            "kvlistValue" => Pairs(set.Value),
            // OTLP/JSON writes 64-bit integers as text.
            "intValue" when long.TryParse(set.Value.ToString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) => JsonValue.Create(number),
            _ => JsonNode.Parse(set.Value.GetRawText()),
        };
    }

    private static readonly JsonSerializerOptions Compact = new() { MaxDepth = DepthMax, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, MaxDepth = DepthMax, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    internal static string Number(double value) => value.ToString("0.000", CultureInfo.InvariantCulture);
}
