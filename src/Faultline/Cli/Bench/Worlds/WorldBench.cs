using System.Text;
using System.Text.Json;
using Faultline.ClickHouse.Embedded;
using Faultline.Diagnosis.Evaluators;

namespace Faultline.Cli.Bench.Worlds;

/// <summary>Recorded worlds through the product's own pipeline; a line for each case.</summary>
internal static class WorldBench
{
    public static BenchTask Task { get; } = new("world", "Cases of recorded worlds: folders with telemetry.jsonl or telemetry.jsonl.gz.", RunAsync);

    private static async Task RunAsync(IReadOnlyList<string> folders, TextWriter output, CancellationToken cancel)
    {
        var worlds = folders.SelectMany(WorldFile.Below).ToList();
        if (worlds.Count == 0)
        {
            throw new CommandException(ExitCode.WrongUse, $"There is no telemetry.jsonl or telemetry.jsonl.gz in or below {string.Join(", ", folders)}.");
        }

        var scratch = Directory.CreateTempSubdirectory("faultline-worlds-").FullName;
        try
        {
            var library = await EngineLibrary.EnsureAsync(Path.Combine(AppContext.BaseDirectory, "native"), Console.Error.WriteLine, cancel);
            var options = new EmbeddedOptions(library, Path.Combine(scratch, "clickhouse"), Readers: 1, Database: "worlds");

            var language = await LoadLanguageAsync(cancel);
            if (language.Missing is { } missing)
            {
                await Console.Error.WriteLineAsync($"Evaluators and topics are off, or judge by words alone: {missing}");
            }

            // Every world has a database of its own; this one keeps the engine open between them.
            await using var open = await EmbeddedClickHouse.OpenAsync(options, cancel);
            for (var i = 0; i < worlds.Count; i++)
            {
                var started = TimeProvider.System.GetTimestamp();
                var cases = await PlayAsync(worlds[i], options with { Database = $"world_{i}" }, Path.Combine(scratch, $"world_{i}"), language, output, cancel);
                await Console.Error.WriteLineAsync($"{i + 1} of {worlds.Count}: {worlds[i].Name}, {cases} cases, {TimeProvider.System.GetElapsedTime(started).TotalSeconds:0.0} s");
            }
        }
        finally
        {
            Directory.Delete(scratch, recursive: true);
        }
    }

    private static async Task<LanguageResources> LoadLanguageAsync(CancellationToken cancel)
    {
        try
        {
            return LanguageResources.Load(await LanguagePackage.EnsureAsync(Path.Combine(AppContext.BaseDirectory, "native", "language"), Console.Error.WriteLine, cancel));
        }
        catch (InvalidOperationException missing)
        {
            return LanguageResources.Unavailable(missing.Message);
        }
    }

    private static async Task<int> PlayAsync(WorldFile world, EmbeddedOptions options, string directory, LanguageResources language, TextWriter output, CancellationToken cancel)
    {
        using var first = world.Lines().GetEnumerator();
        if (!first.MoveNext())
        {
            return 0;
        }

        await using var engine = await EmbeddedClickHouse.OpenAsync(options, cancel);
        int cases;
        await using (var replay = await WorldReplay.OpenAsync(engine, directory, first.Current.UnixNanos, language, cancel))
        {
            await replay.PlayAsync(world.Lines(), cancel);
            if (replay.Rejected > 0)
            {
                await Console.Error.WriteLineAsync($"{world.Name}: {replay.Rejected} items were rejected.");
            }

            foreach (var view in replay.Cases.Reverse())
            {
                using var buffer = new MemoryStream();
                await using (var json = new Utf8JsonWriter(buffer))
                {
                    WorldReplay.Write(json, world.Name, view);
                }

                await output.WriteLineAsync(Encoding.UTF8.GetString(buffer.ToArray()));
            }

            cases = replay.Cases.Count;
        }

        await output.FlushAsync(cancel);
        await engine.ExecuteAsync($"DROP DATABASE `{options.Database}` SYNC", cancel: cancel);
        return cases;
    }
}
