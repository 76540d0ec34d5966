namespace Faultline.Telemetry.Redaction;

/// <summary>What a detector looks for.</summary>
public enum SensitiveKind
{
    Email,
    Phone,

    /// <summary>Payment card numbers with a known issuer's prefix and a right Luhn digit.</summary>
    Card,

    /// <summary>International bank account numbers of a known country's length, modulo 97 right.</summary>
    Iban,

    /// <summary>Social security numbers of the United States.</summary>
    Ssn,

    /// <summary>IPv4 and IPv6 addresses, but for loopback.</summary>
    Ip,
    Jwt,
    PrivateKey,

    /// <summary>Keys of cloud, model and developer services that are known by their prefix.</summary>
    CloudKey,

    /// <summary>Bearer and Basic credentials, and passwords in URLs.</summary>
    Credential,
}

/// <summary>What happens to what was found.</summary>
public enum RedactionMode
{
    /// <summary>Nothing; for an attribute, also no detector looks at it.</summary>
    Keep,

    /// <summary>A word in square brackets stands in its place.</summary>
    Mask,

    /// <summary>As <see cref="Mask"/>, with a keyed hash in the brackets: equal values stay equal, and nobody without the key can try values.</summary>
    Hash,

    /// <summary>The attribute, body or text that holds it goes, whole, and is counted as dropped.</summary>
    Drop,
}

/// <summary>Kinds and modes as settings, masks and metrics write them.</summary>
public static class RedactionWords
{
    private static readonly string[] s_kinds = ["email", "phone", "card", "iban", "ssn", "ip", "jwt", "private_key", "cloud_key", "credential"];

    private static readonly string[] s_modes = ["keep", "mask", "hash", "drop"];

    public static IReadOnlyList<string> Kinds => s_kinds;

    public static IReadOnlyList<string> Modes => s_modes;

    public static string Of(SensitiveKind kind) => s_kinds[(int)kind];

    public static string Of(RedactionMode mode) => s_modes[(int)mode];

    public static bool TryParse(string word, out SensitiveKind kind)
    {
        kind = (SensitiveKind)Array.IndexOf(s_kinds, word);
        return (int)kind >= 0;
    }

    public static bool TryParse(string word, out RedactionMode mode)
    {
        mode = (RedactionMode)Array.IndexOf(s_modes, word);
        return (int)mode >= 0;
    }
}
