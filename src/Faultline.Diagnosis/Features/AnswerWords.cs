using System.Buffers;
using System.Text.RegularExpressions;

namespace Faultline.Diagnosis.Features;

/// <summary>What the first words of an answer, or of a guardrail's result, say.</summary>
/// <remarks>
/// Wider than <see cref="Evaluators.RefusalEvaluator"/>, which judges one answer by itself: here a share is held against what is usual, so words that are
/// wrong as often before as after cost nothing, and a service that says "we" must not be missed.
/// </remarks>
internal static partial class AnswerWords
{
    /// <summary>What a model says it will not do: the verbs that this and the evaluator have in common.</summary>
    internal const string DeclinedVerbs = "help|assist|comply|provide|fulfil|fulfill|answer|discuss|create|generate|share|support|engage|continue";

    /// <summary>The answer declines. A refusal says so at once, so its beginning is enough.</summary>
    public static bool Refuses(ReadOnlySpan<char> beginning) => beginning.ContainsAny(RefusalWords) && Refusal().IsMatch(beginning);

    /// <summary>Without one of them nothing is a refusal: most answers have none, and need no look at their sentences.</summary>
    private static readonly SearchValues<string> RefusalWords = SearchValues.Create(
        ["sorry", "can't", "can’t", "cannot", "won't", "won’t", "not ", "unable", "decline", "refuse", "as an ai", "against "], StringComparison.OrdinalIgnoreCase);

    /// <summary>It holds what UTF-8 becomes when it is read as Latin-1 or Windows-1252, or characters that could not be read at all.</summary>
    public static bool IsGarbled(ReadOnlySpan<char> text) => text.ContainsAny(MisreadLetters) && Misread().IsMatch(text);

    private static readonly SearchValues<char> MisreadLetters = SearchValues.Create("\uFFFDÃâÂ");

    /// <summary>The guardrail let it not pass.</summary>
    public static bool Blocks(string result) =>
        // A member that says yes or no says more than that its name occurs.
        result.Length > 0 && (SaysBlocked().IsMatch(result) || (!SaysPassed().IsMatch(result) && Block().IsMatch(result)));

    [GeneratedRegex(
        @"\b(sorry,? (but )?(i|we) (can't|cannot|can’t|am unable|am not able|won't|are unable|must)|(i|we)('m| am|’m| are) (not able|unable|not allowed|not permitted) to|(i|we) (can't|cannot|can’t|won't|won’t|will not|must decline|have to decline|must refuse)( to)? (" + DeclinedVerbs + @"|do|give|talk|respond|offer|advise|process|tell|say)|as an ai\b|against (my|our) (guidelines|programming|policy|policies)|not (appropriate|comfortable)|(i|we) (decline|refuse) to|(unable|not able) to (help|assist|answer|comply) with)",
        RegexOptions.IgnoreCase | RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex Refusal();

    [GeneratedRegex(@"\uFFFD|[ÃÂ][\u0080-\u00BFŒœŠšŸŽžƒˆ˜–—‘’‚“”„†‡•…‰‹›€™]|â[\u0080€][\u0080-\u00BFœ“”™˜¦]", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant)]
    private static partial Regex Misread();

    [GeneratedRegex(
        @"\b(block|blocked|deny|denied|reject|rejected|flagged|intervened|guardrail_intervened|violation|violates|unsafe|refused)\b",
        RegexOptions.IgnoreCase | RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex Block();

    [GeneratedRegex(
        @"""?(passed|allowed|is_safe|safe|valid|pass)""?\s*[:=]\s*""?(false|no|0\b)|""?(blocked|denied|flagged|triggered|tripwire_triggered|unsafe|violation)""?\s*[:=]\s*""?(true|yes|1\b)",
        RegexOptions.IgnoreCase | RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex SaysBlocked();

    [GeneratedRegex(
        @"""?(passed|allowed|is_safe|safe|valid|pass)""?\s*[:=]\s*""?(true|yes|1\b)|""?(blocked|denied|flagged|triggered|tripwire_triggered|unsafe|violation)""?\s*[:=]\s*""?(false|no|0\b)",
        RegexOptions.IgnoreCase | RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex SaysPassed();
}
