using System.Text;
using System.Text.Json;

namespace Faultline.Diagnosis.Evaluators.Live;

/// <summary>What a tool returned, as text that a statement can be held against.</summary>
internal static class ToolText
{
    /// <summary>Of one result beyond this nothing is read.</summary>
    public const int CharactersMax = 32_768;

    /// <summary>Shorter results confirm that something was done; they are no evidence of what an answer says.</summary>
    public const int EvidenceMin = 60;

    private const int DepthMax = 32;

    /// <summary>JSON becomes a line an object, <c>name value, name value</c>, and a line a longer text; anything else stays as it is.</summary>
    public static string Of(string result)
    {
        if (result.Length > CharactersMax)
        {
            return result[..CharactersMax];     // cut, it is no JSON any more
        }

        if (result.AsSpan().TrimStart() is not (['{', ..] or ['[', ..]))
        {
            return result;
        }

        try
        {
            using var document = JsonDocument.Parse(result, new JsonDocumentOptions { MaxDepth = DepthMax });
            var lines = new StringBuilder();
            Write("", document.RootElement, lines);
            return lines.ToString().Trim();
        }
        catch (JsonException)
        {
            return result;
        }
    }

    private static void Write(string name, JsonElement value, StringBuilder lines)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                lines.AppendJoin(", ", value.EnumerateObject().Where(static one => IsShort(one.Value)).Select(static one => $"{Words(one.Name)} {one.Value}")).Append('\n');
                foreach (var member in value.EnumerateObject().Where(static one => !IsShort(one.Value)))
                {
                    Write(Words(member.Name), member.Value, lines);
                }

                break;
            case JsonValueKind.Array:
                if (value.EnumerateArray().Any(IsShort))
                {
                    lines.Append(name).Append(' ').AppendJoin(", ", value.EnumerateArray().Where(IsShort)).Append('\n');
                }

                foreach (var item in value.EnumerateArray().Where(static one => !IsShort(one)))
                {
                    Write(name, item, lines);
                }

                break;
            case JsonValueKind.String:
                lines.Append(value.GetString()).Append('\n');
                break;
        }
    }

    /// <summary>Numbers and names stand beside what they are of; a text is sentences of its own.</summary>
    private static bool IsShort(JsonElement value) =>
        value.ValueKind is JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False || (value.ValueKind == JsonValueKind.String && value.GetString()!.Length <= ShortMax);

    private const int ShortMax = 60;

    /// <summary><c>delivery_date</c> and <c>deliveryDate</c> are "delivery date".</summary>
    private static string Words(string name)
    {
        var words = new StringBuilder(name.Length + 4);
        for (var i = 0; i < name.Length; i++)
        {
            if (name[i] is '_' or '-' or '.')
            {
                words.Append(' ');
            }
            else
            {
                if (i > 0 && char.IsUpper(name[i]) && char.IsLower(name[i - 1]))
                {
                    words.Append(' ');
                }

                words.Append(name[i]);
            }
        }

        return words.ToString();
    }
}
