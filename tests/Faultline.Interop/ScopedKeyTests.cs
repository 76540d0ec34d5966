using System.Net;
using System.Text.Json;
using Faultline.Interop.Crash;
using Xunit;

namespace Faultline.Interop;

/// <summary>The key decides the project, on every port.</summary>
public sealed class ScopedKeyTests
{
    private static readonly string[] ReadingDoors = ["prometheus", "victoriametrics"];

    private static readonly string[] DeletionDoors = ["otlp_http", "prometheus", "victoriametrics", "ui"];

    private static readonly string[] Lists =
    [
        "/api/v1/series?match[]=" + "%7B__name__%3D~%22.%2B%22%7D", "/api/v1/labels", "/api/v1/label/service_name/values",
        "/api/v1/query_exemplars?query=llm_traces_span_metrics_latency_bucket&start=0&end=4000000000", "/api/v1/metadata",
    ];

    [Fact]
    public async Task A_key_writes_and_reads_its_own_project_and_nothing_of_another()
    {
        await using var server = await FaultlineProcess.StartAsync(
            new Dictionary<string, string>(StringComparer.Ordinal) { ["ENVOY_API_KEYS"] = "key-of-alpha=alpha,key-of-beta=beta,key-of-nobody=nobody" });

        // Ten spans over HTTP are alpha's, thirty over gRPC are beta's; service and operations have the same names.
        var (ofAlpha, ofBeta) = (CrashRequest.Make(run: 1, sequence: 0), CrashRequest.Make(run: 1, sequence: 1));
        foreach (var (request, isGrpc, key) in ((CrashRequest, bool, string)[])[(ofAlpha, false, "key-of-alpha"), (ofBeta, true, "key-of-beta")])
        {
            using var stranger = new CrashClient(isGrpc, server.Door(isGrpc ? "otlp_grpc" : "otlp_http"), "key-of-no-project");
            using var client = new CrashClient(isGrpc, server.Door(isGrpc ? "otlp_grpc" : "otlp_http"), key);
            await Assert.ThrowsAsync<InvalidOperationException>(() => stranger.SendAsync(request));
            Assert.Equal(Heard.Acknowledged, (await client.SendAsync(request)).Heard);
        }

        foreach (var door in ReadingDoors)
        {
            await Eventually.TrueAsync(async () => await CallsAsync(server, door, "key-of-alpha") == "10" && await CallsAsync(server, door, "key-of-beta") == "30", $"{door} answers each key with its own spans");
            Assert.Equal("", await CallsAsync(server, door, "key-of-nobody"));
            foreach (var list in Lists)
            {
                var (status, data) = await ReadAsync(server, door, list, "key-of-nobody");
                Assert.Equal(HttpStatusCode.OK, status);
                Assert.True(data is "[]" or "{}", $"{door}{list}: {data}");
                Assert.Equal(HttpStatusCode.Unauthorized, (await ReadAsync(server, door, list, "key-of-no-project")).Status);
            }
        }

        // A key of the gateway deletes nothing, at no door: nothing of another project, nor of its own.
        foreach (var (door, project) in from door in DeletionDoors from project in (string[])["alpha", "beta"] select (door, project))
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Door(door), "/api/v1/deletions")) { Content = new StringContent($$"""{"project":"{{project}}"}""", System.Text.Encoding.UTF8, "application/json") };
            request.Headers.Add("X-API-Key", "key-of-alpha");
            using var response = await server.Http.SendAsync(request);
            Assert.False(response.IsSuccessStatusCode, $"{door}: {response.StatusCode}");
        }

        Assert.Equal(("10", "30"), (await CallsAsync(server, "prometheus", "key-of-alpha"), await CallsAsync(server, "prometheus", "key-of-beta")));

        // With the admin token a project goes, and only it.
        using var deleted = await server.ApiAsync("/api/v1/deletions", HttpMethod.Post, new { project = "alpha" });
        Assert.Equal("completed", deleted.RootElement.GetProperty("state").GetString());
        foreach (var door in ReadingDoors)
        {
            Assert.Equal(("", "30"), (await CallsAsync(server, door, "key-of-alpha"), await CallsAsync(server, door, "key-of-beta")));
            foreach (var list in Lists.Where(list => !list.Contains("labels", StringComparison.Ordinal)))
            {
                Assert.DoesNotContain("llm_", (await ReadAsync(server, door, list, "key-of-alpha")).Data, StringComparison.Ordinal);
            }
        }

        // Pages and REST show the project default, whatever others send.
        var missing = await Assert.ThrowsAsync<HttpRequestException>(() => server.ApiAsync("/api/v1/traces/" + ofAlpha.TraceId));
        Assert.Equal(HttpStatusCode.NotFound, missing.StatusCode);
    }

    /// <returns>The sum over everything that the key sees; empty where it sees nothing.</returns>
    private static async Task<string> CallsAsync(FaultlineProcess server, string door, string key)
    {
        var (_, data) = await ReadAsync(server, door, "/api/v1/query?query=sum(llm_traces_span_metrics_calls_total)", key);
        using var json = JsonDocument.Parse(data);
        var result = json.RootElement.GetProperty("result");
        return result.GetArrayLength() == 0 ? "" : result[0].GetProperty("value")[1].GetString()!;
    }

    private static async Task<(HttpStatusCode Status, string Data)> ReadAsync(FaultlineProcess server, string door, string path, string key)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Door(door), path));
        request.Headers.Add("X-API-Key", key);
        using var response = await server.Http.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        if (!response.IsSuccessStatusCode)
        {
            return (response.StatusCode, text);
        }

        using var json = JsonDocument.Parse(text);
        return (response.StatusCode, json.RootElement.GetProperty("data").GetRawText());
    }
}
