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

    /// <summary>The feature's name has one of the words.</summary>
    public static bool HasWord(this Shift shift, params ReadOnlySpan<string> words) => shift.Feature.Name.ContainsAny(words);
}
