using System.Globalization;
using System.Text;
using Faultline.Metrics.PromQL.Syntax;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Faultline.Metrics.Api;

/// <summary><c>series</c>, <c>labels</c>, <c>label/…/values</c>, <c>metadata</c>.</summary>
internal sealed class CatalogEndpoints(PrometheusApi api)
{
    /// <summary>Series that one request may list.</summary>
    private const int SeriesMax = 500_000;

    public async Task<Answer> Series(ApiRequest request, HttpContext context)
    {
        var query = request.SeriesQuery(mustMatch: true);
        var limit = request.Limit();
        var most = limit > 0 ? Math.Min(limit, SeriesMax) : SeriesMax;
        var series = await api.Catalog.Series(query, most + 1, context.RequestAborted).ConfigureAwait(false);
        return new Answer(
            async (json, cancel) =>
            {
                json.WriteStartArray();
                foreach (var labels in series.Take(most))
                {
                    ApiJson.WriteLabels(json, labels);
                    await ApiJson.FlushWhenFullAsync(json, cancel).ConfigureAwait(false);
                }

                json.WriteEndArray();
            },
            series.Count > most ? [Answer.Truncated] : [], []);
    }

    public async Task<Answer> LabelNames(ApiRequest request, HttpContext context)
    {
        var limit = request.Limit();
        return Answer.OfTexts(await api.Catalog.LabelNames(request.SeriesQuery(), context.RequestAborted).ConfigureAwait(false), limit);
    }

    public async Task<Answer> LabelValues(ApiRequest request, HttpContext context)
    {
        var name = Unescape((string?)context.GetRouteValue("name") ?? "");
        if (name.Length == 0)
        {
            throw ApiRequest.Wrong($"invalid label name: {GoText.Quote(name)}");
        }

        var limit = request.Limit();
        return Answer.OfTexts(await api.Catalog.LabelValues(request.SeriesQuery(), name, context.RequestAborted).ConfigureAwait(false), limit);
    }

    public async Task<Answer> Metadata(ApiRequest request, HttpContext context)
    {
        var limit = OrNone(request, "limit");
        var perMetric = OrNone(request, "limit_per_metric");
        var metric = request.Text("metric");
        var all = await api.Catalog.Metadata(request.Project, metric.Length == 0 ? null : metric, SeriesMax, context.RequestAborted).ConfigureAwait(false);
        return Answer.Of(json =>
        {
            json.WriteStartObject();
            foreach (var family in all.GroupBy(entry => entry.Name, StringComparer.Ordinal).OrderBy(family => family.Key, StringComparer.Ordinal).Take(limit))
            {
                json.WriteStartArray(family.Key);
                foreach (var entry in family.Take(perMetric))
                {
                    json.WriteStartObject();
                    json.WriteString("type"u8, entry.Type);
                    json.WriteString("help"u8, entry.Help);
                    json.WriteString("unit"u8, entry.Unit);
                    json.WriteEndObject();
                }

                json.WriteEndArray();
            }

            json.WriteEndObject();
        });
    }

    /// <summary>Here a negative limit means none, as in Prometheus.</summary>
    private static int OrNone(ApiRequest request, string name)
    {
        var text = request.Text(name);
        if (text.Length == 0)
        {
            return int.MaxValue;
        }

        var limit = int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw ApiRequest.Wrong(name is "limit" ? "limit must be a number" : "limit_per_metric must be a number");
        return limit < 0 || (limit == 0 && name is "limit_per_metric") ? int.MaxValue : limit;
    }

    /// <summary>A label name with characters that a path cannot hold comes as <c>U__http_2e_method</c>.</summary>
    private static string Unescape(string name)
    {
        if (!name.StartsWith("U__", StringComparison.Ordinal))
        {
            return name;
        }

        var text = new StringBuilder(name.Length);
        for (var i = 3; i < name.Length; i++)
        {
            if (name[i] != '_')
            {
                text.Append(name[i]);
                continue;
            }

            var end = name.IndexOf('_', i + 1);
            if (end < 0)
            {
                return name;
            }

            if (end == i + 1)
            {
                text.Append('_');
            }
            else if (int.TryParse(name.AsSpan(i + 1, end - i - 1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code) && Rune.IsValid(code))
            {
                text.Append(new Rune(code).ToString());
            }
            else
            {
                return name;
            }

            i = end;
        }

        return text.ToString();
    }
}
