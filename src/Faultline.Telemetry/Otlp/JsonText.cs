using System.Text;

namespace Faultline.Telemetry.Otlp;

/// <summary>The inside of JSON strings.</summary>
internal static class JsonText
{
    /// <summary>Resolves the escapes of a JSON string's raw inside.</summary>
    /// <param name="raw">Bytes between the quotes.</param>
    /// <param name="into">At least as long as <paramref name="raw"/>: no escape is shorter than what it stands for.</param>
    /// <returns>How many bytes were written.</returns>
    /// <remarks>Half a surrogate pair becomes U+FFFD, and an escape that JSON does not know stays as it is: the framework's
    /// reader throws for both, and neither is a reason to lose a message.</remarks>
    public static int Unescape(ReadOnlySpan<byte> raw, Span<byte> into)
    {
        var written = 0;
        while (true)
        {
            var escape = raw.IndexOf((byte)'\\');
            if (escape < 0 || escape == raw.Length - 1)
            {
                raw.CopyTo(into[written..]);
                return written + raw.Length;
            }

            raw[..escape].CopyTo(into[written..]);
            written += escape;
            var kind = raw[escape + 1];
            var plain = Plain(kind);
            if (plain != 0)
            {
                into[written++] = plain;
                raw = raw[(escape + 2)..];
            }
            else if (kind == 'u' && TryUnit(raw[(escape + 2)..], out var unit))
            {
                raw = raw[(escape + 6)..];
                var rune = new Rune(0xfffd);
                if (Rune.TryCreate(unit, out var single))
                {
                    rune = single;
                }
                else if (raw.StartsWith("\\u"u8) && TryUnit(raw[2..], out var low) && Rune.TryCreate(unit, low, out var pair))
                {
                    rune = pair;
                    raw = raw[6..];
                }

                written += rune.EncodeToUtf8(into[written..]);
            }
            else
            {
                raw.Slice(escape, 2).CopyTo(into[written..]);
                written += 2;
                raw = raw[(escape + 2)..];
            }
        }
    }

    private static byte Plain(byte kind) => kind switch
    {
        (byte)'"' or (byte)'\\' or (byte)'/' => kind,
        (byte)'n' => (byte)'\n',
        (byte)'t' => (byte)'\t',
        (byte)'r' => (byte)'\r',
        (byte)'b' => (byte)'\b',
        (byte)'f' => (byte)'\f',
        _ => 0,
    };

    private static bool TryUnit(ReadOnlySpan<byte> digits, out char unit)
    {
        unit = default;
        if (digits.Length < 4)
        {
            return false;
        }

        var value = 0;
        for (var i = 0; i < 4; i++)
        {
            var digit = digits[i];
            if (!char.IsAsciiHexDigit((char)digit))
            {
                return false;
            }

            value = (value << 4) | (digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
        }

        unit = (char)value;
        return true;
    }
}
