using System.Globalization;
using Faultline.Interop.Crash;

namespace Faultline.Bench;

/// <summary>The crash runs of the tests, as often as one likes.</summary>
internal static class CrashBench
{
    private const int KillsDefault = 20;

    public static async Task<int> RunAsync(string[] args)
    {
        var seed = Number(args, "--seed") ?? Random.Shared.Next();
        try
        {
            Console.WriteLine(Number(args, "--full-disk") is { } mebibytes ? await OnFullDiskAsync(mebibytes, seed) : await CrashRun.KillAsync(Number(args, "--kills") ?? KillsDefault, seed, Settings(args), Console.WriteLine));
            return 0;
        }
        catch (InvalidOperationException failed)
        {
            Console.Error.WriteLine(failed.Message);
            return 1;
        }
    }

    private static async Task<string> OnFullDiskAsync(int mebibytes, int seed)
    {
        using var disk = SmallDisk.TryMount(mebibytes, out var reason);
        return disk is null ? throw new InvalidOperationException(reason) : await FullDiskRun.RunAsync(disk.Path, seed, Console.WriteLine);
    }

    private static Dictionary<string, string>? Settings(string[] args) =>
        args.Contains("--power", StringComparer.Ordinal) ? new(StringComparer.Ordinal) { ["FAULTLINE_STORE_DURABILITY"] = "power" } : null;

    private static int? Number(string[] args, string name) =>
        args.SkipWhile(argument => argument != name).Skip(1).FirstOrDefault() is { } text ? int.Parse(text, CultureInfo.InvariantCulture) : null;
}
