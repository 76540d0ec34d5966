using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Faultline.ClickHouse;
using Faultline.ClickHouse.Embedded;
using Faultline.Interop;

namespace Faultline.Bench;

/// <summary>
/// A server forwards to another one, which is killed under load, stays away, and comes back: what was acknowledged at the first must be in the second,
/// once, and each client's requests in the order in which it sent them.
/// </summary>
internal static class ForwardBench
{
    private const int Clients = 4;
    private static readonly TimeSpan Before = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan After = TimeSpan.FromSeconds(20);

    /// <param name="outageSeconds">How long the far end is away.</param>
    /// <param name="rate">Spans a second, from all clients together.</param>
    public static async Task<int> RunAsync(int outageSeconds, int rate)
    {
        var (near, far) = (Directory.CreateTempSubdirectory("faultline-near-").FullName, Directory.CreateTempSubdirectory("faultline-far-").FullName);
        try
        {
            var port = FreePort();
            await using var farEnd = await FaultlineProcess.StartAsync(new Dictionary<string, string>(StringComparer.Ordinal) { ["FAULTLINE_LISTEN_OTLP_HTTP"] = $"127.0.0.1:{port}" }, far);
            await using var server = await FaultlineProcess.StartAsync(dataDirectory: near, config: $$"""
                exporters:
                  otlphttp/far:
                    endpoint: http://127.0.0.1:{{port}}
                    compression: none
                    headers:
                      X-API-Key: {{FaultlineProcess.ApiKey}}
                    sending_queue:
                      queue_size: 8GiB
                """);
            var seconds = (int)(Before + After).TotalSeconds + outageSeconds;
            var loads = Task.WhenAll(Enumerable.Range(1, Clients).Select(client =>
                IngestBench.LoadAsync(server.Door("otlp_http"), "plain", seconds, connections: 1, rate / Clients, (ulong)client)));

            await Task.Delay(Before);
            await farEnd.KillAsync();
            Console.Error.WriteLine("The far end was killed.");
            await Task.Delay(TimeSpan.FromSeconds(outageSeconds));
            var waited = await server.InternalAsync("faultline_forward_queue_items");
            var waitedBytes = await server.InternalAsync("faultline_forward_queue_bytes");
            await farEnd.RestartAsync();
            var back = DateTime.UtcNow;
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"The far end is back; {waited:N0} spans wait ({waitedBytes / (1 << 20):N0} MiB)."));

            var sent = await loads;
            var acknowledged = sent.Sum(load => load.GetProperty("acknowledged").GetInt64());
            await Eventually.TrueAsync(async () => await server.InternalAsync("faultline_forward_queue_items") == 0, "the queue is empty", TimeSpan.FromMinutes(20), everyMillis: 1000);
            var drained = DateTime.UtcNow - back;
            var dropped = await server.InternalAsync("faultline_forward_dropped_items_total");
            var memory = server.PeakResidentBytes();
            await server.StopAsync();
            await farEnd.StopAsync();

            var (arrived, distinct) = await IngestBench.CountAsync(far);
            var disordered = await DisorderedAsync(far);
            IngestBench.Print(JsonSerializer.SerializeToElement(new
            {
                outage_seconds = outageSeconds,
                spans_per_second = Math.Round(acknowledged / (double)seconds),
                acknowledged,
                refused = sent.Sum(load => load.GetProperty("refused").GetInt64()),
                ack_p99_ms_worst_client = sent.Max(load => load.GetProperty("ack_p99_ms").GetDouble()),
                waited_at_return = waited,
                queue_mib_at_return = (long)waitedBytes >> 20,
                drained_after_s = Math.Round(drained.TotalSeconds),
                dropped,
                arrived,
                doubled = arrived - distinct,
                lost = Math.Max(0, acknowledged - distinct),
                requests_out_of_order = disordered,
                peak_rss_mib = memory >> 20,
            }), json: false);
            return arrived == distinct && distinct == acknowledged && disordered == 0 && dropped == 0 ? 0 : 1;
        }
        finally
        {
            Directory.Delete(near, recursive: true);
            Directory.Delete(far, recursive: true);
        }
    }

    /// <summary>How many of the far end's batches hold a span of a client that is older than one it had from that client before. The generator counts its spans up in their ids, a run for each client.</summary>
    private static async Task<long> DisorderedAsync(string data)
    {
        var library = await EngineLibrary.EnsureAsync(FaultlineProcess.Built("src/Faultline", "native"), _ => { });
        await using var engine = await EmbeddedClickHouse.OpenAsync(new EmbeddedOptions(library, Path.Combine(data, "clickhouse")));
        var answer = await engine.QueryAsync(
            """
            SELECT countIf(first <= before) AS disordered FROM (
              SELECT first, max(last) OVER (PARTITION BY client ORDER BY received ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM (
                SELECT substring(trace_id, 1, 8) AS client, received_unix_nanos AS received,
                  min(reinterpretAsUInt64(reverse(span_id))) AS first, max(reinterpretAsUInt64(reverse(span_id))) AS last
                FROM spans WHERE service_name = 'load' GROUP BY client, received))
            """,
            limits: new QueryLimits(TimeSpan.FromMinutes(5)));
        return answer.Rows.First().Int64("disordered");
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
