using System.CommandLine;
using Faultline.Lab.Worlds;
using Faultline.Lab.Worlds.Planning;
using Faultline.Lab.Worlds.Words;

namespace Faultline.Cli;

/// <summary><c>faultline lab generate</c>: labelled worlds to measure detection and diagnosis on. See <c>docs/lab.md</c>.</summary>
internal static class LabCommand
{
    private const double DaysMax = 60;
    private const int WorldsMax = 1_000;

    public static void AddTo(RootCommand root)
    {
        var lab = new Command("lab", "The fault laboratory: simulated GenAI systems with labelled faults (docs/lab.md).");
        lab.Subcommands.Add(Generate());
        root.Subcommands.Add(lab);
    }

    private static Command Generate()
    {
        var seed = new Option<long>("--seed") { Description = "The same seed writes the same bytes.", Required = true };
        var days = new Option<double>("--days") { Description = "Length of a world in days, up to 60; 0.1 is allowed.", DefaultValueFactory = _ => 2 };
        var folder = new Option<string>("--out") { Description = "Folder for worlds/NAME/telemetry.jsonl.gz and labels/NAME.json.", Required = true };
        var worlds = new Option<int>("--worlds") { Description = "How many, up to 1000.", DefaultValueFactory = _ => 1 };
        var split = new Option<string>("--split") { Description = "dev or held-out: systems, wording and dialects of the one are not in the other.", DefaultValueFactory = _ => "dev" };
        split.AcceptOnlyFromAmong("dev", "held-out");
        var command = new Command("generate", "Write labelled worlds for `faultline bench world`.") { seed, days, folder, worlds, split };
        command.SetAction((parsed, cancel) => Task.FromResult(Write(
            new WorldOptions(parsed.GetValue(seed), parsed.GetValue(days), parsed.GetValue(split) == "dev" ? Split.Dev : Split.HeldOut, parsed.GetValue(worlds)),
            parsed.GetValue(folder)!,
            cancel)));
        return command;
    }

    private static int Write(WorldOptions options, string folder, CancellationToken cancel)
    {
        if (options.Days is not (> 0 and <= DaysMax) || options.Worlds is < 1 or > WorldsMax)
        {
            throw new CommandException(ExitCode.WrongUse, $"--days is above 0 and up to {DaysMax}, --worlds 1 to {WorldsMax}.");
        }

        try
        {
            foreach (var world in WorldGenerator.Write(options, folder, cancel))
            {
                Console.WriteLine($"{world.Name}: {world.Spans} spans, {world.Faults} faults, {world.Bytes / 1024} KiB");
            }

            return ExitCode.Done;
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.CouldNotBeDone, failed.Message);
        }
    }
}
