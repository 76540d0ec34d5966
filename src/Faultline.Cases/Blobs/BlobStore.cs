using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;

namespace Faultline.Cases.Blobs;

/// <summary>
/// Texts of telemetry and of people, apart from the ledger, so that they can be deleted while the events that cite their hash
/// stay provable. A file is 16 random bytes and the text; its name is the SHA-256 of all of it, so that nobody can guess a
/// deleted text from its hash.
/// </summary>
internal sealed class BlobStore(string directory)
{
    private const int SaltBytes = 16;

    private readonly ConcurrentDictionary<string, string> _replaced = new(StringComparer.Ordinal);

    /// <returns>The blob's name: 64 hexadecimal digits.</returns>
    public async Task<string> PutAsync(string text, CancellationToken cancel)
    {
        var bytes = new byte[SaltBytes + Encoding.UTF8.GetByteCount(text)];
        RandomNumberGenerator.Fill(bytes.AsSpan(0, SaltBytes));
        Encoding.UTF8.GetBytes(text, bytes.AsSpan(SaltBytes));
        var name = Convert.ToHexStringLower(SHA256.HashData(bytes));
        var path = PathOf(name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var half = path + ".new";
        await using (var file = new FileStream(half, FileMode.Create, FileAccess.Write, FileShare.None))
        {
            await file.WriteAsync(bytes, cancel);
            file.Flush(flushToDisk: true);
        }

        File.Move(half, path, overwrite: true);
        return name;
    }

    /// <summary>From now on the first reads as the second, which has what could stay of it.</summary>
    public void Replace(string name, string by) => _replaced[name] = by;

    /// <summary>Deletes the file; of one that was replaced, the one that took its place too.</summary>
    public void Delete(string name)
    {
        for (var next = name; next is not null; next = _replaced.GetValueOrDefault(next))
        {
            DeleteFile(next);
        }
    }

    /// <summary>Deletes this file alone.</summary>
    public void DeleteFile(string name)
    {
        if (File.Exists(PathOf(name)))
        {
            File.Delete(PathOf(name));
        }
    }

    /// <summary>Whether there is a text still.</summary>
    public bool Exists(string name) => File.Exists(PathOf(Current(name)));

    /// <summary>Where its text is now.</summary>
    public string Current(string name)
    {
        while (_replaced.TryGetValue(name, out var by))
        {
            name = by;
        }

        return name;
    }

    /// <summary>The text, or null when it was deleted.</summary>
    /// <exception cref="InvalidDataException">The file is not what its name says.</exception>
    public string? Get(string name)
    {
        name = Current(name);
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(PathOf(name));
        }
        catch (Exception absent) when (absent is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }

        return bytes.Length >= SaltBytes && string.Equals(Convert.ToHexStringLower(SHA256.HashData(bytes)), name, StringComparison.Ordinal)
            ? Encoding.UTF8.GetString(bytes, SaltBytes, bytes.Length - SaltBytes)
            : throw new InvalidDataException($"blobs/{name[..2]}/{name}: the file is not what its name says, so it was changed after it was written. Restore it from a backup, or delete it: the case stays, without this text.");
    }

    private string PathOf(string name) => Path.Combine(directory, name[..2], name);
}
