using System.Security.Cryptography;

namespace Faultline.Composition;

/// <summary>The server's first admin token: from <c>FAULTLINE_TOKEN</c>, else made once and kept for its owner only.</summary>
internal static class AdminToken
{
    private const string FileName = "admin.token";

    public static string Ensure(string dataDirectory)
    {
        if (Environment.GetEnvironmentVariable("FAULTLINE_TOKEN") is { Length: > 0 } given)
        {
            return given;
        }

        if (Find(dataDirectory) is { Length: > 0 } kept)
        {
            return kept;
        }

        var token = "flt_" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(24));
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        using var writer = new StreamWriter(Path.Combine(dataDirectory, FileName), options);
        writer.Write(token);
        return token;
    }

    /// <summary>The token that a server of the same user keeps in its data directory, or null.</summary>
    public static string? Find(string dataDirectory)
    {
        try
        {
            return File.ReadAllText(Path.Combine(dataDirectory, FileName)).Trim();
        }
        catch (Exception absent) when (absent is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
