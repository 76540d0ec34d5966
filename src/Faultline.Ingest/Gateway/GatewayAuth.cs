using System.Security.Cryptography;
using System.Text;

namespace Faultline.Ingest.Gateway;

/// <summary>How senders and readers prove who they are at 4317, 4318, 9090 and 8428.</summary>
/// <param name="Basic">True: user and password; false: API keys.</param>
/// <param name="ApiKeys">Each is <c>KEY</c> (project <c>default</c>) or <c>KEY=PROJECT</c>.</param>
/// <param name="BasicCredentials">Each is <c>user:password</c>.</param>
public sealed record GatewayOptions(bool Basic, IReadOnlyList<string> ApiKeys, IReadOnlyList<string> BasicCredentials);

/// <summary>Who a request is from. The key decides the project, never an attribute.</summary>
public sealed record GatewayIdentity(string Project);

/// <summary>Checks keys. Every known secret is compared in constant time, whatever was given, so that time tells nothing.</summary>
public sealed class GatewayAuth
{
    public const string DefaultProject = "default";

    private readonly record struct Secret(byte[] Hash, GatewayIdentity Identity);

    private volatile Secret[] _secrets;
    private long _refused;

    public GatewayAuth(GatewayOptions options) => _secrets = Secrets(options);

    /// <summary>Requests that were refused since start.</summary>
    public long Refused => Interlocked.Read(ref _refused);

    /// <summary>Rotates keys; requests from now on are judged by the new ones.</summary>
    public void Replace(GatewayOptions options) => _secrets = Secrets(options);

    /// <param name="apiKey">Header <c>X-API-Key</c>, or null.</param>
    /// <param name="authorization">Header <c>Authorization</c>, or null.</param>
    /// <returns>Null when neither proves anything.</returns>
    public GatewayIdentity? Identify(string? apiKey, string? authorization)
    {
        GatewayIdentity? identity = null;
        if (!string.IsNullOrEmpty(apiKey))
        {
            identity = Find(apiKey);
        }

        if (identity is null && BasicCredential(authorization) is { } credential)
        {
            // An API key is accepted as the password, so that a browser can open 9090.
            var password = credential[(credential.IndexOf(':', StringComparison.Ordinal) + 1)..];
            identity = Find(credential) ?? Find(password);
        }

        if (identity is null)
        {
            Interlocked.Increment(ref _refused);
        }

        return identity;
    }

    private GatewayIdentity? Find(string given)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(given), hash);
        GatewayIdentity? found = null;
        foreach (var secret in _secrets)
        {
            if (CryptographicOperations.FixedTimeEquals(hash, secret.Hash))
            {
                found = secret.Identity;
            }
        }

        return found;
    }

    private static string? BasicCredential(string? authorization)
    {
        if (authorization is null || !authorization.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        var bytes = new byte[authorization.Length];
        return Convert.TryFromBase64String(authorization[6..].Trim(), bytes, out var length) && bytes.AsSpan(0, length).Contains((byte)':')
            ? Encoding.UTF8.GetString(bytes, 0, length)
            : null;
    }

    private static Secret[] Secrets(GatewayOptions options)
    {
        if (options.Basic)
        {
            return [.. options.BasicCredentials.Select(credential => new Secret(SHA256.HashData(Encoding.UTF8.GetBytes(credential)), new GatewayIdentity(DefaultProject)))];
        }

        return [.. options.ApiKeys.Select(entry =>
        {
            var equals = entry.LastIndexOf('=');
            var (key, project) = equals > 0 && equals < entry.Length - 1 ? (entry[..equals], entry[(equals + 1)..]) : (entry, DefaultProject);
            return new Secret(SHA256.HashData(Encoding.UTF8.GetBytes(key)), new GatewayIdentity(project));
        })];
    }
}
