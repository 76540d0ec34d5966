using System.Text;
using System.Text.Json;

namespace Faultline.Telemetry.GenAi;

/// <summary>The words in messages, for previews; tolerant, since a length limit of a sender cuts JSON anywhere.</summary>
internal static class MessageText
{
    /// <summary>Most characters of a preview.</summary>
    public const int PreviewCharactersMax = 240;

    /// <summary>Longer texts are cut before they are parsed; a preview needs no more.</summary>
    private const int ParsedBytesMax = 1 << 20;

    private const int DepthMax = 64;

    /// <summary>Text of the last message of a role (or of the last message), from JSON messages or plain text.</summary>
    public static string Preview(ReadOnlySpan<byte> value, string? role)
    {
        if (value.IsEmpty)
        {
            return "";
        }

        if (value[0] is not ((byte)'[' or (byte)'{') || value.Length > ParsedBytesMax)
        {
            return Fold(Encoding.UTF8.GetString(value[..Math.Min(value.Length, PreviewCharactersMax * 4)]));
        }

        try
        {
            var reader = new Utf8JsonReader(value, new JsonReaderOptions { MaxDepth = DepthMax });
            using var document = JsonDocument.ParseValue(ref reader);
            return Fold(Words(document.RootElement, role));
        }
        catch (JsonException)
        {
            // Cut by the sender's limit: what can be read is better than nothing.
            return Fold(Encoding.UTF8.GetString(value[..Math.Min(value.Length, PreviewCharactersMax * 4)]));
        }
    }

    private static string Words(JsonElement element, string? role)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String:
                return element.GetString() ?? "";
            case JsonValueKind.Array:
                {
                    var chosen = element.EnumerateArray().LastOrDefault(item => role is null || !item.TryGetPropertySafe("role", out var said) || said.ValueEquals(role));
                    return chosen.ValueKind == JsonValueKind.Undefined ? "" : Words(chosen, role);
                }

            case JsonValueKind.Object:
                foreach (var name in (ReadOnlySpan<string>)["parts", "content", "text", "values", "message", "messages", "stringValue", "kvlistValue", "arrayValue"])
                {
                    if (element.TryGetProperty(name, out var inner))
                    {
                        var words = inner.ValueKind == JsonValueKind.Array && name is "parts" ? Parts(inner) : Words(inner, role);
                        if (words.Length > 0)
                        {
                            return words;
                        }
                    }
                }

                return element.TryGetProperty("name", out var tool) && tool.ValueKind == JsonValueKind.String
                    ? $"{tool.GetString()}({(element.TryGetProperty("arguments", out var arguments) ? arguments.ToString() : "")})"
                    : "";
            default:
                return "";
        }
    }

    private static string Parts(JsonElement parts) => string.Join(' ', parts.EnumerateArray().Select(part => Words(part, null)).Where(words => words.Length > 0));

    private static bool TryGetPropertySafe(this JsonElement element, string name, out JsonElement value)
    {
        value = default;
        return element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out value) && value.ValueKind == JsonValueKind.String;
    }

    /// <summary>One line: runs of white space become a space, at most <see cref="PreviewCharactersMax"/> characters, no half pair.</summary>
    private static string Fold(string text)
    {
        var folded = new StringBuilder(Math.Min(text.Length, PreviewCharactersMax));
        var space = false;
        foreach (var rune in text.EnumerateRunes())
        {
            if (Rune.IsWhiteSpace(rune) || Rune.IsControl(rune))
            {
                space = folded.Length > 0;
                continue;
            }

            if (folded.Length + rune.Utf16SequenceLength + (space ? 1 : 0) > PreviewCharactersMax)
            {
                break;
            }

            if (space)
            {
                folded.Append(' ');
                space = false;
            }

            folded.Append(rune.ToString());
        }

        return folded.ToString();
    }
}
