using System.Globalization;
using System.Text;
using Faultline.Metrics.PromQL;
using Faultline.Metrics.PromQL.Syntax;
using Faultline.Telemetry.Samples;
using Microsoft.AspNetCore.Http;

namespace Faultline.Metrics.Api;

/// <summary><c>/federate</c>: the newest samples of the selected series as exposition text, for another Prometheus to scrape.</summary>
internal sealed class Federation(PrometheusApi api)
{
    public async Task WriteAsync(ApiRequest request, HttpContext context)
    {
        var at = api.Time.GetUtcNow().ToUnixTimeMilliseconds();
        var selectors = request.SeriesQuery(mustMatch: true).AnyOf;
        var samples = new Dictionary<Labels, (double Value, long UnixMillis)>();
        foreach (var matchers in selectors)
        {
            var selector = new VectorSelector("", matchers, default).ToString();
            // Two reads, because an instant vector carries the evaluation time and not its samples' own.
            var values = (PromQlResult.Vector)await api.Engine.InstantAsync(request.Project, selector, at, context.RequestAborted).ConfigureAwait(false);
            var times = (PromQlResult.Matrix)await api.Engine.InstantAsync(request.Project, $"{selector}[5m]", at, context.RequestAborted).ConfigureAwait(false);
            var newest = times.Series.ToDictionary(series => series.Labels, series => series.UnixMillis[^1]);
            foreach (var (labels, _, value) in values.Samples)
            {
                samples[labels] = (value, newest.GetValueOrDefault(labels, at));
            }
        }

        context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        var text = new StringBuilder();
        var previous = "";
        foreach (var (labels, (value, unixMillis)) in samples.OrderBy(pair => pair.Key, Comparer<Labels>.Create(PromQL.Evaluation.LabelSets.Compare)))
        {
            if (!string.Equals(labels.Name, previous, StringComparison.Ordinal))
            {
                previous = labels.Name;
                text.Append("# TYPE ").Append(previous).Append(" untyped\n");
            }

            text.Append(CultureInfo.InvariantCulture, $"{labels} {ApiJson.Number(value)} {unixMillis}\n");
        }

        await context.Response.WriteAsync(text.ToString(), context.RequestAborted).ConfigureAwait(false);
    }
}
