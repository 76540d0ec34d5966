using System.Globalization;
using Faultline.ClickHouse.Embedded;

// Everything here shares one engine and two cores.
[assembly: Xunit.CollectionBehavior(MaxParallelThreads = 2)]

namespace Faultline.Tests;

/// <summary>The embedded engine of the test process: one for all tests, a database for each class that asks.</summary>
internal static class EngineFixture
{
    private const string DirectoryPrefix = "faultline-tests-engine-";
    private static readonly Lazy<Task<EmbeddedOptions>> Opened = new(OpenAsync);
    private static int databaseCount;

    /// <summary>The folder with <c>Faultline.slnx</c>.</summary>
    public static string RepositoryRoot { get; } = FindRoot();

    /// <summary>A new, empty database on the engine of this process. Dispose it after use.</summary>
    public static async Task<EmbeddedClickHouse> OpenDatabaseAsync()
    {
        var options = await Opened.Value;
        return await EmbeddedClickHouse.OpenAsync(options with { Database = $"test_{Interlocked.Increment(ref databaseCount)}" });
    }

    /// <summary>How the engine of this process is open, for tests that open a database themselves.</summary>
    public static Task<EmbeddedOptions> OptionsAsync() => Opened.Value;

    private static async Task<EmbeddedOptions> OpenAsync()
    {
        var library = await EngineLibrary.EnsureAsync(Path.Combine(RepositoryRoot, "native"), Console.Error.WriteLine);
        SweepLeftovers();
        var directory = Path.Combine(Path.GetTempPath(), DirectoryPrefix + Environment.ProcessId);
        var options = new EmbeddedOptions(library, directory, Readers: 2, Writers: 1);
        // Stays open, so that a class that closes its database does not close the engine under the others.
        _ = await EmbeddedClickHouse.OpenAsync(options with { Database = "keeps_the_engine_open", Readers = 1 });
        // After the engine's own handler, which was registered when it opened: the files are free by then.
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(directory, recursive: true);
        return options;
    }

    // The test runner gives its host a tenth of a second to exit, so what a run could not delete the next one does.
    private static void SweepLeftovers()
    {
        foreach (var folder in Directory.GetDirectories(Path.GetTempPath(), DirectoryPrefix + "*"))
        {
            var owner = Path.GetFileName(folder)[DirectoryPrefix.Length..];
            if (int.TryParse(owner, CultureInfo.InvariantCulture, out var id) && (id == Environment.ProcessId || !Directory.Exists($"/proc/{id}")))
            {
                try
                {
                    Directory.Delete(folder, recursive: true);
                }
                catch (DirectoryNotFoundException)
                {
                    // Another test run is sweeping the same folder.
                    continue;
                }
            }
        }
    }

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Faultline.slnx")))
            {
                return folder.FullName;
            }
        }
        throw new InvalidOperationException($"Faultline.slnx is in no folder above {AppContext.BaseDirectory}.");
    }
}
