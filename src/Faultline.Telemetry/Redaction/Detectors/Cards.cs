namespace Faultline.Telemetry.Redaction.Detectors;

/// <summary>Payment card numbers: an issuer's prefix and length, written in one piece or in the groups of the card, and a right check digit.</summary>
/// <remarks>Source: ISO/IEC 7812-1 (Luhn); the issuers' published ranges. One number in ten has a right check digit by chance, so the prefix decides first.</remarks>
internal static class Cards
{
    private const int DigitsMax = 19;
    private const int WordMax = 12;

    /// <param name="at">The first of its digits.</param>
    /// <param name="end">Just behind the digits that stand there in one piece.</param>
    public static Hit Match(ReadOnlySpan<byte> text, int at, int end)
    {
        var length = end - at;
        if (length is not (4 or (>= 14 and <= DigitsMax)) || text[at] is not ((>= (byte)'2' and <= (byte)'6')) || Words.ContinuesWord(text, at) || IsRestOfNumber(text, at))
        {
            return Hit.None;
        }

        Span<byte> digits = stackalloc byte[DigitsMax + 1];
        if (length == 4)
        {
            length = ReadGroups(text, at, digits, out end);
        }
        else
        {
            text[at..end].CopyTo(digits);
        }

        if (length < 14 || Words.IsWord(Words.At(text, end)) || GoesOn(text, end) || !IsIssued(digits[..length]) || !Luhn(digits[..length]))
        {
            return Hit.None;
        }

        return new Hit(at, end);
    }

    /// <summary>4-4-4-4, 4-4-4-4-3, 4-6-5 or 4-6-4, with one kind of separator.</summary>
    private static int ReadGroups(ReadOnlySpan<byte> text, int at, Span<byte> digits, out int end)
    {
        var separator = Words.At(text, at + 4);
        text.Slice(at, 4).CopyTo(digits);
        var count = 4;
        end = at + 4;
        if (separator is not ((byte)' ' or (byte)'-'))
        {
            return 0;
        }

        for (var group = 1; group < 5 && Words.At(text, end) == separator; group++)
        {
            var groupEnd = Words.EndOfDigits(text, end + 1);
            var size = groupEnd - end - 1;
            var fits = group switch
            {
                1 => size is 4 or 6,
                2 => count == 8 ? size == 4 : size is 4 or 5,
                3 => count == 12 && size == 4,
                _ => size == 3,
            };
            if (!fits)
            {
                break;
            }

            text[(end + 1)..groupEnd].CopyTo(digits[count..]);
            count += size;
            end = groupEnd;
            if (count is 14 or 15 && group == 2)
            {
                break;
            }
        }

        return count;
    }

    /// <summary>The rest of a longer number or identifier: behind a point, or behind a hyphen that joins it to a word with digits.</summary>
    private static bool IsRestOfNumber(ReadOnlySpan<byte> text, int at)
    {
        if (at < 2 || text[at - 1] is not ((byte)'.' or (byte)'-'))
        {
            return false;
        }

        var start = at - 1;
        while (start > Math.Max(0, at - 1 - WordMax) && Words.IsWord(text[start - 1]))
        {
            start--;
        }

        return text[start..(at - 1)].ContainsAnyInRange((byte)'0', (byte)'9');
    }

    private static bool GoesOn(ReadOnlySpan<byte> text, int end) => Words.At(text, end) is (byte)'-' or (byte)'.' && Words.IsWord(Words.At(text, end + 1)) && (Words.At(text, end) == '-' || Words.IsDigit(text[end + 1]));

    private static bool IsIssued(ReadOnlySpan<byte> digits)
    {
        var prefix = ((digits[0] - '0') * 1000) + ((digits[1] - '0') * 100) + ((digits[2] - '0') * 10) + digits[3] - '0';
        return digits.Length switch
        {
            14 => prefix is (>= 3000 and <= 3059) or (>= 3600 and <= 3699) or (>= 3800 and <= 3999),
            15 => prefix / 100 is 34 or 37,
            16 => prefix / 1000 is 4 || prefix is (>= 2221 and <= 2720) or (>= 3528 and <= 3589) or (>= 5100 and <= 5599) or (>= 6200 and <= 6299)
                or 6011 or (>= 6440 and <= 6599) or 5018 or 5020 or 5038 or 6304 or 6759 or (>= 6761 and <= 6763),
            19 => prefix / 1000 is 4 || prefix is (>= 6200 and <= 6299) or 6304 or 6759 or (>= 6761 and <= 6763),
            _ => false,
        };
    }

    private static bool Luhn(ReadOnlySpan<byte> digits)
    {
        var sum = 0;
        for (var i = 0; i < digits.Length; i++)
        {
            var digit = digits[^(i + 1)] - '0';
            digit *= (i % 2) + 1;
            sum += digit > 9 ? digit - 9 : digit;
        }

        return sum % 10 == 0 && digits.ContainsAnyExcept(digits[0]);
    }
}
