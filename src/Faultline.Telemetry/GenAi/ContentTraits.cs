using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Faultline.Telemetry.Columns;

namespace Faultline.Telemetry.GenAi;

/// <summary>What a text looks like.</summary>
public enum ContentForm : byte
{
    /// <summary>Content was not recorded, or there was none to say: a model that calls a tool.</summary>
    NotSent,

    /// <summary>Recorded, and nothing in it: no characters, <c>null</c>, <c>{}</c>, <c>[]</c>.</summary>
    Empty,

    Text,

    /// <summary>A JSON object or array, with or without a Markdown fence around it.</summary>
    Json,

    /// <summary>Begins as a JSON object or array and does not end as one.</summary>
    BrokenJson,
}

/// <summary>Measures of what was said in each GenAI span, taken while it is read anyway; detectors look at these. Not stored: the content is.</summary>
public sealed partial class ContentTraits
{
    /// <summary>Longer texts are not parsed to the end; their form is what their beginning says.</summary>
    private const int ParsedCharactersMax = 200_000;

    /// <summary>Characters of the system instructions; -1 when no message of the call was recorded.</summary>
    public FixedColumn<int> SystemCharacters { get; } = new();

    /// <summary>Messages the model was given, system messages not among them; 0 when none was recorded.</summary>
    public FixedColumn<int> InputMessages { get; } = new();

    /// <summary>1 when a literal placeholder is left in the prompt.</summary>
    public FixedColumn<byte> Unfilled { get; } = new();

    /// <summary>Of the answer; of a tool span, of its result.</summary>
    public FixedColumn<ContentForm> OutputForm { get; } = new();

    /// <summary>Mean characters of the documents that have a text; NaN when none has.</summary>
    public FixedColumn<double> DocumentCharacters { get; } = new();

    /// <summary>Smallest distance of a document to the query; NaN when none was sent.</summary>
    public FixedColumn<double> DocumentDistance { get; } = new();

    /// <summary>Of an answer that is a text: 1 when it ends in the middle of a sentence.</summary>
    public FixedColumn<byte> EndsInSentence { get; } = new();

    public int Count => SystemCharacters.Count;

    internal void AddNothing()
    {
        SystemCharacters.Add(-1);
        InputMessages.Add(0);
        Unfilled.Add(0);
        OutputForm.Add(ContentForm.NotSent);
        DocumentCharacters.Add(double.NaN);
        DocumentDistance.Add(double.NaN);
        EndsInSentence.Add(0);
    }

    /// <param name="distance">Where documents are not listed one by one: the smallest distance; else NaN.</param>
    internal void Add(string operation, GenAiContent content, double distance)
    {
        var isCall = operation is "chat" or "completion";
        var isRecorded = isCall && (content.Input.Count > 0 || content.System.Count > 0);
        SystemCharacters.Add(isRecorded ? content.System.Sum(part => part.Text.Length) : -1);
        InputMessages.Add(isRecorded ? content.Input.Count : 0);
        Unfilled.Add(isRecorded && HasPlaceholder(content) ? (byte)1 : (byte)0);
        OutputForm.Add(isCall ? AnswerForm(content) : operation is "tool" or "mcp" && content.ToolResult.Length > 0 ? FormOf(content.ToolResult) : ContentForm.NotSent);
        DocumentCharacters.Add(MeanCharacters(content.Documents));
        DocumentDistance.Add(content.Documents.Min(document => document.Distance) ?? distance);
        EndsInSentence.Add(isCall && StopsShort(content.Output.Count > 0 ? content.Output[^1].Words : content.OutputText) ? (byte)1 : (byte)0);
    }

    public static ContentForm FormOf(string text)
    {
        var bare = MarkdownFence.Inside(text.AsSpan().Trim());
        if (bare.IsEmpty || bare is "null" or "{}" or "[]" or "\"\"")
        {
            return ContentForm.Empty;
        }

        if (!BeginsAsJson(bare))
        {
            return ContentForm.Text;
        }

        return bare.Length > ParsedCharactersMax || IsJson(bare) ? ContentForm.Json : ContentForm.BrokenJson;
    }

    /// <summary>A template's variable that nothing was put in for: <c>{{name}}</c>, <c>{name}</c>, <c>${name}</c>, <c>%(name)s</c>.</summary>
    public static bool HasPlaceholder(string text) => text.AsSpan().ContainsAny('{', '%') && Placeholder().IsMatch(text);

    private static bool HasPlaceholder(GenAiContent content) =>
        content.System.Any(part => HasPlaceholder(part.Text)) || content.Input.Any(message => message.Role is "user" && HasPlaceholder(message.Words));

    /// <summary>The last character is a letter, a digit or a comma: what ends a sentence, a list or a quotation is none of these.</summary>
    private static bool StopsShort(string text)
    {
        var said = text.AsSpan().TrimEnd();
        return said.Length > 0 && (char.IsLetterOrDigit(said[^1]) || said[^1] is ',' or '-');
    }

    private static ContentForm AnswerForm(GenAiContent content)
    {
        if (content.Output.Count == 0)
        {
            return content.OutputText.Length == 0 ? ContentForm.NotSent : FormOf(content.OutputText);
        }

        var words = content.Output is [var only] ? only.Words : string.Join('\n', content.Output.Select(message => message.Words).Where(text => text.Length > 0));
        bool CallsTool() => content.Output.Any(message => message.Parts.Any(part => part.Type is "tool_call" or "server_tool_call"));
        return words.Length == 0 && CallsTool() ? ContentForm.NotSent : FormOf(words);
    }

    private static double MeanCharacters(IReadOnlyList<ContentDocument> documents)
    {
        var texts = 0;
        var characters = 0.0;
        foreach (var document in documents)
        {
            if (document.Content.Length > 0)
            {
                texts++;
                characters += document.Content.Length;
            }
        }

        return texts == 0 ? double.NaN : characters / texts;
    }

    /// <summary>"[1] says so" and "{name}" begin like JSON and never meant to be.</summary>
    private static bool BeginsAsJson(ReadOnlySpan<char> text)
    {
        var next = text.Length > 1 ? text[1..].TrimStart() : default;
        return (text[0] == '{' && (next.IsEmpty || next[0] is '"' or '\'' or '}')) || (text[0] == '[' && (next.IsEmpty || next[0] is '{' or '"' or '[' or ']'));
    }

    private static bool IsJson(ReadOnlySpan<char> text)
    {
        var bytes = new byte[Encoding.UTF8.GetMaxByteCount(text.Length)];
        var reader = new Utf8JsonReader(bytes.AsSpan(0, Encoding.UTF8.GetBytes(text, bytes)), new JsonReaderOptions { MaxDepth = 256 });
        try
        {
            while (reader.Read())
            {
                // Reading to the end is the test.
            }

            return true;
        }
        catch (JsonException)
        {
            return false;       // which is the answer, not a failure
        }
    }

    [GeneratedRegex(@"\{\{\s*[A-Za-z_][\w.]{0,60}\s*\}\}|(?<![\w""{$])\{[A-Za-z_]\w{0,60}\}(?!\})|\$\{[A-Za-z_]\w{0,60}\}|%\([A-Za-z_]\w{0,60}\)s", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex Placeholder();
}
