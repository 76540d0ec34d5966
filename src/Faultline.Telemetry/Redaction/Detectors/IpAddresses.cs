using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Faultline.Telemetry.Redaction.Detectors;

/// <summary>IPv4 and IPv6 addresses. Loopback and "any" are nobody's.</summary>
/// <remarks>Source: RFC 4291 section 2.2. What looks like an address and is none: versions of four parts, where something says so.</remarks>
internal static class IpAddresses
{
    private const int V6LengthMax = 45;
    private const int Reach = 12;

    private static readonly string[] s_versionWords = ["version", "ver.", "ver ", "release", "build"];

    /// <param name="at">The first digit of the first octet.</param>
    public static Hit MatchV4(ReadOnlySpan<byte> text, int at)
    {
        var end = at;
        for (var octet = 0; octet < 4; octet++)
        {
            var digits = Words.EndOfDigits(text, end);
            if (digits == end || digits > end + 3 || (text[end] == '0' && digits > end + 1) || Number(text[end..digits]) > 255)
            {
                return Hit.None;
            }

            end = digits;
            if (octet < 3 && Words.At(text, end++) != '.')
            {
                return Hit.None;
            }
        }

        var before = Words.At(text, at - 1);
        var isPart = Words.ContinuesWord(text, at) || before is (byte)'.' or (byte)'-' || (before == '/' && Words.IsWord(Words.At(text, at - 2)))
            || Words.IsWord(Words.At(text, end)) || Words.At(text, end) == '-' || (Words.At(text, end) == '.' && Words.IsDigit(Words.At(text, end + 1)));
        var address = text[at..end];
        return isPart || address.StartsWith("127."u8) || address.StartsWith("0."u8) || address.StartsWith("255."u8) || Words.SaidBefore(text, at, Reach, s_versionWords)
            ? Hit.None
            : new Hit(at, end);
    }

    /// <param name="at">Its first colon.</param>
    public static Hit MatchV6(ReadOnlySpan<byte> text, int at, int floor)
    {
        // Four hexadecimal digits stand before the first colon at most.
        var start = at;
        while (start > Math.Max(floor, at - 4) && Words.IsHex(text[start - 1]))
        {
            start--;
        }

        var end = at;
        var limit = Math.Min(text.Length, start + V6LengthMax + 1);
        while (end < limit && (Words.IsHex(text[end]) || text[end] is (byte)':' or (byte)'.'))
        {
            end++;
        }

        while (end > at && text[end - 1] == '.')
        {
            end--;
        }

        if (end > start && text[end - 1] == ':' && Words.At(text, end - 2) != ':')
        {
            end--;
        }

        var run = text[start..end];
        var isPart = Words.ContinuesWord(text, start) || Words.IsWord(Words.At(text, end)) || Words.At(text, start - 1) is (byte)':' or (byte)'.';
        if (isPart || run.Length is < 6 or > V6LengthMax || run.Count((byte)':') < 2 || !run.ContainsAnyInRange((byte)'0', (byte)'9'))
        {
            return Hit.None;
        }

        return IPAddress.TryParse(Encoding.ASCII.GetString(run), out var address) && address.AddressFamily == AddressFamily.InterNetworkV6 && !IPAddress.IsLoopback(address)
            ? new Hit(start, end)
            : Hit.None;
    }

    private static int Number(ReadOnlySpan<byte> digits)
    {
        var value = 0;
        foreach (var digit in digits)
        {
            value = (value * 10) + digit - '0';
        }

        return value;
    }
}
