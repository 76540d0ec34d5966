using System.Globalization;
using Faultline.Metrics.PromQL;
using Faultline.Web.Shell;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Faultline.Web.Metrics;

/// <summary>One line of the table of instant values.</summary>
public sealed record InstantRow(IReadOnlyList<KeyValuePair<string, string>> Labels, double Value);

/// <summary>What an expression gives at the end of the range: rows, or what is wrong with it.</summary>
/// <param name="Total">Rows before the page's bound.</param>
public sealed record InstantAnswer(IReadOnlyList<InstantRow> Rows, int Total, string? Problem);

internal static class MetricPages
{
    /// <summary>Most rows of the table.</summary>
    private const int RowsMax = 200;

    /// <summary>Points a chart asks for: about one every four pixels.</summary>
    public const int ChartPoints = 300;

    /// <summary>Of the address: 1 marks what is unusual.</summary>
    public const string UnusualKey = "unusual";

    public static void MapMetricPages(this IEndpointRouteBuilder routes, WebDependencies web) =>
        routes.MapGet("/metrics", async (HttpContext http) =>
        {
            var range = Page.Range(http, web);
            var query = http.Request.Query["query"].ToString().Trim();
            var answer = query.Length == 0 ? null : await InstantAsync(web, query, range, http.RequestAborted);
            var unusual = http.Request.Query[UnusualKey] == "1" && answer is { Problem: null }
                ? await Unusual.ReadAsync(web, query, range, TimeSpan.FromSeconds(range.StepSeconds(ChartPoints)), http.RequestAborted)
                : null;
            return Page.Of<MetricsPage>(http, web, query.Length == 0 ? "Metrics" : query, "metrics", range, new Dictionary<string, object?>
            {
                [nameof(MetricsPage.Query)] = query,
                [nameof(MetricsPage.Range)] = range,
                [nameof(MetricsPage.Answer)] = answer,
                [nameof(MetricsPage.Unit)] = UnitOf(query),
                [nameof(MetricsPage.Unusual)] = unusual,
            });
        }).ExcludeFromDescription();

    /// <summary>Address of a range query, for a chart. Its points are on multiples of the step, so that they stay where they are while time moves; the last one is not before the end, so that what has just come is seen.</summary>
    public static string RangeSource(string query, TimeRange range, int points = ChartPoints)
    {
        var step = range.StepSeconds(points);
        return string.Create(CultureInfo.InvariantCulture, $"/prometheus/api/v1/query_range?query={Uri.EscapeDataString(query)}&start={range.From.ToUnixTimeSeconds() / step * step}&end={(range.To.ToUnixTimeSeconds() / step * step) + step}&step={step}");
    }

    /// <summary>The unit that a metric's name ends with, as Prometheus' naming has it; a count of events has none.</summary>
    public static string UnitOf(string query) =>
        query.Contains("_count", StringComparison.Ordinal) || query.Contains("_total", StringComparison.Ordinal) || query.Contains("_bucket", StringComparison.Ordinal) && !query.Contains("histogram_quantile", StringComparison.Ordinal) ? ""
        : query.Contains("_seconds", StringComparison.Ordinal) || query.Contains("latency", StringComparison.Ordinal) || query.Contains("duration", StringComparison.Ordinal) || query.Contains("time_to_first", StringComparison.Ordinal) ? "s"
        : query.Contains("_bytes", StringComparison.Ordinal) ? "bytes" : "";

    private static async Task<InstantAnswer> InstantAsync(WebDependencies web, string query, TimeRange range, CancellationToken cancel)
    {
        try
        {
            var result = await web.PromQl.InstantAsync(web.Project, query, range.To.ToUnixTimeMilliseconds(), cancel);
            List<InstantRow> rows = result switch
            {
                PromQlResult.Scalar scalar => [new InstantRow([], scalar.Value)],
                PromQlResult.Vector vector => [.. vector.Samples.Select(sample => new InstantRow(sample.Labels.Pairs.ToArray(), sample.Value))],
                PromQlResult.Matrix matrix => [.. matrix.Series.Where(series => series.Values.Length > 0).Select(series => new InstantRow(series.Labels.Pairs.ToArray(), series.Values[^1]))],
                _ => [],
            };
            return new InstantAnswer([.. rows.OrderByDescending(row => double.IsNaN(row.Value) ? double.NegativeInfinity : row.Value).Take(RowsMax)], rows.Count, null);
        }
        catch (PromQlException problem)
        {
            return new InstantAnswer([], 0, problem.Message);
        }
    }
}
