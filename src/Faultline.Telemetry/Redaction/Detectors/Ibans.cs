using System.Collections.Frozen;

namespace Faultline.Telemetry.Redaction.Detectors;

/// <summary>International bank account numbers, in one piece or in groups of four.</summary>
/// <remarks>Source: ISO 13616 (form, modulo 97) and the SWIFT registry (lengths).</remarks>
internal static class Ibans
{
    private const int LengthMax = 34;

    private static readonly FrozenDictionary<int, int> s_lengths = Lengths();

    /// <param name="at">The first of its two check digits; the country's letters stand before it.</param>
    public static Hit Match(ReadOnlySpan<byte> text, int at, int floor)
    {
        var start = at - 2;
        if (start < floor || !Words.IsLetter(text[start]) || !Words.IsLetter(text[start + 1]) || !Words.IsDigit(Words.At(text, at + 1))
            || !s_lengths.TryGetValue(Country(text[start], text[start + 1]), out var length) || Words.ContinuesWord(text, start))
        {
            return Hit.None;
        }

        Span<byte> letters = stackalloc byte[LengthMax];
        var (count, end) = (0, start);
        while (count < length)
        {
            var next = Words.At(text, end);
            if (next == ' ' && count % 4 == 0 && count > 0)
            {
                next = Words.At(text, ++end);
            }

            if (!Words.IsLetter(next) && !Words.IsDigit(next))
            {
                return Hit.None;
            }

            letters[count++] = Words.IsLetter(next) ? (byte)(next & 0xdf) : next;
            end++;
        }

        return !Words.IsWord(Words.At(text, end)) && Mod97(letters[..length]) == 1 ? new Hit(start, end) : Hit.None;
    }

    private static int Mod97(ReadOnlySpan<byte> iban)
    {
        var remainder = 0;
        for (var i = 0; i < iban.Length; i++)
        {
            var value = iban[(i + 4) % iban.Length];
            remainder = (Words.IsDigit(value) ? (remainder * 10) + value - '0' : (remainder * 100) + value - 'A' + 10) % 97;
        }

        return remainder;
    }

    private static int Country(byte first, byte second) => ((first & 0xdf) << 8) | (second & 0xdf);

    private static FrozenDictionary<int, int> Lengths()
    {
        const string Registry = """
            AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18
            FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20
            LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31
            SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30
            """;
        return Registry.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)
            .ToFrozenDictionary(entry => Country((byte)entry[0], (byte)entry[1]), entry => int.Parse(entry.AsSpan(2), System.Globalization.CultureInfo.InvariantCulture));
    }
}
