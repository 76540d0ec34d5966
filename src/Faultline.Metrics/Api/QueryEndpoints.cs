using Faultline.Metrics.PromQL;
using Faultline.Metrics.PromQL.Syntax;
using Faultline.Store.Samples;
using Microsoft.AspNetCore.Http;

namespace Faultline.Metrics.Api;

/// <summary><c>query</c>, <c>query_range</c>, <c>query_exemplars</c>, <c>format_query</c>.</summary>
internal sealed class QueryEndpoints(PrometheusApi api)
{
    public Task<Answer> Instant(ApiRequest request, HttpContext context)
    {
        var limit = request.Limit();
        var at = request.Time("time", api.Time.GetUtcNow().ToUnixTimeMilliseconds());
        return RunAsync(request, context, limit, (query, cancel) => api.Engine.InstantAsync(request.Project, query, at, cancel));
    }

    public Task<Answer> Range(ApiRequest request, HttpContext context)
    {
        var limit = request.Limit();
        var from = request.Time("start");
        var to = request.Time("end");
        if (to < from)
        {
            throw ApiRequest.Invalid("end", "end timestamp must not be before start time");
        }

        var step = request.Duration("step");
        if (step < 1)
        {
            throw ApiRequest.Invalid("step", "zero or negative query resolution step widths are not accepted. Try a positive integer");
        }

        if ((to - from) / (long)step > PromQlEngine.PointsPerSeriesMax)
        {
            throw ApiRequest.Wrong("exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)");
        }

        return RunAsync(request, context, limit, (query, cancel) => api.Engine.RangeAsync(request.Project, query, from, to, (long)step, cancel));
    }

    public static Task<Answer> Format(ApiRequest request, HttpContext context)
    {
        try
        {
            var text = PromQlEngine.Format(request.Text("query"));
            return Answer.Now(json => json.WriteStringValue(text));
        }
        catch (PromQlException fault)
        {
            throw ApiRequest.Invalid("query", fault.Message);
        }
    }

    public async Task<Answer> Exemplars(ApiRequest request, HttpContext context)
    {
        var query = request.SeriesQuery();
        if (query.ToUnixMillis < query.FromUnixMillis)
        {
            throw ApiRequest.Wrong("end timestamp must not be before start timestamp");
        }

        var selectors = new List<IReadOnlyList<LabelMatcher>>();
        Collect(Parser.Parse(request.Text("query")), selectors);
        var found = api.Exemplars is null || selectors.Count == 0
            ? []
            : await api.Exemplars(query with { AnyOf = selectors }, context.RequestAborted).ConfigureAwait(false);
        return Answer.Of(json =>
        {
            json.WriteStartArray();
            foreach (var series in found)
            {
                json.WriteStartObject();
                json.WritePropertyName("seriesLabels"u8);
                ApiJson.WriteLabels(json, series.Series);
                json.WriteStartArray("exemplars"u8);
                foreach (var exemplar in series.Exemplars)
                {
                    json.WriteStartObject();
                    json.WritePropertyName("labels"u8);
                    ApiJson.WriteLabels(json, exemplar.Labels);
                    json.WriteString("value"u8, ApiJson.Number(exemplar.Value));
                    json.WritePropertyName("timestamp"u8);
                    ApiJson.WriteTime(json, exemplar.UnixMillis);
                    json.WriteEndObject();
                }

                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndArray();
        });
    }

    private static void Collect(Expr expr, List<IReadOnlyList<LabelMatcher>> selectors)
    {
        if (expr is VectorSelector selector)
        {
            selectors.Add(selector.Matchers);
        }

        foreach (var child in expr.Children)
        {
            Collect(child, selectors);
        }
    }

    private static async Task<Answer> RunAsync(ApiRequest request, HttpContext context, int limit, Func<string, CancellationToken, Task<PromQlResult>> run)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        if (request.Text("timeout").Length > 0)
        {
            timeout.CancelAfter(TimeSpan.FromMilliseconds(Math.Clamp(request.Duration("timeout"), 0, int.MaxValue)));
        }

        PromQlResult result;
        try
        {
            result = await run(request.Text("query"), timeout.Token).ConfigureAwait(false);
        }
        catch (PromQlException fault) when (fault.ErrorType is "canceled" && !context.RequestAborted.IsCancellationRequested)
        {
            throw new PromQlException("timeout", "query timed out in expression evaluation");
        }
        catch (PromQlException fault) when (fault.ErrorType is "bad_data")
        {
            throw ApiRequest.Invalid("query", fault.Message);
        }

        var (cut, truncated) = Truncate(result, limit);
        return new Answer((json, cancel) => ApiJson.WriteResultAsync(json, cut, cancel), truncated ? [.. result.Warnings, Answer.Truncated] : result.Warnings, result.Infos);
    }

    private static (PromQlResult Result, bool Truncated) Truncate(PromQlResult result, int limit) => result switch
    {
        PromQlResult.Vector vector when limit > 0 && vector.Samples.Count > limit => (new PromQlResult.Vector([.. vector.Samples.Take(limit)]), true),
        PromQlResult.Matrix matrix when limit > 0 && matrix.Series.Count > limit => (new PromQlResult.Matrix([.. matrix.Series.Take(limit)]), true),
        _ => (result, false),
    };
}
