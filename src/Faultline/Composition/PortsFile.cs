using System.Text.Json;

namespace Faultline.Composition;

/// <summary><c>DATA/ports.json</c>: where each door really listens, by settings key. Clients of the same machine read it.</summary>
internal static class PortsFile
{
    private const string FileName = "ports.json";

    /// <param name="isTls">Whether a door speaks TLS; it then has an entry more, <c>tls.</c> and its key.</param>
    public static void Write(string dataDirectory, IReadOnlyDictionary<string, string> addresses, Func<string, bool> isTls)
    {
        var entries = new Dictionary<string, string>(addresses, StringComparer.Ordinal);
        foreach (var key in addresses.Keys.Where(isTls))
        {
            entries["tls." + key] = "true";
        }

        var path = Path.Combine(dataDirectory, FileName);
        var half = path + ".new";
        File.WriteAllText(half, JsonSerializer.Serialize(entries));
        File.Move(half, path, overwrite: true);
    }

    public static void Remove(string dataDirectory) => File.Delete(Path.Combine(dataDirectory, FileName));

    /// <summary>Address of a door, e.g. <c>http://127.0.0.1:4300</c>, or null when no server has said.</summary>
    public static string? Url(string dataDirectory, string key) =>
        Find(dataDirectory, key) is { } address ? (Find(dataDirectory, "tls." + key) is null ? "http://" : "https://") + address : null;

    /// <summary>host:port of a door, or null when no server has said.</summary>
    public static string? Find(string dataDirectory, string key)
    {
        var path = Path.Combine(dataDirectory, FileName);
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(path));
            return json.RootElement.TryGetProperty(key, out var address) ? address.GetString() : null;
        }
        catch (Exception absent) when (absent is IOException or UnauthorizedAccessException or JsonException)
        {
            // Another machine, another user, or no server yet: the default address is tried.
            return null;
        }
    }
}
