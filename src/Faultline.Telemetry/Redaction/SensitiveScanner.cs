using System.Buffers;
using Faultline.Telemetry.Redaction.Detectors;

namespace Faultline.Telemetry.Redaction;

/// <summary>A place in a text that holds something sensitive.</summary>
/// <param name="Start">First byte.</param>
/// <param name="End">Just behind the last.</param>
internal readonly record struct Sighting(int Start, int End, SensitiveKind Kind);

/// <summary>
/// Finds what is sensitive in one UTF-8 text, in one pass: it jumps from one byte that could be part of something to the next
/// (an @, a digit, the J of <c>eyJ</c>), and a detector looks at what stands around it, a bounded number of bytes. So the time is linear in
/// the text, whatever the text is.
/// </summary>
internal sealed class SensitiveScanner
{
    /// <summary>Nothing shorter is sensitive: <c>a@b.de</c> has six.</summary>
    public const int TextBytesMin = 6;

    private readonly bool _email, _phone, _card, _iban, _ssn, _ip, _jwt, _privateKey, _cloudKey, _credential;
    private readonly SearchValues<byte> _triggers;

    public SensitiveScanner(IEnumerable<SensitiveKind> kinds)
    {
        var on = kinds.ToHashSet();
        _email = on.Contains(SensitiveKind.Email);
        _phone = on.Contains(SensitiveKind.Phone);
        _card = on.Contains(SensitiveKind.Card);
        _iban = on.Contains(SensitiveKind.Iban);
        _ssn = on.Contains(SensitiveKind.Ssn);
        _ip = on.Contains(SensitiveKind.Ip);
        _jwt = on.Contains(SensitiveKind.Jwt);
        _privateKey = on.Contains(SensitiveKind.PrivateKey);
        _cloudKey = on.Contains(SensitiveKind.CloudKey);
        _credential = on.Contains(SensitiveKind.Credential);
        var triggers = (_email || _phone || _card || _iban || _ssn || _ip || _cloudKey ? "0123456789" : "")
            + (_email || _credential ? "@" : "") + (_phone ? "+" : "") + (_ip ? ":" : "") + (_jwt ? "J" : "")
            + (_privateKey || _cloudKey ? "-" : "") + (_cloudKey ? "_IGK=" : "");
        _triggers = SearchValues.Create(System.Text.Encoding.ASCII.GetBytes(triggers));
    }

    /// <summary>Adds what it finds, in order and without overlaps.</summary>
    public void Scan(ReadOnlySpan<byte> text, List<Sighting> into)
    {
        if (text.Length < TextBytesMin)
        {
            return;
        }

        var floor = 0;
        var hasBlank = _credential && text.Contains((byte)' ');
        var bearer = hasBlank ? Next(text, "earer "u8, 0) : text.Length;
        var basic = hasBlank ? Next(text, "asic "u8, 0) : text.Length;
        for (var at = 0; at < text.Length;)
        {
            // What the last hit held is not looked at again.
            bearer = bearer < at ? Next(text, "earer "u8, at) : bearer;
            basic = basic < at ? Next(text, "asic "u8, at) : basic;
            var jump = text[at..].IndexOfAny(_triggers);
            at = jump < 0 ? text.Length : at + jump;
            if (Math.Min(bearer, basic) is var word && word < text.Length && word <= at)
            {
                var isBearer = word == bearer;
                var secret = isBearer ? Credentials.MatchBearer(text, word, floor) : Credentials.MatchBasic(text, word, floor);
                at = Take(secret, SensitiveKind.Credential, word + 1, into, ref floor);
            }
            else if (at < text.Length)
            {
                var (hit, kind) = MatchAt(text, at, floor, out var resume);
                at = Take(hit, kind, resume, into, ref floor);
            }
        }
    }

    private static int Next(ReadOnlySpan<byte> text, ReadOnlySpan<byte> word, int from)
    {
        var at = from < text.Length ? text[from..].IndexOf(word) : -1;
        return at < 0 ? text.Length : from + at;
    }

    private static int Take(Hit hit, SensitiveKind kind, int resume, List<Sighting> into, ref int floor)
    {
        if (!hit.Found)
        {
            return resume;
        }

        into.Add(new Sighting(hit.Start, hit.End, kind));
        floor = hit.End;
        return hit.End;
    }

    /// <param name="resume">Where to go on when nothing was found.</param>
    private (Hit Hit, SensitiveKind Kind) MatchAt(ReadOnlySpan<byte> text, int at, int floor, out int resume)
    {
        resume = at + 1;
        switch (text[at])
        {
            case (byte)'@':
                return _credential && Credentials.MatchUrl(text, at, floor) is { Found: true } password
                    ? (password, SensitiveKind.Credential)
                    : (_email ? Emails.Match(text, at, 1, floor) : Hit.None, SensitiveKind.Email);
            case (byte)'+':
                return (Phones.MatchInternational(text, at, 1), SensitiveKind.Phone);
            case (byte)':':
                return (IpAddresses.MatchV6(text, at, floor), SensitiveKind.Ip);
            case (byte)'J':
                return (JsonWebTokens.Match(text, at, floor), SensitiveKind.Jwt);
            case (byte)'-':
                return _privateKey && PrivateKeys.Match(text, at) is { Found: true } pem
                    ? (pem, SensitiveKind.PrivateKey)
                    : (_cloudKey ? CloudKeys.MatchPrefix(text, at, floor) : Hit.None, SensitiveKind.CloudKey);
            case (byte)'_' or (byte)'I' or (byte)'G' or (byte)'K' or (byte)'=':
                return (MatchKey(text, at, floor), SensitiveKind.CloudKey);
            default:
                resume = Words.EndOfDigits(text, at);
                return MatchDigits(text, at, resume, floor);
        }
    }

    private static Hit MatchKey(ReadOnlySpan<byte> text, int at, int floor)
    {
        switch (text[at])
        {
            case (byte)'I':
                return CloudKeys.MatchCapitalI(text, at, floor);
            case (byte)'G':
                return at > 0 && text[at - 1] == 'S' && Words.At(text, at + 1) == '.' ? CloudKeys.MatchDotted(text, at - 1, at + 1, floor) : Hit.None;
            case (byte)'K':
                return text[..at].EndsWith("SecretAccess"u8) && text[at..].StartsWith("Key"u8) ? CloudKeys.MatchNamed(text, at + 3, 40) : Hit.None;
            case (byte)'=':
                return text[..at].EndsWith("AccountKey"u8) || text[..at].EndsWith("SharedAccessKey"u8) ? CloudKeys.MatchNamed(text, at, 88) : Hit.None;
            default:
                return text[at..].StartsWith("_access_key"u8) && text[..at].EndsWith("secret"u8)
                    ? CloudKeys.MatchNamed(text, at + 11, 40)
                    : CloudKeys.MatchPrefix(text, at, floor);
        }
    }

    private (Hit Hit, SensitiveKind Kind) MatchDigits(ReadOnlySpan<byte> text, int at, int end, int floor)
    {
        if (at > 0 && text[at - 1] is (byte)'%' or (byte)'u' && MatchEncoded(text, at, floor) is { Hit.Found: true } encoded)
        {
            return encoded;
        }

        if (_card && Cards.Match(text, at, end) is { Found: true } card)
        {
            return (card, SensitiveKind.Card);
        }

        if (end - at >= 2 && at - floor >= 2)
        {
            if (_iban && Ibans.Match(text, at, floor) is { Found: true } iban)
            {
                return (iban, SensitiveKind.Iban);
            }

            if (_cloudKey && text[at - 1] == 'a' && text[at - 2] == 'y' && Words.At(text, end) == '.' && CloudKeys.MatchDotted(text, at - 2, end, floor) is { Found: true } token)
            {
                return (token, SensitiveKind.CloudKey);
            }
        }

        if (_ssn && end - at == 3 && SocialSecurityNumbers.Match(text, at) is { Found: true } ssn)
        {
            return (ssn, SensitiveKind.Ssn);
        }

        if (_ip && end - at <= 3 && IpAddresses.MatchV4(text, at) is { Found: true } ip)
        {
            return (ip, SensitiveKind.Ip);
        }

        return (_phone ? Phones.MatchNational(text, at) : Hit.None, SensitiveKind.Phone);
    }

    /// <summary>An @ or a + as a URL (<c>%40</c>, <c>%2B</c>) or JSON (<c>\u0040</c>, <c>\u002B</c>) may have it.</summary>
    private (Hit Hit, SensitiveKind Kind) MatchEncoded(ReadOnlySpan<byte> text, int at, int floor)
    {
        var rest = text[at..];
        if (text[at - 1] == '%')
        {
            return rest.StartsWith("40"u8) && _email ? (Emails.Match(text, at - 1, 3, floor), SensitiveKind.Email)
                : rest.Length > 2 && rest[0] == '2' && (rest[1] | 0x20) == 'b' && _phone ? (Phones.MatchInternational(text, at - 1, 3), SensitiveKind.Phone)
                : default;
        }

        if (at < 2 || text[at - 2] != '\\')
        {
            return default;
        }

        return rest.StartsWith("0040"u8) && _email ? (Emails.Match(text, at - 2, 6, floor), SensitiveKind.Email)
            : rest.Length > 4 && rest.StartsWith("002"u8) && (rest[3] | 0x20) == 'b' && _phone ? (Phones.MatchInternational(text, at - 2, 6), SensitiveKind.Phone)
            : default;
    }
}
