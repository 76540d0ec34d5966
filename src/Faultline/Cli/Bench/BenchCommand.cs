using System.CommandLine;
using System.Text;
using Faultline.Cli.Bench.Worlds;

namespace Faultline.Cli.Bench;

/// <summary>One task of <c>faultline bench</c>: reads cases in its published format, writes one JSON line a case.</summary>
/// <param name="Name">The word on the command line.</param>
/// <param name="Description">What is predicted, for <c>--help</c>.</param>
/// <param name="RunAsync">
/// Folders as given, all of them exist; where the lines go; when to stop. Bad input is a <see cref="CommandException"/> that names the file.
/// </param>
internal sealed record BenchTask(string Name, string Description, Func<IReadOnlyList<string>, TextWriter, CancellationToken, Task> RunAsync);

/// <summary>
/// <c>faultline bench TASK DIR…</c>: the product's own engines at their shipped defaults on cases in published formats, predictions as
/// JSON lines on standard output. Formats: docs/benchmarks.md.
/// </summary>
internal static class BenchCommand
{
    /// <summary>A task is one line here and one file beside this one.</summary>
    private static readonly BenchTask[] Tasks =
    [
        AnomalyBench.Task,
        AttributionBench.Task,
        RootCauseBench.Task,
        TraceErrorsBench.Task,
        GroundednessBench.Task,
        WorldBench.Task,
    ];

    public static void AddTo(RootCommand root)
    {
        var bench = new Command("bench", "Run detection and diagnosis on recorded cases; predictions are JSON lines on standard output (docs/benchmarks.md).");
        foreach (var task in Tasks)
        {
            var folders = new Argument<string[]>("DIR") { Description = "Folder with the cases.", Arity = ArgumentArity.OneOrMore };
            var command = new Command(task.Name, task.Description) { folders };
            command.SetAction((parsed, cancel) => RunAsync(task, parsed.GetValue(folders) ?? [], cancel));
            bench.Subcommands.Add(command);
        }

        root.Subcommands.Add(bench);
    }

    private static async Task<int> RunAsync(BenchTask task, string[] folders, CancellationToken cancel)
    {
        if (Array.Find(folders, folder => !Directory.Exists(folder)) is { } missing)
        {
            throw new CommandException(ExitCode.WrongUse, $"There is no folder {missing}. Name the folder that holds the cases.");
        }

        await using var output = new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), 64 * 1024) { NewLine = "\n" };
        try
        {
            await task.RunAsync(folders, output, cancel);
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.CouldNotBeDone, failed.Message);
        }

        return ExitCode.Done;
    }
}
