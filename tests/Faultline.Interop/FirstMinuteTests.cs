using System.Text.Json;
using Xunit;

namespace Faultline.Interop;

/// <summary>What a newcomer does in the first minutes, with the built executable.</summary>
public sealed class FirstMinuteTests
{
    [Fact]
    public async Task A_sent_span_becomes_a_metric_on_both_doors_and_a_trace()
    {
        await using var server = await FaultlineProcess.StartAsync();

        var sent = await server.CommandAsync("send-span", "--service", "first", "--name", "chat x");
        Assert.True(sent.ExitCode == 0, sent.Errors);
        var traceId = sent.Output.Trim();

        foreach (var door in (string[])["prometheus", "victoriametrics"])
        {
            await Eventually.TrueAsync(
                async () => (await server.QueryAsync("llm_traces_span_metrics_calls_total{service_name=\"first\"}", door)).GetArrayLength() == 1,
                $"the calls metric answers on {door}",
                TimeSpan.FromSeconds(30));
        }

        using var trace = await server.ApiAsync("/api/v1/traces/" + traceId);
        var span = trace.RootElement.GetProperty("resourceSpans")[0].GetProperty("scopeSpans")[0].GetProperty("spans")[0];
        Assert.Equal("chat x", span.GetProperty("name").GetString());
    }

    [Fact]
    public async Task A_wrong_key_is_refused_on_every_guarded_door_and_health_needs_none()
    {
        await using var server = await FaultlineProcess.StartAsync();

        (string Door, string Path)[] guarded = [("otlp_http", "/v1/traces"), ("prometheus", "/api/v1/query?query=1"), ("victoriametrics", "/api/v1/query?query=1")];
        foreach (var (door, path) in guarded)
        {
            using var request = new HttpRequestMessage(door == "otlp_http" ? HttpMethod.Post : HttpMethod.Get, new Uri(server.Door(door), path));
            request.Headers.Add("X-API-Key", "wrong");
            using var response = await server.Http.SendAsync(request);
            Assert.Equal(401, (int)response.StatusCode);
            Assert.Contains("Basic", response.Headers.WwwAuthenticate.ToString(), StringComparison.Ordinal);
        }

        using var health = JsonDocument.Parse(await server.Http.GetStringAsync(new Uri(server.Door("health"), "/health/status")));
        Assert.Equal("Server available", health.RootElement.GetProperty("status").GetString());
    }

    [Fact]
    public async Task The_demo_does_not_talk_to_nobody()
    {
        await using var server = await FaultlineProcess.StartAsync();

        var (exitCode, _, errors) = await server.CommandAsync("demo", "--server", server.Door("ui").ToString(), "--endpoint", "http://127.0.0.1:1");

        Assert.NotEqual(0, exitCode);
        Assert.Contains("Nothing takes OTLP at http://127.0.0.1:1", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stopping_is_clean_and_what_was_acknowledged_is_there_after_the_next_start()
    {
        await using var server = await FaultlineProcess.StartAsync();
        var traceId = (await server.CommandAsync("send-span", "--service", "kept")).Output.Trim();

        Assert.Equal(0, await server.StopAsync());
        await server.RestartAsync();

        using var trace = await server.ApiAsync("/api/v1/traces/" + traceId);
        Assert.Equal(1, trace.RootElement.GetProperty("resourceSpans").GetArrayLength());
    }
}
