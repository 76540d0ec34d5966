using Faultline.Interop;
using Microsoft.Playwright;
using Xunit;

namespace Faultline.Browser;

/// <summary>Every page, light and dark, with data and without. The page of a case is looked at in <see cref="DemoTests"/>, which has one.</summary>
[Collection(PagesCollection.Name)]
public sealed class AccessibilityTests(PagesFixture pages)
{
    private static readonly string[] Pages = ["/", "/traces", "/metrics", "/metrics?query=up", "/metrics?query=sum(", "/topics", "/cases", "/logs", "/changes", "/audit", "/audit?verify=now", "/audit/deletions", "/settings", "/no-such-page"];

    [SkippableFact]
    public async Task No_page_with_data_breaks_a_rule_of_WCAG_AA()
    {
        await Axe.RequireAsync();
        await using var visit = await Visit.StartAsync(pages.Browsers.Browser, pages.Server);
        await CheckAsync(visit, Pages);
        await visit.GotoAsync($"/traces/{SampleTelemetry.TraceId}?span={SampleTelemetry.ChatSpanId}");
        await visit.Page.Locator("trace-waterfall .row").First.WaitForAsync();
        await Axe.AssertNothingAsync(visit.Page, "a trace with a chosen span");

        await visit.GotoAsync("/logs");
        await visit.Page.Locator(".log-rows summary").First.ClickAsync();
        await Axe.AssertNothingAsync(visit.Page, "an open log record");
        await visit.GotoAsync("/changes");
        await visit.Page.Locator(".changes a[data-go]").First.ClickAsync();
        await visit.Page.Locator("#change").WaitForAsync();
        await Visit.ChartsAsync(visit.Page);
        await Axe.AssertNothingAsync(visit.Page, "a change");
        await visit.GotoAsync("/audit/0");
        await Axe.AssertNothingAsync(visit.Page, "an event of the ledger");

        await visit.Page.Keyboard.PressAsync("Control+k");
        await visit.Page.Locator("command-palette li").First.WaitForAsync();
        await Axe.AssertNothingAsync(visit.Page, "the palette");
        await visit.Page.Keyboard.PressAsync("Escape");
        await visit.Page.Keyboard.PressAsync("?");
        await visit.Page.Locator("command-palette dl").WaitForAsync();
        await Axe.AssertNothingAsync(visit.Page, "the help on keys");
        visit.AssertClean();
    }

    [SkippableFact]
    public async Task No_empty_page_breaks_a_rule_of_WCAG_AA()
    {
        var browser = pages.Browsers.Browser;
        await Axe.RequireAsync();
        await using var server = await FaultlineProcess.StartAsync();
        await using var visit = await Visit.StartAsync(browser, server);
        await CheckAsync(visit, [.. Pages, "/traces/" + SampleTelemetry.TraceId, "/cases/CASE-9", "/login"]);
        visit.AssertClean();
    }

    private static async Task CheckAsync(Visit visit, IEnumerable<string> paths)
    {
        foreach (var path in paths)
        {
            await visit.GotoAsync(path);
            await Visit.ChartsAsync(visit.Page);
            await Axe.AssertNothingAsync(visit.Page, path);
        }
    }
}
