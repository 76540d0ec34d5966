using Faultline.Cases.Projections;
using Faultline.Metrics.PromQL;
using Faultline.Store.Traces;
using Faultline.Telemetry.Changes;
using Faultline.Web.Shell;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Faultline.Web.Overview;

/// <summary>The lines beside a service's figures; empty where nothing was measured. Equal steps over the page's range.</summary>
/// <param name="Scores">Evaluation name → mean score.</param>
public sealed record ServiceLines(
    IReadOnlyList<double> Calls, IReadOnlyList<double> ErrorRate, IReadOnlyList<double> Latency, IReadOnlyList<double> FirstToken, IReadOnlyList<double> Tokens,
    IReadOnlyDictionary<string, IReadOnlyList<double>> Scores)
{
    public static readonly ServiceLines None = new([], [], [], [], [], new Dictionary<string, IReadOnlyList<double>>());
}

/// <summary>What the overview shows.</summary>
/// <param name="HasAnything">False while nothing was ever stored: the page then says what to send.</param>
public sealed record OverviewView(
    IReadOnlyList<ServiceSummary> Services, IReadOnlyDictionary<string, ServiceLines> Lines, IReadOnlyList<CaseView> Open, IReadOnlyList<CaseView> RecentlyResolved,
    IReadOnlyList<ChangeEvent> Changes, TimeRange Range, bool HasAnything);

internal static class OverviewPages
{
    /// <summary>Points of a sparkline.</summary>
    private const int SparkPoints = 48;

    /// <summary>Changes shown; more are said.</summary>
    public const int ChangesMax = 40;

    /// <summary>How far back "ever stored" looks.</summary>
    private static readonly TimeSpan EverLookback = TimeSpan.FromDays(400);

    public static void MapOverview(this IEndpointRouteBuilder routes, WebDependencies web)
    {
        var log = routes.ServiceProvider.GetRequiredService<ILoggerFactory>().CreateLogger("Faultline.Web.Overview");
        routes.MapGet("/", async (HttpContext http) =>
        {
            var view = await LoadAsync(web, Page.Range(http, web), log, http.RequestAborted);
            return view.HasAnything
                ? Page.Of<OverviewPage>(http, web, "Overview", "overview", view.Range, new Dictionary<string, object?> { [nameof(OverviewPage.View)] = view })
                : Page.Of<FirstMinute>(http, web, "Send a first span", "overview", null, new Dictionary<string, object?> { [nameof(FirstMinute.Connection)] = web.Connection() });
        }).ExcludeFromDescription();
    }

    private static async Task<OverviewView> LoadAsync(WebDependencies web, TimeRange range, ILogger log, CancellationToken cancel)
    {
        var services = await web.Store.Traces.ServicesAsync(web.Project, range.FromUnixNanos, range.ToUnixNanos, cancel);
        var cases = web.Cases.List(web.Project);
        var hasAnything = services.Count > 0 || cases.Count > 0;
        if (!hasAnything)
        {
            var now = web.Time.GetUtcNow();
            var ever = await web.Store.Traces.SearchAsync(web.Project, new TraceFilter { FromUnixNanos = TimeRange.UnixNanos(now - EverLookback), ToUnixNanos = TimeRange.UnixNanos(now.AddHours(1)), Limit = 1 }, cancel);
            hasAnything = ever.Total > 0;
        }

        return new OverviewView(
            services,
            services.Count > 0 ? await LinesAsync(web, range, log, cancel) : new Dictionary<string, ServiceLines>(),
            [.. cases.Where(one => one.State != CaseState.RESOLVED)],
            [.. cases.Where(one => one.Resolution is { } done && done.VerifiedAt >= range.From)],
            web.Cases.Changes(web.Project, range.From, range.To),
            range,
            hasAnything);
    }

    /// <summary>Every sparkline of the page in two queries over the series that detection writes.</summary>
    private static async Task<IReadOnlyDictionary<string, ServiceLines>> LinesAsync(WebDependencies web, TimeRange range, ILogger log, CancellationToken cancel)
    {
        var step = range.StepSeconds(SparkPoints);
        long stepMillis = step * 1000L, to = range.To.ToUnixTimeMilliseconds() / stepMillis * stepMillis, from = range.From.ToUnixTimeMilliseconds() / stepMillis * stepMillis + stepMillis;
        var means = await MatrixAsync(web, $"avg by (service_name, feature) (avg_over_time(faultline_feature{{feature=~\"error_rate|latency_p50|latency_p95|time_to_first_token_p50|score:.*\"}}[{step}s]))", from, to, stepMillis, log, cancel);
        var sums = await MatrixAsync(web, $"sum by (service_name, feature) (sum_over_time(faultline_feature{{feature=\"calls\"}}[{step}s]))", from, to, stepMillis, log, cancel);
        var tokens = await MatrixAsync(web, $"avg by (service_name, feature) (avg_over_time(faultline_feature{{feature=~\"input_tokens|output_tokens\"}}[{step}s]))", from, to, stepMillis, log, cancel);
        var lines = new Dictionary<string, ServiceLines>(StringComparer.Ordinal);
        foreach (var service in means.Keys.Concat(sums.Keys).Concat(tokens.Keys).Select(key => key.Service).Distinct(StringComparer.Ordinal))
        {
            IReadOnlyList<double> Mean(string feature) => means.GetValueOrDefault((service, feature), []);
            var tokensIn = tokens.GetValueOrDefault((service, "input_tokens"), []);
            var tokensOut = tokens.GetValueOrDefault((service, "output_tokens"), []);
            lines[service] = new ServiceLines(
                sums.GetValueOrDefault((service, "calls"), []),
                Mean("error_rate"),
                Mean("latency_p95") is { Count: > 0 } p95 ? p95 : Mean("latency_p50"),
                Mean("time_to_first_token_p50"),
                tokensIn.Count == tokensOut.Count ? [.. tokensIn.Zip(tokensOut, (a, b) => a + b)] : tokensIn,
                means.Where(pair => pair.Key.Service == service && pair.Key.Feature.StartsWith("score:", StringComparison.Ordinal))
                    .ToDictionary(pair => pair.Key.Feature["score:".Length..], pair => pair.Value, StringComparer.Ordinal));
        }

        return lines;
    }

    private static async Task<Dictionary<(string Service, string Feature), IReadOnlyList<double>>> MatrixAsync(WebDependencies web, string query, long from, long to, long step, ILogger log, CancellationToken cancel)
    {
        var found = new Dictionary<(string, string), IReadOnlyList<double>>();
        if (to <= from)
        {
            return found;
        }

        PromQlResult result;
        try
        {
            result = await web.PromQl.RangeAsync(web.Project, query, from, to, step, cancel);
        }
        catch (PromQlException problem)
        {
            // The page is whole without its sparklines; somebody should still hear why.
            log.SparklinesMissing(query, problem.Message);
            return found;
        }

        if (result is PromQlResult.Matrix matrix)
        {
            var points = (int)((to - from) / step) + 1;
            foreach (var series in matrix.Series)
            {
                var line = new double[points];
                Array.Fill(line, double.NaN);
                for (var i = 0; i < series.UnixMillis.Length; i++)
                {
                    var at = (series.UnixMillis[i] - from) / step;
                    if (at >= 0 && at < points)
                    {
                        line[at] = series.Values[i];
                    }
                }

                found[(series.Labels["service_name"], series.Labels["feature"])] = line;
            }
        }

        return found;
    }
}

internal static partial class OverviewLog
{
    [LoggerMessage(7101, LogLevel.Warning, "The overview has no sparklines: {Query} was refused: {Reason}")]
    public static partial void SparklinesMissing(this ILogger log, string query, string reason);
}
