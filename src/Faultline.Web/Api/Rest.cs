using System.ComponentModel;
using System.Text.Json;
using System.Text.Json.Serialization;
using Faultline.Cases;
using Faultline.Cases.Projections;
using Faultline.Store.Scores;
using Faultline.Store.Tiers;
using Faultline.Store.Traces;
using Faultline.Telemetry.Changes;
using Faultline.Telemetry.Spans;
using Faultline.Web.Shell;
using Faultline.Web.Traces;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Routing;

namespace Faultline.Web.Api;

/// <summary>A change that somebody tells Faultline of.</summary>
/// <param name="Type">deploy, prompt, model, config, data or index.</param>
/// <param name="Service">The service that changed.</param>
/// <param name="Detail">In words.</param>
/// <param name="At">RFC 3339; now when left out.</param>
/// <param name="Attributes">Anything else worth keeping.</param>
public sealed record ChangeRequest(string? Type, string? Service, string? Detail, string? At, IReadOnlyDictionary<string, string>? Attributes);

public sealed record ChangeCreated([property: JsonPropertyName("change_id")] string ChangeId);

/// <param name="Source">recorded, or telemetry where nobody said so and spans showed it.</param>
public sealed record ChangeAnswer(string ChangeId, string Type, string Service, string Detail, DateTimeOffset At, IReadOnlyDictionary<string, string> Attributes, string Source);

/// <param name="KeptBy">The rule that keeps it; null: none.</param>
/// <param name="Until">The day on which it goes; null: never.</param>
/// <param name="Decided">Its day has left the hot window; else it is what would be decided now.</param>
public sealed record TraceRetention(string? KeptBy, DateOnly? Until, bool Decided, string Words)
{
    internal static string Say(TraceKeep? keep) => keep switch
    {
        null => "Kept without limit.",
        { Rule: null } => $"No rule keeps it: it goes on {keep.Until:yyyy-MM-dd}.",
        { IsDecided: true } => $"Kept by the rule “{keep.Rule}” until {keep.Until:yyyy-MM-dd}.",
        _ => $"In the hot window; the rule “{keep.Rule}” will keep it until {keep.Until:yyyy-MM-dd}.",
    };
}

public sealed record TraceSearchAnswer(IReadOnlyList<TraceSummary> Traces, long Total);

public sealed record ServicesAnswer(IReadOnlyList<ServiceSummary> Services);

public sealed record ChangesAnswer(IReadOnlyList<ChangeAnswer> Changes);

public sealed record ScoresAnswer(IReadOnlyList<StoredScore> Scores);

public sealed record WhoAnswer(string Name, string Project);

/// <param name="Assignee">For assign.</param>
/// <param name="Text">For comment.</param>
/// <param name="Fix">For fix-applied; left out: the first suggestion's action.</param>
/// <param name="Reason">For resolve and reopen.</param>
/// <param name="Rank">For feedback: which suggestion, from 0.</param>
/// <param name="Helpful">For feedback.</param>
public sealed record CaseRequest(string? Assignee = null, string? Text = null, string? Fix = null, string? Reason = null, int? Rank = null, bool? Helpful = null);

/// <summary>REST for programs, and for the elements of our own pages.</summary>
internal static class Rest
{
    /// <summary>Rows of one answer.</summary>
    private const int LimitMax = 1000;

    /// <summary>A text that somebody typed.</summary>
    private const int TextMax = 10_000;

    /// <summary>Attributes of a change.</summary>
    private const int AttributesMax = 64;

    public static void MapRest(this IEndpointRouteBuilder routes, WebDependencies web)
    {
        routes.MapOpenApi("/openapi/{documentName}.json").AllowAnonymous();
        var api = routes.MapGroup("/api/v1");
        api.MapGet("/whoami", (HttpContext http) => new WhoAnswer(http.Actor(), web.Project)).WithSummary("Who the credentials belong to").WithTags("access");
        MapTraces(api, web);
        MapChanges(api, web);
        api.MapTopics(web);
        api.MapUnusual(web);
        MapCases(api, web);
        api.MapKnowledge(web);
        api.MapDeletions(web);
    }

    private static void MapTraces(RouteGroupBuilder api, WebDependencies web)
    {
        api.MapGet("/traces", async (
            HttpContext http,
            [Description("now-1h, RFC 3339 or Unix milliseconds; default now-1h")] string? from,
            [Description("default now")] string? to,
            string? service, string? name, [Description("error, ok or unset")] string? status,
            [Description("shortest duration: 500ms, 2s")] string? min, [Description("longest duration")] string? max,
            string? model, string? op, [Description("key=value; may repeat")] string[]? attr, [Description("text in prompts, answers, names, attributes")] string? q,
            string? session, string? user, string? env, int? limit, int? offset) =>
        {
            if (RangeProblem(from, to, web, out var range) is { } refusal)
            {
                return refusal;
            }

            var query = TraceQuery.Parse(Address.Of(http.Request), range);
            if (query.Problems.Count > 0)
            {
                return Problems.Invalid(query.Problems.ToDictionary(pair => pair.Key, pair => new[] { pair.Value }, StringComparer.Ordinal));
            }

            if (limit is < 1 or > LimitMax || offset is < 0)
            {
                return Problems.Invalid(limit is < 1 or > LimitMax ? "limit" : "offset", $"limit is 1 to {LimitMax}, offset 0 or more.");
            }

            var found = await web.Store.Traces.SearchAsync(web.Project, query.Filter with { Limit = limit ?? TraceQuery.PageSize, Offset = offset ?? 0 }, http.RequestAborted);
            return Results.Json(new TraceSearchAnswer(found.Traces, found.Total), ApiJson.Options);
        }).Produces<TraceSearchAnswer>().ProducesValidationProblem().WithSummary("Traces that match, newest first").WithTags("traces");

        MapTrace(api, web, "", spans => Results.Bytes(OtlpTrace.Write(spans), "application/json"))
            .Produces<JsonElement>().ProducesProblem(404).WithSummary("One trace as OTLP/JSON").WithTags("traces");

        MapTrace(api, web, "/waterfall", spans => Results.Json(Waterfall.Of(spans, web.Time.GetUtcNow()), ApiJson.Options))
            .Produces<Waterfall>().ProducesProblem(404).WithSummary("One trace laid out for a waterfall").WithTags("traces");

        MapTrace(api, web, "/content", spans => Results.Json(TraceContentAnswer.Of(spans), ApiJson.Options))
            .Produces<TraceContentAnswer>().ProducesProblem(404).WithSummary("What was said in a trace: conversations, documents, tool calls").WithTags("traces");

        api.MapGet("/traces/{trace_id}/retention", async (HttpContext http, [FromRoute(Name = "trace_id")] string traceId) =>
        {
            if (!TraceId.TryParse(traceId, out var id))
            {
                return Problems.Invalid("trace_id", "A trace id is 32 hexadecimal digits.");
            }

            var keep = await web.KeepOf(web.Project, id, http.RequestAborted);
            return keep is null && (await web.Store.SpansOfSentAsync(web.Project, id, http.RequestAborted)).Count == 0
                ? NoTrace(traceId)
                : Results.Json(new TraceRetention(keep?.Rule, keep?.Until, keep?.IsDecided ?? false, TraceRetention.Say(keep)), ApiJson.Options);
        }).Produces<TraceRetention>().ProducesProblem(404).WithSummary("Why a trace is kept, or when it goes").WithTags("traces");

        api.MapGet("/services", async (HttpContext http, string? from, string? to) =>
            RangeProblem(from, to, web, out var range) is { } refusal
                ? refusal
                : Results.Json(new ServicesAnswer(await web.Store.Traces.ServicesAsync(web.Project, range.FromUnixNanos, range.ToUnixNanos, http.RequestAborted)), ApiJson.Options))
            .Produces<ServicesAnswer>().WithSummary("One row a service").WithTags("traces");

        api.MapGet("/scores", async (HttpContext http, string? from, string? to, string? service, string? name, [Description("lowest first")] bool? worst, int? limit) =>
        {
            if (RangeProblem(from, to, web, out var range) is { } refusal)
            {
                return refusal;
            }

            return limit is < 1 or > LimitMax
                ? Problems.Invalid("limit", $"limit is 1 to {LimitMax}.")
                : Results.Json(new ScoresAnswer(await web.Store.Scores.ScoresAsync(web.Project, service, name, range.FromUnixNanos, range.ToUnixNanos, limit ?? 100, worst ?? false, http.RequestAborted)), ApiJson.Options);
        }).Produces<ScoresAnswer>().WithSummary("Evaluation scores, newest first").WithTags("scores");
    }

    /// <param name="view">What follows the trace's id in the address.</param>
    /// <param name="answer">Of a trace that is stored, from its spans.</param>
    private static RouteHandlerBuilder MapTrace(RouteGroupBuilder api, WebDependencies web, string view, Func<IReadOnlyList<StoredSpan>, IResult> answer) =>
        api.MapGet("/traces/{trace_id}" + view, async (HttpContext http, [FromRoute(Name = "trace_id")] string traceId) =>
        {
            if (!TraceId.TryParse(traceId, out var id))
            {
                return Problems.Invalid("trace_id", "A trace id is 32 hexadecimal digits.");
            }

            var spans = await web.Store.SpansOfSentAsync(web.Project, id, http.RequestAborted);
            return spans.Count == 0 ? NoTrace(traceId) : answer(spans);
        });

    private static void MapChanges(RouteGroupBuilder api, WebDependencies web)
    {
        api.MapPost("/changes", async (HttpContext http) =>
        {
            var (request, refusal) = await ReadAsync<ChangeRequest>(http);
            if (request is null)
            {
                return refusal!;
            }

            var errors = new Dictionary<string, string[]>(StringComparer.Ordinal);
            if (request.Type is null || !ChangeEvent.Types.Contains(request.Type))
            {
                errors["type"] = [$"“{request.Type}” is not a type of change. Use one of {string.Join(", ", ChangeEvent.Types)}."];
            }

            Check(errors, "service", request.Service, 200);
            Check(errors, "detail", request.Detail, TextMax);
            var at = web.Time.GetUtcNow();
            if (request.At is not null && (!DateTimeOffset.TryParse(request.At, System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.AssumeUniversal, out at) || at < DateTimeOffset.UnixEpoch))
            {
                errors["at"] = [$"“{request.At}” is not a time as RFC 3339 writes it, such as 2026-11-21T14:05:00Z."];
            }

            if (request.Attributes is { Count: > AttributesMax })
            {
                errors["attributes"] = [$"At most {AttributesMax} attributes."];
            }

            if (errors.Count > 0)
            {
                return Problems.Invalid(errors);
            }

            var change = await web.Cases.RecordChangeAsync(web.Project, request.Type!, request.Service!, request.Detail!, at.ToUniversalTime(), request.Attributes ?? new Dictionary<string, string>(StringComparer.Ordinal), http.Actor(), http.RequestAborted);
            return Results.Json(new ChangeCreated(change.Id), ApiJson.Options, statusCode: StatusCodes.Status201Created);
        }).Accepts<ChangeRequest>("application/json").Produces<ChangeCreated>(201).ProducesValidationProblem().WithSummary("Record a change").WithTags("changes");

        api.MapGet("/changes", (string? from, string? to, string? service) =>
            RangeProblem(from ?? "now-7d", to, web, out var range) is { } refusal
                ? refusal
                : Results.Json(new ChangesAnswer([.. web.Cases.Changes(web.Project, range.From, range.To, string.IsNullOrEmpty(service) ? null : service).Select(Answer)]), ApiJson.Options))
            .Produces<ChangesAnswer>().WithSummary("Changes, newest first").WithTags("changes");
    }

    private static void MapCases(RouteGroupBuilder api, WebDependencies web)
    {
        api.MapGet("/cases", () => CaseAnswers.Json(web.Cases.List(web.Project))).Produces<JsonElement>().WithSummary("All cases, newest first").WithTags("cases");
        api.MapGet("/cases/{case_id}", ([FromRoute(Name = "case_id")] string caseId) =>
            CaseId.TryParse(caseId, out var id) && web.Cases.Find(web.Project, id) is { } found ? CaseAnswers.Json(found) : NoCase(caseId))
            .Produces<JsonElement>().ProducesProblem(404).WithSummary("One case").WithTags("cases");

        Step(api, web, "triage", "Somebody has seen it", (id, _, actor, cancel) => web.Cases.TriageAsync(web.Project, id, actor, cancel));
        Step(api, web, "assign", "Give it to somebody", (id, request, actor, cancel) => web.Cases.AssignAsync(web.Project, id, request.Assignee!, actor, cancel), request => Need(request.Assignee, "assignee", 200));
        Step(api, web, "comment", "Add words to the timeline", (id, request, actor, cancel) => web.Cases.CommentAsync(web.Project, id, request.Text!, actor, cancel), request => Need(request.Text, "text", TextMax));
        Step(api, web, "fix-applied", "The fix is in place; verification starts", (id, request, actor, cancel) => web.Cases.FixAppliedAsync(web.Project, id, string.IsNullOrWhiteSpace(request.Fix) ? null : request.Fix, actor, cancel), request => request.Fix is null ? null : Need(request.Fix + " ", "fix", TextMax));
        Step(api, web, "resolve", "Resolve by hand, without verification", (id, request, actor, cancel) => web.Cases.ResolveAsync(web.Project, id, request.Reason!, actor, cancel), request => Need(request.Reason, "reason", TextMax));
        Step(api, web, "reopen", "Open it again", (id, request, actor, cancel) => web.Cases.ReopenAsync(web.Project, id, request.Reason!, actor, cancel), request => Need(request.Reason, "reason", TextMax));
        Step(api, web, "feedback", "Was a suggestion helpful?", (id, request, actor, cancel) => web.Cases.FeedbackAsync(web.Project, id, request.Rank ?? 0, request.Helpful!.Value, actor, cancel),
            request => request.Helpful is null ? ("helpful", "Say true or false.") : request.Rank is < 0 ? ("rank", "The first suggestion has rank 0.") : null);
    }

    private static void Step(
        RouteGroupBuilder api, WebDependencies web, string name, string summary,
        Func<CaseId, CaseRequest, string, CancellationToken, Task<CaseAnswer>> act, Func<CaseRequest, (string Field, string Problem)?>? check = null) =>
        api.MapPost("/cases/{case_id}/" + name, async (HttpContext http, [FromRoute(Name = "case_id")] string caseId) =>
        {
            if (!CaseId.TryParse(caseId, out var id))
            {
                return NoCase(caseId);
            }

            var (request, refusal) = http.Request.ContentLength is null or 0 && http.Request.ContentType is null ? (new CaseRequest(), null) : await ReadAsync<CaseRequest>(http);
            if (request is null)
            {
                return refusal!;
            }

            if (check?.Invoke(request) is { } problem)
            {
                return Problems.Invalid(problem.Field, problem.Problem);
            }

            return await act(id, request, http.Actor(), http.RequestAborted) switch
            {
                CaseAnswer.Done done => CaseAnswers.Json(done.Case),
                CaseAnswer.NotFound missing => NoCase(missing.Id),
                CaseAnswer.NotNow refused => Problems.Of(StatusCodes.Status409Conflict, "Not in this state", refused.Reason),
                _ => throw new System.Diagnostics.UnreachableException(),
            };
        }).Accepts<CaseRequest>(isOptional: check is null, "application/json").Produces<JsonElement>().ProducesProblem(404).ProducesProblem(409).WithSummary(summary).WithTags("cases");

    public static ChangeAnswer Answer(ChangeEvent change) => new(change.Id, change.Type, change.Service, change.Detail, change.At, change.Attributes, change.Source);

    private static (string, string)? Need(string? text, string field, int max) =>
        string.IsNullOrWhiteSpace(text) ? (field, "It is empty.") : text.Length > max ? (field, $"At most {max} characters.") : null;

    private static void Check(Dictionary<string, string[]> errors, string field, string? text, int max)
    {
        if (Need(text, field, max) is { } problem)
        {
            errors[field] = [problem.Item2];
        }
    }

    private static IResult NoTrace(string id) => Problems.Of(StatusCodes.Status404NotFound, "No such trace", $"No span of trace {id} is stored.");

    private static IResult NoCase(string id) => Problems.Of(StatusCodes.Status404NotFound, "No such case", $"There is no case {id}.");

    /// <summary>A range that cannot be read is refused here; pages are more forgiving.</summary>
    internal static IResult? RangeProblem(string? from, string? to, WebDependencies web, out TimeRange range)
    {
        var now = web.Time.GetUtcNow();
        range = TimeRange.Parse(from, to, now);
        foreach (var (field, text) in new[] { ("from", from), ("to", to) })
        {
            if (!string.IsNullOrEmpty(text) && !TimeRange.TryMoment(text, now, out _))
            {
                return Problems.Invalid(field, $"“{text}” is not a time: write now-1h, RFC 3339 or Unix milliseconds.");
            }
        }

        return (!string.IsNullOrEmpty(from) && range.FromText != from) || (!string.IsNullOrEmpty(to) && range.ToText != to) ? Problems.Invalid("from", "The range must begin before it ends.") : null;
    }

    internal static async Task<(T? Value, IResult? Refusal)> ReadAsync<T>(HttpContext http)
        where T : class
    {
        if (!http.Request.HasJsonContentType())
        {
            return (null, Problems.Of(StatusCodes.Status415UnsupportedMediaType, "Send JSON", "The body must be JSON, with Content-Type: application/json."));
        }

        try
        {
            var value = await JsonSerializer.DeserializeAsync<T>(http.Request.Body, ApiJson.Options, http.RequestAborted);
            return value is null ? (null, Problems.Of(StatusCodes.Status400BadRequest, "Nothing there", "The body is null.")) : (value, null);
        }
        catch (JsonException problem)
        {
            return (null, Problems.Of(StatusCodes.Status400BadRequest, "Not the JSON that is expected", $"At {problem.Path ?? "$"}, line {problem.LineNumber + 1}: the body does not fit."));
        }
    }
}
