namespace Faultline.Metrics.PromQL.Syntax;

/// <summary>Finds where a string literal ends, with Go's rules for what may stand in it. <see cref="GoText.Unquote"/> reads it then.</summary>
internal static class StringScanner
{
    /// <summary>What broken text becomes on its way here.</summary>
    private const int Replacement = 0xFFFD;

    private const string InvalidRune = "invalid UTF-8 rune";
    private const string NotTerminated = "escape sequence not terminated";

    /// <summary>Reads over a literal whose opening <paramref name="quote"/> (<c>"</c>, <c>'</c> or <c>`</c>) is read already.</summary>
    /// <returns>What is wrong with it, if something is.</returns>
    public static string? Scan(RuneCursor cursor, int quote) => quote == '`' ? ScanRaw(cursor) : ScanQuoted(cursor, quote);

    private static string? ScanRaw(RuneCursor cursor)
    {
        while (true)
        {
            switch (cursor.Read())
            {
                case '`': return null;
                case RuneCursor.End: return "unterminated raw string";
                case Replacement: return InvalidRune;
                default: break;
            }
        }
    }

    private static string? ScanQuoted(RuneCursor cursor, int quote)
    {
        while (true)
        {
            var rune = cursor.Read();
            if (rune == quote)
            {
                return null;
            }

            var fault = rune switch
            {
                RuneCursor.End or '\n' => "unterminated quoted string",
                Replacement => InvalidRune,
                '\\' => ScanEscape(cursor, quote),
                _ => null,
            };
            if (fault is not null)
            {
                return fault;
            }
        }
    }

    private static string? ScanEscape(RuneCursor cursor, int quote)
    {
        var rune = cursor.Read();
        if (rune is 'a' or 'b' or 'f' or 'n' or 'r' or 't' or 'v' or '\\' || rune == quote)
        {
            return null;
        }

        switch (rune)
        {
            case >= '0' and <= '7': return ScanCode(cursor, rune, 3, 8, 255);
            case 'x': return ScanCode(cursor, cursor.Read(), 2, 16, 255);
            case 'u': return ScanCode(cursor, cursor.Read(), 4, 16, 0x10FFFF);
            case 'U': return ScanCode(cursor, cursor.Read(), 8, 16, 0x10FFFF);
            case RuneCursor.End: return NotTerminated;
            default: return $"unknown escape sequence {GoText.UnicodeName(RuneCursor.AsRune(rune))}";
        }
    }

    /// <param name="rune">The first digit, read already.</param>
    private static string? ScanCode(RuneCursor cursor, int rune, int digits, uint radix, uint max)
    {
        uint code = 0;
        while (true)
        {
            var digit = (uint)DigitValue(rune);
            if (digit >= radix)
            {
                return rune == RuneCursor.End ? NotTerminated : $"illegal character {GoText.UnicodeName(RuneCursor.AsRune(rune))} in escape sequence";
            }

            code = (code * radix) + digit;
            if (--digits == 0)
            {
                return code > max || code is >= 0xD800 and < 0xE000 ? "escape sequence is an invalid Unicode code point" : null;
            }

            rune = cursor.Read();
        }
    }

    private static int DigitValue(int rune) => rune switch
    {
        >= '0' and <= '9' => rune - '0',
        >= 'a' and <= 'f' => rune - 'a' + 10,
        >= 'A' and <= 'F' => rune - 'A' + 10,
        _ => 16,
    };
}
