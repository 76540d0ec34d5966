using System.Globalization;
using System.Text.Json;
using Faultline.Interop;

namespace Faultline.Bench;

/// <summary>
/// More load than the server can take, for minutes, under a ceiling of memory: what it holds every few seconds, and whether every span that was sent
/// is acknowledged or refused, by the senders' count, by the server's, and in the store.
/// </summary>
internal static class SoakBench
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(5);

    public static async Task<int> RunAsync(int seconds, string ceiling)
    {
        var data = Directory.CreateTempSubdirectory("faultline-soak-").FullName;
        try
        {
            await using var server = await FaultlineProcess.StartAsync(new Dictionary<string, string>(StringComparer.Ordinal) { ["FAULTLINE_MEMORY_BYTES_MAX"] = ceiling }, data);
            var most = await server.InternalAsync("faultline_memory_max_bytes");
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"idle: {server.ResidentBytes() >> 20} MiB of at most {most / (1 << 20):0}"));

            // Both shapes at once, from 128 connections that send again as soon as they are answered.
            var loads = Task.WhenAll(
                IngestBench.LoadAsync(server.Door("otlp_http"), "plain", seconds, connections: 64, rate: 0, run: 1),
                IngestBench.LoadAsync(server.Door("otlp_http"), "genai", seconds, connections: 64, rate: 0, run: 2));
            var resident = new List<long>();
            while (await Task.WhenAny(loads, Task.Delay(Period)) != loads)
            {
                resident.Add(server.ResidentBytes());
            }

            var sent = await loads;
            long Sum(string what) => sent.Sum(load => load.GetProperty(what).GetInt64());
            var acknowledged = Sum("acknowledged");
            var refused = Sum("refused");
            var accepted = await server.InternalAsync("otelcol_receiver_accepted_spans_total");
            var requestsRefused = await server.InternalAsync("faultline_refused_requests_total");
            var forMemory = await server.InternalAsync("faultline_memory_refused_requests_total");
            var peak = server.PeakResidentBytes();
            await server.StopAsync();
            var (stored, distinct) = await IngestBench.CountAsync(data);

            var thirds = resident.Chunk((resident.Count + 2) / 3).Select(Median).ToArray();
            var figures = new
            {
                seconds,
                memory_max_mib = (long)most >> 20,
                rss_first_third_mib = thirds[0] >> 20,
                rss_second_third_mib = thirds.ElementAtOrDefault(1) >> 20,
                rss_last_third_mib = thirds[^1] >> 20,
                rss_highest_seen_mib = resident.Max() >> 20,
                rss_peak_mib = peak >> 20,
                spans_per_second = Math.Round(acknowledged / (double)seconds),
                acknowledged,
                refused,
                unanswered = Sum("unanswered"),
                server_accepted = accepted,
                server_refused = requestsRefused * 1000,
                refused_for_memory = forMemory * 1000,
                stored,
                doubled = stored - distinct,
                lost = Math.Max(0, acknowledged - distinct),
            };
            IngestBench.Print(JsonSerializer.SerializeToElement(figures), json: false);
            Console.WriteLine("RSS every 5 s, MiB: " + string.Join(' ', resident.Select(bytes => bytes >> 20)));
            return figures is { lost: 0, doubled: 0, unanswered: 0 } && accepted == acknowledged && requestsRefused * 1000 == refused ? 0 : 1;
        }
        finally
        {
            Directory.Delete(data, recursive: true);
        }
    }

    private static long Median(long[] values) => values.Order().ElementAt(values.Length / 2);
}
