namespace Faultline.Telemetry.Redaction.Detectors;

/// <summary>Bytes of a text, from <paramref name="Start"/> to just before <paramref name="End"/>.</summary>
internal readonly record struct Hit(int Start, int End)
{
    public static readonly Hit None;

    public bool Found => End > Start;
}

/// <summary>Where words begin and end in UTF-8 text that may be JSON, once or twice escaped.</summary>
internal static class Words
{
    public static bool IsDigit(byte value) => value is >= (byte)'0' and <= (byte)'9';

    public static bool IsLetter(byte value) => (byte)(value | 0x20) is >= (byte)'a' and <= (byte)'z';

    public static bool IsWord(byte value) => IsDigit(value) || IsLetter(value) || value == (byte)'_';

    /// <summary>Characters of base64url: also those of most tokens.</summary>
    public static bool IsToken(byte value) => IsWord(value) || value == (byte)'-';

    public static bool IsHex(byte value) => IsDigit(value) || (byte)(value | 0x20) is >= (byte)'a' and <= (byte)'f';

    public static byte At(ReadOnlySpan<byte> text, int index) => (uint)index < (uint)text.Length ? text[index] : (byte)0;

    /// <summary>Whether what begins at <paramref name="at"/> is the rest of a word. The <c>n</c> of a JSON text's <c>\n</c> is none.</summary>
    public static bool ContinuesWord(ReadOnlySpan<byte> text, int at) => at > 0 && IsWord(text[at - 1]) && !EndsEscape(text, at);

    public static bool EndsEscape(ReadOnlySpan<byte> text, int at) =>
        (At(text, at - 2) == '\\' && text[at - 1] is (byte)'n' or (byte)'r' or (byte)'t' or (byte)'b' or (byte)'f')
        || (At(text, at - 6) == '\\' && At(text, at - 5) == 'u' && IsHex(text[at - 4]) && IsHex(text[at - 3]) && IsHex(text[at - 2]) && IsHex(text[at - 1]));

    /// <summary>Moves a start that was found by going back out of an escape that it cut in two.</summary>
    public static int AfterEscape(ReadOnlySpan<byte> text, int start) =>
        At(text, start - 1) != '\\' ? start : Math.Min(text.Length, start + (At(text, start) == 'u' ? 5 : 1));

    /// <summary>End of the digits at <paramref name="at"/>.</summary>
    public static int EndOfDigits(ReadOnlySpan<byte> text, int at)
    {
        while (at < text.Length && IsDigit(text[at]))
        {
            at++;
        }

        return at;
    }

    public static int EndOfToken(ReadOnlySpan<byte> text, int at, int lengthMax)
    {
        var end = Math.Min(text.Length, at + lengthMax);
        while (at < end && IsToken(text[at]))
        {
            at++;
        }

        return at;
    }

    /// <summary>
    /// Whether a token looks made by chance and not by a person: one unbroken part of 16 or more, with digits or both cases mixed, or
    /// several of both cases and of digits in all.
    /// </summary>
    public static bool LooksRandom(ReadOnlySpan<byte> token)
    {
        int length = 0, digits = 0, upper = 0, lower = 0;
        var (allDigits, allUpper, allLower) = (0, 0, 0);
        foreach (var value in token)
        {
            if (value is (byte)'-' or (byte)'_' or (byte)'.')
            {
                (allDigits, allUpper, allLower) = (allDigits + digits, allUpper + upper, allLower + lower);
                (length, digits, upper, lower) = (0, 0, 0, 0);
                continue;
            }

            length++;
            digits += IsDigit(value) ? 1 : 0;
            upper += value is >= (byte)'A' and <= (byte)'Z' ? 1 : 0;
            lower += value is >= (byte)'a' and <= (byte)'z' ? 1 : 0;
            if (length >= 16 && (digits >= 3 || (upper >= 2 && lower >= 2)))
            {
                return true;
            }
        }

        return allDigits + digits >= 2 && allUpper + upper >= 4 && allLower + lower >= 4;
    }

    /// <summary>Whether one of some lower-case words stands in the bytes just before <paramref name="at"/>.</summary>
    public static bool SaidBefore(ReadOnlySpan<byte> text, int at, int reach, ReadOnlySpan<string> words)
    {
        Span<char> before = stackalloc char[reach];
        var from = Math.Max(0, at - reach);
        for (var i = from; i < at; i++)
        {
            before[i - from] = (char)(text[i] is >= (byte)'A' and <= (byte)'Z' ? text[i] | 0x20 : text[i]);
        }

        foreach (var word in words)
        {
            if (before[..(at - from)].Contains(word, StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }
}
