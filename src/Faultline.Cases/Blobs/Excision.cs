using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Faultline.Telemetry.Spans;

namespace Faultline.Cases.Blobs;

/// <summary>Takes out of a blob's text what is from some traces, or names a user or a session.</summary>
/// <param name="traces">Parts that name one of them go whole.</param>
/// <param name="values">Ids; a text that has one in it is replaced. Shorter ones than <see cref="WithinMin"/> only where they are the whole text.</param>
internal sealed partial class Excision(IReadOnlySet<TraceId> traces, IReadOnlyCollection<string> values)
{
    /// <summary>A shorter id stands in other words by chance.</summary>
    public const int WithinMin = 4;

    private const string Gone = "(deleted)";

    private static readonly JsonSerializerOptions Written = new() { Encoder = JavaScriptEncoder.Default };

    /// <summary>Whether a text has to do with what is deleted.</summary>
    public bool Concerns(string text)
    {
        return NamesTrace(text) || values.Any(value => text == value || (value.Length >= WithinMin && text.Contains(value, StringComparison.Ordinal)));
    }

    /// <returns>The text without it; null where nothing of it can stay; the same text where it has nothing of it.</returns>
    public string? Without(BlobForm form, string text)
    {
        if (form == BlobForm.Words)
        {
            return Concerns(text) || values.Any(value => value.Length >= WithinMin && text.Contains(Escaped(value), StringComparison.Ordinal)) ? null : text;
        }

        JsonNode? root;
        try
        {
            root = JsonNode.Parse(text);
        }
        catch (JsonException)
        {
            return Concerns(text) ? null : text;
        }

        return root is not null && Cut(root) ? root.ToJsonString(Written) : text;
    }

    private bool Cut(JsonNode node)
    {
        var changed = false;
        switch (node)
        {
            case JsonArray array:
                for (var i = array.Count - 1; i >= 0; i--)
                {
                    if (IsOfTrace(array[i]))
                    {
                        array.RemoveAt(i);
                        changed = true;
                    }
                    else if (array[i] is { } item)
                    {
                        changed |= Text(item) is { } text && Concerns(text) ? Set(() => array[i] = Gone) : Cut(item);
                    }
                }

                break;
            case JsonObject members:
                foreach (var (name, value) in members.ToList())
                {
                    if (value is not null)
                    {
                        changed |= Text(value) is { } text && Concerns(text) ? Set(() => members[name] = Gone) : Cut(value);
                    }
                }

                break;
        }

        return changed;
    }

    /// <summary>A trace's id, or an object one of whose own texts names it: an excerpt, a piece of evidence.</summary>
    private bool IsOfTrace(JsonNode? node) => node switch
    {
        JsonObject members => members.Any(member => Text(member.Value) is { } text && NamesTrace(text)),
        _ => Text(node) is { } text && NamesTrace(text),
    };

    private bool NamesTrace(string text)
    {
        foreach (var match in TraceIds().EnumerateMatches(text))
        {
            if (TraceId.TryParse(text.AsSpan(match.Index, match.Length), out var id) && traces.Contains(id))
            {
                return true;
            }
        }

        return false;
    }

    private static string? Text(JsonNode? node) => node is JsonValue value && value.GetValueKind() == JsonValueKind.String ? value.GetValue<string>() : null;

    private static bool Set(Action set)
    {
        set();
        return true;
    }

    private static string Escaped(string value) => JsonEncodedText.Encode(value).ToString();

    [GeneratedRegex("[0-9a-fA-F]{32}", RegexOptions.CultureInvariant)]
    private static partial Regex TraceIds();
}
