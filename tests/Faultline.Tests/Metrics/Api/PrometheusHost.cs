using System.Text.Json;
using Faultline.Metrics.Api;
using Faultline.Metrics.PromQL;
using Faultline.Telemetry.Samples;
using Faultline.Tests.Metrics.PromQL;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Faultline.Tests.Metrics.Api;

/// <summary>The API on a port of its own, over series in memory. The clock stands at 1000 s.</summary>
internal sealed class PrometheusHost : IAsyncDisposable
{
    public const long NowMillis = 1_000_000;

    private readonly WebApplication _app;

    private PrometheusHost(WebApplication app, Uri address)
    {
        _app = app;
        Client = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false }) { BaseAddress = address };
    }

    public HttpClient Client { get; }

    public static async Task<PrometheusHost> StartAsync(MemorySeries series, Func<PrometheusApi, PrometheusApi>? change = null)
    {
        var api = new PrometheusApi
        {
            Engine = new PromQlEngine(series.SelectAsync),
            Time = new StandingClock(),
            Catalog = new SeriesCatalog
            {
                Series = async (query, limit, cancel) => [.. (await SelectAsync(series, query, cancel)).Take(limit)],
                LabelNames = async (query, cancel) => [.. (await SelectAsync(series, query, cancel)).SelectMany(labels => labels.Pairs.ToArray()).Select(pair => pair.Key).Distinct()],
                LabelValues = async (query, name, cancel) => [.. (await SelectAsync(series, query, cancel)).Select(labels => labels[name]).Where(value => value.Length > 0).Distinct()],
                Metadata = (_, metric, limit, _) => Task.FromResult<IReadOnlyList<MetricMetadata>>([.. new[] { new MetricMetadata("requests_total", "counter", "", "Requests \"served\".") }.Where(entry => metric is null || string.Equals(entry.Name, metric, StringComparison.Ordinal)).Take(limit)]),
            },
        };
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        app.MapVictoriaMetricsApi(change?.Invoke(api) ?? api, context => context.Request.Headers["X-Project"].ToString() is { Length: > 0 } project ? project : "default");
        await app.StartAsync();
        return new PrometheusHost(app, new Uri(app.Urls.First()));
    }

    /// <summary>Asks, expects a status, and reads the JSON.</summary>
    public async Task<JsonElement> GetAsync(string path, int status = 200)
    {
        using var response = await Client.GetAsync(new Uri(path, UriKind.Relative));
        var body = await response.Content.ReadAsStringAsync();
        Xunit.Assert.True(status == (int)response.StatusCode, $"{(int)response.StatusCode}: {body}");
        Xunit.Assert.Equal("application/json", response.Content.Headers.ContentType?.MediaType);
        using var document = JsonDocument.Parse(body);
        return document.RootElement.Clone();
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _app.DisposeAsync();
    }

    private static async Task<IReadOnlyList<Labels>> SelectAsync(MemorySeries series, SeriesQuery query, CancellationToken cancel)
    {
        var found = new List<Labels>();
        foreach (var matchers in query.AnyOf.Count == 0 ? [[]] : query.AnyOf)
        {
            found.AddRange((await series.SelectAsync(query.Project, matchers, query.FromUnixMillis, query.ToUnixMillis, cancel)).Select(one => one.Labels));
        }

        return [.. found.Distinct()];
    }

    private sealed class StandingClock : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => DateTimeOffset.FromUnixTimeMilliseconds(NowMillis);
    }
}
