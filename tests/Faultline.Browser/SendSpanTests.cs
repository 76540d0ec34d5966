using System.Text.RegularExpressions;
using Faultline.Interop;
using Microsoft.Playwright;
using Xunit;

namespace Faultline.Browser;

/// <summary>The README's second step, without an SDK: a span that is sent is seen, read and counted.</summary>
[Collection(PagesCollection.Name)]
public sealed class SendSpanTests(PagesFixture pages)
{
    [SkippableFact]
    public async Task A_sent_span_appears_live_shows_what_was_said_and_is_a_metric()
    {
        await using var visit = await Visit.StartAsync(pages.Browsers.Browser, pages.Server);
        var page = visit.Page;
        await visit.GotoAsync("/traces?service=checkout");
        await Assertions.Expect(page.GetByText("No trace matches")).ToBeVisibleAsync();
        await Visit.MarkAsync(page);

        var sent = await pages.Server.CommandAsync(
            "send-span", "--service", "checkout", "--name", "chat gpt-4o-mini",
            "--attr", "gen_ai.operation.name=chat", "--attr", "gen_ai.request.model=gpt-4o-mini",
            "--attr", "gen_ai.usage.input_tokens=1423", "--attr", "gen_ai.usage.output_tokens=96",
            "--attr", """gen_ai.input.messages=[{"role":"user","parts":[{"type":"text","content":"Where is my parcel?"}]}]""",
            "--attr", """gen_ai.output.messages=[{"role":"assistant","parts":[{"type":"text","content":"It left the depot at noon."}],"finish_reason":"stop"}]""");
        Assert.True(sent.ExitCode == 0, sent.Errors);

        var counted = Eventually.TrueAsync(
            async () => (await pages.Server.QueryAsync("llm_traces_span_metrics_calls_total{service_name=\"checkout\"} == 1")).GetArrayLength() == 1,
            "the call is counted", TimeSpan.FromSeconds(15));
        var row = page.Locator("#t-" + sent.Output.Trim());
        await Assertions.Expect(row).ToContainTextAsync("Where is my parcel?", new LocatorAssertionsToContainTextOptions { Timeout = 15_000 });
        await Visit.AssertNotReloadedAsync(page);
        await row.ClickAsync();

        var panel = page.Locator("#span-panel");
        await Assertions.Expect(panel).ToContainTextAsync("Where is my parcel?");
        await Assertions.Expect(panel).ToContainTextAsync("It left the depot at noon.");
        await Assertions.Expect(panel).ToContainTextAsync(new Regex(@"Tokens in, out\s*1,423 → 96"));

        await counted;
        await visit.GotoAsync("/metrics?query=" + Uri.EscapeDataString("llm_traces_span_metrics_calls_total{service_name=\"checkout\"}"));
        await Visit.ChartsAsync(page);
        await Assertions.Expect(page.Locator("time-series canvas")).ToBeVisibleAsync();
        await Assertions.Expect(page.Locator("time-series li b")).ToHaveTextAsync("1");
        visit.AssertClean();
    }

    [SkippableFact]
    public async Task A_click_on_a_span_asks_for_that_span_only_and_back_returns_to_the_one_before()
    {
        await using var visit = await Visit.StartAsync(pages.Browsers.Browser, pages.Server);
        var page = visit.Page;
        await visit.GotoAsync($"/traces/{SampleTelemetry.TraceId}?span={SampleTelemetry.ChatSpanId}");
        var panel = page.Locator("#span-panel");
        await Assertions.Expect(panel).ToContainTextAsync("How do I invite a colleague?");
        await page.Locator("trace-waterfall .row").First.WaitForAsync();

        List<string> asked = [];
        page.Request += (_, request) => asked.Add(new Uri(request.Url).PathAndQuery);
        await page.Locator("trace-waterfall .row", new PageLocatorOptions { HasText = "retrieval help-centre" }).ClickAsync();
        await Assertions.Expect(panel).ToContainTextAsync("Seats are billed monthly.");
        Assert.Equal([$"/traces/{SampleTelemetry.TraceId}/spans/00000000000000b2"], asked.Where(path => !path.StartsWith("/_content", StringComparison.Ordinal)));

        await page.GoBackAsync();
        await Assertions.Expect(panel).ToContainTextAsync("How do I invite a colleague?");
        visit.AssertClean();
    }
}
