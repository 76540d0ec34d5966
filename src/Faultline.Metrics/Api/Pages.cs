using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using Faultline.Metrics.PromQL;
using Faultline.Metrics.PromQL.Syntax;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Faultline.Metrics.Api;

/// <summary>What a browser sees on Prometheus' port: the way to the metrics page, a query form that needs no script, and the targets.</summary>
internal sealed class Pages(PrometheusApi api, Func<HttpContext, string> projectOf)
{
    private const int RowsMax = 1000;

    private const string Style = """
        body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:CanvasText;background:Canvas;color-scheme:light dark}
        table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .75rem;border-bottom:1px solid color-mix(in srgb,CanvasText 20%,transparent);overflow-wrap:anywhere}
        td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}form{display:flex;gap:.5rem;margin:1rem 0}input{flex:1;font:inherit;padding:.4rem .6rem}button{font:inherit;padding:.4rem 1rem}
        code,input,td:first-child{font-family:ui-monospace,monospace}.error{border-left:4px solid #c0392b;padding:.25rem .75rem}
        """;

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/", (RequestDelegate)QueryPageAsync);
        routes.MapGet("/graph", (RequestDelegate)QueryPageAsync);
        routes.MapGet("/query", (RequestDelegate)QueryPageAsync);
        routes.MapGet("/targets", (RequestDelegate)TargetsPageAsync);
    }

    private static string Html(string text) => HtmlEncoder.Default.Encode(text);

    private static Task WriteAsync(HttpContext context, string title, StringBuilder body)
    {
        context.Response.ContentType = "text/html; charset=utf-8";
        context.Response.Headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
        context.Response.Headers.XContentTypeOptions = "nosniff";
        return context.Response.WriteAsync(
            $"<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{title} · Faultline</title><style>{Style}</style></head><body><main>"
            + $"<p><a href=\"/graph\">Query</a> · <a href=\"/targets\">Targets</a></p><h1>{title}</h1>{body}</main></body></html>",
            context.RequestAborted);
    }

    private async Task QueryPageAsync(HttpContext context)
    {
        var query = context.Request.Query["query"].ToString() is { Length: > 0 } given ? given : context.Request.Query["g0.expr"].ToString();
        if (api.MetricsPage is { } page)
        {
            context.Response.Redirect(query.Length == 0 ? page.AbsoluteUri : $"{page.AbsoluteUri}{(page.Query.Length == 0 ? '?' : '&')}query={Uri.EscapeDataString(query)}");
            return;
        }

        var body = new StringBuilder()
            .Append("<form method=\"get\" action=\"/graph\"><input name=\"query\" aria-label=\"PromQL expression\" placeholder=\"PromQL, for example up\" autofocus value=\"")
            .Append(Html(query)).Append("\"><button>Run</button></form>");
        if (query.Length > 0)
        {
            try
            {
                AppendResult(body, await api.Engine.InstantAsync(projectOf(context), query, api.Time.GetUtcNow().ToUnixTimeMilliseconds(), context.RequestAborted).ConfigureAwait(false));
            }
            catch (PromQlException fault)
            {
                body.Append("<p class=\"error\" role=\"alert\">").Append(Html(fault.Message)).Append("</p>");
            }
        }

        await WriteAsync(context, "Query", body).ConfigureAwait(false);
    }

    private static void AppendResult(StringBuilder body, PromQlResult result)
    {
        var rows = result switch
        {
            PromQlResult.Scalar scalar => [("scalar", ApiJson.Number(scalar.Value))],
            PromQlResult.Text text => [("string", text.Value)],
            PromQlResult.Vector vector => vector.Samples.Select(sample => (sample.Labels.ToString(), ApiJson.Number(sample.Value))).ToList(),
            PromQlResult.Matrix matrix => matrix.Series.SelectMany(series => series.Values.Select((value, i) => (series.Labels.ToString(), $"{ApiJson.Number(value)} @ {ApiJson.Time(series.UnixMillis[i])}"))).Take(RowsMax + 1).ToList(),
            _ => [],
        };
        foreach (var note in result.Warnings.Concat(result.Infos))
        {
            body.Append("<p>").Append(Html(note)).Append("</p>");
        }

        if (rows.Count == 0)
        {
            body.Append("<p>No series match.</p>");
            return;
        }

        body.Append("<table><thead><tr><th scope=\"col\">Series</th><th scope=\"col\" class=\"n\">Value</th></tr></thead><tbody>");
        foreach (var (series, value) in rows.Take(RowsMax))
        {
            body.Append("<tr><td>").Append(Html(series)).Append("</td><td class=\"n\">").Append(Html(value)).Append("</td></tr>");
        }

        body.Append("</tbody></table>");
        if (rows.Count > RowsMax)
        {
            body.Append(CultureInfo.InvariantCulture, $"<p>Only the first {RowsMax} rows are shown.</p>");
        }
    }

    private Task TargetsPageAsync(HttpContext context)
    {
        var body = new StringBuilder("<table><thead><tr><th scope=\"col\">Job</th><th scope=\"col\">Endpoint</th><th scope=\"col\">State</th><th scope=\"col\">Labels</th><th scope=\"col\">Last scrape</th><th scope=\"col\" class=\"n\">Took</th><th scope=\"col\">Error</th></tr></thead><tbody>");
        foreach (var target in api.Targets())
        {
            body.Append("<tr><td>").Append(Html(target.Job)).Append("</td><td>").Append(Html(target.ScrapeUrl)).Append("</td><td>").Append(Html(target.Health))
                .Append("</td><td>").Append(Html(target.Labels.ToString())).Append("</td><td>").Append(Html(target.LastScrape.ToString("u", CultureInfo.InvariantCulture)))
                .Append(CultureInfo.InvariantCulture, $"</td><td class=\"n\">{target.LastScrapeDuration.TotalMilliseconds:F1} ms</td><td>").Append(Html(target.LastError)).Append("</td></tr>");
        }

        return WriteAsync(context, "Targets", body.Append("</tbody></table>"));
    }
}
