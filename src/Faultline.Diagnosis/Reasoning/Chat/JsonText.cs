using System.Text.Json;
using Faultline.Diagnosis.Evaluators;

namespace Faultline.Diagnosis.Reasoning.Chat;

/// <summary>JSON that a model wrote: read without an exception, whatever it is.</summary>
internal static class JsonText
{
    /// <returns>Null when it is no JSON, or holds a text that is none (half a surrogate pair).</returns>
    public static JsonElement? Parse(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            var root = document.RootElement.Clone();
            ReadTexts(root);
            return root;
        }
        catch (Exception wrong) when (wrong is JsonException or ArgumentException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>
    /// The object in a model's answer that follows a schema. Models think aloud before it (<c>&lt;think&gt;</c>), or put it into a code fence.
    /// </summary>
    /// <returns>The object, or what is wrong in a sentence's end.</returns>
    public static (JsonElement? Answer, string Problem) Read(string text, AnswerSchema schema)
    {
        var thought = text.LastIndexOf("</think>", StringComparison.Ordinal);
        var rest = thought < 0 ? text : text[(thought + "</think>".Length)..];
        var start = rest.IndexOf('{', StringComparison.Ordinal);
        var end = rest.LastIndexOf('}');
        if (start < 0 || end < start || Parse(rest[start..(end + 1)]) is not { } answer)
        {
            return (null, "it holds no JSON object");
        }

        var form = FormatEvaluator.Evaluate(new EvaluatedCall("", [], rest[start..(end + 1)], schema.Json));
        return form.Score < 1 ? (null, Untrusted.OneLine(form.Explanation, 300).TrimEnd('.')) : (answer, "");
    }

    // A text is decoded when it is asked for, and only then is it found to be none.
    private static void ReadTexts(JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.String:
                _ = value.GetString();
                break;
            case JsonValueKind.Array:
                foreach (var item in value.EnumerateArray())
                {
                    ReadTexts(item);
                }

                break;
            case JsonValueKind.Object:
                foreach (var member in value.EnumerateObject())
                {
                    _ = member.Name;
                    ReadTexts(member.Value);
                }

                break;
        }
    }
}
