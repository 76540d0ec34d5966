namespace Faultline.Telemetry.Redaction.Detectors;

/// <summary>Social security numbers of the United States, with hyphens; with spaces only where the words say so.</summary>
/// <remarks>Source: Social Security Administration, "Randomization": area not 000, 666 or above 899, group not 00, serial not 0000.</remarks>
internal static class SocialSecurityNumbers
{
    private const int Length = 11;
    private const int Reach = 32;

    private static readonly string[] s_words = ["ssn", "social sec", "social_sec"];

    public static Hit Match(ReadOnlySpan<byte> text, int at)
    {
        if (at + Length > text.Length || text[at + 3] is not ((byte)'-' or (byte)' ') || text[at + 6] != text[at + 3])
        {
            return Hit.None;
        }

        var number = text.Slice(at, Length);
        if (Words.EndOfDigits(number, 0) != 3 || Words.EndOfDigits(number, 4) != 6 || Words.EndOfDigits(number, 7) != Length)
        {
            return Hit.None;
        }

        var area = number[..3];
        var isIssued = !area.SequenceEqual("000"u8) && !area.SequenceEqual("666"u8) && area[0] != '9' && !number[4..6].SequenceEqual("00"u8) && !number[7..].SequenceEqual("0000"u8);
        var (before, after) = (Words.At(text, at - 1), Words.At(text, at + Length));
        var isWhole = !Words.ContinuesWord(text, at) && before is not ((byte)'-' or (byte)'.' or (byte)'#') && !Words.IsWord(after)
            && !(after is (byte)'-' or (byte)'.' && Words.IsWord(Words.At(text, at + Length + 1)));
        return isIssued && isWhole && (number[3] == '-' || Words.SaidBefore(text, at, Reach, s_words)) ? new Hit(at, at + Length) : Hit.None;
    }
}
