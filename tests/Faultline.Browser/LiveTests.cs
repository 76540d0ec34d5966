using Faultline.Interop;
using Microsoft.Playwright;
using Xunit;

namespace Faultline.Browser;

/// <summary>What somebody sees without reloading. A browser gives one host six connections; each of these has eight tabs open.</summary>
[Collection(PagesCollection.Name)]
public sealed class LiveTests(PagesFixture pages)
{
    private const int TabsOfEach = 4;

    [SkippableFact]
    public async Task Eight_tabs_in_each_of_two_browsers_are_all_live()
    {
        var first = pages.Browsers.Browser;
        await using var second = await pages.Browsers.LaunchAsync();
        await using var one = await Visit.StartAsync(first, pages.Server);
        await using var other = await Visit.StartAsync(second, pages.Server);
        List<(IPage Page, string Path)> tabs = [];
        foreach (var visit in (Visit[])[one, other])
        {
            foreach (var path in Enumerable.Repeat((string[])["/traces", "/"], TabsOfEach).SelectMany(path => path))
            {
                var page = await visit.NewTabAsync(path);
                await Visit.MarkAsync(page);
                tabs.Add((page, path));
            }
        }

        var sent = await pages.Server.CommandAsync("send-span", "--service", "late-service", "--name", "late span");
        Assert.True(sent.ExitCode == 0, sent.Errors);

        foreach (var (page, path) in tabs)
        {
            await Assertions.Expect(page.Locator(path == "/" ? "#service-late-service" : $"#t-{sent.Output.Trim()}")).ToBeVisibleAsync(Patient);
            await Visit.AssertNotReloadedAsync(page);
        }

        one.AssertClean();
        other.AssertClean();
    }

    [SkippableFact]
    public async Task A_hidden_tab_asks_for_nothing_and_catches_up_when_it_is_shown()
    {
        await using var visit = await Visit.StartAsync(pages.Browsers.Browser, pages.Server);
        var hidden = await visit.NewTabAsync("/traces");
        await visit.GotoAsync("/traces");
        await HideAsync(hidden, true);
        var asked = 0;
        hidden.Request += (_, _) => Interlocked.Increment(ref asked);

        var sent = (await pages.Server.CommandAsync("send-span", "--service", "unseen", "--name", "while hidden")).Output.Trim();
        await Assertions.Expect(visit.Page.Locator("#t-" + sent)).ToBeVisibleAsync(Patient);
        Assert.Equal(0, Volatile.Read(ref asked));

        await HideAsync(hidden, false);
        await Assertions.Expect(hidden.Locator("#t-" + sent)).ToBeVisibleAsync(Patient);
        visit.AssertClean();
    }

    [SkippableFact]
    public async Task The_first_span_turns_the_empty_page_into_the_overview()
    {
        var browser = pages.Browsers.Browser;
        await using var server = await FaultlineProcess.StartAsync();
        await using var visit = await Visit.StartAsync(browser, server);
        await Assertions.Expect(visit.Page.GetByText("Waiting for the first span")).ToBeVisibleAsync();

        Assert.Equal(0, (await server.CommandAsync("send-span", "--service", "newcomer")).ExitCode);

        await Assertions.Expect(visit.Page.Locator("#service-newcomer")).ToBeVisibleAsync(Patient);
        visit.AssertClean();
    }

    [SkippableFact]
    public async Task What_could_not_be_updated_stays_under_a_line_that_says_so()
    {
        await using var visit = await Visit.StartAsync(pages.Browsers.Browser, pages.Server);
        var page = visit.Page;
        await visit.GotoAsync("/traces");
        var rows = page.Locator("tr.go");
        var shown = await rows.CountAsync();
        Assert.True(shown > 0);
        var line = page.Locator("#trouble");

        await page.RouteAsync("**/traces", route => route.FulfillAsync(new RouteFulfillOptions { Status = 503, Body = "no" }));
        Assert.Equal(0, (await pages.Server.CommandAsync("send-span", "--service", "unlucky")).ExitCode);
        await Assertions.Expect(line).ToContainTextAsync("the server answered 503", new LocatorAssertionsToContainTextOptions { Timeout = 30_000 });
        await Assertions.Expect(rows).ToHaveCountAsync(shown);

        await page.UnrouteAsync("**/traces");
        Assert.Equal(0, (await pages.Server.CommandAsync("send-span", "--service", "unlucky")).ExitCode);
        await Assertions.Expect(rows).ToHaveCountAsync(shown + 2, new LocatorAssertionsToHaveCountOptions { Timeout = 30_000 });
        await Assertions.Expect(line).ToBeHiddenAsync();

        await page.Context.ClearCookiesAsync();
        Assert.Equal(0, (await pages.Server.CommandAsync("send-span", "--service", "unlucky")).ExitCode);
        await Assertions.Expect(line.GetByRole(AriaRole.Link, new LocatorGetByRoleOptions { Name = "Sign in" })).ToBeVisibleAsync(Patient);
        await Assertions.Expect(rows).ToHaveCountAsync(shown + 2);
        visit.AssertClean();
    }

    private static LocatorAssertionsToBeVisibleOptions Patient => new() { Timeout = 30_000 };

    // A driven browser paints every tab, so none ever learns that it is hidden: it is told here as a browser would.
    private static async Task HideAsync(IPage page, bool hidden) => await page.EvaluateAsync(
        "hidden => { Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden }); document.dispatchEvent(new Event('visibilitychange')); }", hidden);
}
