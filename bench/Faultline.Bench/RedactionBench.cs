using System.Text.Json;
using Faultline.Interop;

namespace Faultline.Bench;

/// <summary>What redaction costs of the whole way: servers with its defaults and without it, in turn, under as much load as they take.</summary>
internal static class RedactionBench
{
    private const int Rounds = 3;

    public static async Task<int> RunAsync(string shape, int seconds, int connections)
    {
        var (with, without) = (new List<double>(), new List<double>());
        for (var round = 0; round < Rounds; round++)
        {
            // The order changes, so that what gets slower or faster meanwhile is nobody's gain.
            foreach (var enabled in round % 2 == 0 ? (bool[])[true, false] : [false, true])
            {
                (enabled ? with : without).Add(await SpansPerSecondAsync(enabled, shape, seconds, connections));
            }
        }

        IngestBench.Print(JsonSerializer.SerializeToElement(new
        {
            shape,
            rounds = Rounds,
            with_defaults = Median(with),
            without = Median(without),
            cost_percent = Math.Round(100 * (1 - (Median(with) / Median(without))), 1),
        }), json: false);
        Console.WriteLine($"with: {string.Join(' ', with)}; without: {string.Join(' ', without)}");
        return 0;
    }

    private static async Task<double> SpansPerSecondAsync(bool redacts, string shape, int seconds, int connections)
    {
        await using var server = await FaultlineProcess.StartAsync(new Dictionary<string, string>(StringComparer.Ordinal) { ["FAULTLINE_REDACTION_ENABLED"] = redacts ? "true" : "false" });

        // The first load compiles what it runs.
        await IngestBench.LoadAsync(server.Door("otlp_http"), shape, seconds, connections, rate: 0, run: 1);
        var load = await IngestBench.LoadAsync(server.Door("otlp_http"), shape, seconds, connections, rate: 0, run: 2);
        await server.StopAsync();
        return load.GetProperty("spans_per_second").GetDouble();
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
}
