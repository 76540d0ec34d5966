using System.Globalization;
using System.Text;
using Xunit;

namespace Faultline.Interop;

/// <summary>What is planted in telemetry is nowhere on the disk of a server that has stopped.</summary>
public sealed class RedactionTests
{
    private const string Card = "5555555555554444";
    private const string Password = "pl4nted-Pa55word";
    private const string Mail = "planted.person@example.com";

    [Fact]
    public async Task Planted_values_are_nowhere_in_the_data_directory()
    {
        await using var server = await FaultlineProcess.StartAsync(new Dictionary<string, string>(StringComparer.Ordinal) { ["FAULTLINE_REDACTION_CLASSES"] = "card,credential,email=hash" });
        var nanos = ((DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks * 100).ToString(CultureInfo.InvariantCulture);
        var json = $$$"""
            {"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"000000000000000000000000000000d1","spanId":"00000000000000a1","name":"ask","startTimeUnixNano":"{{{nanos}}}","endTimeUnixNano":"{{{nanos}}}",
            "status":{"code":2,"message":"amqp://u:{{{Password}}}@mq is down"},
            "attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"chat"}},{"key":"gen_ai.prompt","value":{"stringValue":"I am {{{Mail}}}, card {{{Card}}}, keep-this-marker"}}]}]}]}]}
            """;
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Door("otlp_http"), "/v1/traces")) { Content = new StringContent(json, Encoding.UTF8, "application/json") };
        request.Headers.Add("X-API-Key", FaultlineProcess.ApiKey);
        using var response = await server.Http.SendAsync(request);
        response.EnsureSuccessStatusCode();

        using var trace = await server.ApiAsync("/api/v1/traces/000000000000000000000000000000d1");
        var stored = trace.RootElement.GetRawText();
        Assert.Contains("keep-this-marker", stored, StringComparison.Ordinal);
        Assert.Contains("card [card]", stored, StringComparison.Ordinal);
        Assert.Matches(@"I am \[email:[0-9a-f]{16}\]", stored);
        Assert.Contains("amqp://u:[credential]@mq is down", stored, StringComparison.Ordinal);
        foreach (var planted in (ReadOnlySpan<string>)[Card, Password, Mail])
        {
            Assert.DoesNotContain(planted, stored, StringComparison.Ordinal);
        }

        await server.StopAsync();

        // Small values are stored uncompressed inside a block: what may stay is found, so what was planted would be.
        var isMarkerFound = false;
        foreach (var file in Directory.GetFiles(server.DataDirectory, "*", SearchOption.AllDirectories))
        {
            var bytes = await File.ReadAllBytesAsync(file);
            isMarkerFound |= bytes.AsSpan().IndexOf("keep-this-marker"u8) >= 0;
            foreach (var planted in (string[])[Card, Password, Mail])
            {
                Assert.False(bytes.AsSpan().IndexOf(Encoding.UTF8.GetBytes(planted)) >= 0, $"{file} holds {planted}");
            }
        }

        Assert.True(isMarkerFound, "the search found nothing at all");

        Assert.DoesNotContain(Card, server.Output, StringComparison.Ordinal);
    }
}
