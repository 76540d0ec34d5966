using System.Text;
using Xunit;
using Xunit.Abstractions;

namespace Faultline.Tests.Metrics.PromQL.UpstreamScripts;

/// <summary>
/// Prometheus' own conformance scripts, unchanged. <c>status.tsv</c> holds how many evaluations of each must pass;
/// <c>unsupported.tsv</c> names each one that may fail and why. Set <c>FAULTLINE_WRITE_PROMQL_STATUS</c> to a folder to write both anew.
/// </summary>
public sealed class UpstreamScriptTests(ITestOutputHelper output)
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Data", "promql");

    public static TheoryData<string> Scripts => [.. Directory.GetFiles(Path.Combine(Folder, "upstream"), "*.test").Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Scripts))]
    public async Task A_script_passes_as_far_as_the_table_says(string script)
    {
        var verdicts = await new ScriptRunner().RunAsync(await File.ReadAllTextAsync(Path.Combine(Folder, "upstream", script)));
        var failed = verdicts.Where(verdict => verdict.Fault is not null).ToList();
        foreach (var verdict in failed)
        {
            output.WriteLine($"{script}:{verdict.Line}: {verdict.Expression}: {verdict.Fault} [{verdict.Reason}]");
        }

        if (Environment.GetEnvironmentVariable("FAULTLINE_WRITE_PROMQL_STATUS") is { Length: > 0 } folder)
        {
            await File.WriteAllTextAsync(Path.Combine(folder, script + ".status"), $"{script}\t{verdicts.Count}\t{verdicts.Count - failed.Count}\n");
            await File.WriteAllTextAsync(Path.Combine(folder, script + ".unsupported"), string.Concat(failed.Select(verdict => $"{script}\t{verdict.Line}\t{verdict.Reason}\t{verdict.Expression} => {verdict.Fault}\n")));
            return;
        }

        var (evaluations, passing) = Status(script);
        var allowed = Rows("unsupported.tsv").Where(row => string.Equals(row[0], script, StringComparison.Ordinal)).ToDictionary(row => int.Parse(row[1]), row => row[2]);
        Assert.Equal(evaluations, verdicts.Count);
        Assert.All(failed, verdict => Assert.True(allowed.ContainsKey(verdict.Line), $"{script}:{verdict.Line}: {verdict.Expression}: {verdict.Fault}"));
        Assert.True(verdicts.Count - failed.Count >= passing, $"{script}: {verdicts.Count - failed.Count} pass, {passing} are listed.");
        Assert.All(allowed, pair => Assert.False(string.IsNullOrWhiteSpace(pair.Value), $"{script}:{pair.Key} has no reason."));
        Assert.All(allowed.Keys, line => Assert.Contains(failed, verdict => verdict.Line == line));
    }

    private static (int Evaluations, int Passing) Status(string script)
    {
        var row = Assert.Single(Rows("status.tsv"), row => string.Equals(row[0], script, StringComparison.Ordinal));
        return (int.Parse(row[1]), int.Parse(row[2]));
    }

    private static IEnumerable<string[]> Rows(string file) =>
        File.ReadLines(Path.Combine(Folder, file), Encoding.UTF8).Where(line => line.Length > 0 && line[0] != '#').Select(line => line.Split('\t'));
}
