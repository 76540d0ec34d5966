using System.Collections.Concurrent;
using Faultline.ClickHouse.Embedded;
using Faultline.Tests.Store;
using Xunit;

namespace Faultline.Tests.ClickHouse;

/// <summary>The fetch with a script in npm's place; that the real one works is seen by every first start.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class EngineLibraryTests : IDisposable
{
    private const string WritesTheLibrary = """
        mkdir -p node_modules/@chdb/lib-linux-x64-gnu
        echo "$@" > node_modules/@chdb/lib-linux-x64-gnu/libchdb.so
        """;

    private readonly string _directory = Directory.CreateTempSubdirectory("faultline-library-").FullName;
    private readonly ConcurrentQueue<string> _progress = new();

    private string Cache => Path.Combine(_directory, "cache");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task A_fetch_puts_the_pinned_version_into_the_cache_and_runs_no_scripts_of_packages()
    {
        var library = await EnsureAsync(WritesTheLibrary);
        Assert.Equal(Path.Combine(Cache, "26.7.3-stable.1", "libchdb.so"), library);
        Assert.StartsWith("ci --no-audit --no-fund --ignore-scripts", await File.ReadAllTextAsync(library), StringComparison.Ordinal);
        Assert.Equal(2, _progress.Count);
        Assert.Empty(Directory.GetDirectories(Cache, ".fetch-*"));
    }

    [Fact]
    public async Task What_is_cached_is_not_fetched_again()
    {
        var library = await EnsureAsync(WritesTheLibrary);
        Assert.Equal(library, await EnsureAsync("exit 1"));
    }

    [Fact]
    public async Task An_interrupted_fetch_is_taken_up_again()
    {
        using var cancel = new CancellationTokenSource();
        var started = Path.Combine(_directory, "started");
        var interrupted = EnsureAsync($"touch {started}; sleep 600", cancel.Token);
        await Eventually.TrueAsync(() => File.Exists(started) || interrupted.IsCompleted);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => interrupted);
        Assert.Single(Directory.GetDirectories(Cache, ".fetch-*"));
        Assert.True(File.Exists(await EnsureAsync(WritesTheLibrary)));
        Assert.Empty(Directory.GetDirectories(Cache, ".fetch-*"));
    }

    [Fact]
    public async Task Two_that_need_it_at_once_fetch_it_once()
    {
        var counted = $"echo x >> {Path.Combine(_directory, "runs")}; sleep 0.3; {WritesTheLibrary}";
        await Task.WhenAll(EnsureAsync(counted), EnsureAsync(counted));
        Assert.Single(await File.ReadAllLinesAsync(Path.Combine(_directory, "runs")));
    }

    [Theory]
    [InlineData("npm error code ENOSPC", "disk is full")]
    [InlineData("npm error code EINTEGRITY", "not what the lock file pins")]
    [InlineData("npm error code ENOTFOUND", "cannot be reached")]
    [InlineData("npm error code EBADPLATFORM", "no engine for this platform")]
    [InlineData("something else", "npm failed")]
    public async Task A_failure_is_explained_and_npms_own_words_are_kept(string said, string explained)
    {
        var failure = await Assert.ThrowsAsync<InvalidOperationException>(() => EnsureAsync($"echo '{said}' >&2; exit 7"));
        Assert.Contains(explained, failure.Message, StringComparison.Ordinal);
        Assert.Contains(said, failure.Message, StringComparison.Ordinal);
        Assert.Contains("ended with 7", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_npm_is_named()
    {
        var failure = await Assert.ThrowsAsync<InvalidOperationException>(
            () => EngineLibrary.EnsureCachedAsync(LockFolder, Cache, Path.Combine(_directory, "no-npm"), _progress.Enqueue, CancellationToken.None));
        Assert.Contains("Install Node.js with npm", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_lock_file_is_named()
    {
        var failure = await Assert.ThrowsAsync<InvalidOperationException>(
            () => EngineLibrary.EnsureCachedAsync(_directory, Cache, "npm", _progress.Enqueue, CancellationToken.None));
        Assert.Contains("package-lock.json", failure.Message, StringComparison.Ordinal);
    }

    private static string LockFolder => Path.Combine(EngineFixture.RepositoryRoot, "native");

    private async Task<string> EnsureAsync(string script, CancellationToken cancel = default)
    {
        var npm = Path.Combine(_directory, Guid.NewGuid().ToString("N"));
        await File.WriteAllTextAsync(npm, "#!/bin/sh\n" + script + "\n", cancel);
        File.SetUnixFileMode(npm, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        return await EngineLibrary.EnsureCachedAsync(LockFolder, Cache, npm, _progress.Enqueue, cancel);
    }
}
