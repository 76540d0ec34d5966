using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Faultline.Interop.Crash;
using Xunit;
using Xunit.Abstractions;

namespace Faultline.Interop;

/// <summary>Load runs, the process is killed, it starts again: what was acknowledged is there, once.</summary>
public sealed class CrashTests(ITestOutputHelper output)
{
    private const int Kills = 4;
    private const int SmallDiskMebibytes = 192;

    /// <summary><c>bench/run crash --kills N --seed S</c> does it more often.</summary>
    [Fact]
    public async Task Kills_at_random_moments_lose_and_double_nothing_over_both_transports() =>
        output.WriteLine(await CrashRun.KillAsync(Kills, Random.Shared.Next(), settings: null, output.WriteLine));

    [SkippableFact]
    public async Task On_a_full_disk_senders_are_told_to_try_later_and_nothing_acknowledged_is_lost()
    {
        using var disk = SmallDisk.TryMount(SmallDiskMebibytes, out var reason);
        Skip.If(disk is null, reason);
        output.WriteLine(await FullDiskRun.RunAsync(disk!.Path, Random.Shared.Next(), output.WriteLine));
    }

    [Fact]
    public async Task Every_acknowledged_span_survives_kill_9_and_is_there_and_counted_once()
    {
        await using var server = await FaultlineProcess.StartAsync();
        var (acknowledged, sent) = (new List<string>(), new SentCount());
        for (var round = 0; round < 3; round++)
        {
            using var stop = new CancellationTokenSource();
            var clients = Enumerable.Range(0, 4).Select(client => SendUntilItDiesAsync(server, round, client, acknowledged, sent, stop.Token)).ToArray();
            await Eventually.TrueAsync(
                () =>
                {
                    lock (acknowledged)
                    {
                        return Task.FromResult(acknowledged.Count >= (round + 1) * 120);
                    }
                },
                "the clients have their acknowledgements");
            await server.KillAndRestartAsync();
            await stop.CancelAsync();
            await Task.WhenAll(clients);
        }

        Assert.NotEmpty(acknowledged);
        foreach (var traceId in acknowledged)
        {
            using var trace = await server.ApiAsync("/api/v1/traces/" + traceId);
            var spans = trace.RootElement.GetProperty("resourceSpans").EnumerateArray()
                .SelectMany(resource => resource.GetProperty("scopeSpans").EnumerateArray())
                .SelectMany(scope => scope.GetProperty("spans").EnumerateArray())
                .Select(span => span.GetProperty("spanId").GetString())
                .ToArray();
            Assert.Equal(3, spans.Length);
            Assert.Equal(3, spans.Distinct(StringComparer.Ordinal).Count());
        }

        // Counters lost nothing either, though each kill came between two scrapes. What was under way may count or not.
        // The system picks new ports at each start, and the instance is one of them: an older process' series end where its successor's goes on.
        var calls = $"sum(llm_traces_span_metrics_calls_total{{service_name=\"crash\",instance=\"{server.Door("derived").Authority}\"}})";
        double counted = 0;
        await Eventually.TrueAsync(
            async () => (counted = await ValueAsync(server, calls)) >= 3 * acknowledged.Count,
            $"{3 * acknowledged.Count} acknowledged spans are in the counter");
        Assert.InRange(counted, 3 * acknowledged.Count, 3 * sent.Requests);
    }

    private static async Task<double> ValueAsync(FaultlineProcess server, string promQl)
    {
        var result = await server.QueryAsync(promQl);
        return result.GetArrayLength() == 0 ? 0 : double.Parse(result[0].GetProperty("value")[1].GetString()!, CultureInfo.InvariantCulture);
    }

    private sealed class SentCount
    {
        private int _requests;

        public int Requests => Volatile.Read(ref _requests);

        public void Add() => Interlocked.Increment(ref _requests);
    }

    private static async Task SendUntilItDiesAsync(FaultlineProcess server, int round, int client, List<string> acknowledged, SentCount sent, CancellationToken stop)
    {
        using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(10) };
        var endpoint = new Uri(server.Door("otlp_http"), "/v1/traces");
        for (var i = 1; !stop.IsCancellationRequested && i < 100_000; i++)
        {
            var traceId = string.Create(CultureInfo.InvariantCulture, $"{round + 1:x8}{client + 1:x8}{i:x16}");
            using var request = new HttpRequestMessage(HttpMethod.Post, endpoint) { Content = new StringContent(Body(traceId), Encoding.UTF8, MediaTypeHeaderValue.Parse("application/json")) };
            request.Headers.Add("X-API-Key", FaultlineProcess.ApiKey);
            try
            {
                sent.Add();
                using var response = await http.SendAsync(request, stop);
                if (response.IsSuccessStatusCode)
                {
                    lock (acknowledged)
                    {
                        acknowledged.Add(traceId);
                    }
                }
            }
            catch (Exception died) when (died is HttpRequestException or OperationCanceledException)
            {
                return;
            }
        }
    }

    private static string Body(string traceId)
    {
        var now = (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks * 100;
        var spans = Enumerable.Range(1, 3).Select(i => new
        {
            traceId,
            spanId = string.Create(CultureInfo.InvariantCulture, $"{i:x16}"),
            name = $"step {i}",
            kind = 1,
            startTimeUnixNano = now.ToString(CultureInfo.InvariantCulture),
            endTimeUnixNano = (now + 1_000_000).ToString(CultureInfo.InvariantCulture),
        });
        return JsonSerializer.Serialize(new
        {
            resourceSpans = new[]
            {
                new
                {
                    resource = new { attributes = new[] { new { key = "service.name", value = new { stringValue = "crash" } } } },
                    scopeSpans = new[] { new { spans } },
                },
            },
        });
    }
}
