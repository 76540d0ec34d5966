using Faultline.Diagnosis.Features;

namespace Faultline.Diagnosis.Facts;

internal static class TextWords
{
    /// <summary>Any of the words, in any case.</summary>
    public static bool ContainsAny(this string text, params ReadOnlySpan<string> words)
    {
        foreach (var word in words)
        {
            if (text.Contains(word, StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The commonest of some names that are not empty, of equals the first by its letters; null when none is there so often.</summary>
    public static string? Commonest(this IEnumerable<string> names, int timesMin = 1) => names.Where(static name => name.Length > 0)
        .CountBy(static name => name, StringComparer.Ordinal).Where(name => name.Value >= timesMin)
        .OrderByDescending(static name => name.Value).ThenBy(static name => name.Key, StringComparer.Ordinal).Select(static name => name.Key).FirstOrDefault();

    /// <summary>The feature's name has one of the words.</summary>
    public static bool HasWord(this Shift shift, params ReadOnlySpan<string> words) => shift.Feature.Name.ContainsAny(words);
}
