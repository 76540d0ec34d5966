using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Faultline.ClickHouse.Fetch;

/// <summary>npm packages that a lock file pins by version and checksum, fetched once into the user's cache.</summary>
public sealed record PinnedPackages
{
    private const string FetchPrefix = ".fetch-";
    private const int OutputLinesMax = 12;
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LockRetryInterval = TimeSpan.FromMilliseconds(500);

    /// <summary>What it is, in the middle of a sentence, at first mention and later.</summary>
    public required string Name { get; init; }

    /// <inheritdoc cref="Name"/>
    public required string ShortName { get; init; }

    /// <summary>Its folder in the cache.</summary>
    public required string CacheName { get; init; }

    /// <summary>Their versions in the lock file, joined, name the version's folder.</summary>
    public required IReadOnlyList<string> Packages { get; init; }

    /// <summary>The folder below the one npm ran in that is kept.</summary>
    public required string Kept { get; init; }

    /// <summary>A file in it whose presence says that all is there.</summary>
    public required string Sign { get; init; }

    public required int DownloadMegabytes { get; init; }

    public required int UnpackedMegabytes { get; init; }

    /// <summary>Where to read about installing without a network.</summary>
    public required string Documentation { get; init; }

    /// <summary>What to do without npm, after "or".</summary>
    public required string ByHand { get; init; }

    /// <summary>What npm's refusal of this platform means.</summary>
    public string PlatformProblem { get; init; } = "it is not published for this platform";

    // Download and unpacked copy exist side by side for a moment.
    private long FreeBytesMin => (long)(1.1 * (DownloadMegabytes + UnpackedMegabytes)) << 20;

    /// <summary>
    /// The folder with the pinned version, fetched first when absent: <c>npm ci</c> on the given lock file in a temporary folder, integrity by npm's
    /// checksum, then renamed into place, so that a fetch that was interrupted is taken up again and never half there. Two processes at once fetch it once.
    /// </summary>
    /// <param name="lockFolder">Folder with <c>package.json</c> and <c>package-lock.json</c>.</param>
    /// <param name="cache">Usually <see cref="CacheFolder"/>.</param>
    /// <param name="npm">The executable.</param>
    /// <param name="progress">One line of text now and then while fetching.</param>
    /// <exception cref="InvalidOperationException">It cannot be fetched; the message says why and what to do.</exception>
    public async Task<string> EnsureAsync(string lockFolder, string cache, string npm, Action<string> progress, CancellationToken cancel)
    {
        var version = await VersionInAsync(Path.Combine(lockFolder, "package-lock.json"), cancel).ConfigureAwait(false);
        var target = Path.Combine(cache, version);
        return File.Exists(Path.Combine(target, Sign)) ? target : await FetchAsync(lockFolder, cache, version, npm, progress, cancel).ConfigureAwait(false);
    }

    /// <summary><c>$XDG_CACHE_HOME/faultline/NAME</c>, or under <c>~/.cache</c>.</summary>
    public string CacheFolder() => Path.Combine(UserCache(), "faultline", CacheName);

    private static string UserCache() =>
        Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } configured && Path.IsPathRooted(configured)
            ? configured
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile, Environment.SpecialFolderOption.DoNotVerify), ".cache");

    private async Task<string> VersionInAsync(string lockFile, CancellationToken cancel)
    {
        try
        {
            await using var stream = File.OpenRead(lockFile);
            using var document = await JsonDocument.ParseAsync(stream, cancellationToken: cancel).ConfigureAwait(false);
            var locked = document.RootElement.GetProperty("packages");
            var version = string.Join('+', Packages.Select(package => locked.GetProperty("node_modules/" + package).GetProperty("version").GetString()));
            // It becomes the name of a folder.
            return version.Length > 0 && !version.StartsWith('.') && version.All(character => char.IsAsciiLetterOrDigit(character) || character is '.' or '-' or '+')
                ? version
                : throw new InvalidOperationException($"{lockFile}: '{version}' is no version of {string.Join(", ", Packages)}.");
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or JsonException or KeyNotFoundException)
        {
            throw new InvalidOperationException(
                $"{lockFile}, which pins version and checksum of {ShortName}, cannot be read: {problem.Message} Restore it from the repository's native/ folder.", problem);
        }
    }

    private async Task<string> FetchAsync(string lockFolder, string cache, string version, string npm, Action<string> progress, CancellationToken cancel)
    {
        try
        {
            Directory.CreateDirectory(cache);
            await using var onlyOne = await LockAsync(Path.Combine(cache, ".lock"), progress, cancel).ConfigureAwait(false);
            var target = Path.Combine(cache, version);
            if (File.Exists(Path.Combine(target, Sign)))
            {
                return target;         // another process fetched it meanwhile
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
            progress($"Fetching {Name} {version} with npm ({DownloadMegabytes} MB, once) into {target}");
            var started = Stopwatch.GetTimestamp();
            await RunNpmAsync(npm, work, cache, progress, cancel).ConfigureAwait(false);
            var fetched = Path.Combine(work, Kept.Replace('/', Path.DirectorySeparatorChar));
            if (!File.Exists(Path.Combine(fetched, Sign)))
            {
                throw new InvalidOperationException($"npm said it was done, but {Path.Combine(fetched, Sign)} is not there. Delete {cache} and start again.");
            }
            ClearAway(target);
            Directory.Move(fetched, target);
            ClearAway(work);
            progress($"{Sentence(ShortName)} is there, after {Stopwatch.GetElapsedTime(started).TotalSeconds:0} s.");
            return target;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            throw new InvalidOperationException(
                $"{Sentence(ShortName)} cannot be put into {cache}: {problem.Message} Make the folder writable, or name another one in XDG_CACHE_HOME.", problem);
        }
    }

    private void RequireSpace(string folder)
    {
        var free = new DriveInfo(folder).AvailableFreeSpace;
        if (free < FreeBytesMin)
        {
            throw new InvalidOperationException(
                $"{Sentence(ShortName)} needs {FreeBytesMin >> 20} MB on the disk of {folder}, which has {free >> 20} MB left. Free some, or name a folder on another disk in XDG_CACHE_HOME.");
        }
    }

    private async Task<FileStream> LockAsync(string path, Action<string> progress, CancellationToken cancel)
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
                    progress($"Another process is fetching {ShortName}; waiting for it.");
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

    private async Task RunNpmAsync(string executable, string work, string cache, Action<string> progress, CancellationToken cancel)
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
                $"{Sentence(ShortName)} is fetched with npm, which is not on the PATH or cannot be started. Install Node.js with npm, or {ByHand}.", problem);
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
    private string Progress(string work, string cache, long freeAtStart)
    {
        var unpacked = SizeOf(work);
        var free = new DriveInfo(cache).AvailableFreeSpace;
        return unpacked > 1 << 20
            ? string.Create(CultureInfo.InvariantCulture, $"Fetching {ShortName}: {unpacked >> 20} of {UnpackedMegabytes} MB unpacked")
            : string.Create(CultureInfo.InvariantCulture, $"Fetching {ShortName}: {Math.Max(0, freeAtStart - free) >> 20} MB written so far");
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

    private string Explain(int exitCode, string[] said)
    {
        var text = string.Join('\n', said);
        bool Says(params string[] codes) => codes.Any(code => text.Contains(code, StringComparison.Ordinal));
        var cause =
            Says("ENOSPC") ? $"the disk is full. Free about {FreeBytesMin >> 20} MB, or name a folder on another disk in XDG_CACHE_HOME; npm's own cache needs room too"
            : Says("EINTEGRITY") ? "what came is not what the lock file pins, so it was thrown away. Run `npm cache verify` and start again; if it stays, somebody between here and the registry changes the file"
            : Says("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "ENOTCACHED", "ERR_SOCKET_TIMEOUT")
                ? "the package registry cannot be reached. Check the network or npm's proxy settings and start again: what was fetched is kept. Without a network, see " + Documentation
            : Says("EBADPLATFORM") ? PlatformProblem
            : Says("E401", "E403") ? "the package registry refuses access. Check npm's settings"
            : Says("E404", "ETARGET") ? "the configured package registry does not have the pinned version. Check npm's settings"
            : Says("EACCES", "EPERM") ? "npm may not write to its cache. Run `npm cache verify`, or name another folder in npm_config_cache"
            : "npm failed. Start again, or see " + Documentation;
        return $"{Sentence(Name)} cannot be fetched: {cause}.\nnpm ended with {exitCode} and said:\n{(text.Length > 0 ? text : "(nothing)")}";
    }

    private static string Sentence(string words) => char.ToUpperInvariant(words[0]) + words[1..];
}
