using System.Globalization;

namespace Faultline.ClickHouse.Native;

/// <summary>A type's name taken apart: <c>Map(String, Array(UInt8))</c> is <c>Map</c> with two arguments.</summary>
internal readonly record struct TypeName(string Name, IReadOnlyList<string> Arguments)
{
    /// <summary>Types inside types inside types: no column of ours has more than four levels.</summary>
    public const int NestingMax = 32;

    /// <summary>Width in bytes of a type whose values are all of one width; null for the others and for unknown ones.</summary>
    public static int? FixedWidth(string type)
    {
        var open = type.IndexOf('(', StringComparison.Ordinal);
        return (open < 0 ? type : type[..open]) switch
        {
            "UInt8" or "Int8" or "Bool" or "Enum8" or "Nothing" => 1,
            "UInt16" or "Int16" or "Date" or "Enum16" or "BFloat16" => 2,
            "UInt32" or "Int32" or "Float32" or "Date32" or "DateTime" or "IPv4" or "Decimal32" => 4,
            "UInt64" or "Int64" or "Float64" or "DateTime64" or "Decimal64" => 8,
            "UInt128" or "Int128" or "UUID" or "IPv6" or "Decimal128" => 16,
            "UInt256" or "Int256" or "Decimal256" => 32,
            _ => null,
        };
    }

    /// <exception cref="InvalidDataException">Parentheses or quotes do not match.</exception>
    public static TypeName Parse(string type)
    {
        var open = type.IndexOf('(', StringComparison.Ordinal);
        if (open < 0)
        {
            return new(type.Trim(), []);
        }
        if (!type.TrimEnd().EndsWith(')'))
        {
            throw new InvalidDataException($"The type '{type}' does not end with ')'.");
        }
        return new(type[..open].Trim(), Split(type, open + 1, type.TrimEnd().Length - 1));
    }

    /// <summary>Names and numbers of an enum: <c>'ok' = 1, 'error' = 2</c>.</summary>
    public IEnumerable<(int Value, string Text)> EnumValues()
    {
        foreach (var argument in Arguments)
        {
            var equals = argument.LastIndexOf('=');
            if (equals < 0 || !int.TryParse(argument.AsSpan(equals + 1).Trim(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value))
            {
                throw new InvalidDataException($"'{argument}' is no value of an enum.");
            }
            yield return (value, Unquoted(argument[..equals].Trim()));
        }
    }

    /// <summary>The type of a tuple's or nested element, which may be named: <c>a UInt8</c>, <c>`x y` String</c>, <c>UInt8</c>.</summary>
    public static string WithoutName(string element)
    {
        if (element.StartsWith('`'))
        {
            var at = 1;
            while (at < element.Length && element[at] != '`')
            {
                at += element[at] == '\\' ? 2 : 1;
            }
            return at < element.Length ? element[(at + 1)..].Trim() : throw new InvalidDataException($"The name in '{element}' has no end.");
        }
        // A space outside parentheses parts a name from its type; types have spaces only inside theirs.
        var space = element.IndexOf(' ', StringComparison.Ordinal);
        var open = element.IndexOf('(', StringComparison.Ordinal);
        return space > 0 && (open < 0 || space < open) ? element[(space + 1)..].Trim() : element;
    }

    private static List<string> Split(string type, int start, int end)
    {
        var parts = new List<string>();
        var depth = 0;
        var from = start;
        for (var at = start; at < end; at++)
        {
            switch (type[at])
            {
                case '(':
                    depth++;
                    break;
                case ')':
                    depth--;
                    break;
                case '\'' or '`':
                    at = EndOfQuoted(type, at, end);
                    break;
                case ',' when depth == 0:
                    parts.Add(type[from..at].Trim());
                    from = at + 1;
                    break;
                default:
                    break;
            }
        }
        if (depth != 0)
        {
            throw new InvalidDataException($"The parentheses of the type '{type}' do not match.");
        }
        if (from < end)
        {
            parts.Add(type[from..end].Trim());
        }
        return parts;
    }

    private static int EndOfQuoted(string type, int at, int end)
    {
        var quote = type[at];
        for (at++; at < end; at++)
        {
            if (type[at] == '\\')
            {
                at++;
            }
            else if (type[at] == quote)
            {
                return at;
            }
        }
        throw new InvalidDataException($"A quote in the type '{type}' has no end.");
    }

    private static string Unquoted(string text)
    {
        if (text.Length < 2 || text[0] != '\'' || text[^1] != '\'')
        {
            throw new InvalidDataException($"{text} is not quoted.");
        }
        var plain = new System.Text.StringBuilder(text.Length);
        for (var at = 1; at < text.Length - 1; at++)
        {
            if (text[at] != '\\' || at + 1 >= text.Length - 1)
            {
                plain.Append(text[at]);
                continue;
            }
            at++;
            plain.Append(text[at] switch { 'n' => '\n', 't' => '\t', 'r' => '\r', '0' => '\0', 'b' => '\b', 'f' => '\f', _ => text[at] });
        }
        return plain.ToString();
    }
}
