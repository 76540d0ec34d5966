using Microsoft.Playwright;
using Xunit;

namespace Faultline.Browser;

/// <summary>The system's Chromium, driven by Playwright. A test that needs it is skipped where it is not installed.</summary>
public sealed class BrowserFixture : IAsyncLifetime
{
    private const string Chromium = "/usr/bin/chromium";

    private IPlaywright? _playwright;
    private IBrowser? _browser;

    public static bool IsInstalled => File.Exists(Chromium);

    public async Task InitializeAsync()
    {
        if (IsInstalled)
        {
            _playwright = await Playwright.CreateAsync();
            _browser = await LaunchAsync();
        }
    }

    public IBrowser Browser
    {
        get
        {
            Skip.If(_browser is null, $"{Chromium} is not installed; scripts/install-test-servers installs it.");
            return _browser!;
        }
    }

    /// <summary>Another browser process, for what two browsers must do at once.</summary>
    public Task<IBrowser> LaunchAsync() => _playwright!.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
    {
        ExecutablePath = Chromium,
        Args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    });

    public async Task DisposeAsync()
    {
        if (_browser is not null)
        {
            await _browser.DisposeAsync();
        }

        _playwright?.Dispose();
    }
}
