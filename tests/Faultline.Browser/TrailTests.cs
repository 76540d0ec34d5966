using System.Globalization;
using Faultline.Interop;
using Microsoft.Playwright;
using Xunit;

namespace Faultline.Browser;

/// <summary>What was logged, what changed and what is proven.</summary>
[Collection(PagesCollection.Name)]
public sealed class TrailTests(PagesFixture pages)
{
    [SkippableFact]
    public async Task A_log_record_appears_live_is_found_by_severity_and_leads_to_its_trace()
    {
        await using var visit = await Visit.StartAsync(pages.Browsers.Browser, pages.Server);
        var page = visit.Page;
        await visit.GotoAsync("/logs?severity=error");
        await Assertions.Expect(page.GetByText("No record matches")).ToBeVisibleAsync();
        await Visit.MarkAsync(page);

        var nanos = (DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() * 1_000_000).ToString(CultureInfo.InvariantCulture);
        await SampleTelemetry.PostAsync(pages.Server, "/v1/logs", $$$"""{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"till"}}]},"scopeLogs":[{"logRecords":[{"timeUnixNano":"{{{nanos}}}","severityNumber":17,"body":{"stringValue":"the drawer is stuck"},"traceId":"{{{SampleTelemetry.TraceId}}}","spanId":"{{{SampleTelemetry.ChatSpanId}}}"}]}]}]}""");

        var row = page.Locator(".log-rows li");
        await Assertions.Expect(row).ToContainTextAsync("the drawer is stuck", new LocatorAssertionsToContainTextOptions { Timeout = 30_000 });
        await Visit.AssertNotReloadedAsync(page);
        await page.Keyboard.PressAsync("j");
        await page.Keyboard.PressAsync("Enter");
        await row.GetByRole(AriaRole.Link, new LocatorGetByRoleOptions { Name = "The trace it belongs to" }).ClickAsync();
        await page.WaitForURLAsync($"**/traces/{SampleTelemetry.TraceId}?span={SampleTelemetry.ChatSpanId}");
        visit.AssertClean();
    }

    [SkippableFact]
    public async Task A_change_leads_to_its_page_and_to_its_event_in_the_ledger_which_is_proven()
    {
        await using var visit = await Visit.StartAsync(pages.Browsers.Browser, pages.Server);
        var page = visit.Page;
        await visit.GotoAsync("/changes?type=prompt");
        await page.GetByRole(AriaRole.Link, new PageGetByRoleOptions { Name = "support-answer from version 12 to 13" }).ClickAsync();
        await Assertions.Expect(page.GetByRole(AriaRole.Heading, new PageGetByRoleOptions { Level = 1 })).ToHaveTextAsync("support-answer from version 12 to 13");

        await visit.GotoAsync("/audit?kind=change.");
        await page.GetByRole(AriaRole.Link, new PageGetByRoleOptions { Name = "Verify now" }).ClickAsync();
        await Assertions.Expect(page.Locator("#proof")).ToContainTextAsync("Every byte is as it was written and signed");
        await page.Locator(".audit-table a[data-go]").First.ClickAsync();
        await Assertions.Expect(page.GetByText("it is in the signed tree")).ToBeVisibleAsync();
        visit.AssertClean();
    }
}
