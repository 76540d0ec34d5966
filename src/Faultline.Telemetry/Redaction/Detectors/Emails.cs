namespace Faultline.Telemetry.Redaction.Detectors;

/// <summary>Mail addresses as people write them.</summary>
/// <remarks>
/// Source: RFC 5321 section 4.1.2 without quoted local parts, lengths of section 4.5.3.1. What looks like one and is none: packages with
/// versions (<c>react@18.2.0</c>), pictures (<c>logo@2x.png</c>), <c>git@host:path</c>.
/// </remarks>
internal static class Emails
{
    private const int LocalMax = 64;
    private const int DomainMax = 253;

    /// <param name="at">Where the sign stands.</param>
    /// <param name="signLength">1 for <c>@</c>, 3 for <c>%40</c>, 6 for <c>\u0040</c>.</param>
    /// <param name="floor">What is before belongs to another hit.</param>
    public static Hit Match(ReadOnlySpan<byte> text, int at, int signLength, int floor)
    {
        var start = at;
        while (start > Math.Max(floor, at - LocalMax))
        {
            if (IsLocal(text[start - 1]))
            {
                start--;
            }
            else if (start - 2 >= floor && IsLetterOfTwoBytes(text, start - 2))
            {
                start -= 2;
            }
            else
            {
                break;
            }
        }

        start = Words.AfterEscape(text, start);
        while (start < at && text[start] is (byte)'.' or (byte)'-' or (byte)'\'' or (byte)'%')
        {
            start++;
        }

        var end = EndOfDomain(text, at + signLength);
        if (start >= at || text[at - 1] == '.' || end < 0 || IsLookAlike(text, start, at, at + signLength, end))
        {
            return Hit.None;
        }

        return new Hit(start, end);
    }

    private static bool IsLocal(byte value) => Words.IsToken(value) || value is (byte)'.' or (byte)'+' or (byte)'%' or (byte)'\'';

    /// <summary>Latin beyond ASCII, Greek, Cyrillic and others up to U+07FF. Quotation marks and scripts written without spaces lie outside.</summary>
    private static bool IsLetterOfTwoBytes(ReadOnlySpan<byte> text, int at) => text[at] is >= 0xc3 and <= 0xdf && Words.At(text, at + 1) is >= 0x80 and <= 0xbf;

    private static int EndOfDomain(ReadOnlySpan<byte> text, int at)
    {
        var limit = Math.Min(text.Length, at + DomainMax);
        int label = at, end = -1;
        for (var i = at; i <= limit; i++)
        {
            if (i < limit && (Words.IsLetter(text[i]) || Words.IsDigit(text[i]) || text[i] == '-'))
            {
                continue;
            }

            if (i + 1 < limit && IsLetterOfTwoBytes(text, i))
            {
                i++;
                continue;
            }

            // The last label that has letters only, two or more, and a label before it, ends the address.
            if (i == label)
            {
                break;
            }

            if (label > at && IsTopLevel(text[label..i]))
            {
                end = i;
            }

            if (i == limit || text[i] != '.')
            {
                break;
            }

            label = i + 1;
        }

        return end;
    }

    private static bool IsTopLevel(ReadOnlySpan<byte> label)
    {
        foreach (var value in label)
        {
            if (!Words.IsLetter(value) && value < 0x80)
            {
                return label.StartsWith("xn--"u8);
            }
        }

        return label.Length >= 2;
    }

    private static bool IsLookAlike(ReadOnlySpan<byte> text, int start, int at, int domain, int end)
    {
        if (text[start..at].SequenceEqual("git"u8) && Words.At(text, end) == ':')
        {
            return true;
        }

        // A version: digits, a point, a digit. A picture for dense screens: 2x.png.
        var digits = Words.EndOfDigits(text, domain);
        return digits > domain
            && ((Words.At(text, digits) == '.' && Words.IsDigit(Words.At(text, digits + 1)))
                || (Words.At(text, digits) == 'x' && Words.At(text, digits + 1) == '.'));
    }
}
