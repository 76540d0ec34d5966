using System.Diagnostics;
using Xunit;

namespace Faultline.Interop;

/// <summary>Comparisons that are run by hand, each for a moment: that they still compile, run and find what they compare. How fast it was says nothing here.</summary>
public sealed class BenchTests
{
    [Theory]
    [InlineData("2,000 inputs from seed 7: NotPacked", "fuzz", "--inputs", "2000", "--seed", "7")]
    [InlineData("measured: 3 services", "entities", "--services", "3", "--minutes", "2", "--days", "1")]
    [InlineData("insert of 16000", "stages")]
    public async Task A_comparison_runs_and_says_what_it_measured(string said, params string[] arguments)
    {
        using var timeout = new CancellationTokenSource(TimeSpan.FromMinutes(5));
        var start = new ProcessStartInfo("dotnet", [FaultlineProcess.Built("bench/Faultline.Bench", "Faultline.Bench.dll"), .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(timeout.Token);
            var errors = process.StandardError.ReadToEndAsync(timeout.Token);
            await process.WaitForExitAsync(timeout.Token);
            Assert.True(process.ExitCode == 0, await errors);
            Assert.Contains(said, await output, StringComparison.Ordinal);
        }
        finally
        {
            process.Kill(entireProcessTree: true);
        }
    }
}
