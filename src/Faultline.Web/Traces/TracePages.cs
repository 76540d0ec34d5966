using Faultline.Diagnosis.Watchers.AgentRuns;
using Faultline.Store.Logs;
using Faultline.Store.Traces;
using Faultline.Telemetry.Spans;
using Faultline.Web.Shell;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace Faultline.Web.Traces;

internal static class TracePages
{
    /// <summary>Bars of the histogram above the list.</summary>
    private const int Buckets = 80;

    /// <summary>Values offered for completion.</summary>
    private const int CompletionMax = 50;

    /// <summary>A score below it is shown as a bad one.</summary>
    public const double BadScore = 0.5;

    /// <summary>Log records shown with a trace.</summary>
    private const int LogsMax = 500;

    public static void MapTracePages(this IEndpointRouteBuilder routes, WebDependencies web)
    {
        routes.MapGet("/traces", (HttpContext http, CancellationToken _) => ListAsync(http, web)).ExcludeFromDescription();
        routes.MapGet("/traces/{id}", (HttpContext http, string id) => OneAsync(http, web, id)).ExcludeFromDescription();
        routes.MapGet("/traces/{id}/spans/{span}", (HttpContext http, string id, string span) => SpanAsync(http, web, id, span)).ExcludeFromDescription();
        // A bare trace id pasted into the palette; kept apart so that the form can stay plain HTML.
        routes.MapGet("/go", (string? q) => Results.LocalRedirect(TraceId.TryParse((q ?? "").Trim(), out var id) ? "/traces/" + id : "/traces?q=" + Uri.EscapeDataString(q ?? ""))).ExcludeFromDescription();
    }

    private static async Task<IResult> ListAsync(HttpContext http, WebDependencies web)
    {
        var cancel = http.RequestAborted;
        var range = Page.Range(http, web);
        var query = TraceQuery.Parse(Address.Of(http.Request), range);
        var traces = web.Store.Traces;
        var list = traces.SearchAsync(web.Project, query.Filter, cancel);
        var histogram = traces.HistogramAsync(web.Project, query.Filter, Buckets, cancel);
        var values = TraceFilterForm.CompletedFields.ToDictionary(
            field => field, field => traces.ValuesAsync(web.Project, field, range.FromUnixNanos, range.ToUnixNanos, CompletionMax, cancel), StringComparer.Ordinal);
        await Task.WhenAll([list, histogram, .. values.Values]);
        var completions = new Dictionary<string, IReadOnlyList<string>>(StringComparer.Ordinal);
        foreach (var (field, found) in values)
        {
            completions[field] = [.. (await found).Select(value => value.Key).Where(value => value.Length > 0)];
        }


        return Page.Of<TraceListPage>(http, web, "Traces", "traces", range, new Dictionary<string, object?>
        {
            [nameof(TraceListPage.List)] = await list,
            [nameof(TraceListPage.Histogram)] = await histogram,
            [nameof(TraceListPage.Completions)] = completions,
            [nameof(TraceListPage.Query)] = query,
            [nameof(TraceListPage.Range)] = range,
        });
    }

    private static async Task<IResult> OneAsync(HttpContext http, WebDependencies web, string id)
    {
        if (!TraceId.TryParse(id, out var trace))
        {
            return Page.NotFound(http, web, "traces", "That is not a trace id", "A trace id is 32 hexadecimal digits.");
        }

        var spans = await web.Store.SpansOfSentAsync(web.Project, trace, http.RequestAborted);
        if (spans.Count == 0)
        {
            return Page.NotFound(http, web, "traces", "No such trace", "It has not arrived yet, was never sent to this server, was deleted, or is older than what is kept.");
        }

        var logs = await web.Store.Logs.OfTraceAsync(web.Project, trace, LogsMax, http.RequestAborted);
        var selected = SpanId.TryParse(http.Request.Query["span"].ToString(), out var span) ? span : default;
        var layout = Waterfall.Of(spans, web.Time.GetUtcNow());
        return Page.Of<TracePage>(http, web, TracePage.RootOf(spans).Summary.Name, "traces", null, new Dictionary<string, object?>
        {
            [nameof(TracePage.Layout)] = layout,
            [nameof(TracePage.Spans)] = spans,
            [nameof(TracePage.Logs)] = logs,
            [nameof(TracePage.Selected)] = selected,
            [nameof(TracePage.Fault)] = WentWrong(web, trace, spans) ? RunFault.Of(spans) : null,
            [nameof(TracePage.Keep)] = await web.KeepOf(web.Project, trace, http.RequestAborted),
        });
    }

    /// <summary>It failed, was judged badly, or a case cites it: of a run that went well nobody is to be named.</summary>
    private static bool WentWrong(WebDependencies web, TraceId trace, IReadOnlyList<StoredSpan> spans) =>
        TracePage.RootOf(spans).Summary.Status == SpanStatus.Error
        || spans.Any(static span => span.Scores.Any(static score => score.Value < BadScore))
        || web.Cases.List(web.Project).Any(view => view.BadTraces.Contains(trace.ToString(), StringComparer.Ordinal));

    /// <summary>Only the panel of one span, for a page that shows the trace already.</summary>
    private static async Task<IResult> SpanAsync(HttpContext http, WebDependencies web, string id, string span)
    {
        if (!TraceId.TryParse(id, out var trace) || !SpanId.TryParse(span, out var spanId))
        {
            return Page.NotFound(http, web, "traces", "That is not the id of a span", "A trace id is 32 hexadecimal digits, a span id 16.");
        }

        var stored = await web.Store.Traces.SpanOfAsync(web.Project, trace, spanId, http.RequestAborted);
        var logs = await web.Store.Logs.OfTraceAsync(web.Project, trace, LogsMax, http.RequestAborted);
        return new RazorComponentResult<SelectedSpan>(new Dictionary<string, object?>
        {
            [nameof(SelectedSpan.Viewer)] = Viewer.From(http, web.Time),
            [nameof(SelectedSpan.Span)] = stored,
            [nameof(SelectedSpan.Logs)] = logs,
        });
    }
}
