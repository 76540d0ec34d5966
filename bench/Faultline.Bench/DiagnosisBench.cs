using System.Diagnostics;
using System.Globalization;
using Faultline.Interop;
using Faultline.Lab.Scoring;
using Faultline.Lab.Worlds;
using Faultline.Lab.Worlds.Planning;
using Faultline.Lab.Worlds.Words;

namespace Faultline.Bench;

/// <summary>
/// Generated worlds of both splits through <c>faultline bench world</c>, a process for each split, and the scores side by side. Worlds that exist
/// already are taken with <c>--dev DIR --held-out DIR</c>, each a folder of <c>faultline lab generate</c>, which then gets <c>predictions.jsonl</c>;
/// <c>--no-play</c> scores the ones of an earlier run again.
/// </summary>
internal static class DiagnosisBench
{
    public static async Task<int> RunAsync(string[] args)
    {
        var scratch = Directory.CreateTempSubdirectory("faultline-diagnosis-").FullName;
        try
        {
            var worlds = int.Parse(Option(args, "--worlds") ?? "24", CultureInfo.InvariantCulture);
            var days = double.Parse(Option(args, "--days") ?? "2", CultureInfo.InvariantCulture);
            var seed = long.Parse(Option(args, "--seed") ?? "1", CultureInfo.InvariantCulture);
            var dev = Option(args, "--dev") ?? Generate(scratch, "dev", new WorldOptions(seed, days, Split.Dev, worlds));
            var heldOut = Option(args, "--held-out") ?? Generate(scratch, "held-out", new WorldOptions(seed, days, Split.HeldOut, worlds));
            var clock = Stopwatch.StartNew();
            if (!args.Contains("--no-play", StringComparer.Ordinal))
            {
                await Task.WhenAll(PlayAsync(dev), PlayAsync(heldOut));
                Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Played in {clock.Elapsed.TotalSeconds:0} s by two processes."));
            }

            Console.WriteLine(ScoreReport.Markdown(Score(dev), Score(heldOut)));
            return 0;
        }
        finally
        {
            Directory.Delete(scratch, recursive: true);
        }
    }

    private static string Generate(string scratch, string name, WorldOptions options)
    {
        var folder = Path.Combine(scratch, name);
        foreach (var world in WorldGenerator.Write(options, folder))
        {
            Console.Error.WriteLine($"{world.Name}: {world.Spans} spans, {world.Faults} faults");
        }

        return folder;
    }

    private static async Task PlayAsync(string folder)
    {
        using var player = Process.Start(new ProcessStartInfo("dotnet", [FaultlineProcess.Built("src/Faultline", "faultline.dll"), "bench", "world", Path.Combine(folder, "worlds")]) { RedirectStandardOutput = true })!;
        await using (var predictions = File.Create(PredictionsOf(folder)))
        {
            await player.StandardOutput.BaseStream.CopyToAsync(predictions);
        }

        await player.WaitForExitAsync();
        if (player.ExitCode != 0)
        {
            throw new InvalidOperationException($"`faultline bench world {folder}` ended with {player.ExitCode}.");
        }
    }

    private static Scoreboard Score(string folder) =>
        new(LabelledWorld.ReadAll(Path.Combine(folder, "labels")), File.ReadLines(PredictionsOf(folder)).Select(PredictedCase.Read).OfType<PredictedCase>());

    private static string PredictionsOf(string folder) => Path.Combine(folder, "predictions.jsonl");

    private static string? Option(string[] args, string name) => args.SkipWhile(argument => argument != name).Skip(1).FirstOrDefault();
}
