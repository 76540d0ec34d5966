using Faultline.Interop;
using Xunit;

namespace Faultline.Browser;

/// <summary>A browser and one server with some telemetry, for all tests of pages that need no demo.</summary>
public sealed class PagesFixture : IAsyncLifetime
{
    public BrowserFixture Browsers { get; } = new();

    public FaultlineProcess Server { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        await Browsers.InitializeAsync();
        if (BrowserFixture.IsInstalled)
        {
            Server = await FaultlineProcess.StartAsync();
            await SampleTelemetry.SendAsync(Server);
        }
    }

    public async Task DisposeAsync()
    {
        await Browsers.DisposeAsync();
        if (Server is not null)
        {
            await Server.DisposeAsync();
        }
    }
}

[CollectionDefinition(Name)]
public sealed class PagesCollection : ICollectionFixture<PagesFixture>
{
    public const string Name = "pages";
}
