using System.Text;
using Faultline.Telemetry.Otlp;

namespace Faultline.Telemetry.GenAi;

/// <summary>A piece of a message.</summary>
/// <param name="Type">text, reasoning, tool_call, tool_call_response, server_tool_call, server_tool_call_response, uri, file, blob, or the sender's own.</param>
/// <param name="Text">The words; a call's arguments or a result, as JSON where it was; a uri's address, a file's id.</param>
/// <param name="Name">The tool's name, where there is one.</param>
/// <param name="Id">The call's id, where there is one.</param>
/// <param name="MediaType">Of a uri, file or blob: its MIME type or modality.</param>
public sealed record ContentPart(string Type, string Text, string Name = "", string Id = "", string MediaType = "");

/// <param name="Role">system, user, assistant, tool, or the sender's own.</param>
/// <param name="FinishReason">Of an output message: canonical, see <see cref="GenAiColumns.FinishReasons"/>; else empty.</param>
/// <param name="Name">Of the participant; usually empty.</param>
public sealed record ContentMessage(string Role, IReadOnlyList<ContentPart> Parts, string FinishReason = "", string Name = "")
{
    /// <summary>The words of the text parts, line by line.</summary>
    public string Words => Parts is [{ Type: "text" } only] ? only.Text : string.Join('\n', Parts.Where(part => part.Type == "text").Select(part => part.Text));
}

/// <param name="Score">Higher is better; null when only a distance was sent, or nothing.</param>
/// <param name="Distance">Lower is better. The two are never mixed.</param>
/// <param name="Metadata">JSON, or empty.</param>
public sealed record ContentDocument(string Id, double? Score, double? Distance, string Content, string Metadata);

/// <param name="Parameters">JSON schema, or empty.</param>
public sealed record ContentTool(string Name, string Description, string Parameters);

/// <summary>What was said in a span, whatever the instrumentation called things; read when somebody looks at it.</summary>
public sealed record GenAiContent
{
    /// <summary>Most characters of a preview.</summary>
    public const int PreviewCharactersMax = 240;

    /// <summary>System instructions, also those that came as messages.</summary>
    public IReadOnlyList<ContentPart> System { get; init; } = [];

    /// <summary>Without system messages.</summary>
    public IReadOnlyList<ContentMessage> Input { get; init; } = [];

    public IReadOnlyList<ContentMessage> Output { get; init; } = [];

    /// <summary>Tools that the model was offered.</summary>
    public IReadOnlyList<ContentTool> Tools { get; init; } = [];

    /// <summary>Of a tool span: what it was called with, and what it returned; JSON where it was.</summary>
    public string ToolArguments { get; init; } = "";

    public string ToolResult { get; init; } = "";

    /// <summary>Of a retrieval or rerank span.</summary>
    public string RetrievalQuery { get; init; } = "";

    public IReadOnlyList<ContentDocument> Documents { get; init; } = [];

    /// <summary>A list of documents was sent, be it an empty one: nothing was found, which is not the same as nothing said.</summary>
    public bool HasDocumentList { get; init; }

    public string PromptTemplate { get; init; } = "";

    /// <summary>JSON of the template's variables, or empty.</summary>
    public string PromptVariables { get; init; } = "";

    /// <summary>The span's input in general, when it is not messages; so is the output.</summary>
    public string InputText { get; init; } = "";

    public string OutputText { get; init; } = "";

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
    public static GenAiContent Read(IReadOnlyList<OtlpAttribute> attributes, IReadOnlyList<OtlpEvent> events, string operation, IReadOnlyList<OtlpEvent>? logEvents = null) =>
        new ContentReader(attributes, events, logEvents ?? [], operation).Read();

    /// <summary>A log record as an event: its body, where it has one, is the event's content.</summary>
    public static OtlpEvent LogEvent(long unixNanos, string name, OtlpAttribute body, IReadOnlyList<OtlpAttribute> attributes) =>
        new(unixNanos, name, body.Value.Length == 0 ? attributes : [.. attributes, body with { Key = ContentReader.EventContent }], 0);

    /// <summary>One line: the last user message, or the query, or the arguments.</summary>
    public string InputPreview(string operation)
    {
        var text = operation switch
        {
            "retrieval" or "rerank" or "memory" => RetrievalQuery,
            "tool" or "mcp" => ToolArguments,
            _ => "",
        };
        if (text.Length == 0 && Input.Count > 0)
        {
            var message = Input is [var only] ? only : Input.LastOrDefault(one => one.Role == "user" && one.Words.Length > 0) ?? Input[^1];
            return FoldEnds(Spoken(message));
        }

        return Fold(text.Length > 0 ? text : InputText);
    }

    /// <summary>One line: the answer, or the result, or the tools that were called, or what was remembered.</summary>
    public string OutputPreview(string operation)
    {
        var text = operation is "tool" or "mcp" ? ToolResult : "";
        if (text.Length == 0 && Output.Count > 0)
        {
            text = Spoken(Output[^1]);
        }

        if (text.Length == 0 && OutputText.Length == 0 && operation is "memory")
        {
            text = string.Join("; ", Documents.Select(record => record.Id.Length > 0 ? $"{record.Id}: {record.Content}" : record.Content));
        }

        return Fold(text.Length > 0 ? text : OutputText);
    }

    private static string Spoken(ContentMessage message) =>
        message.Words is { Length: > 0 } words ? words
        : string.Join(' ', message.Parts.Select(part => part.Type is "tool_call" or "server_tool_call" ? $"{part.Name}({part.Text})" : part.Text));

    /// <summary>The same, but of a long text its beginning and its end: what is asked stands behind the passages it is asked about.</summary>
    private static string FoldEnds(string text)
    {
        var folded = Fold(text);
        if (text.Length <= PreviewCharactersMax || text.Length <= folded.Length)
        {
            return folded;
        }

        // Enough to fill half a preview even where much of it is white space.
        var start = Math.Max(0, text.Length - PreviewCharactersMax);
        var end = Fold(text.AsSpan(char.IsLowSurrogate(text[start]) ? start + 1 : start));
        var half = (PreviewCharactersMax - Between.Length) / 2;
        return folded.Length < PreviewCharactersMax / 2 || end.Length < half ? folded : $"{Cut(folded, half)}{Between}{end[^(char.IsLowSurrogate(end[^half]) ? half - 1 : half)..]}";
    }

    private const string Between = " … ";

    private static string Cut(string text, int length) => text[..(char.IsHighSurrogate(text[length - 1]) ? length - 1 : length)];

    /// <summary>One line of at most <see cref="PreviewCharactersMax"/> characters: white space folded, no half character.</summary>
    internal static string Fold(ReadOnlySpan<char> text)
    {
        Span<char> folded = stackalloc char[PreviewCharactersMax];
        var length = 0;
        var hasSpace = false;
        for (var at = 0; at < text.Length;)
        {
            // Most characters are plain, and telling so is most of the time.
            var (taken, rune) = (1, default(Rune));
            var unit = text[at];
            var isPlain = unit is > ' ' and <= '~';
            if (!isPlain)
            {
                // What is no character at all becomes U+FFFD.
                Rune.DecodeFromUtf16(text[at..], out rune, out taken);
                if (Rune.IsWhiteSpace(rune) || Rune.IsControl(rune))
                {
                    hasSpace = length > 0;
                    at += taken;
                    continue;
                }
            }

            if (length + (isPlain ? 1 : rune.Utf16SequenceLength) + (hasSpace ? 1 : 0) > PreviewCharactersMax)
            {
                break;
            }

            if (hasSpace)
            {
                folded[length++] = ' ';
            }

            if (isPlain)
            {
                folded[length++] = unit;
            }
            else
            {
                length += rune.EncodeToUtf16(folded[length..]);
            }

            at += taken;
            hasSpace = false;
        }

        return new string(folded[..length]);
    }
}
