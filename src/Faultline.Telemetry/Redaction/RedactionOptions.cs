using System.Text.RegularExpressions;

namespace Faultline.Telemetry.Redaction;

/// <param name="Name">An attribute's key or an event's name. A <c>*</c> in front or at the end stands for anything.</param>
public sealed record RedactionRule(string Name, RedactionMode Mode);

/// <summary>An operator's own pattern. Run without backtracking, so no pattern and no text can make it slow.</summary>
/// <param name="Name">Stands in the mask and in the counter.</param>
public sealed record RedactionPattern(string Name, string Expression, RedactionMode Mode = RedactionMode.Mask);

/// <summary>What is redacted, and how.</summary>
/// <remarks>
/// On by default is what harms whoever reads it and helps nobody who debugs: secrets, and numbers that a check digit or a strict form
/// tells from others. Mail and IP addresses and phone numbers are what incidents are searched by, so they are the operator's choice.
/// </remarks>
public sealed record RedactionOptions
{
    public const int PatternsMax = 64;

    public const int ExpressionLengthMax = 1_000;

    public const int RulesMax = 1_000;

    public static readonly IReadOnlyDictionary<SensitiveKind, RedactionMode> DefaultKinds = new Dictionary<SensitiveKind, RedactionMode>
    {
        [SensitiveKind.Card] = RedactionMode.Mask,
        [SensitiveKind.Iban] = RedactionMode.Mask,
        [SensitiveKind.Ssn] = RedactionMode.Mask,
        [SensitiveKind.Jwt] = RedactionMode.Mask,
        [SensitiveKind.PrivateKey] = RedactionMode.Mask,
        [SensitiveKind.CloudKey] = RedactionMode.Mask,
        [SensitiveKind.Credential] = RedactionMode.Mask,
    };

    /// <summary>Headers whose whole value is a secret, whichever instrumentation recorded them.</summary>
    public static readonly IReadOnlyList<RedactionRule> DefaultAttributes =
    [
        new("*.authorization", RedactionMode.Mask),
        new("*.proxy-authorization", RedactionMode.Mask),
        new("*.cookie", RedactionMode.Mask),
        new("*.set-cookie", RedactionMode.Mask),
        new("*.x-api-key", RedactionMode.Mask),
        new("*.api-key", RedactionMode.Mask),
    ];

    public bool Enabled { get; init; } = true;

    /// <summary>Kinds that are looked for.</summary>
    public IReadOnlyDictionary<SensitiveKind, RedactionMode> Kinds { get; init; } = DefaultKinds;

    /// <summary>What becomes of an attribute as a whole, by its key.</summary>
    public IReadOnlyList<RedactionRule> Attributes { get; init; } = DefaultAttributes;

    /// <summary>What becomes of the attributes of a span's event or a log record's event, by its name.</summary>
    public IReadOnlyList<RedactionRule> Events { get; init; } = [];

    public IReadOnlyList<RedactionPattern> Patterns { get; init; } = [];

    /// <summary>Key of <see cref="RedactionMode.Hash"/>, 16 bytes or more. Whoever changes it breaks the link to older hashes.</summary>
    public ReadOnlyMemory<byte> HashKey { get; init; }

    /// <summary>Whether anything is hashed, so a key is needed.</summary>
    public bool Hashes =>
        Kinds.Values.Concat(Attributes.Concat(Events).Select(rule => rule.Mode)).Concat(Patterns.Select(pattern => pattern.Mode)).Contains(RedactionMode.Hash);

    public IEnumerable<string> Problems()
    {
        if (Patterns.Count > PatternsMax)
        {
            yield return $"redaction.patterns: {Patterns.Count} are too many; at most {PatternsMax}.";
        }

        if (Attributes.Count + Events.Count > RulesMax)
        {
            yield return $"redaction.attributes and redaction.events: {Attributes.Count + Events.Count} rules are too many; at most {RulesMax}.";
        }

        foreach (var rule in Attributes.Concat(Events).Where(rule => rule.Name.Trim('*').Length == 0 || rule.Name.Trim('*').Contains('*', StringComparison.Ordinal)))
        {
            yield return $"redaction.attributes or redaction.events: '{rule.Name}' needs a name; a * may stand only in front or at the end.";
        }

        foreach (var pattern in Patterns)
        {
            if (Compile(pattern, out var why) is null)
            {
                yield return $"redaction.patterns: '{pattern.Name}' is not taken: {why}";
            }
        }
    }

    /// <returns>Null, with the reason, when the expression is wrong or needs backtracking.</returns>
    internal static Regex? Compile(RedactionPattern pattern, out string? why)
    {
        why = null;
        if (pattern.Expression.Length is 0 or > ExpressionLengthMax)
        {
            why = $"an expression has 1 to {ExpressionLengthMax} characters.";
            return null;
        }

        try
        {
            var regex = new Regex(pattern.Expression, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant, Regex.InfiniteMatchTimeout);
            why = regex.IsMatch("") ? "it matches nothing at all, so it would match everywhere." : null;
            return why is null ? regex : null;
        }
        catch (Exception wrong) when (wrong is ArgumentException or NotSupportedException)
        {
            why = wrong.Message;
            return null;
        }
    }
}
