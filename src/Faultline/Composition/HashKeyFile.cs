using System.Security.Cryptography;

namespace Faultline.Composition;

/// <summary>The key of redaction's hashes where the settings give none: made once, kept for its owner only.</summary>
internal static class HashKeyFile
{
    private const string FileName = "redaction.key";
    private const int KeyBytes = 32;

    public static byte[] Ensure(string dataDirectory)
    {
        var path = Path.Combine(dataDirectory, FileName);
        if (File.Exists(path) && File.ReadAllBytes(path) is { Length: KeyBytes } kept)
        {
            return kept;
        }

        var key = RandomNumberGenerator.GetBytes(KeyBytes);
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        using var file = new FileStream(path, options);
        file.Write(key);
        return key;
    }
}
