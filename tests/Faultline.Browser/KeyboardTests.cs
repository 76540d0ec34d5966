using System.Text.RegularExpressions;
using Microsoft.Playwright;
using Xunit;

namespace Faultline.Browser;

/// <summary>Everything without a mouse, and always visible where one is.</summary>
[Collection(PagesCollection.Name)]
public sealed class KeyboardTests(PagesFixture pages)
{
    [SkippableFact]
    public async Task Keys_filter_move_open_and_go_anywhere()
    {
        await using var visit = await Visit.StartAsync(pages.Browsers.Browser, pages.Server);
        var page = visit.Page;

        await PressAsync(page, "[");
        await page.WaitForURLAsync("**/?from=*&to=*");
        await visit.GotoAsync("/");
        await PressAsync(page, "g", "t");
        await page.WaitForURLAsync("**/traces**");
        await page.Locator("tr.go").First.WaitForAsync();

        await PressAsync(page, "/");
        Assert.Equal("q", await page.EvaluateAsync<string>("() => document.activeElement.name"));
        await AssertFocusIsVisibleAsync(page);
        // What is typed into a field is no shortcut.
        await page.Keyboard.TypeAsync("gm?");
        Assert.Equal("gm?", await page.Locator("[name=q]").InputValueAsync());
        Assert.EndsWith("/traces", new Uri(page.Url).AbsolutePath, StringComparison.Ordinal);
        await PressAsync(page, "Escape");

        await PressAsync(page, "j", "j", "k");
        var chosen = page.Locator("tr.go[data-on]");
        await Assertions.Expect(chosen).ToHaveAttributeAsync("id", (await page.Locator("tr.go").First.GetAttributeAsync("id"))!);
        await AssertFocusIsVisibleAsync(page);
        await PressAsync(page, "Enter");
        await page.WaitForURLAsync(new Regex("/traces/[0-9a-f]{32}"));

        await visit.GotoAsync($"/traces/{SampleTelemetry.TraceId}?span=00000000000000a1");
        await page.Locator("trace-waterfall .row").First.WaitForAsync();
        await PressAsync(page, "j");
        await Assertions.Expect(page.Locator("#span-panel")).ToContainTextAsync("Seats are billed monthly.");
        await PressAsync(page, "k");
        await page.WaitForURLAsync("**?span=00000000000000a1");
        await PressAsync(page, "/");
        await page.Keyboard.TypeAsync("gt");
        await Assertions.Expect(page.Locator("trace-waterfall input")).ToHaveValueAsync("gt");
        await PressAsync(page, "Escape");

        await PressAsync(page, "?");
        await Assertions.Expect(page.Locator("command-palette dl")).ToBeVisibleAsync();
        await PressAsync(page, "Escape");
        await Assertions.Expect(page.Locator("command-palette dl")).ToBeHiddenAsync();

        await PressAsync(page, "Control+k");
        await page.Locator("command-palette input").FillAsync("metrics");
        await PressAsync(page, "Enter");
        await page.WaitForURLAsync("**/metrics**");
        await page.Locator("promql-editor .cm-content").WaitForAsync();
        await PressAsync(page, "/");
        await page.Keyboard.TypeAsync("up");
        await PressAsync(page, "Escape");
        await page.Locator("promql-editor .cm-content").PressAsync("Enter");
        await page.WaitForURLAsync("**query=up**");

        await PressAsync(page, "Control+k");
        await page.Locator("command-palette input").FillAsync(SampleTelemetry.TraceId);
        await PressAsync(page, "Enter");
        await page.WaitForURLAsync("**/traces/" + SampleTelemetry.TraceId);
        visit.AssertClean();
    }

    [SkippableFact]
    public async Task Tab_reaches_the_content_first_and_every_stop_shows_itself()
    {
        await using var visit = await Visit.StartAsync(pages.Browsers.Browser, pages.Server);
        await PressAsync(visit.Page, "Tab");
        Assert.Equal("Skip to content", await visit.Page.EvaluateAsync<string>("() => document.activeElement.textContent"));
        var stops = 0;
        while (await visit.Page.EvaluateAsync<bool>("() => document.activeElement !== document.body") && stops < 40)
        {
            await AssertFocusIsVisibleAsync(visit.Page);
            await PressAsync(visit.Page, "Tab");
            stops++;
        }

        Assert.InRange(stops, 12, 40);
    }

    private static async Task PressAsync(IPage page, params string[] keys)
    {
        foreach (var key in keys)
        {
            await page.Keyboard.PressAsync(key);
        }
    }

    /// <summary>The element with the focus, or a frame drawn around it, has an outline.</summary>
    private static async Task AssertFocusIsVisibleAsync(IPage page)
    {
        var invisible = await page.EvaluateAsync<string?>("""
            () => {
              let at = document.activeElement;
              while (at.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
              for (let frame = at; frame; frame = frame.parentElement) {
                const style = getComputedStyle(frame);
                if (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0) return null;
              }
              return at.outerHTML.slice(0, 200);
            }
            """);
        Assert.True(invisible is null, $"nothing shows that this has the focus: {invisible}");
    }
}
