using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Faultline.Metrics.Exposition;

/// <summary><c>/metrics</c>: text in the format that the scraper prefers.</summary>
public static class MetricsEndpoint
{
    public static void MapMetrics(this IEndpointRouteBuilder routes, Func<IEnumerable<MetricFamily>> families) =>
        routes.MapGet("/metrics", async (HttpContext http) =>
        {
            var openMetrics = TextFormat.PrefersOpenMetrics(http.Request.Headers.Accept);
            var body = TextFormat.Write(families(), openMetrics);
            http.Response.ContentType = openMetrics ? TextFormat.OpenMetricsType : TextFormat.PrometheusType;
            http.Response.ContentLength = body.Length;
            await http.Response.Body.WriteAsync(body, http.RequestAborted);
        });
}
