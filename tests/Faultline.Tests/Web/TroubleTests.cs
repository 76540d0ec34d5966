using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Faultline.ClickHouse;
using Faultline.Telemetry.Spans;
using Faultline.Tests.Store;
using Faultline.Web.Shell;
using Xunit;

namespace Faultline.Tests.Web;

/// <summary>What people and programs read when the store fails: words and a way on, never a stack.</summary>
public sealed class TroubleTests
{
    private static readonly TraceId Trace = new(new UInt128(3, 4));

    [Fact]
    public async Task A_store_that_refuses_becomes_a_page_in_words_and_the_other_pages_stay()
    {
        await using var server = await WebServer.StartAsync();
        server.Engine.BeforeQuery = _ => throw new ClickHouseException(60, "DB::Exception: secret detail", "SELECT secret");
        foreach (var path in (string[])["/", "/traces", $"/traces/{Trace}", $"/traces/{Trace}/spans/0000000000000001"])
        {
            using var answer = await server.Client.GetAsync(path);
            var html = await answer.Content.ReadAsStringAsync();
            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
            Assert.Contains("The store could not answer", html, StringComparison.Ordinal);
            Assert.Contains("Try again", html, StringComparison.Ordinal);
            Assert.DoesNotContain("secret", html, StringComparison.Ordinal);
            Assert.DoesNotContain("   at ", html, StringComparison.Ordinal);
        }

        using var program = await server.Client.GetAsync("/api/v1/traces");
        Assert.Equal("application/problem+json", program.Content.Headers.ContentType?.MediaType);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, program.StatusCode);

        using var metrics = await server.Client.GetAsync("/metrics?query=up");
        Assert.DoesNotContain("   at ", await metrics.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        foreach (var path in (string[])["/cases", "/settings", "/metrics"])
        {
            using var whole = await server.Client.GetAsync(path);
            Assert.Equal(HttpStatusCode.OK, whole.StatusCode);
        }
    }

    [Fact]
    public async Task A_slow_store_is_given_up_and_the_page_says_so()
    {
        await using var server = await WebServer.StartAsync(patience: TimeSpan.FromMilliseconds(50));
        server.Engine.BeforeQuery = cancel => Task.Delay(Timeout.InfiniteTimeSpan, cancel);
        using var page = await server.Client.GetAsync("/traces");
        Assert.Equal(HttpStatusCode.GatewayTimeout, page.StatusCode);
        Assert.Contains("The store did not answer in time", await page.Content.ReadAsStringAsync(), StringComparison.Ordinal);

        using var program = await server.Client.GetAsync("/api/v1/services");
        using var problem = JsonDocument.Parse(await program.Content.ReadAsStringAsync());
        Assert.Equal(504, problem.RootElement.GetProperty("status").GetInt32());
    }

    [Fact]
    public async Task What_is_no_form_is_bad_input_and_not_a_failure()
    {
        await using var server = await WebServer.StartAsync();
        using var browser = server.Browser();
        using var login = await browser.PostAsJsonAsync("/login", new { token = "x" });
        Assert.Equal(HttpStatusCode.Unauthorized, login.StatusCode);
        using var huge = await browser.PostAsync("/login", new FormUrlEncodedContent(Enumerable.Range(0, 2000).Select(i => KeyValuePair.Create("f" + i, "v"))));
        Assert.Equal(HttpStatusCode.BadRequest, huge.StatusCode);
        Assert.Contains("could not be read", await huge.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_click_on_a_span_asks_for_that_span_only()
    {
        await using var server = await WebServer.StartAsync();
        var now = TimeRange.UnixNanos(DateTimeOffset.UtcNow);
        await StoreTest.WriteAsync(server.Web.Store, SpanSpecs.Batch(
            new SpanSpec(Trace, new SpanId(1)) { Name = "the root", Start = now },
            new SpanSpec(Trace, new SpanId(2)) { Name = "the call", Parent = new SpanId(1), Start = now }));

        var panel = await server.Client.GetStringAsync($"/traces/{Trace}/spans/0000000000000002");
        Assert.Contains("the call", panel, StringComparison.Ordinal);
        Assert.DoesNotContain("the root", panel, StringComparison.Ordinal);
        Assert.DoesNotContain("<html", panel, StringComparison.Ordinal);

        var gone = await server.Client.GetStringAsync($"/traces/{Trace}/spans/0000000000000009");
        Assert.Contains("This span is not stored", gone, StringComparison.Ordinal);
        using var trace = await server.Client.GetAsync($"/traces/{new TraceId(new UInt128(9, 9))}");
        Assert.Equal(HttpStatusCode.NotFound, trace.StatusCode);
        Assert.Contains("No such trace", await trace.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_servers_on_one_host_keep_their_people_apart()
    {
        await using var first = await WebServer.StartAsync();
        await using var second = await WebServer.StartAsync();

        // One browser: cookies know a host, not its ports.
        using var browser = first.Browser();
        foreach (var server in (WebServer[])[first, second])
        {
            (await browser.GetAsync(server.Web.Login.Link(server.Address.ToString()))).Dispose();
        }

        foreach (var server in (WebServer[])[first, second])
        {
            using var page = await browser.GetAsync(new Uri(server.Address, "/cases"));
            Assert.Equal(HttpStatusCode.OK, page.StatusCode);
        }
    }
}
