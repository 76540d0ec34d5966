using System.Text.Json;
using Faultline.Diagnosis.Causes;
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
    public static (StatedAnswer? Answer, string Problem) Read(string text) => JsonText.Read(text, Schema) switch
    {
        ({ } answer, _) => (new StatedAnswer([.. answer.GetProperty("hypotheses").EnumerateArray().Take(HypothesesMax).Select(Hypothesis)], Text(answer, "missing")), ""),
        var (_, problem) => (null, problem),
    };

    private static StatedHypothesis Hypothesis(JsonElement one) => new(
        Text(one, "cause"), Text(one, "target").Trim(), one.GetProperty("confidence").GetDouble(), [.. one.GetProperty("claims").EnumerateArray().Take(ClaimsMax).Select(Claim)]);

    private static StatedClaim Claim(JsonElement one) =>
        new(Text(one, "stance") == "for", Text(one, "words"), Text(one, "kind"), Text(one, "ref").Trim(), Text(one, "quote"), Text(one, "moved"));

    private static string Text(JsonElement holder, string name) => holder.GetProperty(name).GetString() is { } text && text.Length <= TextMax ? text : "";
}
