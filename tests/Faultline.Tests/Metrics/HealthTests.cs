using System.Net;
using System.Text.Json;
using Faultline.Metrics.Internals;
using Faultline.Tests.Ingest;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Xunit;

namespace Faultline.Tests.Metrics;

public sealed class HealthTests
{
    [Theory]
    [InlineData("/health/status")]
    [InlineData("/")]
    public async Task A_store_that_answers_is_available_since_a_time_and_for_a_time(string path)
    {
        var (status, json) = await AskAsync(_ => Task.FromResult<string?>(null), path);

        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal("Server available", json.GetProperty("status").GetString());
        Assert.True(json.GetProperty("upSince").GetDateTimeOffset() <= DateTimeOffset.UtcNow);
        Assert.Matches(@"^\d+\.\d+s$", json.GetProperty("uptime").GetString());
    }

    [Fact]
    public async Task A_store_that_says_what_is_wrong_is_not_available_and_the_reason_is_told()
    {
        var (status, json) = await AskAsync(_ => Task.FromResult<string?>("the disk is full"));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        Assert.Equal("Server not available", json.GetProperty("status").GetString());
        Assert.Equal("the disk is full", json.GetProperty("reason").GetString());
    }

    [Fact]
    public async Task A_check_that_throws_is_an_answer_too()
    {
        var (status, json) = await AskAsync(_ => throw new InvalidOperationException("gone"));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        Assert.Equal("gone", json.GetProperty("reason").GetString());
    }

    private static async Task<(HttpStatusCode Status, JsonElement Json)> AskAsync(Func<CancellationToken, Task<string?>> check, string path = "/health/status")
    {
        var health = new Health(check, TimeProvider.System);
        await using var door = await Door.OpenAsync(HttpProtocols.Http1, health.Map);
        using var client = new HttpClient();
        using var response = await client.GetAsync(new Uri(door.Address, path));
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        return (response.StatusCode, json.RootElement.Clone());
    }
}
