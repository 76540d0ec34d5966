using System.Globalization;
using Faultline.Ingest.Receivers;
using Faultline.Tests.Ingest;
using Faultline.Tests.Otlp;

namespace Faultline.Bench;

/// <summary>Damaged requests by the million; the first that is not answered as it must be ends the run with its seed.</summary>
internal static class FuzzBench
{
    private const int InputsDefault = 100_000;
    private const int SayEvery = 100_000;

    /// <summary>Processor time, as the machine may be busy. A thousand inputs take less than a second of it; with this much one of them never ends.</summary>
    private static readonly TimeSpan StuckAfter = TimeSpan.FromMinutes(1);

    public static int Run(string[] args)
    {
        var inputs = Number(args, "--inputs") ?? InputsDefault;
        var first = Number(args, "--seed") ?? 1;
        var fuzzer = new OtlpFuzzer(Zstd.IsPresent ? bytes => ZstdPacker.Pack(bytes) : null);
        var seed = (int)first;
        var usedTicks = Environment.CpuUsage.TotalTime.Ticks;
        using var watch = new Timer(
            _ =>
            {
                if (Environment.CpuUsage.TotalTime.Ticks - Volatile.Read(ref usedTicks) > StuckAfter.Ticks)
                {
                    Environment.FailFast($"Fuzzing input {Volatile.Read(ref seed)} took longer than {StuckAfter} of processor time.");
                }
            },
            null,
            StuckAfter,
            StuckAfter);
        for (var i = 0L; i < inputs; i++)
        {
            if (i % 1024 == 0)
            {
                Volatile.Write(ref usedTicks, Environment.CpuUsage.TotalTime.Ticks);
            }

            Volatile.Write(ref seed, unchecked((int)(first + i)));
            fuzzer.Send(seed);
            if ((i + 1) % SayEvery == 0 || i + 1 == inputs)
            {
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{i + 1:N0} inputs from seed {first}: {string.Join(", ", Enum.GetValues<OtlpFuzzer.Answer>().Select(answer => $"{answer} {fuzzer.Answers[(int)answer]:N0}"))}; slowest {fuzzer.Slowest.TotalMilliseconds:F1} ms, at most {fuzzer.AllocatedBytesMax / 1024.0:F0} KiB allocated for one; working set {Environment.WorkingSet >> 20} MiB"));
            }
        }

        return 0;
    }

    private static long? Number(string[] args, string name) =>
        args.SkipWhile(argument => argument != name).Skip(1).FirstOrDefault() is { } text ? long.Parse(text.Replace("_", "", StringComparison.Ordinal), CultureInfo.InvariantCulture) : null;
}
