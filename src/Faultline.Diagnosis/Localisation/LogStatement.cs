using System.Text;

namespace Faultline.Diagnosis.Localisation;

/// <summary>Finds the statement of the code that wrote a log line: <c>logger#line</c> where the line says so, else its words without what varies.</summary>
public static class LogStatement
{
    private const int TokensMax = 8;
    private const int TemplateCharsMax = 80;

    /// <summary>The statement and the gravity of a line of log text.</summary>
    /// <param name="text">The line; a JSON object of a container runtime with the line in <c>log</c> is unwrapped.</param>
    public static (string Statement, LogGravity Gravity) Of(ReadOnlySpan<char> text)
    {
        const string Wrapped = "{\"log\":\"";
        if (text.StartsWith(Wrapped, StringComparison.Ordinal))
        {
            text = text[Wrapped.Length..];
        }

        var gravity = LogGravity.Usual;
        var rest = text;
        for (var i = 0; i < TokensMax && !(rest = rest.TrimStart(" \t")).IsEmpty; i++)
        {
            var end = rest.IndexOfAny(" \t");
            var token = (end < 0 ? rest : rest[..end]).TrimStart("[(").TrimEnd("]):");
            rest = end < 0 ? [] : rest[(end + 1)..];
            if (IsLocation(token))
            {
                return (token.ToString(), gravity);
            }

            gravity = (LogGravity)Math.Max((int)gravity, (int)GravityOf(token));
        }

        return (Template(text), gravity);
    }

    private static LogGravity GravityOf(ReadOnlySpan<char> token) =>
        token is "ERROR" or "Error" or "error" or "FATAL" or "CRITICAL" or "SEVERE" ? LogGravity.Error
        : token is "WARN" or "WARNING" or "Warning" or "warn" ? LogGravity.Warning
        : LogGravity.Usual;

    /// <summary>A name, then <c>#</c> or <c>:</c>, then a line number: <c>a.b.Orders#31</c>, <c>orders.py:31</c>; not a time of day.</summary>
    private static bool IsLocation(ReadOnlySpan<char> token)
    {
        var mark = token.LastIndexOfAny('#', ':');
        if (mark <= 0 || mark == token.Length - 1 || !(char.IsLetter(token[0]) || token[0] == '_'))
        {
            return false;
        }

        foreach (var c in token[(mark + 1)..])
        {
            if (!char.IsAsciiDigit(c))
            {
                return false;
            }
        }

        return true;
    }

    private static string Template(ReadOnlySpan<char> text)
    {
        var template = new StringBuilder(TemplateCharsMax);
        foreach (var range in text.SplitAny(" \t,;=\"'()[]{}"))
        {
            var word = text[range];
            if (word.IsEmpty)
            {
                continue;
            }

            if (template.Length + word.Length >= TemplateCharsMax)
            {
                break;
            }

            template.Append(word.ContainsAnyInRange('0', '9') ? "*" : word).Append(' ');
        }

        return template.ToString().TrimEnd();
    }
}
