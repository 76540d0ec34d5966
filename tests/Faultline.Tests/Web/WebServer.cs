using System.Net;
using System.Net.Http.Headers;
using Faultline.Cases;
using Faultline.Cases.Deletions;
using Faultline.ClickHouse;
using Faultline.Ledger;
using Faultline.Metrics.PromQL;
using Faultline.Store;
using Faultline.Store.Writes;
using Faultline.Tests.Store;
using Faultline.Web;
using Faultline.Web.Live;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Faultline.Tests.Web;

/// <summary>Pages and REST on a loopback port, over a real store, case book and ledger.</summary>
public sealed class WebServer : IAsyncDisposable
{
    public const string AdminToken = "the-admin-token";

    private readonly string _directory;
    private readonly LedgerFile _ledger;
    private readonly FaultyEngine _engine;
    private readonly WebApplication _app;

    private WebServer(string directory, LedgerFile ledger, FaultyEngine engine, WebDependencies web, WebApplication app)
    {
        _directory = directory;
        _ledger = ledger;
        _engine = engine;
        Web = web;
        _app = app;
        Address = new Uri(app.Urls.First());
        Client = Make(cookies: false);
        Client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", AdminToken);
    }

    public WebDependencies Web { get; }

    /// <summary>The engine under the store, for tests of what pages say when it fails.</summary>
    public FaultyEngine Engine => _engine;

    public Uri Address { get; }

    /// <summary>A program with the admin token.</summary>
    public HttpClient Client { get; }

    /// <param name="patience">How long a page may take.</param>
    public static async Task<WebServer> StartAsync(TimeSpan? patience = null)
    {
        var directory = Directory.CreateTempSubdirectory("faultline-web-").FullName;
        var engine = new FaultyEngine(await EngineFixture.OpenDatabaseAsync());
        var store = await TelemetryStore.OpenAsync(engine, new WriterOptions(TimeSpan.FromMilliseconds(1)), TimeProvider.System);
        var ledger = await LedgerFile.OpenAsync(Path.Combine(directory, "ledger"), TimeProvider.System);
        var cases = await CaseBook.OpenAsync(ledger, Path.Combine(directory, "blobs"), TimeProvider.System);
        var live = new LiveFeed(TimeProvider.System);
        var deletions = new DeletionDesk(cases, store.Deletions, new byte[32], TimeProvider.System, NullLogger<DeletionDesk>.Instance);
        store.Writer.Readers.Add(live);
        var web = new WebDependencies
        {
            Store = store,
            Cases = cases,
            Deletions = deletions,
            Ledger = ledger,
            LedgerDirectory = Path.Combine(directory, "ledger"),
            PromQl = new PromQlEngine(store.Samples.SelectAsync),
            Live = live,
            AdminToken = AdminToken,
            Connection = () => new ConnectionWords("http://127.0.0.1:4318", "http://127.0.0.1:4317", null, null, "placeholder_api_key", directory),
            PatienceMax = patience ?? TimeSpan.FromSeconds(60),
            DataProtectionDirectory = Path.Combine(directory, "keys"),
        };
        var builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services.AddFaultlineWeb(web);
        var app = builder.Build();
        app.MapFaultlineWeb(web);
        await app.StartAsync();
        return new WebServer(directory, ledger, engine, web, app);
    }

    /// <summary>A browser: keeps cookies, follows no redirect, has no token.</summary>
    public HttpClient Browser() => Make(cookies: true);

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _app.DisposeAsync();
        Web.Live.Dispose();
        await Web.Store.Writer.StopAsync();
        await _ledger.DisposeAsync();
        await _engine.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }

    private HttpClient Make(bool cookies) =>
        new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = cookies, CookieContainer = new CookieContainer() }) { BaseAddress = Address };
}
