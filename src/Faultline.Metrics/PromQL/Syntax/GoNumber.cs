using System.Globalization;

namespace Faultline.Metrics.PromQL.Syntax;

/// <summary>Numbers as Prometheus reads them: Go's integers with a base prefix (<c>0x1f</c>, <c>017</c>), else a float, <c>Inf</c> or <c>NaN</c>.</summary>
internal static class GoNumber
{
    /// <param name="fault">Why not, in the words of Go's <c>strconv</c>.</param>
    public static bool TryParse(string text, out double value, out string fault)
    {
        fault = "";
        if (TryParseInteger(text, out var integer))
        {
            value = integer;
            return true;
        }

        if (TryParseFloat(text, out value))
        {
            if (!double.IsInfinity(value) || text.Contains("inf", StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }

            fault = $"strconv.ParseFloat: parsing {GoText.Quote(text)}: value out of range";
            return false;
        }

        fault = $"strconv.ParseFloat: parsing {GoText.Quote(text)}: invalid syntax";
        return false;
    }

    /// <summary>Go's <c>strconv.ParseFloat</c> without hexadecimal floats.</summary>
    public static bool TryParseFloat(string text, out double value)
    {
        var unsigned = text.AsSpan().TrimStart("+-");
        if (text.Length - unsigned.Length > 1)
        {
            value = 0;
            return false;
        }

        if (unsigned.Equals("inf", StringComparison.OrdinalIgnoreCase) || unsigned.Equals("infinity", StringComparison.OrdinalIgnoreCase))
        {
            value = text[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity;
            return true;
        }

        if (text.Equals("nan", StringComparison.OrdinalIgnoreCase))
        {
            value = double.NaN;
            return true;
        }

        var plain = text.Replace("_", "", StringComparison.Ordinal);
        return double.TryParse(plain, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out value)
            && unsigned.Length > 0 && (char.IsAsciiDigit(unsigned[0]) || unsigned[0] == '.');
    }

    private static bool TryParseInteger(string text, out long value)
    {
        var negative = text.StartsWith('-');
        var digits = text.TrimStart('+', '-').Replace("_", "", StringComparison.Ordinal);
        value = 0;
        var (radix, skip) = digits switch
        {
            ['0', 'x' or 'X', _, ..] => (16, 2),
            ['0', 'b' or 'B', _, ..] => (2, 2),
            ['0', 'o' or 'O', _, ..] => (8, 2),
            ['0', _, ..] => (8, 1),
            [_, ..] => (10, 0),
            _ => (0, 0),
        };
        if (radix == 0)
        {
            return false;
        }

        UInt128 sum = 0;
        foreach (var character in digits.AsSpan(skip))
        {
            var digit = char.IsAsciiHexDigit(character) ? Convert.ToInt32(character.ToString(), 16) : 99;
            if (digit >= radix)
            {
                return false;
            }

            sum = (sum * (uint)radix) + (uint)digit;
            if (sum > long.MaxValue)
            {
                return false;
            }
        }

        value = negative ? -(long)sum : (long)sum;
        return true;
    }
}
