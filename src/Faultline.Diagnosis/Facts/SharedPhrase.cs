using System.Text.RegularExpressions;
using Faultline.Store.Traces;

namespace Faultline.Diagnosis.Facts;

/// <summary>Words in a row that many of the bad texts share and hardly any good one has: a machine wrote them.</summary>
internal static partial class SharedPhrase
{
    /// <summary>Words in a row that people do not hit upon by chance.</summary>
    private const int Length = 6;

    /// <returns>The words in lower case, the share of the bad texts that have them, and one of those; null when there are none.</returns>
    public static (string Words, double Bad, SpanSummary Example)? Of(IReadOnlyList<SpanSummary> bad, IReadOnlyList<SpanSummary> good, Func<SpanSummary, string> text)
    {
        Dictionary<string, (int Bad, int Good, SpanSummary? Example)> counts = new(StringComparer.Ordinal);
        foreach (var span in bad)
        {
            foreach (var phrase in Phrases(text(span)))
            {
                var known = counts.GetValueOrDefault(phrase);
                counts[phrase] = (known.Bad + 1, 0, known.Example ?? span);
            }
        }

        foreach (var phrase in good.SelectMany(span => Phrases(text(span))))
        {
            if (counts.TryGetValue(phrase, out var known))
            {
                counts[phrase] = known with { Good = known.Good + 1 };
            }
        }

        return counts
            .Where(one => one.Value.Good <= good.Count / 50 && BubbleUp.IsMore(one.Value.Bad / (double)bad.Count, bad.Count, one.Value.Good / (double)good.Count, good.Count))
            .OrderByDescending(static one => one.Value.Bad).ThenBy(static one => one.Key, StringComparer.Ordinal)
            .Select(one => ((string, double, SpanSummary)?)(one.Key, one.Value.Bad / (double)bad.Count, one.Value.Example!)).FirstOrDefault();
    }

    private static HashSet<string> Phrases(string text)
    {
        List<string> words = [];
        foreach (var match in Word().EnumerateMatches(text))
        {
            words.Add(text.Substring(match.Index, match.Length).ToLowerInvariant());
        }

        HashSet<string> phrases = new(StringComparer.Ordinal);
        for (var i = 0; i + Length <= words.Count; i++)
        {
            phrases.Add(string.Join(' ', words.GetRange(i, Length)));
        }

        return phrases;
    }

    [GeneratedRegex(@"\p{L}+", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant)]
    private static partial Regex Word();
}
