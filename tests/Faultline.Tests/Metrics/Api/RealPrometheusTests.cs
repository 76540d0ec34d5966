using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Faultline.Telemetry.Samples;
using Faultline.Tests.Metrics.PromQL;
using Xunit;

namespace Faultline.Tests.Metrics.Api;

/// <summary>The same samples in a real Prometheus, where one is installed: the answers must be equal to the byte.</summary>
public sealed class RealPrometheusTests
{
    private const string Prometheus = "/usr/bin/prometheus";
    private const string Promtool = "/usr/bin/promtool";

    // Window edges lie between samples, because Prometheus before 3.0 counted a sample on the left edge too, and of the errors there are
    // those whose words have not changed since.
    private static readonly string[] Paths =
    [
        "query?query=requests_total&time=995.5",
        "query?query=sum by(job)(rate(requests_total[1m]))&time=995",
        "query?query=histogram_quantile(0.9,rate(latency_bucket[2m]))&time=995",
        "query?query=topk(2,requests_total)&time=995",
        "query?query=requests_total / on(job) group_left sum by(job)(requests_total)&time=995",
        "query?query=1e-9*vector(3)&time=995",
        "query?query=-1/0&time=5",
        "query?query=\"text\"&time=5",
        "query?query=requests_total{code=\"200\"}[44s]&time=995",
        "query?query=absent(nothing{job=\"x\"})&time=995",
        "query?query=count_values(\"v\",floor(requests_total/100))&time=995",
        "query?query=sum(",
        "query?query=rate(requests_total)",
        "query?query=foo{a=}",
        "query_range?query=rate(requests_total{code=\"500\"}[90s])&start=105&end=995&step=30",
        "query_range?query=max_over_time(deriv(requests_total[121s])[5m:30s])&start=105&end=995&step=100",
        "query_range?query=quantile_over_time(0.3,requests_total[3m1s])&start=105&end=400&step=50",
        "query_range?query=predict_linear(requests_total[3m1s],600)&start=105&end=400&step=50",
        "query_range?query=stddev_over_time(requests_total[3m1s]) > bool 10&start=105&end=400&step=50",
        "query_range?query=label_replace(requests_total,\"x\",\"$1-$2\",\"code\",\"(.)(.*)\") unless on(code) vector(1)&start=105&end=400&step=50",
        "query_range?query=timestamp(requests_total offset 1m)&start=105&end=205&step=50.5",
        "query_range?query=up&start=0&end=100000&step=1",
        "query_range?query=up&start=0&end=10&step=0",
        "labels?start=0&end=1000",
        "label/code/values?start=0&end=1000",
        "label/le/values?start=0&end=1000&match[]=latency_bucket{le!=\"+Inf\"}",
        "series?match[]=requests_total{code=~\"5.*\"}&start=0&end=1000",
        "series",
        "format_query?query=sum by(job)(rate(requests_total{code='200'}[5m]))",
    ];

    [SkippableFact]
    public async Task Answers_equal_those_of_a_real_Prometheus()
    {
        Skip.IfNot(File.Exists(Prometheus) && File.Exists(Promtool), "Prometheus is not installed.");
        var folder = Directory.CreateTempSubdirectory("faultline-prometheus-");
        var port = FreePort();
        var series = new MemorySeries();
        await FillAsync(series, Path.Combine(folder.FullName, "samples.txt"));
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, "prometheus.yml"), "global: {}\n");
        await RunAsync(Promtool, "tsdb", "create-blocks-from", "openmetrics", Path.Combine(folder.FullName, "samples.txt"), Path.Combine(folder.FullName, "data"));
        using var process = Process.Start(Start(Prometheus, $"--config.file={folder.FullName}/prometheus.yml", $"--storage.tsdb.path={folder.FullName}/data", "--storage.tsdb.retention.time=100y", "--log.level=error", $"--web.listen-address=127.0.0.1:{port}"))!;
        try
        {
            using var real = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
            await UntilReadyAsync(real, process);
            await using var ours = await PrometheusHost.StartAsync(series);
            var faults = new List<string>();
            foreach (var path in Paths)
            {
                var address = new Uri("/api/v1/" + path.Replace("+", "%2B", StringComparison.Ordinal), UriKind.Relative);
                var (theirStatus, theirBody) = await AskAsync(real, address);
                var (ourStatus, ourBody) = await AskAsync(ours.Client, address);
                if (theirStatus != ourStatus || !string.Equals(theirBody, ourBody, StringComparison.Ordinal))
                {
                    faults.Add($"{path}\n  theirs {(int)theirStatus} {theirBody}\n  ours   {(int)ourStatus} {ourBody}");
                }
            }

            Assert.True(faults.Count == 0, string.Join('\n', faults));
        }
        finally
        {
            process.Kill();
            await process.WaitForExitAsync();
            folder.Delete(recursive: true);
        }
    }

    private static async Task FillAsync(MemorySeries series, string file)
    {
        var text = new StringBuilder();
        foreach (var (code, rate) in new[] { ("200", 5.0), ("404", 0.7), ("500", 1.0) })
        {
            Write("requests_total", rate, ("code", code), ("job", "bot"));
        }

        foreach (var (bound, rate) in new[] { ("0.1", 1.0), ("0.5", 6.0), ("1", 9.0), ("+Inf", 10.0) })
        {
            Write("latency_bucket", rate, ("le", bound));
        }

        await File.WriteAllTextAsync(file, text.Append("# EOF\n").ToString());

        void Write(string name, double rate, params (string, string)[] labels)
        {
            var set = Labels.Of([("__name__", name), .. labels]);
            for (var i = 0; i <= 100; i++)
            {
                var value = i > 70 ? rate * (i - 70) : Math.Round(rate * i * 1.01, 3);       // a counter that was reset
                series.Add(set, i * 10_000, value);
                text.Append(CultureInfo.InvariantCulture, $"{set} {value:R} {i * 10}\n");
            }
        }
    }

    /// <summary>Status and body; of an error only type and text, since the order of the fields is theirs.</summary>
    private static async Task<(HttpStatusCode Status, string Body)> AskAsync(HttpClient client, Uri address)
    {
        using var response = await client.GetAsync(address);
        using var body = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        var root = body.RootElement;
        return (response.StatusCode, response.IsSuccessStatusCode
            ? root.GetProperty("data").GetRawText()
            : $"{root.GetProperty("status")} {root.GetProperty("errorType")} {root.GetProperty("error")}");
    }

    private static async Task UntilReadyAsync(HttpClient client, Process process)
    {
        var waiting = Stopwatch.StartNew();
        while (true)
        {
            Assert.False(process.HasExited, "Prometheus ended.");
            Assert.True(waiting.Elapsed < TimeSpan.FromMinutes(2), "Prometheus is not ready.");
            try
            {
                using var response = await client.GetAsync(new Uri("/-/ready", UriKind.Relative));
                if (response.IsSuccessStatusCode)
                {
                    return;
                }
            }
            catch (HttpRequestException)
            {
                // not listening yet
            }

            await Task.Delay(50);
        }
    }

    private static async Task RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(Start(program, arguments))!;
        var output = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, output);
    }

    private static ProcessStartInfo Start(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program) { UseShellExecute = false, RedirectStandardError = true, RedirectStandardOutput = true };
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        return start;
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
