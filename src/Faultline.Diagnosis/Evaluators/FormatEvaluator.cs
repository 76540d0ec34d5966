using System.Text.Json;
using Faultline.Telemetry.GenAi;

namespace Faultline.Diagnosis.Evaluators;

/// <summary>Is the answer JSON where JSON was meant, and does it follow its schema? A JSON block in a fence counts, at a small price.</summary>
/// <remarks>
/// Source: JSON Schema 2020-12, the subset <c>type</c>, <c>enum</c>, <c>const</c>, <c>required</c>, <c>properties</c>, <c>additionalProperties: false</c>,
/// <c>items</c>, <c>minItems</c>, <c>maxItems</c>, <c>minLength</c>, <c>maxLength</c>, <c>minimum</c>, <c>maximum</c>. Other keywords are not checked.
/// </remarks>
public static class FormatEvaluator
{
    public const string Name = "format_valid";
    public const int Version = 1;
    public const int ProblemsMax = 10;
    private const int DepthMax = 64;
    private const double FencedScore = 0.9;

    /// <summary>Skipped for prose to which no schema belongs.</summary>
    public static Evaluation Evaluate(EvaluatedCall call)
    {
        var text = call.Answer.Trim();
        var body = MarkdownFence.Inside(text).ToString();
        if (call.Schema is null && (body.Length == 0 || body[0] is not ('{' or '[')))
        {
            return Evaluation.Skipped(Name, "prose, and no schema to follow", Version);
        }

        if (!TryParse(body, out var answer, out var problem))
        {
            return new Evaluation(Name, 0, "broken", $"It is not JSON: {problem}", Version);
        }

        using (answer)
        {
            var fenced = body.Length != text.Length;
            return call.Schema is null ? Valid(fenced, "It is JSON.") : Compare(answer!, call.Schema, fenced);
        }
    }

    private static Evaluation Compare(JsonDocument answer, string schema, bool fenced)
    {
        if (!TryParse(schema, out var wanted, out _))
        {
            return Evaluation.Skipped(Name, "the schema is not JSON", Version);
        }

        using (wanted)
        {
            List<string> problems = [];
            Check(answer.RootElement, wanted!.RootElement, "$", problems);
            return problems.Count == 0
                ? Valid(fenced, "It follows its schema.")
                : new Evaluation(Name, Math.Round(0.5 / problems.Count, 4), "against its schema", string.Join("; ", problems.Take(3)) + ".", Version);
        }
    }

    private static Evaluation Valid(bool fenced, string explanation) =>
        fenced ? new Evaluation(Name, FencedScore, "valid, fenced", explanation + " It stands in a code fence.", Version) : new Evaluation(Name, 1, "valid", explanation, Version);

    // Stricter than ContentTraits, which asks only whether a text was meant as JSON: here its parts are looked at, and a reason is given.
    private static bool TryParse(string text, out JsonDocument? document, out string problem)
    {
        (document, problem) = (null, "");
        try
        {
            document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = DepthMax });
            return true;
        }
        catch (Exception wrong) when (wrong is JsonException or ArgumentException)      // the second for text that is not UTF-16
        {
            problem = wrong.Message;
            return false;
        }
    }

    private static void Check(JsonElement value, JsonElement schema, string path, List<string> problems)
    {
        if (schema.ValueKind != JsonValueKind.Object || problems.Count >= ProblemsMax)
        {
            return;
        }

        foreach (var keyword in schema.EnumerateObject())
        {
            var problem = Keyword(value, keyword.Name, keyword.Value);
            if (problem is not null)
            {
                problems.Add($"{path} {problem}");
            }
        }

        if (value.ValueKind == JsonValueKind.Object)
        {
            CheckMembers(value, schema, path, problems);
        }
        else if (value.ValueKind == JsonValueKind.Array && schema.TryGetProperty("items", out var items))
        {
            var index = 0;
            foreach (var item in value.EnumerateArray().TakeWhile(_ => problems.Count < ProblemsMax))
            {
                Check(item, items, $"{path}[{index++}]", problems);
            }
        }
    }

    private static void CheckMembers(JsonElement value, JsonElement schema, string path, List<string> problems)
    {
        var closed = schema.TryGetProperty("additionalProperties", out var additional) && additional.ValueKind == JsonValueKind.False;
        var known = schema.TryGetProperty("properties", out var properties) && properties.ValueKind == JsonValueKind.Object;
        foreach (var member in value.EnumerateObject())
        {
            if (known && properties.TryGetProperty(member.Name, out var inner))
            {
                Check(member.Value, inner, $"{path}.{member.Name}", problems);
            }
            else if (closed)
            {
                problems.Add($"{path} has \"{member.Name}\", which the schema does not know");
            }
        }
    }

    private static string? Keyword(JsonElement value, string keyword, JsonElement wanted) => (keyword, value.ValueKind) switch
    {
        ("type", _) when !Types(wanted).Any(type => IsOf(value, type)) => $"is no {string.Join(" or ", Types(wanted))}",
        ("enum", _) when wanted.ValueKind == JsonValueKind.Array && !wanted.EnumerateArray().Any(one => JsonElement.DeepEquals(one, value)) => "is none of the allowed values",
        ("const", _) when !JsonElement.DeepEquals(wanted, value) => "is not the one allowed value",
        ("required", JsonValueKind.Object) when wanted.ValueKind == JsonValueKind.Array && Missing(value, wanted) is { } missing => $"lacks \"{missing}\"",
        ("minItems", JsonValueKind.Array) when value.GetArrayLength() < Bound(wanted, double.MinValue) => "has too few items",
        ("maxItems", JsonValueKind.Array) when value.GetArrayLength() > Bound(wanted, double.MaxValue) => "has too many items",
        ("minLength", JsonValueKind.String) when value.GetString()!.EnumerateRunes().Count() < Bound(wanted, double.MinValue) => "is too short",
        ("maxLength", JsonValueKind.String) when value.GetString()!.EnumerateRunes().Count() > Bound(wanted, double.MaxValue) => "is too long",
        ("minimum", JsonValueKind.Number) when value.GetDouble() < Bound(wanted, double.MinValue) => "is too small",
        ("maximum", JsonValueKind.Number) when value.GetDouble() > Bound(wanted, double.MaxValue) => "is too large",
        _ => null,
    };

    private static double Bound(JsonElement wanted, double none) => wanted.ValueKind == JsonValueKind.Number ? wanted.GetDouble() : none;

    private static IEnumerable<string> Types(JsonElement wanted) => wanted.ValueKind switch
    {
        JsonValueKind.String => [wanted.GetString()!],
        JsonValueKind.Array => wanted.EnumerateArray().Where(type => type.ValueKind == JsonValueKind.String).Select(type => type.GetString()!),
        _ => [],
    };

    private static bool IsOf(JsonElement value, string type) => type switch
    {
        "object" => value.ValueKind == JsonValueKind.Object,
        "array" => value.ValueKind == JsonValueKind.Array,
        "string" => value.ValueKind == JsonValueKind.String,
        "number" => value.ValueKind == JsonValueKind.Number,
        "integer" => value.ValueKind == JsonValueKind.Number && double.IsInteger(value.GetDouble()),
        "boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
        "null" => value.ValueKind == JsonValueKind.Null,
        _ => true,
    };

    private static string? Missing(JsonElement value, JsonElement required) =>
        required.EnumerateArray().Where(name => name.ValueKind == JsonValueKind.String).Select(name => name.GetString()!).FirstOrDefault(name => !value.TryGetProperty(name, out _));
}
