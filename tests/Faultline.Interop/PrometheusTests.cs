using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Xunit;

namespace Faultline.Interop;

/// <summary>The real Prometheus scrapes both metrics doors, and its own linter finds nothing.</summary>
public sealed class PrometheusTests
{
    [SkippableFact]
    public async Task Prometheus_scrapes_the_derived_and_the_internal_metrics()
    {
        var prometheus = Find("prometheus");
        await using var server = await FaultlineProcess.StartAsync();
        await server.CommandAsync("send-span", "--service", "scraped");
        var folder = Directory.CreateTempSubdirectory("prometheus-").FullName;
        var port = FreePort();
        await File.WriteAllTextAsync(Path.Combine(folder, "prometheus.yml"), $"""
            global: {"{"} scrape_interval: 1s {"}"}
            scrape_configs:
              - job_name: otel-collector
                static_configs: [{"{"} targets: ['{server.Door("derived").Authority}'] {"}"}]
              - job_name: otel-collector-internal
                static_configs: [{"{"} targets: ['{server.Door("internals").Authority}'] {"}"}]
            """);
        using var process = Process.Start(new ProcessStartInfo(prometheus)
        {
            ArgumentList =
            {
                "--config.file=" + Path.Combine(folder, "prometheus.yml"), "--storage.tsdb.path=" + Path.Combine(folder, "data"),
                string.Create(CultureInfo.InvariantCulture, $"--web.listen-address=127.0.0.1:{port}"), "--log.level=error",
            },
        })!;
        try
        {
            await Eventually.TrueAsync(async () => await CountAsync(server, port, "up == 1") == 2, "both jobs are up in Prometheus");
            await Eventually.TrueAsync(async () => await CountAsync(server, port, "llm_traces_span_metrics_calls_total{service_name=\"scraped\"}") == 1, "Prometheus has the derived metric");
            await Eventually.TrueAsync(async () => await CountAsync(server, port, "sum(otelcol_receiver_accepted_spans_total) >= 1") == 1, "Prometheus has the internal metric");
        }
        finally
        {
            process.Kill();
            await process.WaitForExitAsync();
            Directory.Delete(folder, recursive: true);
        }
    }

    [SkippableTheory]
    [InlineData("derived")]
    [InlineData("internals")]
    public async Task Promtool_finds_nothing_to_say_about_our_metrics(string door)
    {
        var promtool = Find("promtool");
        await using var server = await FaultlineProcess.StartAsync();
        await server.CommandAsync("send-span", "--service", "linted");
        var text = "";
        await Eventually.TrueAsync(
            async () => (text = await server.Http.GetStringAsync(new Uri(server.Door(door), "/metrics"))).Length > 0,
            "the page has metrics");
        using var process = Process.Start(new ProcessStartInfo(promtool, ["check", "metrics"]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        await process.StandardInput.WriteAsync(text);
        process.StandardInput.Close();
        var said = await process.StandardOutput.ReadToEndAsync() + await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();

        Assert.Equal("", said.Trim());
        Assert.Equal(0, process.ExitCode);
    }

    private static async Task<int> CountAsync(FaultlineProcess server, int port, string query)
    {
        using var json = JsonDocument.Parse(await server.Http.GetStringAsync(new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}/api/v1/query?query={Uri.EscapeDataString(query)}"))));
        return json.RootElement.GetProperty("data").GetProperty("result").GetArrayLength();
    }

    private static string Find(string program)
    {
        var path = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
        Skip.If(path is null, $"{program} is not installed; scripts/install-test-servers installs it.");
        return path!;
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
