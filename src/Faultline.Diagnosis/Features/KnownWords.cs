namespace Faultline.Diagnosis.Features;

/// <summary>
/// The words that the texts of a service have had, to see texts of another kind: another language, another topic, characters that were decoded wrongly. A word is
/// known when it is some hours old, so that what a fault brings stays new while somebody may look at it.
/// </summary>
internal sealed class KnownWords
{
    /// <summary>Words remembered; of what is rarer each time is the first.</summary>
    internal const int WordsMax = 8_192;

    /// <summary>How old a word is when it is known.</summary>
    internal const int SecondsKnown = 3 * 3600;

    /// <summary>Fewer words tell nothing.</summary>
    private const int WordsMin = 4;

    /// <summary>Shorter words are of many languages and no topic.</summary>
    private const int LettersMin = 4;

    private readonly Dictionary<int, int> _firstSeenSeconds = [];
    private long _began;

    /// <summary>Whether most of the text's words are new; the words are noted.</summary>
    /// <param name="seconds">When it was said, unix seconds.</param>
    /// <returns>Null while too little is known, and of a text too short to say.</returns>
    public bool? IsNew(ReadOnlySpan<char> text, long seconds)
    {
        if (_began == 0)
        {
            _began = seconds;
        }

        int words = 0, unknown = 0;
        var now = (int)Math.Clamp(seconds - _began, 0, int.MaxValue);
        for (var at = 0; at < text.Length;)
        {
            if (!char.IsLetter(text[at]))
            {
                at++;
                continue;
            }

            var start = at;
            while (at < text.Length && char.IsLetter(text[at]))
            {
                at++;
            }

            // What stands at the end may be cut off.
            if (at - start >= LettersMin && at < text.Length)
            {
                words++;
                unknown += IsUnknown(string.GetHashCode(text[start..at], StringComparison.OrdinalIgnoreCase), now) ? 1 : 0;
            }
        }

        return words < WordsMin || now < 2 * SecondsKnown ? null : 2 * unknown > words;
    }

    private bool IsUnknown(int word, int now)
    {
        if (_firstSeenSeconds.TryGetValue(word, out var first))
        {
            return now - first < SecondsKnown;
        }

        if (_firstSeenSeconds.Count < WordsMax)
        {
            _firstSeenSeconds.Add(word, now);
        }

        return true;
    }
}
