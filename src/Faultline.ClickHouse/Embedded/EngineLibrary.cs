using System.Runtime.InteropServices;
using Faultline.ClickHouse.Fetch;

namespace Faultline.ClickHouse.Embedded;

/// <summary>Finds the engine's library, and fetches it with npm into the user's cache when it is not there.</summary>
public static class EngineLibrary
{
    /// <summary>Names the library's file; used before anything else.</summary>
    public const string PathVariable = "FAULTLINE_ENGINE_LIBRARY";

    private const string FileName = "libchdb.so";
    private const string Package = "@chdb/lib-linux-x64-gnu";

    private static readonly PinnedPackages Pinned = new()
    {
        Name = "the ClickHouse engine",
        ShortName = "the engine",
        CacheName = "engine",
        Packages = [Package],
        Kept = "node_modules/" + Package,
        Sign = FileName,
        DownloadMegabytes = 166,
        UnpackedMegabytes = 566,
        Documentation = "docs/engine.md, \"Offline\"",
        ByHand = $"put {FileName} of the npm package {Package} on this machine and name it in {PathVariable}",
        PlatformProblem = "there is no engine for this platform: it needs 64-bit x86 Linux with glibc",
    };

    /// <summary>
    /// Path of the library: <c>FAULTLINE_ENGINE_LIBRARY</c> when set, beside the executable when published with it, else the
    /// cache (<c>$XDG_CACHE_HOME/faultline/engine/VERSION/…</c>), fetched first when absent: <c>npm ci</c> on the given
    /// lock file in a temporary folder, integrity by npm's checksum, then renamed into place, so that a fetch that was
    /// interrupted is taken up again and never half there. Two processes at once fetch it once.
    /// </summary>
    /// <param name="lockFolder">Folder with <c>package.json</c> and <c>package-lock.json</c> (the repository's <c>native/</c>, copied beside the executable).</param>
    /// <param name="progress">One line of text now and then while fetching.</param>
    /// <exception cref="InvalidOperationException">It cannot be fetched; the message says why and what to do.</exception>
    public static async Task<string> EnsureAsync(string lockFolder, Action<string> progress, CancellationToken cancel = default)
    {
        if (Environment.GetEnvironmentVariable(PathVariable) is { Length: > 0 } named)
        {
            return File.Exists(named)
                ? Path.GetFullPath(named)
                : throw new InvalidOperationException($"{PathVariable} names {named}, which does not exist. Correct it, or unset it to have the engine fetched.");
        }
        if (Beside(AppContext.BaseDirectory) is { } published)
        {
            return published;
        }
        RequirePlatform();
        return await EnsureCachedAsync(lockFolder, Pinned.CacheFolder(), "npm", progress, cancel).ConfigureAwait(false);
    }

    /// <summary>The part that needs no settings of the process.</summary>
    internal static async Task<string> EnsureCachedAsync(string lockFolder, string cache, string npm, Action<string> progress, CancellationToken cancel) =>
        Path.Combine(await Pinned.EnsureAsync(lockFolder, cache, npm, progress, cancel).ConfigureAwait(false), FileName);

    private static string? Beside(string folder) =>
        new[] { Path.Combine(folder, FileName), Path.Combine(folder, "native", FileName) }.FirstOrDefault(File.Exists);

    private static void RequirePlatform()
    {
        // Alpine and other musl systems have their own runtime identifier.
        if (!OperatingSystem.IsLinux() || RuntimeInformation.OSArchitecture != Architecture.X64 || RuntimeInformation.RuntimeIdentifier.Contains("musl", StringComparison.Ordinal))
        {
            throw new InvalidOperationException(
                $"The embedded ClickHouse engine runs on 64-bit x86 Linux with glibc; this is {RuntimeInformation.RuntimeIdentifier}. "
                + $"Run Faultline in a container or a virtual machine with such a system, or name a build of {FileName} for this one in {PathVariable}.");
        }
    }
}
