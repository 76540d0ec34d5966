using System.Text;
using Faultline.Telemetry.Otlp;

namespace Faultline.Telemetry.GenAi;

/// <summary>A piece of a message.</summary>
/// <param name="Type">text, reasoning, tool_call, tool_call_response, server_tool_call, server_tool_call_response, uri, file, blob, or the sender's own.</param>
/// <param name="Said">The words; a call's arguments or a result, as JSON where it was; a uri's address, a file's id.</param>
/// <param name="Name">The tool's name, where there is one.</param>
/// <param name="Id">The call's id, where there is one.</param>
/// <param name="MediaType">Of a uri, file or blob: its MIME type or modality.</param>
public sealed record ContentPart(string Type, ContentText Said, string Name = "", string Id = "", string MediaType = "")
{
    public string Text => Said.ToString();
}

/// <param name="Role">system, user, assistant, tool, or the sender's own.</param>
/// <param name="FinishReason">Of an output message: canonical, see <see cref="GenAiColumns.FinishReasons"/>; else empty.</param>
/// <param name="Name">Of the participant; usually empty.</param>
public sealed record ContentMessage(string Role, IReadOnlyList<ContentPart> Parts, string FinishReason = "", string Name = "")
{
    /// <summary>The words of the text parts, line by line.</summary>
    public string Words => Spoken.ToString();

    internal ContentText Spoken => Parts is [{ Type: "text" } only] ? only.Said : string.Join('\n', Parts.Where(part => part.Type == "text").Select(part => part.Text));
}

/// <param name="Score">Higher is better; null when only a distance was sent, or nothing.</param>
/// <param name="Distance">Lower is better. The two are never mixed.</param>
/// <param name="Said">Its text, as far as it was sent.</param>
/// <param name="Details">JSON, or empty.</param>
public sealed record ContentDocument(string Id, double? Score, double? Distance, ContentText Said, ContentText Details)
{
    public string Content => Said.ToString();

    public string Metadata => Details.ToString();
}

/// <param name="Schema">JSON schema of the parameters, or empty.</param>
public sealed record ContentTool(string Name, string Description, ContentText Schema)
{
    public string Parameters => Schema.ToString();
}

/// <summary>What was said in a span, whatever the instrumentation called things; read when somebody looks at it.</summary>
public sealed record GenAiContent
{
    /// <summary>Most characters of a preview.</summary>
    public const int PreviewCharactersMax = Preview.CharactersMax;

    /// <summary>System instructions, also those that came as messages.</summary>
    public IReadOnlyList<ContentPart> System { get; init; } = [];

    /// <summary>Without system messages.</summary>
    public IReadOnlyList<ContentMessage> Input { get; init; } = [];

    public IReadOnlyList<ContentMessage> Output { get; init; } = [];

    /// <summary>Tools that the model was offered.</summary>
    public IReadOnlyList<ContentTool> Tools { get; init; } = [];

    /// <summary>Of a tool span: what it was called with, and what it returned; JSON where it was.</summary>
    public string ToolArguments => ToolArgumentsUtf8.ToString();

    public string ToolResult => ToolResultUtf8.ToString();

    /// <summary>Of a retrieval or rerank span.</summary>
    public string RetrievalQuery => RetrievalQueryUtf8.ToString();

    public IReadOnlyList<ContentDocument> Documents { get; init; } = [];

    /// <summary>A list of documents was sent, be it an empty one: nothing was found, which is not the same as nothing said.</summary>
    public bool HasDocumentList { get; init; }

    public string PromptTemplate => PromptTemplateUtf8.ToString();

    /// <summary>JSON of the template's variables, or empty.</summary>
    public string PromptVariables => PromptVariablesUtf8.ToString();

    /// <summary>The span's input in general, when it is not messages; so is the output.</summary>
    public string InputText => InputTextUtf8.ToString();

    public string OutputText => OutputTextUtf8.ToString();

    internal ContentText ToolArgumentsUtf8 { get; init; }

    internal ContentText ToolResultUtf8 { get; init; }

    internal ContentText RetrievalQueryUtf8 { get; init; }

    internal ContentText PromptTemplateUtf8 { get; init; }

    internal ContentText PromptVariablesUtf8 { get; init; }

    internal ContentText InputTextUtf8 { get; init; }

    internal ContentText OutputTextUtf8 { get; init; }

    /// <summary>A length limit of the sender, or of ours, cut something off: what is here is the readable beginning.</summary>
    public bool IsTruncated { get; init; }

    /// <summary>Names of log events that carry what was said; a reader of a trace asks its logs for these.</summary>
    public static IReadOnlyList<string> LogEventNames { get; } =
    [
        "gen_ai.system.message", "gen_ai.user.message", "gen_ai.assistant.message", "gen_ai.tool.message", "gen_ai.choice", "gen_ai.client.inference.operation.details",
    ];

    /// <param name="attributes">A span's attributes and bodies, in any order.</param>
    /// <param name="events">Its events; older conventions put messages there.</param>
    /// <param name="operation">The canonical operation, or empty when it is not known.</param>
    /// <param name="logEvents">
    /// Log records of the span named as <see cref="LogEventNames"/> say, in the order of their times, see <see cref="LogEvent"/>. They are read
    /// last, and only for what attributes and span events do not say, so that no message is there twice.
    /// </param>
    public static GenAiContent Read(IReadOnlyList<OtlpAttribute> attributes, IReadOnlyList<OtlpEvent> events, string operation, IReadOnlyList<OtlpEvent>? logEvents = null)
    {
        ArgumentNullException.ThrowIfNull(attributes);
        ArgumentNullException.ThrowIfNull(events);
        var reader = new ContentReader();
        foreach (var attribute in attributes)
        {
            reader.Add(attribute.Key, attribute.Value, attribute.Type);
        }

        return reader.Read(events, logEvents ?? [], operation);
    }

    /// <summary>A log record as an event: its body, where it has one, is the event's content.</summary>
    public static OtlpEvent LogEvent(long unixNanos, string name, OtlpAttribute body, IReadOnlyList<OtlpAttribute> attributes) =>
        new(unixNanos, name, body.Value.Length == 0 ? attributes : [.. attributes, body with { Key = ContentReader.EventContent }], 0);

    /// <summary>One line: the last user message, or the query, or the arguments.</summary>
    public string InputPreview(string operation)
    {
        Span<byte> line = stackalloc byte[Preview.BytesMax];
        return Encoding.UTF8.GetString(line[..InputPreview(operation, line)]);
    }

    /// <summary>One line: the answer, or the result, or the tools that were called, or what was remembered.</summary>
    public string OutputPreview(string operation)
    {
        Span<byte> line = stackalloc byte[Preview.BytesMax];
        return Encoding.UTF8.GetString(line[..OutputPreview(operation, line)]);
    }

    /// <returns>How many bytes were written to <paramref name="line"/>, which has room for <see cref="Preview.BytesMax"/>.</returns>
    internal int InputPreview(string operation, Span<byte> line)
    {
        var text = operation switch
        {
            "retrieval" or "rerank" or "memory" => RetrievalQueryUtf8,
            "tool" or "mcp" => ToolArgumentsUtf8,
            _ => default,
        };
        if (text.IsEmpty && Input.Count > 0)
        {
            return Preview.FoldEnds(Spoken(Input.Count == 1 ? Input[0] : LastAsked() ?? Input[^1]).Utf8, line);
        }

        return Preview.Fold((text.IsEmpty ? InputTextUtf8 : text).Utf8, line);
    }

    /// <inheritdoc cref="InputPreview(string, Span{byte})"/>
    internal int OutputPreview(string operation, Span<byte> line)
    {
        var text = operation is "tool" or "mcp" ? ToolResultUtf8 : default;
        if (text.IsEmpty && Output.Count > 0)
        {
            text = Spoken(Output[^1]);
        }

        if (text.IsEmpty && OutputTextUtf8.IsEmpty && operation is "memory")
        {
            text = string.Join("; ", Documents.Select(record => record.Id.Length > 0 ? $"{record.Id}: {record.Content}" : record.Content));
        }

        return Preview.Fold((text.IsEmpty ? OutputTextUtf8 : text).Utf8, line);
    }

    private ContentMessage? LastAsked()
    {
        for (var i = Input.Count - 1; i >= 0; i--)
        {
            if (Input[i].Role == "user" && !Input[i].Spoken.IsEmpty)
            {
                return Input[i];
            }
        }

        return null;
    }

    private static ContentText Spoken(ContentMessage message) =>
        message.Spoken is { IsEmpty: false } words ? words
        : string.Join(' ', message.Parts.Select(part => part.Type is "tool_call" or "server_tool_call" ? $"{part.Name}({part.Text})" : part.Text));
}
