using Faultline.Cases;
using Faultline.Cases.Projections;
using Faultline.Telemetry.Spans;
using Faultline.Web.Shell;
using Faultline.Web.Traces;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Faultline.Web.Cases;

internal static class CasePages
{
    /// <summary>Traces tried for the comparison: what was kept of the first may be gone.</summary>
    private const int TriedMax = 3;

    private const int TextMax = 10_000;

    public static void MapCasePages(this IEndpointRouteBuilder routes, WebDependencies web)
    {
        routes.MapGet("/cases", (HttpContext http) => Page.Of<CaseList>(http, web, "Cases", "cases", null, new Dictionary<string, object?>
        {
            [nameof(CaseList.Cases)] = web.Cases.List(web.Project),
        })).ExcludeFromDescription();
        routes.MapGet("/cases/{id}", (HttpContext http, string id) => OneAsync(http, web, id)).ExcludeFromDescription();

        Form(routes, web, "triage", (id, _, actor, cancel) => web.Cases.TriageAsync(web.Project, id, actor, cancel));
        Form(routes, web, "assign", (id, form, actor, cancel) => web.Cases.AssignAsync(web.Project, id, form["assignee"]!, actor, cancel), "assignee");
        Form(routes, web, "comment", (id, form, actor, cancel) => web.Cases.CommentAsync(web.Project, id, form["text"]!, actor, cancel), "text");
        Form(routes, web, "fix-applied", (id, form, actor, cancel) => web.Cases.FixAppliedAsync(web.Project, id, string.IsNullOrWhiteSpace(form["fix"]) ? null : form["fix"].ToString(), actor, cancel));
        Form(routes, web, "resolve", (id, form, actor, cancel) => web.Cases.ResolveAsync(web.Project, id, form["reason"]!, actor, cancel), "reason");
        Form(routes, web, "reopen", (id, form, actor, cancel) => web.Cases.ReopenAsync(web.Project, id, form["reason"]!, actor, cancel), "reason");
        Form(routes, web, "feedback", (id, form, actor, cancel) =>
            web.Cases.FeedbackAsync(web.Project, id, int.TryParse(form["rank"], out var rank) ? Math.Max(0, rank) : 0, form["helpful"] == "true", actor, cancel));
    }

    private static async Task<IResult> OneAsync(HttpContext http, WebDependencies web, string id)
    {
        if (!CaseId.TryParse(id, out var caseId) || web.Cases.Find(web.Project, caseId) is not { } found)
        {
            return Page.NotFound(http, web, "cases", "No such case", "Cases are numbered from CASE-1. The list has all of them.");
        }

        var bad = await SideAsync(web, found.BadTraces, http.RequestAborted);
        var good = await SideAsync(web, found.GoodTraces, http.RequestAborted);
        return Page.Of<CasePage>(http, web, $"{found.Id}: {found.Title}", "cases", null, new Dictionary<string, object?>
        {
            [nameof(CasePage.Case)] = found,
            [nameof(CasePage.Bad)] = bad,
            [nameof(CasePage.Good)] = good,
            [nameof(CasePage.Similar)] = Similar(web, found),
            [nameof(CasePage.Transcript)] = web.Cases.TranscriptOf(found),
            [nameof(CasePage.Refused)] = http.Request.Query["refused"].ToString() is { Length: > 0 } refused ? refused : null,
        });
    }

    private static Dictionary<string, CaseView> Similar(WebDependencies web, CaseView found)
    {
        var similar = new Dictionary<string, CaseView>(StringComparer.Ordinal);
        foreach (var id in (found.Verdict?.Hypotheses ?? []).Select(hypothesis => hypothesis.SimilarCase).OfType<string>())
        {
            if (CaseId.TryParse(id, out var caseId) && web.Cases.Find(web.Project, caseId) is { } past)
            {
                similar[id] = past;
            }
        }

        return similar;
    }

    private static async Task<TraceExcerpt?> SideAsync(WebDependencies web, IReadOnlyList<string> traces, CancellationToken cancel)
    {
        foreach (var text in traces.Take(TriedMax))
        {
            if (TraceId.TryParse(text, out var id) && await web.Store.Traces.SpansOfAsync(web.Project, id, cancel) is { Count: > 0 } spans)
            {
                return TraceExcerpt.Of(spans);
            }
        }

        return null;
    }

    /// <summary>A plain form: acts, then shows the case again. What was refused comes back as words on the page.</summary>
    private static void Form(IEndpointRouteBuilder routes, WebDependencies web, string step, Func<CaseId, IFormCollection, string, CancellationToken, Task<CaseAnswer>> act, string? needed = null) =>
        routes.MapPost("/cases/{id}/" + step, async (HttpContext http, string id) =>
        {
            if (!CaseId.TryParse(id, out var caseId))
            {
                return Page.NotFound(http, web, "cases", "No such case", "Cases are numbered from CASE-1.");
            }

            var form = http.Request.HasFormContentType ? await http.Request.ReadFormAsync(http.RequestAborted) : FormCollection.Empty;
            var refused = needed is not null && string.IsNullOrWhiteSpace(form[needed]) ? $"Say the {needed} first."
                : needed is not null && form[needed].ToString().Length > TextMax ? $"At most {TextMax} characters."
                : await act(caseId, form, http.Actor(), http.RequestAborted) is CaseAnswer.NotNow no ? no.Reason : null;
            http.Response.Headers.Location = $"/cases/{caseId}" + (refused is null ? "" : "?refused=" + Uri.EscapeDataString(refused));
            return Results.StatusCode(StatusCodes.Status303SeeOther);
        }).ExcludeFromDescription();
}
