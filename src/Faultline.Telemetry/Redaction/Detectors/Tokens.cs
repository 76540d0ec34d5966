namespace Faultline.Telemetry.Redaction.Detectors;

/// <summary>JSON Web Tokens, signed, encrypted or cut off behind the payload.</summary>
/// <remarks>Source: RFC 7519; a header is a JSON object, whose base64url begins with <c>eyJ</c>.</remarks>
internal static class JsonWebTokens
{
    private const int SegmentMax = 16 * 1024;
    private const int SegmentsMax = 5;

    /// <param name="at">The J of <c>eyJ</c>.</param>
    public static Hit Match(ReadOnlySpan<byte> text, int at, int floor)
    {
        var start = at - 2;
        if (start < floor || text[start] != 'e' || text[start + 1] != 'y' || ContinuesToken(text, start))
        {
            return Hit.None;
        }

        var end = Words.EndOfToken(text, start, SegmentMax);
        if (end - start < 12)
        {
            return Hit.None;
        }

        var segments = 1;
        while (segments < SegmentsMax && Words.At(text, end) == '.' && Words.EndOfToken(text, end + 1, SegmentMax) is var next && (next > end + 1 || segments == 1))
        {
            // The second of a signed one is a JSON object too; of an encrypted one it is the key, which may be empty.
            end = next;
            segments++;
        }

        return segments >= 2 && end - start >= 24 ? new Hit(start, end) : Hit.None;
    }

    internal static bool ContinuesToken(ReadOnlySpan<byte> text, int at) => at > 0 && (Words.ContinuesWord(text, at) || text[at - 1] == '-');
}

/// <summary>Private keys in PEM or OpenPGP armour, also with <c>\n</c> for line ends, also cut off before their end.</summary>
/// <remarks>Source: RFC 7468; RFC 9580 section 6.2.</remarks>
internal static class PrivateKeys
{
    private const int LabelMax = 40;
    private const int BytesMax = 16 * 1024;
    private const int BodyMin = 16;

    /// <param name="at">The first hyphen.</param>
    public static Hit Match(ReadOnlySpan<byte> text, int at)
    {
        var rest = text[at..];
        if (!rest.StartsWith("-----BEGIN "u8))
        {
            return Hit.None;
        }

        var label = rest[11..Math.Min(rest.Length, 11 + LabelMax)];
        var key = label.IndexOf("PRIVATE KEY"u8);
        if (key < 0 || label.IndexOf("-----"u8) is var close && close >= 0 && close < key)
        {
            return Hit.None;
        }

        // To the end line, else to the last byte that could be the key's.
        var limit = Math.Min(rest.Length, BytesMax);
        var body = 11 + key + 11;
        var dashes = rest[body..Math.Min(rest.Length, body + 11)].IndexOf("-----"u8);
        body += dashes < 0 ? 0 : dashes + 5;
        var endLine = rest[body..limit].IndexOf("-----END "u8);
        if (endLine >= 0)
        {
            var end = body + endLine + 9;
            dashes = rest[end..Math.Min(rest.Length, end + LabelMax)].IndexOf("-----"u8);
            return new Hit(at, at + end + (dashes < 0 ? 0 : dashes + 5));
        }

        var stop = body;
        while (stop < limit && (Words.IsToken(rest[stop]) || rest[stop] is (byte)'+' or (byte)'/' or (byte)'=' or (byte)'\\' or (byte)'\n' or (byte)'\r'))
        {
            stop++;
        }

        // A backslash at the end begins an escape that is not the key's.
        while (rest[stop - 1] == '\\')
        {
            stop--;
        }

        return stop - body >= BodyMin ? new Hit(at, at + stop) : Hit.None;
    }
}

/// <summary>Keys that say by their beginning whose they are.</summary>
/// <remarks>Source: the services' own documentation of their key formats. Marks of a public key (<c>pk_live_</c>) are not among them.</remarks>
internal static class CloudKeys
{
    private const int LengthMax = 400;

    private static readonly (byte[] Prefix, int LengthMin)[] s_prefixes =
    [
        .. new (string Prefix, int LengthMin)[]
        {
            ("sk-", 20), ("sk_live_", 16), ("sk_test_", 16), ("rk_live_", 16), ("rk_test_", 16), ("whsec_", 16),
            ("ghp_", 30), ("gho_", 30), ("ghu_", 30), ("ghs_", 30), ("ghr_", 30), ("github_pat_", 30), ("glpat-", 16),
            ("xoxb-", 20), ("xoxp-", 20), ("xoxa-", 20), ("xoxr-", 20), ("xoxs-", 20), ("xoxe-", 20), ("xapp-", 20),
            ("hf_", 30), ("npm_", 30), ("pypi-", 30), ("dckr_pat_", 20), ("dop_v1_", 40), ("shpat_", 30), ("lin_api_", 30),
            ("gsk_", 30), ("pplx-", 30), ("xai-", 30), ("r8_", 30), ("sq0atp-", 20), ("sq0csp-", 30), ("GOCSPX-", 20), ("AGE-SECRET-KEY-", 40),
        }.Select(pair => (System.Text.Encoding.ASCII.GetBytes(pair.Prefix), pair.LengthMin)),
    ];

    private static readonly int s_firstPartMax = s_prefixes.Max(pair => FirstPart(pair.Prefix));

    /// <summary>The prefixes by the length of their first part.</summary>
    private static readonly (byte[] Prefix, int LengthMin)[][] s_byFirstPart =
        [.. Enumerable.Range(0, s_firstPartMax + 1).Select(length => s_prefixes.Where(pair => FirstPart(pair.Prefix) == length).ToArray())];

    private static int FirstPart(ReadOnlySpan<byte> prefix) => prefix.IndexOfAny((byte)'-', (byte)'_');

    /// <param name="at">The first hyphen or underscore of a prefix.</param>
    public static Hit MatchPrefix(ReadOnlySpan<byte> text, int at, int floor)
    {
        var start = at;
        while (start > Math.Max(floor, at - s_firstPartMax - 1) && (Words.IsLetter(text[start - 1]) || Words.IsDigit(text[start - 1])))
        {
            start--;
        }

        start = Words.AfterEscape(text, start);
        if (start >= at || at - start > s_firstPartMax || JsonWebTokens.ContinuesToken(text, start))
        {
            return Hit.None;
        }

        foreach (var (prefix, lengthMin) in s_byFirstPart[at - start])
        {
            if (text[start] == prefix[0] && text[start..].StartsWith(prefix))
            {
                return Token(text, start, start + prefix.Length, lengthMin);
            }
        }

        return Hit.None;
    }

    /// <summary>AWS access key ids (<c>AKIA</c>, <c>ASIA</c> and 16 more) and Google API keys (<c>AIza</c> and 35 more).</summary>
    /// <param name="at">The I.</param>
    public static Hit MatchCapitalI(ReadOnlySpan<byte> text, int at, int floor)
    {
        if (at >= 2 && text[at - 2] == 'A' && text[at - 1] is (byte)'K' or (byte)'S' && Words.At(text, at + 1) == 'A')
        {
            var end = at + 2;
            while (end < text.Length && (Words.IsDigit(text[end]) || text[end] is >= (byte)'A' and <= (byte)'Z'))
            {
                end++;
            }

            return end - at == 18 && at - 2 >= floor && !Words.IsWord(Words.At(text, end)) && !Words.ContinuesWord(text, at - 2) ? new Hit(at - 2, end) : Hit.None;
        }

        if (at >= 1 && at - 1 >= floor && text[at - 1] == 'A' && Words.At(text, at + 1) == 'z' && Words.At(text, at + 2) == 'a' && !JsonWebTokens.ContinuesToken(text, at - 1))
        {
            return Token(text, at - 1, at + 3, 35);
        }

        return Hit.None;
    }

    /// <summary>SendGrid (<c>SG.x.y</c>) and Google access tokens (<c>ya29.x</c>).</summary>
    /// <param name="dot">The first point.</param>
    public static Hit MatchDotted(ReadOnlySpan<byte> text, int start, int dot, int floor)
    {
        if (start < floor || JsonWebTokens.ContinuesToken(text, start))
        {
            return Hit.None;
        }

        var end = Words.EndOfToken(text, dot + 1, LengthMax);
        if (Words.At(text, end) == '.' && text[start] == 'S')
        {
            end = Words.EndOfToken(text, end + 1, LengthMax);
        }

        return end - dot > 20 && Words.LooksRandom(text[(dot + 1)..end]) ? new Hit(start, end) : Hit.None;
    }

    /// <summary>The 40 characters behind <c>secret_access_key</c>, and the 88 behind <c>AccountKey=</c>, which have no mark of their own.</summary>
    /// <param name="nameEnd">Just behind the name.</param>
    /// <param name="length">Characters of the secret.</param>
    public static Hit MatchNamed(ReadOnlySpan<byte> text, int nameEnd, int length)
    {
        var start = nameEnd;
        while (start < Math.Min(text.Length, nameEnd + 8) && text[start] is (byte)'"' or (byte)'\'' or (byte)' ' or (byte)':' or (byte)'=' or (byte)'\\')
        {
            start++;
        }

        var end = start;
        while (end < Math.Min(text.Length, start + length + 1) && (Words.IsWord(text[end]) || text[end] is (byte)'+' or (byte)'/' or (byte)'='))
        {
            end++;
        }

        return start > nameEnd && end - start == length ? new Hit(start, end) : Hit.None;
    }

    private static Hit Token(ReadOnlySpan<byte> text, int start, int secret, int lengthMin)
    {
        var end = Words.EndOfToken(text, secret, LengthMax);
        return end - secret >= lengthMin && Words.LooksRandom(text[secret..end]) ? new Hit(start, end) : Hit.None;
    }
}

/// <summary>Credentials that are known by what stands around them.</summary>
/// <remarks>Source: RFC 6750 (Bearer), RFC 7617 (Basic), RFC 3986 section 3.2.1 (user information in a URL).</remarks>
internal static class Credentials
{
    private const int LengthMax = 8 * 1024;
    private const int UserMax = 256;

    /// <param name="at">The <c>e</c> of <c>earer</c> with one blank behind.</param>
    public static Hit MatchBearer(ReadOnlySpan<byte> text, int at, int floor)
    {
        var word = at - 1;
        if (word < floor || text[word] is not ((byte)'B' or (byte)'b') || Words.ContinuesWord(text, word))
        {
            return Hit.None;
        }

        var start = at + 6;
        var end = EndOfSecret(text, start);
        return end - start >= 16 && Words.LooksRandom(text[start..end]) ? new Hit(start, end) : Hit.None;
    }

    /// <param name="at">The <c>a</c> of <c>asic</c> with one blank behind.</param>
    public static Hit MatchBasic(ReadOnlySpan<byte> text, int at, int floor)
    {
        var word = at - 1;
        if (word < floor || text[word] is not ((byte)'B' or (byte)'b') || Words.ContinuesWord(text, word))
        {
            return Hit.None;
        }

        // user:password, or these are plain words.
        var start = at + 5;
        var end = Math.Min(EndOfSecret(text, start), start + UserMax);
        Span<byte> plain = stackalloc byte[UserMax];
        return end - start >= 8 && System.Buffers.Text.Base64.DecodeFromUtf8(text[start..end], plain, out _, out var written) == System.Buffers.OperationStatus.Done
            && plain[..written].IndexOf((byte)':') >= 0
            ? new Hit(start, end)
            : Hit.None;
    }

    /// <summary>The password of <c>scheme://user:password@host</c>.</summary>
    /// <param name="at">The sign before the host.</param>
    public static Hit MatchUrl(ReadOnlySpan<byte> text, int at, int floor)
    {
        var colon = -1;
        var limit = Math.Max(floor, at - UserMax);
        for (var i = at - 1; i >= limit; i--)
        {
            switch (text[i])
            {
                case (byte)'/':
                    return i >= 2 && text[i - 1] == '/' && text[i - 2] == ':' && colon > 0 && at > colon + 1 ? new Hit(colon + 1, at) : Hit.None;
                case (byte)':':
                    colon = i;
                    break;
                case (byte)' ' or (byte)'"' or (byte)'\n' or (byte)'<' or (byte)'@':
                    return Hit.None;
            }
        }

        return Hit.None;
    }

    private static int EndOfSecret(ReadOnlySpan<byte> text, int at)
    {
        var limit = Math.Min(text.Length, at + LengthMax);
        while (at < limit && (Words.IsToken(text[at]) || text[at] is (byte)'.' or (byte)'~' or (byte)'+' or (byte)'/' or (byte)'='))
        {
            at++;
        }

        while (at > 0 && text[at - 1] == '.')
        {
            at--;
        }

        return at;
    }
}
