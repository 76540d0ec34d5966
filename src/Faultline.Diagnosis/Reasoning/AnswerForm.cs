using System.Text.Json;
using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Evaluators;
using Faultline.Diagnosis.Reasoning.Chat;

namespace Faultline.Diagnosis.Reasoning;

/// <param name="Kind">span, series, change or case.</param>
/// <param name="Quote">Of a span: words that stand in it.</param>
/// <param name="Moved">Of a series: rose, fell or steady.</param>
internal sealed record StatedClaim(bool Supports, string Words, string Kind, string Ref, string Quote, string Moved);

internal sealed record StatedHypothesis(string Cause, string Target, double Confidence, IReadOnlyList<StatedClaim> Claims);

internal sealed record StatedAnswer(IReadOnlyList<StatedHypothesis> Hypotheses, string Missing);

/// <summary>The one form that a final answer may have. The same schema is sent to the endpoint and checked here.</summary>
internal static class AnswerForm
{
    public const int HypothesesMax = 5;
    public const int ClaimsMax = 8;
    private const int TextMax = 4_000;

    // Strict mode of the API: every property required, none else allowed; what does not apply is an empty text.
    public static AnswerSchema Schema { get; } = new("diagnosis", $$$$"""
        {"type":"object","properties":{"hypotheses":{"type":"array","items":{"type":"object","properties":{"cause":{"type":"string","enum":[{{{{string.Join(',', Vocabulary.Rows.Select(row => $"\"{row.Name}\""))}}}}]},"target":{"type":"string"},"confidence":{"type":"number"},"claims":{"type":"array","items":{"type":"object","properties":{"stance":{"type":"string","enum":["for","against"]},"words":{"type":"string"},"kind":{"type":"string","enum":["span","series","change","case"]},"ref":{"type":"string"},"quote":{"type":"string"},"moved":{"type":"string","enum":["rose","fell","steady",""]}},"required":["stance","words","kind","ref","quote","moved"],"additionalProperties":false}}},"required":["cause","target","confidence","claims"],"additionalProperties":false}},"missing":{"type":"string"}},"required":["hypotheses","missing"],"additionalProperties":false}
        """);

    /// <returns>The answer, or what is wrong with it in a sentence's end.</returns>
    public static (StatedAnswer? Answer, string Problem) Read(string text)
    {
        var body = Json(text);
        if (body.Length == 0)
        {
            return (null, "it holds no JSON object");
        }

        var checkedForm = FormatEvaluator.Evaluate(new EvaluatedCall("", [], body, Schema.Json));
        if (checkedForm.Score < 1)
        {
            return (null, Untrusted.OneLine(checkedForm.Explanation, 300).TrimEnd('.'));
        }

        using var document = JsonDocument.Parse(body);
        var hypotheses = document.RootElement.GetProperty("hypotheses").EnumerateArray().Take(HypothesesMax).Select(Hypothesis).ToList();
        return (new StatedAnswer(hypotheses, Text(document.RootElement, "missing")), "");
    }

    /// <summary>
    /// The JSON object in a model's text, which may think aloud before it (<c>&lt;think&gt;</c> of reasoning models) or put it into a code fence; empty when there is none.
    /// </summary>
    public static string Json(string text)
    {
        var thought = text.LastIndexOf("</think>", StringComparison.Ordinal);
        var rest = thought < 0 ? text : text[(thought + "</think>".Length)..];
        var start = rest.IndexOf('{', StringComparison.Ordinal);
        var end = rest.LastIndexOf('}');
        return start < 0 || end < start ? "" : rest[start..(end + 1)];
    }

    private static StatedHypothesis Hypothesis(JsonElement one) => new(
        Text(one, "cause"), Text(one, "target").Trim(), one.GetProperty("confidence").GetDouble(), [.. one.GetProperty("claims").EnumerateArray().Take(ClaimsMax).Select(Claim)]);

    private static StatedClaim Claim(JsonElement one) =>
        new(Text(one, "stance") == "for", Text(one, "words"), Text(one, "kind"), Text(one, "ref").Trim(), Text(one, "quote"), Text(one, "moved"));

    private static string Text(JsonElement holder, string name) => holder.GetProperty(name).GetString() is { } text && text.Length <= TextMax ? text : "";
}
