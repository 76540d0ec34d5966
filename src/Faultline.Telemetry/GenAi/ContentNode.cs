using System.Text;
using Faultline.Telemetry.Columns;

namespace Faultline.Telemetry.GenAi;

internal enum ContentKind
{
    Null,
    Text,

    /// <summary>A number, true or false: as it was written.</summary>
    Literal,
    Array,
    Object,
}

/// <summary>A piece of content as a tree, whether it came as JSON text or as a structured OTLP value.</summary>
internal sealed class ContentNode
{
    public static readonly ContentNode Null = new() { Kind = ContentKind.Null };

    public required ContentKind Kind { get; init; }

    /// <summary>Of a text or literal; else empty.</summary>
    public ContentText Text { get; init; }

    // Most nodes are texts, which have neither.
    public List<ContentNode> Items => field ??= [];

    public List<KeyValuePair<string, ContentNode>> Members => field ??= [];

    public bool IsObject => Kind == ContentKind.Object;

    public static ContentNode OfText(ContentText text) => new() { Kind = ContentKind.Text, Text = text };

    /// <summary>An attribute's value: JSON text and structured values become trees, anything else a text.</summary>
    /// <param name="isCut">The value was JSON that could be read in part only.</param>
    public static ContentNode Of(ContentText value, AttributeType type, out bool isCut)
    {
        isCut = false;
        switch (type)
        {
            case AttributeType.Array or AttributeType.KeyValues:
                var list = TolerantJson.Parse(value, out isCut);
                return list is null ? OfText(value) : Unwrap(list, type == AttributeType.KeyValues);
            case AttributeType.String:
                return OfJsonText(value, out isCut);
            case AttributeType.Empty:
                return Null;
            default:
                return new ContentNode { Kind = ContentKind.Literal, Text = value };
        }
    }

    /// <summary>Text that may be JSON, and JSON in a JSON string once more; what is no JSON stays a text.</summary>
    public static ContentNode OfJsonText(ContentText value, out bool isCut)
    {
        isCut = false;
        var node = TolerantJson.Parse(value, out var cut);
        if (node is { Kind: ContentKind.Text })
        {
            var inner = TolerantJson.Parse(node.Text, out var innerCut);
            cut |= inner is not null && innerCut;
            node = inner is { Kind: ContentKind.Array or ContentKind.Object } ? inner : node;
        }

        if (node is null)
        {
            return OfText(value);
        }

        isCut = cut;
        return node;
    }

    /// <summary>A member's value, or null; of several of one name the first.</summary>
    public ContentNode? Member(string name)
    {
        foreach (var member in Members)
        {
            if (string.Equals(member.Key, name, StringComparison.Ordinal))
            {
                return member.Value.Kind == ContentKind.Null ? null : member.Value;
            }
        }

        return null;
    }

    public ContentNode? Member(params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            if (Member(name) is { } found)
            {
                return found;
            }
        }

        return null;
    }

    /// <summary>The text of the first of these members that is there, or empty; what is no text, as JSON.</summary>
    public ContentText TextOf(params ReadOnlySpan<string> names) => Member(names)?.ToText() ?? default;

    /// <summary>The same of what is short and says what something is: a role, a type, a name.</summary>
    public string WordOf(params ReadOnlySpan<string> names) => TextOf(names).ToString();

    /// <summary>Follows member names.</summary>
    public ContentNode? At(params ReadOnlySpan<string> path)
    {
        var node = this;
        foreach (var name in path)
        {
            node = node?.Member(name);
        }

        return node;
    }

    /// <summary>A text as it is, anything else as JSON.</summary>
    public ContentText ToText() => Kind switch
    {
        ContentKind.Text or ContentKind.Literal => Text,
        ContentKind.Null => default,
        _ => ContentText.Json(this),
    };

    /// <param name="isCanonical">Members in ordinal order, so that equal values give equal text.</param>
    public string ToJson(bool isCanonical)
    {
        var json = new StringBuilder();
        Write(json, isCanonical);
        return json.ToString();
    }

    private void Write(StringBuilder json, bool isCanonical)
    {
        switch (Kind)
        {
            case ContentKind.Text:
                Quote(json, Text.ToString());
                break;
            case ContentKind.Literal:
                json.Append(Text.ToString());
                break;
            case ContentKind.Null:
                json.Append("null");
                break;
            case ContentKind.Array:
                json.Append('[');
                for (var i = 0; i < Items.Count; i++)
                {
                    json.Append(i > 0 ? "," : "");
                    Items[i].Write(json, isCanonical);
                }

                json.Append(']');
                break;
            default:
                json.Append('{');
                var first = true;
                foreach (var (name, value) in isCanonical ? Members.OrderBy(member => member.Key, StringComparer.Ordinal) : Members.AsEnumerable())
                {
                    json.Append(first ? "" : ",");
                    Quote(json, name);
                    json.Append(':');
                    value.Write(json, isCanonical);
                    first = false;
                }

                json.Append('}');
                break;
        }
    }

    private static void Quote(StringBuilder json, string text)
    {
        json.Append('"');
        foreach (var unit in text)
        {
            _ = unit switch
            {
                '"' => json.Append("\\\""),
                '\\' => json.Append("\\\\"),
                '\n' => json.Append("\\n"),
                '\r' => json.Append("\\r"),
                '\t' => json.Append("\\t"),
                < ' ' => json.Append("\\u").Append(((int)unit).ToString("x4")),
                _ => json.Append(unit),
            };
        }

        json.Append('"');
    }

    /// <summary>OTLP/JSON of an <c>ArrayValue</c> or <c>KeyValueList</c> as the plain value it stands for.</summary>
    private static ContentNode Unwrap(ContentNode list, bool isMap)
    {
        var node = new ContentNode { Kind = isMap ? ContentKind.Object : ContentKind.Array };
        foreach (var item in list.Member("values")?.Items ?? [])
        {
            if (isMap)
            {
                node.Members.Add(new(item.WordOf("key"), UnwrapValue(item.Member("value") ?? Null)));
            }
            else
            {
                node.Items.Add(UnwrapValue(item));
            }
        }

        return node;
    }

    private static ContentNode UnwrapValue(ContentNode any) =>
        any.Member("stringValue") is { } text ? OfText(text.Text)
        : any.Member("arrayValue") is { } array ? Unwrap(array, isMap: false)
        : any.Member("kvlistValue") is { } map ? Unwrap(map, isMap: true)
        : any.Member("boolValue", "intValue", "doubleValue") is { } literal ? new ContentNode { Kind = ContentKind.Literal, Text = literal.Text }
        : any.Member("bytesValue") is { } bytes ? OfText(bytes.Text)
        : Null;
}
