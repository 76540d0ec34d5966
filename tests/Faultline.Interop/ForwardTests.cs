using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using Faultline.ClickHouse;
using Faultline.Interop.Crash;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using Xunit;
using Xunit.Abstractions;

namespace Faultline.Interop;

/// <summary>Copies to another backend, which is a second Faultline.</summary>
public sealed partial class ForwardTests(ITestOutputHelper output)
{
    private const string Card = "4111 1111 1111 1111";
    private const int CallsARound = 12;

    [Theory]
    [InlineData("otlp/far", "otlp_grpc", "gzip")]
    [InlineData("otlphttp/far", "otlp_http", "zstd")]
    public async Task With_the_far_end_down_and_the_forwarder_killed_everything_of_the_SDK_arrives_once_redacted_and_in_order(string exporter, string door, string compression)
    {
        // What leaves must be redacted already, so the far end redacts nothing.
        var farSettings = CrashRun.WithFixedDoors(new Dictionary<string, string>(StringComparer.Ordinal) { ["FAULTLINE_REDACTION_ENABLED"] = "false" });
        var config = $$"""
            exporters:
              {{exporter}}:
                endpoint: http://{{farSettings["FAULTLINE_LISTEN_" + door.ToUpperInvariant()]}}
                compression: {{compression}}
                headers: { X-API-Key: "${env:FAR_KEY}" }
                retry_on_failure: { initial_interval: 100ms, max_interval: 500ms }
                sending_queue: { batch: { max_size: 1B } }
            """;
        await using var near = await FaultlineProcess.StartAsync(CrashRun.WithFixedDoors(null), config: config, envFile: "FAR_KEY=" + FaultlineProcess.ApiKey);
        SdkCalls(near.Door("otlp_grpc"), first: 1);
        await Eventually.TrueAsync(async () => await near.InternalAsync("faultline_forward_failed_requests_total") > 0, "the far end was tried in vain");
        Assert.Equal(CallsARound, await near.InternalAsync($"faultline_forward_queue_items{{exporter=\"{exporter}\",signal=\"traces\"}}"));

        await near.KillAndRestartAsync();
        Assert.Equal(CallsARound, await near.InternalAsync($"faultline_forward_queue_items{{exporter=\"{exporter}\",signal=\"traces\"}}"));
        SdkCalls(near.Door("otlp_grpc"), first: CallsARound + 1);

        await using var far = await FaultlineProcess.StartAsync(farSettings);
        await Eventually.TrueAsync(async () => await near.InternalAsync("faultline_forward_queue_items") == 0, "the queue is empty");
        await Eventually.TrueAsync(async () => (await far.QueryAsync($"asked_total{{service_name=\"forwarded\"}} == {CallsARound}")).GetArrayLength() == 1, "the far end has the metric");
        Assert.Equal(0, await near.InternalAsync("faultline_forward_dropped_items_total"));
        await far.StopAsync();

        await using var store = await StoppedStore.OpenAsync(far.DataDirectory);
        var expected = Enumerable.Range(1, 2 * CallsARound).Select(i => string.Create(CultureInfo.InvariantCulture, $"call {i}")).ToList();
        Assert.Equal(expected, await TextsAsync(store, "SELECT name AS text FROM spans WHERE service_name = 'forwarded' ORDER BY received_unix_nanos"));
        Assert.Equal(expected, await TextsAsync(store, "SELECT body AS text FROM logs WHERE service_name = 'forwarded' ORDER BY received_unix_nanos"));
        Assert.Equal(["paid with [card]"], await TextsAsync(store, "SELECT DISTINCT attributes['note'] AS text FROM spans WHERE service_name = 'forwarded'"));
    }

    [Fact]
    public async Task Kills_of_either_end_under_load_lose_and_double_nothing_at_the_far_end()
    {
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        await using var far = await FaultlineProcess.StartAsync(CrashRun.WithFixedDoors(null));
        var config = $$"""
            exporters:
              otlp/far:
                endpoint: {{far.Door("otlp_grpc").Authority}}
                tls: { insecure: true }
                headers: { X-API-Key: {{FaultlineProcess.ApiKey}} }
                retry_on_failure: { initial_interval: 100ms, max_interval: 500ms }
            """;
        await using var near = await FaultlineProcess.StartAsync(CrashRun.WithFixedDoors(null), config: config);
        using var load = new CrashLoad(near, clients: 4, seed);
        foreach (var victim in (FaultlineProcess[])[near, far, near, near])
        {
            await Task.Delay(random.Next(500, 1_500));
            load.ThrowIfBroken();
            await victim.KillAndRestartAsync();
        }

        await load.StopAsync();
        await Eventually.TrueAsync(async () => await near.InternalAsync("faultline_forward_queue_items") == 0, "the queue is empty", TimeSpan.FromMinutes(2));
        Assert.Equal(0, await near.InternalAsync("faultline_forward_dropped_items_total"));
        await near.StopAsync();
        await far.StopAsync();
        output.WriteLine(CrashRun.Judge(await CrashCheck.RunAsync(far.DataDirectory, load), $"{load.Acknowledged.Count} requests acknowledged by the near end, {load.Resent} resends, {load.GivenUp.Count} given up; at the far end"));
    }

    private static async Task<List<string>> TextsAsync(StoppedStore store, string sql) => [.. (await store.QueryAsync(sql)).Rows.Select(row => row.Text("text"))];

    [LoggerMessage(LogLevel.Information, "{Name}")]
    private static partial void Called(ILogger log, string name);

    /// <summary>OpenTelemetry's .NET SDK: a span, a log record and a count for each call; spans and records are a request each.</summary>
    private static void SdkCalls(Uri door, int first)
    {
        void To(OtlpExporterOptions options) => (options.Endpoint, options.Headers) = (door, "X-API-Key=" + FaultlineProcess.ApiKey);
        var resource = ResourceBuilder.CreateEmpty().AddService("forwarded");
        using var source = new ActivitySource("forwarded");
        using var meter = new Meter("forwarded");
        var asked = meter.CreateCounter<long>("asked");
        using var traces = Sdk.CreateTracerProviderBuilder().SetResourceBuilder(resource).AddSource(source.Name).AddOtlpExporter(To).Build();
        using var metrics = Sdk.CreateMeterProviderBuilder().SetResourceBuilder(resource).AddMeter(meter.Name).AddOtlpExporter(To).Build();
        using var loggers = LoggerFactory.Create(builder => builder.AddOpenTelemetry(options => options.SetResourceBuilder(resource).AddOtlpExporter((exporter, processor) =>
        {
            To(exporter);
            processor.ExportProcessorType = ExportProcessorType.Simple;
        }).IncludeFormattedMessage = true));
        var log = loggers.CreateLogger("calls");
        for (var call = first; call < first + CallsARound; call++)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"call {call}");
            using (var activity = source.StartActivity(name))
            {
                activity!.SetTag("note", "paid with " + Card);
            }

            Assert.True(traces.ForceFlush(10_000));
            Called(log, name);
            asked.Add(1);
        }

        Assert.True(metrics.ForceFlush(10_000));
    }
}
