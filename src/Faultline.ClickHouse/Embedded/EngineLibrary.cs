using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Faultline.ClickHouse.Embedded;

/// <summary>Finds the engine's library, and fetches it with npm into the user's cache when it is not there.</summary>
public static class EngineLibrary
{
    /// <summary>Names the library's file; used before anything else.</summary>
    public const string PathVariable = "FAULTLINE_ENGINE_LIBRARY";

    private const string FileName = "libchdb.so";
    private const string FetchPrefix = ".fetch-";
    private const string Package = "@chdb/lib-linux-x64-gnu";

    // Download and unpacked copy exist side by side for a moment: 166 MB and 566 MB.
    private const long FreeBytesMin = 800L << 20;
    private const int OutputLinesMax = 12;
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LockRetryInterval = TimeSpan.FromMilliseconds(500);

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
        return await EnsureCachedAsync(lockFolder, Path.Combine(CacheFolder(), "faultline", "engine"), "npm", progress, cancel).ConfigureAwait(false);
    }

    /// <summary>The part that needs no settings of the process.</summary>
    internal static async Task<string> EnsureCachedAsync(string lockFolder, string cache, string npm, Action<string> progress, CancellationToken cancel)
    {
        var version = await VersionInAsync(Path.Combine(lockFolder, "package-lock.json"), cancel).ConfigureAwait(false);
        var library = Path.Combine(cache, version, FileName);
        return File.Exists(library) ? library : await FetchAsync(lockFolder, cache, version, library, npm, progress, cancel).ConfigureAwait(false);
    }

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

    private static string CacheFolder() =>
        Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } configured && Path.IsPathRooted(configured)
            ? configured
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile, Environment.SpecialFolderOption.DoNotVerify), ".cache");

    private static async Task<string> VersionInAsync(string lockFile, CancellationToken cancel)
    {
        try
        {
            await using var stream = File.OpenRead(lockFile);
            using var document = await JsonDocument.ParseAsync(stream, cancellationToken: cancel).ConfigureAwait(false);
            var version = document.RootElement.GetProperty("packages").GetProperty("node_modules/" + Package).GetProperty("version").GetString() ?? "";
            // It becomes the name of a folder.
            return version.Length > 0 && !version.StartsWith('.') && version.All(character => char.IsAsciiLetterOrDigit(character) || character is '.' or '-' or '+')
                ? version
                : throw new InvalidOperationException($"{lockFile}: '{version}' is no version of {Package}.");
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or JsonException or KeyNotFoundException)
        {
            throw new InvalidOperationException(
                $"{lockFile}, which pins the engine's version and checksum, cannot be read: {problem.Message} Restore it from the repository's native/ folder.", problem);
        }
    }

    private static async Task<string> FetchAsync(string lockFolder, string cache, string version, string library, string npm, Action<string> progress, CancellationToken cancel)
    {
        try
        {
            Directory.CreateDirectory(cache);
            await using var onlyOne = await LockAsync(Path.Combine(cache, ".lock"), progress, cancel).ConfigureAwait(false);
            if (File.Exists(library))
            {
                return library;        // another process fetched it meanwhile
            }
            RequireSpace(cache);
            // A folder of our own: the npm of a process that was killed may still be writing into its one.
            foreach (var leftover in Directory.GetDirectories(cache, FetchPrefix + "*"))
            {
                ClearAway(leftover);   // what it had downloaded is in npm's own cache
            }
            var work = Path.Combine(cache, $"{FetchPrefix}{version}-{Guid.NewGuid():N}");
            Directory.CreateDirectory(work);
            foreach (var file in new[] { "package.json", "package-lock.json" })
            {
                File.Copy(Path.Combine(lockFolder, file), Path.Combine(work, file));
            }
            progress($"Fetching the ClickHouse engine {version} with npm (166 MB, once) into {Path.Combine(cache, version)}");
            var started = Stopwatch.GetTimestamp();
            await RunNpmAsync(npm, work, cache, progress, cancel).ConfigureAwait(false);
            var fetched = Path.Combine(work, "node_modules", Package.Replace('/', Path.DirectorySeparatorChar));
            if (!File.Exists(Path.Combine(fetched, FileName)))
            {
                throw new InvalidOperationException($"npm said it was done, but {Path.Combine(fetched, FileName)} is not there. Delete {cache} and start again.");
            }
            var target = Path.Combine(cache, version);
            ClearAway(target);
            Directory.Move(fetched, target);
            ClearAway(work);
            progress($"The engine is there, after {Stopwatch.GetElapsedTime(started).TotalSeconds:0} s.");
            return library;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            throw new InvalidOperationException(
                $"The engine cannot be put into {cache}: {problem.Message} Make the folder writable, or name another one in XDG_CACHE_HOME.", problem);
        }
    }

    private static void RequireSpace(string folder)
    {
        var free = new DriveInfo(folder).AvailableFreeSpace;
        if (free < FreeBytesMin)
        {
            throw new InvalidOperationException(
                $"The engine needs {FreeBytesMin >> 20} MB on the disk of {folder}, which has {free >> 20} MB left. Free some, or name a folder on another disk in XDG_CACHE_HOME.");
        }
    }

    private static async Task<FileStream> LockAsync(string path, Action<string> progress, CancellationToken cancel)
    {
        for (var told = false; ; told = true)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (File.Exists(path))
            {
                if (!told)
                {
                    progress("Another process is fetching the engine; waiting for it.");
                }
                await Task.Delay(LockRetryInterval, cancel).ConfigureAwait(false);
            }
        }
    }

    private static void ClearAway(string folder)
    {
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task RunNpmAsync(string executable, string work, string cache, Action<string> progress, CancellationToken cancel)
    {
        using var npm = new Process
        {
            StartInfo = new ProcessStartInfo(executable)
            {
                WorkingDirectory = work,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                RedirectStandardInput = true,
                UseShellExecute = false,
            },
        };
        foreach (var argument in new[] { "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--no-progress", "--loglevel=error" })
        {
            npm.StartInfo.ArgumentList.Add(argument);
        }
        var output = new Queue<string>();
        void Keep(string? line)
        {
            if (string.IsNullOrWhiteSpace(line))
            {
                return;
            }
            lock (output)
            {
                output.Enqueue(line);
                if (output.Count > OutputLinesMax)
                {
                    output.Dequeue();
                }
            }
        }
        npm.OutputDataReceived += (_, line) => Keep(line.Data);
        npm.ErrorDataReceived += (_, line) => Keep(line.Data);
        try
        {
            npm.Start();
        }
        catch (System.ComponentModel.Win32Exception problem)
        {
            throw new InvalidOperationException(
                $"The engine is fetched with npm, which is not on the PATH or cannot be started. Install Node.js with npm, "
                + $"or put {FileName} of the npm package {Package} on this machine and name it in {PathVariable}.", problem);
        }
        // Without this, npm outlives a process that is told to end.
        void KillNpm(object? sender, EventArgs ending)
        {
            if (!npm.HasExited)
            {
                npm.Kill(entireProcessTree: true);
            }
        }
        AppDomain.CurrentDomain.ProcessExit += KillNpm;
        npm.StandardInput.Close();
        npm.BeginOutputReadLine();
        npm.BeginErrorReadLine();
        try
        {
            var freeAtStart = new DriveInfo(cache).AvailableFreeSpace;
            var ended = npm.WaitForExitAsync(cancel);
            while (await Task.WhenAny(ended, Task.Delay(ProgressInterval, cancel)).ConfigureAwait(false) != ended && !cancel.IsCancellationRequested)
            {
                progress(Progress(work, cache, freeAtStart));
            }
            await ended.ConfigureAwait(false);
        }
        finally
        {
            AppDomain.CurrentDomain.ProcessExit -= KillNpm;
            KillNpm(null, EventArgs.Empty);
        }
        if (npm.ExitCode != 0)
        {
            string[] said;
            lock (output)
            {
                said = [.. output];
            }
            throw new InvalidOperationException(Explain(npm.ExitCode, said));
        }
    }

    // npm writes the download to its own cache first and unpacks it as it comes, so both places tell how far it is.
    private static string Progress(string work, string cache, long freeAtStart)
    {
        var unpacked = SizeOf(work);
        var free = new DriveInfo(cache).AvailableFreeSpace;
        return unpacked > 1 << 20
            ? string.Create(CultureInfo.InvariantCulture, $"Fetching the engine: {unpacked >> 20} of 566 MB unpacked")
            : string.Create(CultureInfo.InvariantCulture, $"Fetching the engine: {Math.Max(0, freeAtStart - free) >> 20} MB written so far");
    }

    private static long SizeOf(string folder)
    {
        try
        {
            return new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length);
        }
        catch (IOException)
        {
            return 0;      // npm moves files while we count; the next line counts again
        }
    }

    private static string Explain(int exitCode, string[] said)
    {
        var text = string.Join('\n', said);
        bool Says(params string[] codes) => codes.Any(code => text.Contains(code, StringComparison.Ordinal));
        var cause =
            Says("ENOSPC") ? "the disk is full. Free about 800 MB, or name a folder on another disk in XDG_CACHE_HOME; npm's own cache needs room too"
            : Says("EINTEGRITY") ? "what came is not what the lock file pins, so it was thrown away. Run `npm cache verify` and start again; if it stays, somebody between here and the registry changes the file"
            : Says("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "ENOTCACHED", "ERR_SOCKET_TIMEOUT")
                ? "the package registry cannot be reached. Check the network or npm's proxy settings and start again: what was fetched is kept. Without a network, see docs/engine.md, \"Offline\""
            : Says("EBADPLATFORM") ? "there is no engine for this platform: it needs 64-bit x86 Linux with glibc"
            : Says("E401", "E403") ? "the package registry refuses access. Check npm's settings"
            : Says("E404", "ETARGET") ? "the configured package registry does not have the pinned version. Check npm's settings"
            : Says("EACCES", "EPERM") ? "npm may not write to its cache. Run `npm cache verify`, or name another folder in npm_config_cache"
            : "npm failed. Start again, or see docs/engine.md, \"Offline\"";
        return $"The ClickHouse engine cannot be fetched: {cause}.\nnpm ended with {exitCode} and said:\n{(text.Length > 0 ? text : "(nothing)")}";
    }
}
