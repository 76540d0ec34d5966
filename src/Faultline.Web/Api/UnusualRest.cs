using System.ComponentModel;
using Faultline.Web.Metrics;
using Faultline.Web.Shell;
using Faultline.Web.Traces;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Faultline.Web.Api;

/// <summary>Where the series of an expression are unusual.</summary>
internal static class UnusualRest
{
    public static void MapUnusual(this IEndpointRouteBuilder api, WebDependencies web) =>
        api.MapGet("/unusual", async (
            HttpContext http, [Description("PromQL; an instant vector or a scalar")] string? query,
            [Description("now-1h, RFC 3339 or Unix milliseconds; default now-1h")] string? from, [Description("default now")] string? to,
            [Description("time between two values: 30s, 5m; default some 300 values for the range")] string? step) =>
        {
            if (Rest.RangeProblem(from, to, web, out var range) is { } refusal)
            {
                return refusal;
            }

            if (string.IsNullOrWhiteSpace(query))
            {
                return Problems.Invalid("query", "Write a PromQL expression, such as rate(llm_traces_span_metrics_calls_total[5m]).");
            }

            var problems = new Dictionary<string, string>(StringComparer.Ordinal);
            var nanos = TraceQuery.Duration(step, "step", problems) ?? range.StepSeconds(MetricPages.ChartPoints) * 1_000_000_000L;
            if (problems.TryGetValue("step", out var problem))
            {
                return Problems.Invalid("step", problem);
            }

            return await Unusual.ReadAsync(web, query.Trim(), range, TimeSpan.FromMilliseconds(nanos / 1_000_000), http.RequestAborted) switch
            {
                UnusualOutcome.Told told => Results.Json(told.Answer, ApiJson.Options),
                UnusualOutcome.Refused refused => Problems.Invalid(refused.Field, refused.Problem),
                _ => throw new System.Diagnostics.UnreachableException(),
            };
        }).Produces<UnusualAnswer>().ProducesValidationProblem().WithSummary("Where the series of an expression are unusual, held against their own past").WithTags("metrics");
}
