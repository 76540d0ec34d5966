using System.Text.RegularExpressions;
using Faultline.Store.Traces;

namespace Faultline.Diagnosis.Facts;

/// <summary>What the model calls of some traces, read whole, were told.</summary>
/// <param name="Calls">Calls whose messages were recorded.</param>
/// <param name="WithSystem">Share of them with a system message.</param>
/// <param name="SystemCharacters">Mean length of the system message.</param>
/// <param name="Examples">Mean number of worked examples in the prompt.</param>
internal sealed partial record PromptFacts(int Calls, double WithSystem, double SystemCharacters, double Examples)
{
    /// <summary>Fewer calls than this say nothing.</summary>
    public const int CallsMin = 3;

    /// <returns>Null when fewer than <see cref="CallsMin"/> calls recorded what they were told.</returns>
    public static PromptFacts? Of(IEnumerable<StoredSpan> spans)
    {
        int calls = 0, withSystem = 0, examples = 0;
        long characters = 0;
        Dictionary<string, int> answers = new(StringComparer.Ordinal);
        foreach (var span in spans)
        {
            if (span.Summary.GenAi.Operation is not ("chat" or "completion"))
            {
                continue;
            }

            var content = span.ReadContent();
            if (content.Input.Count == 0 && content.System.Count == 0)
            {
                continue;
            }

            calls++;
            var system = string.Join('\n', content.System.Select(part => part.Text));
            withSystem += system.Length > 0 ? 1 : 0;
            characters += system.Length;
            examples += Example().Count(system) + content.Input.Sum(message => message.Role is "user" ? Example().Count(message.Words) : 0);

            foreach (var answer in content.Input.Where(message => message.Role is "assistant" && message.Words.Length > 0).Select(message => message.Words).Distinct(StringComparer.Ordinal))
            {
                answers[answer] = answers.GetValueOrDefault(answer) + 1;
            }
        }

        // Answers before the question are a conversation so far or examples; examples are the same from call to call.
        examples += answers.Values.Where(count => count > 1 && count >= calls / 3).Sum();

        return calls < CallsMin ? null : new PromptFacts(calls, withSystem / (double)calls, characters / (double)calls, examples / (double)calls);
    }

    [GeneratedRegex(@"^\W*(example|beispiel|ejemplo|exemple|input|question|q|user|query)\b[^\n]{0,12}:", RegexOptions.IgnoreCase | RegexOptions.Multiline | RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex Example();
}
