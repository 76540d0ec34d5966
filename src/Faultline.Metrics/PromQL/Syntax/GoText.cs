using System.Buffers;
using System.Globalization;
using System.Text;

namespace Faultline.Metrics.PromQL.Syntax;

/// <summary>Text as Go writes and reads it, because Prometheus' messages, labels and JSON numbers are what Go's <c>strconv</c> makes.</summary>
internal static class GoText
{
    private static readonly SearchValues<char> PlainDigits = SearchValues.Create("eE");

    private static readonly (string Unit, long Millis, bool OnlyExact)[] DurationUnits =
    [
        ("y", 365L * 24 * 3600 * 1000, true),
        ("w", 7L * 24 * 3600 * 1000, true),
        ("d", 24L * 3600 * 1000, false),
        ("h", 3600L * 1000, false),
        ("m", 60L * 1000, false),
        ("s", 1000, false),
        ("ms", 1, false),
    ];

    /// <summary><c>strconv.FormatFloat(value, 'f', -1, 64)</c>: shortest text that reads back the same, never an exponent.</summary>
    public static string FormatFloat(double value)
    {
        if (double.IsNaN(value))
        {
            return "NaN";
        }

        if (double.IsInfinity(value))
        {
            return value > 0 ? "+Inf" : "-Inf";
        }

        var text = value.ToString("R", CultureInfo.InvariantCulture);
        return text.AsSpan().IndexOfAny(PlainDigits) < 0 ? text : WithoutExponent(text);
    }

    /// <summary><c>%g</c> with the shortest precision, as annotations print their numbers.</summary>
    public static string FormatG(double value)
    {
        var size = Math.Abs(value);
        return size is 0 or (>= 1e-4 and < 1e6) || !double.IsFinite(value) ? FormatFloat(value) : FormatE(value);
    }

    /// <summary><c>strconv.FormatFloat(value, 'e', -1, 64)</c> of a finite number that is not zero: <c>1.5e+21</c>.</summary>
    public static string FormatE(double value)
    {
        var plain = FormatFloat(Math.Abs(value));
        var point = plain.IndexOf('.', StringComparison.Ordinal);
        var digits = plain.Replace(".", "", StringComparison.Ordinal);
        var leading = digits.Length - digits.TrimStart('0').Length;
        var exponent = (point < 0 ? plain.Length : point) - leading - 1;
        var significant = digits.Trim('0');
        var mantissa = significant.Length > 1 ? $"{significant[0]}.{significant[1..]}" : significant;
        return $"{(value < 0 ? "-" : "")}{mantissa}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
    }

    /// <summary>Prometheus' duration text: <c>1h30m</c>; years and weeks only when they fit exactly.</summary>
    public static string FormatDuration(long millis)
    {
        if (millis == 0)
        {
            return "0s";
        }

        var text = new StringBuilder();
        foreach (var (unit, size, onlyExact) in DurationUnits)
        {
            if ((onlyExact && millis % size != 0) || millis < size)
            {
                continue;
            }

            text.Append(millis / size).Append(unit);
            millis %= size;
        }

        return text.ToString();
    }

    /// <summary>Reads <c>1h30m</c>: units falling, each once, whole numbers. False with Prometheus' message else.</summary>
    public static bool TryParseDuration(ReadOnlySpan<char> text, out long millis, out string error)
    {
        millis = 0;
        error = "";
        if (text is "0")
        {
            return true;
        }

        if (text.IsEmpty)
        {
            error = "empty duration string";
            return false;
        }

        var rest = text;
        UInt128 total = 0;
        var lastUnit = -1;
        while (!rest.IsEmpty)
        {
            var digits = rest.IndexOfAnyExceptInRange('0', '9');
            if (digits is <= 0 or > 19)
            {
                error = $"not a valid duration string: {Quote(text.ToString())}";
                return false;
            }

            var number = UInt128.Parse(rest[..digits], CultureInfo.InvariantCulture);
            rest = rest[digits..];
            var length = rest.IndexOfAnyInRange('0', '9') is var next && next < 0 ? rest.Length : next;
            var name = rest[..length].ToString();
            rest = rest[length..];
            var unit = Array.FindIndex(DurationUnits, known => string.Equals(known.Unit, name, StringComparison.Ordinal));
            if (unit < 0)
            {
                error = $"unknown unit {Quote(name)} in duration {Quote(text.ToString())}";
                return false;
            }

            if (unit <= lastUnit)
            {
                error = $"not a valid duration string: {Quote(text.ToString())}";
                return false;
            }

            lastUnit = unit;
            total += number * (ulong)DurationUnits[unit].Millis;
            if (total > long.MaxValue / 1_000_000)      // Go counts nanoseconds in an int64
            {
                error = "duration out of range";
                return false;
            }
        }

        millis = (long)total;
        return true;
    }

    /// <summary><c>strconv.Quote</c>, also Go's <c>%q</c> of a string.</summary>
    public static string Quote(string text)
    {
        var quoted = new StringBuilder(text.Length + 2).Append('"');
        for (var i = 0; i < text.Length;)
        {
            if (Rune.DecodeFromUtf16(text.AsSpan(i), out var rune, out var consumed) == OperationStatus.Done)
            {
                AppendEscaped(quoted, rune, '"');
            }
            else
            {
                quoted.Append($"\\x{text[i] & 0xff:x2}");       // see Decode
            }

            i += consumed;
        }

        return quoted.Append('"').ToString();
    }

    /// <summary>Go's <c>%q</c> of a character.</summary>
    public static string QuoteRune(Rune rune) => AppendEscaped(new StringBuilder("'"), rune, '\'').Append('\'').ToString();

    /// <summary>Go's <c>%#U</c>: <c>U+0078 'x'</c>.</summary>
    public static string UnicodeName(Rune rune) => IsPrintable(rune) ? $"U+{rune.Value:X4} '{rune}'" : $"U+{rune.Value:X4}";

    /// <summary>Takes the quotes off a string literal that the lexer has accepted. Backtick literals are raw.</summary>
    public static string Unquote(ReadOnlySpan<char> literal)
    {
        var body = literal[1..^1];
        if (literal[0] == '`' || body.IndexOf('\\') < 0)
        {
            return body.ToString();
        }

        var bytes = new ArrayBufferWriter<byte>(body.Length * 3);
        for (var i = 0; i < body.Length;)
        {
            if (body[i] != '\\')
            {
                Rune.DecodeFromUtf16(body[i..], out var plain, out var consumed);
                AppendRune(bytes, plain);
                i += consumed;
                continue;
            }

            var kind = body[i + 1];
            i += 2;
            switch (kind)
            {
                case 'x':
                    AppendByte(bytes, Convert.ToByte(body.Slice(i, 2).ToString(), 16));
                    i += 2;
                    break;
                case 'u' or 'U':
                    var length = kind == 'u' ? 4 : 8;
                    AppendRune(bytes, new Rune(Convert.ToInt32(body.Slice(i, length).ToString(), 16)));
                    i += length;
                    break;
                case >= '0' and <= '7':
                    AppendByte(bytes, Convert.ToByte(body.Slice(i - 1, 3).ToString(), 8));
                    i += 2;
                    break;
                default:
                    AppendByte(bytes, kind switch { 'a' => 7, 'b' => 8, 'f' => 12, 'n' => 10, 'r' => 13, 't' => 9, 'v' => 11, _ => (byte)kind });
                    break;
            }
        }

        return Decode(bytes.WrittenSpan);
    }

    /// <summary>UTF-8; a byte that is not becomes a lone surrogate, so that it stays wrong and is told apart.</summary>
    private static string Decode(ReadOnlySpan<byte> utf8)
    {
        var text = new StringBuilder(utf8.Length);
        while (!utf8.IsEmpty)
        {
            var valid = Rune.DecodeFromUtf8(utf8, out var rune, out var consumed) == OperationStatus.Done;
            _ = valid ? text.Append(rune.ToString()) : text.Append((char)(0xDC00 + utf8[0]));
            utf8 = utf8[(valid ? consumed : 1)..];
        }

        return text.ToString();
    }

    private static StringBuilder AppendEscaped(StringBuilder to, Rune rune, char quote) => rune.Value switch
    {
        7 => to.Append("\\a"),
        8 => to.Append("\\b"),
        12 => to.Append("\\f"),
        10 => to.Append("\\n"),
        13 => to.Append("\\r"),
        9 => to.Append("\\t"),
        11 => to.Append("\\v"),
        '\\' => to.Append("\\\\"),
        var same when same == quote => to.Append('\\').Append(quote),
        0xfffd => to.Append("\\ufffd"),     // unescaped it would not be read back
        < ' ' or 0x7f => to.Append($"\\x{rune.Value:x2}"),
        _ when IsPrintable(rune) => to.Append(rune.ToString()),
        < 0x10000 => to.Append($"\\u{rune.Value:x4}"),
        _ => to.Append($"\\U{rune.Value:x8}"),
    };

    private static bool IsPrintable(Rune rune) => rune.Value == ' ' || Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control
        or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned
        or UnicodeCategory.SpaceSeparator or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);

    private static void AppendByte(ArrayBufferWriter<byte> to, byte value)
    {
        to.GetSpan(1)[0] = value;
        to.Advance(1);
    }

    private static void AppendRune(ArrayBufferWriter<byte> to, Rune rune) => to.Advance(rune.EncodeToUtf8(to.GetSpan(4)));

    private static string WithoutExponent(string scientific)
    {
        var e = scientific.IndexOf('E', StringComparison.Ordinal);
        var exponent = int.Parse(scientific.AsSpan(e + 1), CultureInfo.InvariantCulture);
        var negative = scientific[0] == '-';
        var mantissa = scientific[(negative ? 1 : 0)..e];
        var point = mantissa.IndexOf('.', StringComparison.Ordinal);
        var digits = mantissa.Replace(".", "", StringComparison.Ordinal);
        var before = (point < 0 ? digits.Length : point) + exponent;
        var text = before <= 0
            ? "0." + new string('0', -before) + digits
            : before >= digits.Length
                ? digits + new string('0', before - digits.Length)
                : digits[..before] + "." + digits[before..];
        return negative ? "-" + text : text;
    }
}
