using System.Text;
using Faultline.Telemetry.Redaction;

namespace Faultline.Settings;

/// <summary>Redaction as users write it: lists of <c>NAME</c> or <c>NAME=MODE</c>.</summary>
internal static class RedactionWriting
{
    private const string None = "none";

    public static Dictionary<SensitiveKind, RedactionMode> Kinds(IReadOnlyList<string> values)
    {
        var kinds = new Dictionary<SensitiveKind, RedactionMode>();
        foreach (var value in values is [None] ? [] : values)
        {
            var (word, mode) = Split(value, RedactionMode.Mask);
            if (!RedactionWords.TryParse(word, out SensitiveKind kind))
            {
                throw new FormatException($"'{word}' is no class of sensitive text; there are {string.Join(", ", RedactionWords.Kinds)}");
            }

            kinds[kind] = mode;
        }

        return kinds;
    }

    public static IReadOnlyList<RedactionRule> Rules(IReadOnlyList<string> values) => values is [None] ? [] : [.. values.Select(Rule)];

    /// <summary><c>NAME=EXPRESSION</c>, or <c>NAME:MODE=EXPRESSION</c>.</summary>
    public static IReadOnlyList<RedactionPattern> Patterns(IReadOnlyList<string> values) => [.. values.Select(value =>
    {
        var equals = value.IndexOf('=', StringComparison.Ordinal);
        if (equals <= 0)
        {
            throw new FormatException($"'{value}' is not NAME=EXPRESSION or NAME:MODE=EXPRESSION");
        }

        var colon = value.AsSpan(0, equals).IndexOf(':');
        return colon < 0
            ? new RedactionPattern(value[..equals], value[(equals + 1)..])
            : new RedactionPattern(value[..colon], value[(equals + 1)..], Mode(value[(colon + 1)..equals]));
    })];

    public static byte[] Key(string text) => Encoding.UTF8.GetByteCount(text) >= 16 ? Encoding.UTF8.GetBytes(text) : throw new FormatException("a key has 16 characters or more");

    private static RedactionRule Rule(string value)
    {
        var equals = value.LastIndexOf('=');
        return equals > 0 ? new RedactionRule(value[..equals], Mode(value[(equals + 1)..])) : throw new FormatException($"'{value}' is not NAME=MODE");
    }

    private static (string Word, RedactionMode Mode) Split(string value, RedactionMode otherwise)
    {
        var equals = value.LastIndexOf('=');
        return equals < 0 ? (value, otherwise) : (value[..equals], Mode(value[(equals + 1)..]));
    }

    private static RedactionMode Mode(string word) =>
        RedactionWords.TryParse(word, out RedactionMode mode) ? mode : throw new FormatException($"'{word}' is no mode; there are {string.Join(", ", RedactionWords.Modes)}");
}
