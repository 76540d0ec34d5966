using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Faultline.ClickHouse;
using Faultline.ClickHouse.Embedded;
using Faultline.Interop;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Faultline.Bench;

/// <summary>
/// Spans a second until they are durable, beside the limit of this machine: the same requests received over HTTP and dropped.
/// Afterwards the store is opened and what was acknowledged is counted.
/// </summary>
internal static class IngestBench
{
    /// <summary>After a start: what was compiled and loaded for it is over, and idle means idle.</summary>
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(30);

    /// <param name="connections">Clients that send at the same time, a request each.</param>
    /// <param name="protocol">http or grpc.</param>
    public static async Task<int> RunAsync(string shape, int seconds, int connections, string protocol, bool json)
    {
        var data = Directory.CreateTempSubdirectory("faultline-bench-").FullName;
        try
        {
            Task<JsonElement> LoadOf(Uri endpoint, int rate, ulong run) => LoadAsync(endpoint, shape, seconds, connections, rate, run, protocol);
            var limit = await DropEverythingAsync(protocol, endpoint => LoadOf(endpoint, rate: 0, run: 0));
            var door = "otlp_" + protocol;

            await using var cold = await FaultlineProcess.StartAsync(dataDirectory: data);
            await Task.Delay(Settling);
            var idleCpu = cold.CpuTime();
            await Task.Delay(TimeSpan.FromSeconds(10));
            idleCpu = cold.CpuTime() - idleCpu;
            var idleBytes = cold.ResidentBytes();
            var toMetric = await SpanToMetricAsync(cold);

            // The first load after a start pays for the compilation of what it runs.
            var first = await LoadOf(cold.Door(door), rate: 0, run: 1);
            var full = await LoadOf(cold.Door(door), rate: 0, run: 2);

            // Half of the load means half of the load: without the merges that the full one left behind.
            await Task.Delay(Settling);
            var half = await LoadOf(cold.Door(door), rate: (int)(full.GetProperty("spans_per_second").GetDouble() / 2), run: 3);
            var loadedBytes = cold.ResidentBytes();
            var peakBytes = cold.PeakResidentBytes();
            await cold.StopAsync();

            double warmStart;
            await using (var warm = await FaultlineProcess.StartAsync(dataDirectory: data))
            {
                warmStart = warm.StartTook.TotalSeconds;
                await warm.StopAsync();
            }

            long Sum(string what) => new[] { first, full, half }.Sum(load => load.GetProperty(what).GetInt64());
            var acknowledged = Sum("acknowledged");
            var (stored, distinct) = await CountAsync(data);
            var figures = new
            {
                protocol,
                connections,
                first_spans_per_second = first.GetProperty("spans_per_second").GetDouble(),
                spans_per_second = full.GetProperty("spans_per_second").GetDouble(),
                limit_spans_per_second = limit.GetProperty("spans_per_second").GetDouble(),
                share_of_limit = Math.Round(full.GetProperty("spans_per_second").GetDouble() / limit.GetProperty("spans_per_second").GetDouble(), 3),
                ack_p50_ms = half.GetProperty("ack_p50_ms").GetDouble(),
                ack_p99_ms = half.GetProperty("ack_p99_ms").GetDouble(),
                full_load_ack_p50_ms = full.GetProperty("ack_p50_ms").GetDouble(),
                full_load_ack_p99_ms = full.GetProperty("ack_p99_ms").GetDouble(),
                span_bytes = full.GetProperty("span_bytes").GetInt32(),
                acknowledged,
                stored,
                doubled = stored - distinct,
                lost = Math.Max(0, acknowledged - distinct),
                refused = Sum("refused"),
                span_to_metric_s = toMetric,
                cold_start_s = Math.Round(cold.StartTook.TotalSeconds, 2),
                warm_start_s = Math.Round(warmStart, 2),
                idle_rss_mb = idleBytes >> 20,
                idle_cpu_percent = Math.Round(idleCpu.TotalSeconds * 10, 2),
                loaded_rss_mb = loadedBytes >> 20,
                peak_rss_mb = peakBytes >> 20,
            };
            Print(JsonSerializer.SerializeToElement(figures), json);
            return figures.lost == 0 && figures.doubled == 0 ? 0 : 1;
        }
        finally
        {
            Directory.Delete(data, recursive: true);
        }
    }

    public static void Print(JsonElement figures, bool json)
    {
        if (json)
        {
            Console.WriteLine(figures.GetRawText());
            return;
        }

        foreach (var figure in figures.EnumerateObject())
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{figure.Name,-28} {figure.Value,14}"));
        }
    }

    /// <summary>The limit: a server that reads every byte and does nothing with it.</summary>
    private static async Task<JsonElement> DropEverythingAsync(string protocol, Func<Uri, Task<JsonElement>> load)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(System.Net.IPAddress.Loopback, 0, door => door.Protocols = protocol == "grpc" ? HttpProtocols.Http2 : HttpProtocols.Http1));
        await using var app = builder.Build();
        app.MapPost("/{**path}", async (HttpContext context) =>
        {
            while (true)
            {
                var read = await context.Request.BodyReader.ReadAsync();
                context.Request.BodyReader.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                {
                    break;
                }
            }

            if (protocol == "grpc")
            {
                context.Response.ContentType = "application/grpc";
                context.Response.AppendTrailer("grpc-status", "0");
            }
        });
        await app.StartAsync();
        return await load(new Uri(app.Urls.First()));
    }

    public static async Task<JsonElement> LoadAsync(Uri endpoint, string shape, int seconds, int connections, int rate, ulong run, string protocol = "http")
    {
        var start = new ProcessStartInfo("dotnet", [
            FaultlineProcess.Built("bench/Faultline.Load", "Faultline.Load.dll"), "--endpoint", endpoint.ToString(), "--shape", shape,
            "--seconds", seconds.ToString(CultureInfo.InvariantCulture), "--connections", connections.ToString(CultureInfo.InvariantCulture), "--rate", rate.ToString(CultureInfo.InvariantCulture), "--run", (run + 1).ToString(CultureInfo.InvariantCulture), "--protocol", protocol,
        ])
        { RedirectStandardOutput = true };
        using var process = Process.Start(start)!;
        var text = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        using var parsed = JsonDocument.Parse(text);
        return parsed.RootElement.Clone();
    }

    /// <summary>Median seconds from "span sent" to "the calls metric answers", of three new services.</summary>
    private static async Task<double> SpanToMetricAsync(FaultlineProcess server)
    {
        var took = new List<double>();
        using var http = new HttpClient();
        for (var i = 0; i < 3; i++)
        {
            var service = string.Create(CultureInfo.InvariantCulture, $"latency-{i}");
            using var send = Process.Start(new ProcessStartInfo("dotnet", [
                FaultlineProcess.Built("src/Faultline", "faultline.dll"), "send-span", "--service", service, "--endpoint", server.Door("otlp_http").ToString(),
            ])
            { RedirectStandardOutput = true })!;
            await send.WaitForExitAsync();
            var watch = Stopwatch.StartNew();
            while (watch.Elapsed < TimeSpan.FromSeconds(60))
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Door("prometheus"), "/api/v1/query?query=" + Uri.EscapeDataString($"llm_traces_span_metrics_calls_total{{service_name=\"{service}\"}}")));
                request.Headers.Add("X-API-Key", "placeholder_api_key");
                using var response = await http.SendAsync(request);
                if ((await response.Content.ReadAsStringAsync()).Contains($"\"{service}\"", StringComparison.Ordinal))
                {
                    break;
                }

                await Task.Delay(50);
            }

            took.Add(watch.Elapsed.TotalSeconds);
        }

        took.Sort();
        return Math.Round(took[1], 2);
    }

    public static async Task<(long Stored, long Distinct)> CountAsync(string data)
    {
        var library = await EngineLibrary.EnsureAsync(FaultlineProcess.Built("src/Faultline", "native"), _ => { });
        await using var engine = await EmbeddedClickHouse.OpenAsync(new EmbeddedOptions(library, Path.Combine(data, "clickhouse")));
        var answer = await engine.QueryAsync("SELECT count() AS stored, uniqExact(trace_id, span_id) AS distinct_spans FROM spans WHERE service_name = 'load'", limits: new QueryLimits(TimeSpan.FromMinutes(5)));
        var row = answer.Rows.First();
        return (row.Int64("stored"), row.Int64("distinct_spans"));
    }
}
