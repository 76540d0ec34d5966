using System.Globalization;
using System.Text.RegularExpressions;
using Faultline.Interop;
using Microsoft.Playwright;
using Xunit;

namespace Faultline.Browser;

/// <summary>Marks on the metrics page where a series is unusual.</summary>
[Collection(PagesCollection.Name)]
public sealed class UnusualTests(PagesFixture pages)
{
    private const int StepSeconds = 20;

    [SkippableFact]
    public async Task What_is_unusual_is_marked_and_told_by_keyboard_and_stays_in_the_address()
    {
        await Axe.RequireAsync();
        await SendAsync();
        await using var visit = await Visit.StartAsync(pages.Browsers.Browser, pages.Server);
        var page = visit.Page;
        await visit.GotoAsync("/metrics?query=kettle_queue_depth&from=now-1h");
        await Visit.ChartsAsync(page);
        await Assertions.Expect(page.Locator("#unusual")).ToHaveCountAsync(0);

        await page.Keyboard.PressAsync("Tab");
        await page.GetByRole(AriaRole.Button, new PageGetByRoleOptions { Name = "Mark what is unusual" }).FocusAsync();
        await page.Keyboard.PressAsync("Space");
        await page.WaitForURLAsync(new Regex("unusual=1"));
        await Visit.ChartsAsync(page);
        var toggle = page.GetByRole(AriaRole.Button, new PageGetByRoleOptions { Name = "Mark what is unusual", Pressed = true });
        await Assertions.Expect(toggle).ToBeFocusedAsync();
        await Assertions.Expect(page.Locator("#unusual h2")).ToContainTextAsync("unusual moment");
        var row = page.Locator("#unusual tbody tr", new PageLocatorOptions { HasText = "beans" });
        await Assertions.Expect(row).ToHaveCountAsync(1);
        await Assertions.Expect(row).ToContainTextAsync(new Regex("level \\(high\\).*: as rare as one in \\d+"));
        await Assertions.Expect(page.Locator("#unusual")).ToContainTextAsync("has too little history to judge by");
        // The chart has the list's number where it happened.
        var number = await row.Locator(".mark-number").TextContentAsync();
        await Assertions.Expect(page.Locator("time-series .mark.unusual").First).ToContainTextAsync(number!);
        await Axe.AssertNothingAsync(page, "marks of what is unusual");

        // Another query of the same form keeps the marks; the address alone does too.
        await page.ReloadAsync();
        await Assertions.Expect(toggle).ToHaveCountAsync(1);
        await page.GetByRole(AriaRole.Button, new PageGetByRoleOptions { Name = "Run" }).ClickAsync();
        await page.WaitForURLAsync(new Regex("unusual=1"));
        await toggle.FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        await page.WaitForURLAsync(new Regex("^(?!.*unusual=1)"));
        await Assertions.Expect(page.Locator("#unusual")).ToHaveCountAsync(0);
        Assert.Contains("query=kettle_queue_depth", page.Url, StringComparison.Ordinal);

        // What is learnt too little of says so instead of nothing.
        await visit.GotoAsync("/metrics?query=kettle_queue_depth%7Bbrew%3D%22tea%22%7D&from=now-5m&unusual=1");
        await Assertions.Expect(page.Locator("#unusual h2")).ToHaveTextAsync("Too early to say what is unusual");
        visit.AssertClean();
    }

    /// <summary>Nine hours of a queue whose level doubles twenty minutes before now, and five minutes of another.</summary>
    private async Task SendAsync()
    {
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        var random = new Random(11);
        var points = new List<string>();
        void Add(string brew, long at, double value) => points.Add(string.Create(
            CultureInfo.InvariantCulture, $$$"""{"timeUnixNano":"{{{at}}}000000000","asDouble":{{{value:0.###}}},"attributes":[{"key":"brew","value":{"stringValue":"{{{brew}}}"}}]}"""));
        for (var ago = 9 * 3600 / StepSeconds; ago >= 0; ago--)
        {
            var at = now - (ago * StepSeconds);
            Add("beans", at, (ago * StepSeconds <= 1200 ? 90 : 40) + (10 * random.NextDouble()));
            if (ago * StepSeconds <= 300)
            {
                Add("tea", at, 12 + random.NextDouble());
            }
        }

        await SampleTelemetry.PostAsync(pages.Server, "/v1/metrics", $$$"""{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"kettle"}}]},"scopeMetrics":[{"scope":{"name":"sample"},"metrics":[{"name":"kettle_queue_depth","gauge":{"dataPoints":[{{{string.Join(',', points)}}}]}}]}]}]}""");
        await Eventually.TrueAsync(async () => (await pages.Server.QueryAsync("count(kettle_queue_depth)")).GetArrayLength() > 0, "the queue's depth is stored");
    }
}
