namespace Faultline.Telemetry.Redaction.Detectors;

/// <summary>Phone numbers: E.164, and the national forms in which people write them. Digits in one piece count only where the words before say so.</summary>
/// <remarks>Source: ITU-T E.164 (15 digits at most) and E.123 (how they are written).</remarks>
internal static class Phones
{
    private const int Reach = 24;
    private const int GroupsMax = 6;

    private static readonly string[] s_words = ["phone", "tel:", "tel.", "tel ", "telefon", "mobile", "mobil", "cell", "call ", "fax", "handy", "whatsapp", "sms", "number is", "rufnummer"];

    /// <param name="at">The plus, or what stands for it.</param>
    /// <param name="plusLength">1 for <c>+</c>, 6 for <c>\u002B</c>, 3 for <c>%2B</c>.</param>
    public static Hit MatchInternational(ReadOnlySpan<byte> text, int at, int plusLength)
    {
        var first = Words.At(text, at + plusLength);
        if (first is < (byte)'1' or > (byte)'9' || Words.ContinuesWord(text, at) || Words.At(text, at - 1) is (byte)'+' or (byte)'-')
        {
            return Hit.None;
        }

        var (digits, end) = ReadDigits(text, at + plusLength);
        return IsComplete(first, digits) && !Words.IsWord(Words.At(text, end)) ? new Hit(at, end) : Hit.None;
    }

    /// <param name="at">The first digit; for <c>(212) 555-0123</c> the one behind the bracket.</param>
    public static Hit MatchNational(ReadOnlySpan<byte> text, int at)
    {
        var before = Words.At(text, at - 1);
        if (Words.ContinuesWord(text, at) || before is (byte)'.' or (byte)'-' or (byte)'/' or (byte)'+' or (byte)'#' or (byte)':' && !IsSaid(text, at))
        {
            return Hit.None;
        }

        var hit = text[at] == '0' ? MatchTrunk(text, at) : MatchNorthAmerican(text, at);
        return !hit.Found && MatchSaid(text, at) is { Found: true } said && IsSaid(text, at) ? said : hit;
    }

    private static bool IsSaid(ReadOnlySpan<byte> text, int at) => Words.SaidBefore(text, at, Reach, s_words);

    /// <summary>A country's code says how long a number is only for the North American plan and for Russia and Kazakhstan.</summary>
    private static bool IsComplete(byte first, int digits) => first is (byte)'1' or (byte)'7' ? digits == 11 : digits is >= 8 and <= 15;

    /// <summary><c>0049 30 …</c>, <c>030 1234567</c>, <c>0171/1234567</c>, <c>01 23 45 67 89</c>, <c>020 7946 0958</c>.</summary>
    private static Hit MatchTrunk(ReadOnlySpan<byte> text, int at)
    {
        var groupEnd = Words.EndOfDigits(text, at);
        var size = groupEnd - at;
        if (Words.At(text, at + 1) == '0')
        {
            var (digits, end) = ReadDigits(text, at + 2);
            return size < 15 && digits is >= 9 and <= 15 && Words.At(text, at + 2) is > (byte)'0' and <= (byte)'9' && Words.At(text, groupEnd) is (byte)' ' or (byte)'-' or (byte)'/' && !Words.IsWord(Words.At(text, end))
                ? new Hit(at, end)
                : Hit.None;
        }

        if (size is < 2 or > 6)
        {
            return Hit.None;
        }

        var (count, groups, stop) = (size, 1, groupEnd);
        var separator = Words.At(text, groupEnd);
        while (groups < GroupsMax && Words.At(text, stop) is (byte)' ' or (byte)'-' or (byte)'/' or (byte)'.')
        {
            // A slash or hyphen may part only the area code; after it the number has one separator of its own.
            if (Words.At(text, stop) != separator && groups > 1 && Words.At(text, stop) is not (byte)' ')
            {
                break;
            }

            var next = Words.EndOfDigits(text, stop + 1);
            if (next - stop - 1 < 2 || (separator == '/' && groups > 1 && text[stop] == '/'))
            {
                break;
            }

            count += next - stop - 1;
            stop = next;
            groups++;
        }

        // Eight digits in groups are a date.
        return groups > 1 && count is >= 9 and <= 12 && !Words.IsWord(Words.At(text, stop)) && !(Words.At(text, stop) is (byte)'-' or (byte)'.' or (byte)':' && Words.IsWord(Words.At(text, stop + 1)))
            ? new Hit(at, stop)
            : Hit.None;
    }

    /// <summary><c>(212) 555-0123</c>, <c>212-555-0123</c>, <c>212.555.0123</c>, with or without <c>1-</c> in front.</summary>
    private static Hit MatchNorthAmerican(ReadOnlySpan<byte> text, int at)
    {
        var start = at;
        if (text[at] == '1' && Words.At(text, at + 1) is (byte)'-' or (byte)' ' or (byte)'.')
        {
            at += Words.At(text, at + 2) == '(' ? 3 : 2;
        }

        if (at + 12 > text.Length || !IsGroup(text, at, 3) || text[at] < '2')
        {
            return Hit.None;
        }

        var bracket = Words.At(text, at - 1) == '(' && text[at + 3] == ')';
        var second = at + 4 + (bracket && Words.At(text, at + 4) is (byte)' ' or (byte)'-' ? 1 : 0);
        var separator = bracket ? Words.At(text, second + 3) : text[at + 3];
        if (separator is not ((byte)'-' or (byte)'.' or (byte)' ') || (separator == ' ' && !bracket) || !IsGroup(text, second, 3) || text[second] < '2' || Words.At(text, second + 3) != separator || !IsGroup(text, second + 4, 4))
        {
            return Hit.None;
        }

        var end = second + 8;
        return Words.IsWord(Words.At(text, end)) || (Words.At(text, end) is (byte)'-' or (byte)'.' && Words.IsWord(Words.At(text, end + 1)))
            ? Hit.None
            : new Hit(start == at && bracket ? at - 1 : start, end);
    }

    /// <summary>Any seven to fifteen digits; a phone number only where the words before say so.</summary>
    private static Hit MatchSaid(ReadOnlySpan<byte> text, int at)
    {
        var (digits, end) = ReadDigits(text, at);
        return digits is >= 7 and <= 15 && !Words.IsWord(Words.At(text, end)) ? new Hit(at, end) : Hit.None;
    }

    private static bool IsGroup(ReadOnlySpan<byte> text, int at, int digits) => Words.EndOfDigits(text, at) - at == digits;

    /// <summary>Digits with at most two separators between them; 16 when there are more than 15.</summary>
    private static (int Digits, int End) ReadDigits(ReadOnlySpan<byte> text, int at)
    {
        var (digits, end, gap) = (0, at, 0);
        for (var i = at; i < text.Length && digits < 16 && gap <= 2; i++)
        {
            if (Words.IsDigit(text[i]))
            {
                digits++;
                end = i + 1;
                gap = 0;
            }
            else if (text[i] is (byte)' ' or (byte)'-' or (byte)'.' or (byte)'/' or (byte)'(' or (byte)')')
            {
                gap++;
            }
            else
            {
                break;
            }
        }

        return (digits, end);
    }
}
