using System.Collections.Concurrent;
using Faultline.Interop;
using Microsoft.Playwright;
using Xunit;

namespace Faultline.Browser;

/// <summary>Somebody who is signed in to one server, with a browser profile of their own. Whatever is asked of another host is remembered.</summary>
public sealed class Visit : IAsyncDisposable
{
    private readonly IBrowserContext _context;
    private readonly FaultlineProcess _server;
    private readonly ConcurrentBag<string> _elsewhere = [];
    private readonly ConcurrentBag<string> _failures = [];

    private Visit(IBrowserContext context, FaultlineProcess server)
    {
        _context = context;
        _server = server;
        var here = server.Door("ui").Authority;
        context.Request += (_, request) =>
        {
            if (new Uri(request.Url) is { Scheme: not ("data" or "blob") } address && address.Authority != here)
            {
                _elsewhere.Add(request.Url);
            }
        };
        context.WebError += (_, error) => _failures.Add(error.Error);
    }

    /// <summary>The first tab. It stands where the login link led.</summary>
    public IPage Page { get; private set; } = null!;

    public static async Task<Visit> StartAsync(IBrowser browser, FaultlineProcess server, ColorScheme theme = ColorScheme.Light)
    {
        var context = await browser.NewContextAsync(new BrowserNewContextOptions { ViewportSize = new ViewportSize { Width = 1440, Height = 900 }, ColorScheme = theme });
        var visit = new Visit(context, server);
        visit.Page = await context.NewPageAsync();
        await visit.Page.GotoAsync(LoginLink(server));
        return visit;
    }

    public async Task<IPage> NewTabAsync(string path)
    {
        var page = await _context.NewPageAsync();
        await page.GotoAsync(Address(path));
        return page;
    }

    public Task GotoAsync(string path) => Page.GotoAsync(Address(path));

    public string Address(string path) => new Uri(_server.Door("ui"), path).ToString();

    /// <summary>No page asked another host for anything, and no script of ours failed.</summary>
    public void AssertClean()
    {
        Assert.Empty(_elsewhere);
        Assert.Empty(_failures);
    }

    public static async Task MarkAsync(IPage page) => await page.EvaluateAsync("() => { window.sameLoad = true; }");

    /// <summary>The page is still the one that was marked.</summary>
    public static async Task AssertNotReloadedAsync(IPage page) => Assert.True(await page.EvaluateAsync<bool>("() => window.sameLoad === true"), "the page was loaded again");

    /// <summary>Until every chart of the page shows what it asked for. A live page is never idle, so nothing else says that.</summary>
    public static Task ChartsAsync(IPage page) => page.WaitForFunctionAsync("() => document.fonts.status === 'loaded' && [...document.querySelectorAll('time-series')].every(chart => chart.hasAttribute('drawn'))");

    public static string LoginLink(FaultlineProcess server) =>
        server.Output.Split('\n').Select(line => line.Trim()).First(line => line.Contains("/login?token=", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries).Last();

    public async ValueTask DisposeAsync() => await _context.DisposeAsync();
}
