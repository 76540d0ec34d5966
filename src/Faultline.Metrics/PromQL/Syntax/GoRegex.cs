using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.RegularExpressions;

namespace Faultline.Metrics.PromQL.Syntax;

/// <summary>Prometheus' regular expressions (Go's RE2) on .NET's linear-time engine: anchored at both ends, <c>.</c> matches line ends.</summary>
internal static class GoRegex
{
    private static readonly Dictionary<string, string> PosixClasses = new(StringComparer.Ordinal)
    {
        ["alnum"] = "0-9A-Za-z",
        ["alpha"] = "A-Za-z",
        ["ascii"] = @"\x00-\x7F",
        ["blank"] = @"\t ",
        ["cntrl"] = @"\x00-\x1F\x7F",
        ["digit"] = "0-9",
        ["graph"] = "!-~",
        ["lower"] = "a-z",
        ["print"] = " -~",
        ["punct"] = @"!-/:-@\[-`{-~",
        ["space"] = @"\t\n\v\f\r ",
        ["upper"] = "A-Z",
        ["word"] = "0-9A-Za-z_",
        ["xdigit"] = "0-9A-Fa-f",
    };

    /// <param name="error">In Go's form: <c>error parsing regexp: …</c></param>
    public static bool TryCompile(string pattern, [NotNullWhen(true)] out Regex? regex, out string error)
    {
        try
        {
            regex = new Regex($"^(?s:{Translate(pattern)})\\z", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
            error = "";
            return true;
        }
        catch (Exception fault) when (fault is ArgumentException or NotSupportedException)
        {
            regex = null;
            error = $"error parsing regexp: {Reason(fault, pattern)}";
            return false;
        }
    }

    private static string Reason(Exception fault, string pattern) => fault switch
    {
        RegexParseException { Error: RegexParseError.InsufficientClosingParentheses } => $"missing closing ): `^(?s:{pattern})$`",
        RegexParseException { Error: RegexParseError.InsufficientOpeningParentheses } => $"unexpected ): `^(?s:{pattern})$`",
        RegexParseException { Error: RegexParseError.UnterminatedBracket } => $"missing closing ]: `{pattern[Math.Max(0, pattern.LastIndexOf('[', pattern.Length - 1))..]})$`",
        RegexParseException { Error: RegexParseError.QuantifierAfterNothing } => $"missing argument to repetition operator: `{pattern[..1]}`",
        RegexParseException parse => $"{parse.Error}: `{pattern}`",
        _ => $"invalid or unsupported Perl syntax: `{pattern}`",
    };

    /// <summary>The places where the two dialects differ: named groups, POSIX classes, <c>\Q…\E</c>, and ASCII-only <c>\d \w \s</c>.</summary>
    private static string Translate(string pattern)
    {
        var text = new StringBuilder(pattern.Length);
        var inClass = false;
        for (var i = 0; i < pattern.Length; i++)
        {
            var rest = pattern.AsSpan(i);
            if (rest[0] == '\\' && rest.Length > 1)
            {
                if (rest[1] == 'Q')
                {
                    var quoted = rest[2..];
                    var end = quoted.IndexOf("\\E");
                    text.Append(Regex.Escape((end < 0 ? quoted : quoted[..end]).ToString()));
                    i += end < 0 ? rest.Length : end + 3;
                    continue;
                }

                text.Append(rest[1] switch
                {
                    'd' => inClass ? "0-9" : "[0-9]",
                    'D' when !inClass => "[^0-9]",
                    'w' => inClass ? "0-9A-Za-z_" : "[0-9A-Za-z_]",
                    'W' when !inClass => "[^0-9A-Za-z_]",
                    's' => inClass ? @"\t\n\f\r " : @"[\t\n\f\r ]",
                    'S' when !inClass => @"[^\t\n\f\r ]",
                    _ => rest[..2].ToString(),
                });
                i++;
            }
            else if (inClass && rest.StartsWith("[:") && rest.IndexOf(":]") is > 0 and var close && PosixClasses.TryGetValue(rest[2..close].ToString(), out var members))
            {
                text.Append(members);
                i += close + 1;
            }
            else if (!inClass && rest.StartsWith("(?P<"))
            {
                text.Append("(?<");
                i += 3;
            }
            else
            {
                if (inClass && rest[0] == '[')
                {
                    text.Append('\\');
                }

                text.Append(rest[0]);
                if (rest[0] == '[' && !inClass)
                {
                    inClass = true;
                    var first = i + 1;
                    if (first < pattern.Length && pattern[first] == '^')
                    {
                        text.Append('^');
                        i++;
                        first++;
                    }

                    if (first < pattern.Length && pattern[first] == ']')      // a first ] is a member
                    {
                        text.Append("\\]");
                        i++;
                    }
                }
                else if (rest[0] == ']')
                {
                    inClass = false;
                }
            }
        }

        return text.ToString();
    }
}
