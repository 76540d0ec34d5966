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
    private const int ParsedBytesMax = 200_000;

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
        var system = isRecorded ? 0 : -1;
        foreach (var part in isRecorded ? content.System : [])
        {
            system += part.Said.Characters;
        }

        SystemCharacters.Add(system);
        InputMessages.Add(isRecorded ? content.Input.Count : 0);
        Unfilled.Add(isRecorded && HasPlaceholder(content) ? (byte)1 : (byte)0);
        OutputForm.Add(isCall ? AnswerForm(content) : operation is "tool" or "mcp" && !content.ToolResultUtf8.IsEmpty ? FormOf(content.ToolResultUtf8.Utf8) : ContentForm.NotSent);
        DocumentCharacters.Add(MeanCharacters(content.Documents));
        DocumentDistance.Add(NearestOf(content.Documents) ?? distance);
        EndsInSentence.Add(isCall && StopsShort((content.Output.Count > 0 ? content.Output[^1].Spoken : content.OutputTextUtf8).Utf8) ? (byte)1 : (byte)0);
    }

    public static ContentForm FormOf(string text) => FormOf(Encoding.UTF8.GetBytes(text));

    private static ContentForm FormOf(ReadOnlySpan<byte> text)
    {
        var bare = MarkdownFence.Inside(Trim(text));
        if (bare.IsEmpty || bare.SequenceEqual("null"u8) || bare.SequenceEqual("{}"u8) || bare.SequenceEqual("[]"u8) || bare.SequenceEqual("\"\""u8))
        {
            return ContentForm.Empty;
        }

        if (!BeginsAsJson(bare))
        {
            return ContentForm.Text;
        }

        return bare.Length > ParsedBytesMax || IsJson(bare) ? ContentForm.Json : ContentForm.BrokenJson;
    }

    /// <summary>A template's variable that nothing was put in for: <c>{{name}}</c>, <c>{name}</c>, <c>${name}</c>, <c>%(name)s</c>.</summary>
    public static bool HasPlaceholder(string text) => text.AsSpan().ContainsAny('{', '%') && Placeholder().IsMatch(text);

    private static bool HasPlaceholder(GenAiContent content)
    {
        foreach (var part in content.System)
        {
            if (HasPlaceholder(part.Said))
            {
                return true;
            }
        }

        foreach (var message in content.Input)
        {
            if (message.Role == "user" && HasPlaceholder(message.Spoken))
            {
                return true;
            }
        }

        return false;
    }

    // Few texts have one of the characters, and the others need not be decoded.
    private static bool HasPlaceholder(ContentText text) => text.Utf8.ContainsAny((byte)'{', (byte)'%') && Placeholder().IsMatch(text.ToString());

    /// <summary>The last character is a letter, a digit or a comma: what ends a sentence, a list or a quotation is none of these.</summary>
    private static bool StopsShort(ReadOnlySpan<byte> text)
    {
        var said = TrimEnd(text);
        Rune.DecodeLastFromUtf8(said, out var last, out _);
        return !said.IsEmpty && (Rune.IsLetterOrDigit(last) || last.Value is ',' or '-');
    }

    private static ContentForm AnswerForm(GenAiContent content)
    {
        if (content.Output.Count == 0)
        {
            return content.OutputTextUtf8.IsEmpty ? ContentForm.NotSent : FormOf(content.OutputTextUtf8.Utf8);
        }

        var words = content.Output.Count == 1 ? content.Output[0].Spoken : string.Join('\n', content.Output.Select(message => message.Words).Where(text => text.Length > 0));
        return words.IsEmpty && CallsTool(content.Output) ? ContentForm.NotSent : FormOf(words.Utf8);
    }

    private static bool CallsTool(IReadOnlyList<ContentMessage> answers) => answers.Any(message => message.Parts.Any(part => part.Type is "tool_call" or "server_tool_call"));

    private static double MeanCharacters(IReadOnlyList<ContentDocument> documents)
    {
        var texts = 0;
        var characters = 0.0;
        foreach (var document in documents)
        {
            if (!document.Said.IsEmpty)
            {
                texts++;
                characters += document.Said.Characters;
            }
        }

        return texts == 0 ? double.NaN : characters / texts;
    }

    private static double? NearestOf(IReadOnlyList<ContentDocument> documents)
    {
        double? nearest = null;
        foreach (var document in documents)
        {
            nearest = document.Distance is { } distance && !(distance >= nearest) ? distance : nearest;
        }

        return nearest;
    }

    internal static ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> text)
    {
        text = TrimEnd(text);
        while (!text.IsEmpty)
        {
            Rune.DecodeFromUtf8(text, out var first, out var length);
            if (!Rune.IsWhiteSpace(first))
            {
                break;
            }

            text = text[length..];
        }

        return text;
    }

    private static ReadOnlySpan<byte> TrimEnd(ReadOnlySpan<byte> text)
    {
        while (!text.IsEmpty)
        {
            Rune.DecodeLastFromUtf8(text, out var last, out var length);
            if (!Rune.IsWhiteSpace(last))
            {
                break;
            }

            text = text[..^length];
        }

        return text;
    }

    /// <summary>"[1] says so" and "{name}" begin like JSON and never meant to be.</summary>
    private static bool BeginsAsJson(ReadOnlySpan<byte> text)
    {
        var next = Trim(text[1..]);
        return (text[0] == '{' && (next.IsEmpty || next[0] is (byte)'"' or (byte)'\'' or (byte)'}')) || (text[0] == '[' && (next.IsEmpty || next[0] is (byte)'{' or (byte)'"' or (byte)'[' or (byte)']'));
    }

    private static bool IsJson(ReadOnlySpan<byte> text)
    {
        var reader = new Utf8JsonReader(text, new JsonReaderOptions { MaxDepth = 256 });
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
