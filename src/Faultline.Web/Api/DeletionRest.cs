using System.ComponentModel;
using System.Globalization;
using System.Text.Json.Serialization;
using Faultline.Cases.Deletions;
using Faultline.Cases.Projections;
using Faultline.Store.Deletions;
using Faultline.Telemetry.Spans;
using Faultline.Web.Shell;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Routing;

namespace Faultline.Web.Api;

/// <summary>What to delete or to hold: one of traces, user, session, before; or only a project, which is all of it.</summary>
/// <param name="Traces">Ids, at most 10,000.</param>
/// <param name="User">A user's id as it was sent.</param>
/// <param name="Session">A session's id as it was sent.</param>
/// <param name="Project">Whose; left out: <c>default</c> with traces, user or session, every project with before.</param>
/// <param name="Before">RFC 3339: all telemetry received earlier.</param>
/// <param name="DryRun">Only count.</param>
/// <param name="Reason">Why; for holds.</param>
public sealed record DeletionRequest(
    IReadOnlyList<string>? Traces = null, string? User = null, string? Session = null, string? Project = null, string? Before = null, bool DryRun = false, string? Reason = null);

/// <param name="State">counted, asked, completed or refused.</param>
/// <param name="Rows">Rows deleted, or that would be, by table.</param>
/// <param name="Left">Rows counted afterwards, by table.</param>
/// <param name="Blobs">Texts of cases deleted, or written anew without.</param>
/// <param name="Subject">Keyed hash of the user's or session's id.</param>
public sealed record DeletionReply(
    [property: JsonPropertyName("deletion_id")] string? DeletionId, string State, string Kind, string? Project, string? Subject, int Traces, DateTimeOffset? Before, string? Actor,
    DateTimeOffset? AskedAt, DateTimeOffset? CompletedAt, IReadOnlyDictionary<string, long> Rows, IReadOnlyDictionary<string, long> Left, int Blobs, string? Reason);

public sealed record HoldReply(
    [property: JsonPropertyName("hold_id")] string HoldId, string Kind, string? Project, string? Subject, int Traces, DateTimeOffset? Before, string Actor, DateTimeOffset PlacedAt, string Reason, DateTimeOffset? LiftedAt);

public sealed record DeletionsReply(IReadOnlyList<DeletionReply> Deletions);

public sealed record HoldsReply(IReadOnlyList<HoldReply> Holds);

/// <summary>Deleting for good, and legal holds. With the admin token only: the keys of the gateway delete nothing.</summary>
internal static class DeletionRest
{
    private const int TextMax = 10_000;
    private const int ListMax = 1_000;

    /// <summary>Then the answer is that it goes on; ask again by its id.</summary>
    private static readonly TimeSpan WaitMax = TimeSpan.FromSeconds(10);

    public static void MapDeletions(this IEndpointRouteBuilder api, WebDependencies web)
    {
        api.MapPost("/deletions", async (HttpContext http) =>
        {
            var (scope, request, refusal) = await ReadAsync(http, web);
            if (scope is null)
            {
                return refusal!;
            }

            if (request!.DryRun)
            {
                var rows = await web.Deletions.CountAsync(scope, http.RequestAborted);
                return Results.Json(new DeletionReply(null, "counted", Name(scope), scope.Project, null, scope.Traces.Count, scope.Before, null, null, null, rows, new Dictionary<string, long>(StringComparer.Ordinal), 0, null), ApiJson.Options);
            }

            return await web.Deletions.AskAsync(scope, http.Actor(), http.RequestAborted) switch
            {
                DeletionAnswer.Held held => Problems.Of(StatusCodes.Status409Conflict, "Under hold", held.Words),
                DeletionAnswer.Taken taken => Json(await web.Deletions.WaitAsync(taken.Deletion.Id, WaitMax, http.RequestAborted) ?? taken.Deletion),
                _ => throw new System.Diagnostics.UnreachableException(),
            };
        }).Accepts<DeletionRequest>("application/json").Produces<DeletionReply>().Produces<DeletionReply>(202).ProducesValidationProblem().ProducesProblem(409)
            .WithSummary("Delete for good: by trace, user, session, project or age").WithTags("deletions");

        api.MapGet("/deletions", ([Description("only those of this user's id")] string? user, [Description("only those of this session's id")] string? session, [Description("default default")] string? project) =>
        {
            var subject = (user ?? session) is { Length: > 0 } id ? web.Deletions.SubjectOf(project ?? web.Project, id) : null;
            return Results.Json(new DeletionsReply([.. web.Deletions.Deletions.Where(one => subject is null || one.Subject == subject).Take(ListMax).Select(Reply)]), ApiJson.Options);
        }).Produces<DeletionsReply>().WithSummary("Deletions, newest first").WithTags("deletions");

        api.MapGet("/deletions/{deletion_id}", ([FromRoute(Name = "deletion_id")] string id) => web.Deletions.Find(id) is { } found ? Json(found) : Missing("deletion", id))
            .Produces<DeletionReply>().ProducesProblem(404).WithSummary("One deletion").WithTags("deletions");

        api.MapGet("/holds", () => Results.Json(new HoldsReply([.. web.Deletions.Holds.Select(Reply)]), ApiJson.Options))
            .Produces<HoldsReply>().WithSummary("Legal holds, newest first, lifted ones too").WithTags("deletions");

        api.MapPost("/holds", async (HttpContext http) =>
        {
            var (scope, request, refusal) = await ReadAsync(http, web);
            return scope is null ? refusal!
                : string.IsNullOrWhiteSpace(request!.Reason) || request.Reason.Length > TextMax ? Problems.Invalid("reason", $"Say why, in at most {TextMax} characters.")
                : Results.Json(Reply(await web.Deletions.HoldAsync(scope, request.Reason, http.Actor(), http.RequestAborted)), ApiJson.Options, statusCode: StatusCodes.Status201Created);
        }).Accepts<DeletionRequest>("application/json").Produces<HoldReply>(201).ProducesValidationProblem().WithSummary("Place a legal hold: nothing of it is deleted until it is lifted").WithTags("deletions");

        api.MapPost("/holds/{hold_id}/lift", async (HttpContext http, [FromRoute(Name = "hold_id")] string id) =>
            await web.Deletions.LiftAsync(id, http.Actor(), http.RequestAborted) is { } lifted ? Results.Json(Reply(lifted), ApiJson.Options) : Missing("hold", id))
            .Produces<HoldReply>().ProducesProblem(404).WithSummary("Lift a legal hold").WithTags("deletions");
    }

    private static async Task<(DeletionScope? Scope, DeletionRequest? Request, IResult? Refusal)> ReadAsync(HttpContext http, WebDependencies web)
    {
        var (request, refusal) = await Rest.ReadAsync<DeletionRequest>(http);
        if (request is null)
        {
            return (null, null, refusal);
        }

        var errors = new Dictionary<string, string[]>(StringComparer.Ordinal);
        foreach (var (field, text) in (ReadOnlySpan<(string, string?)>)[("user", request.User), ("session", request.Session), ("project", request.Project)])
        {
            if (text is not null && (string.IsNullOrWhiteSpace(text) || text.Length > TextMax))
            {
                errors[field] = [$"It is empty, or longer than {TextMax} characters."];
            }
        }

        var given = new[] { request.Traces is not null, request.User is not null, request.Session is not null, request.Before is not null }.Count(one => one);
        if (given > 1)
        {
            errors["traces"] = ["Give one of traces, user, session and before; project narrows it."];
        }
        else if (given == 0 && request.Project is null)
        {
            errors["traces"] = ["Say what: traces, user, session, before, or only a project, which is all of it."];
        }

        List<TraceId> traces = [];
        foreach (var text in request.Traces ?? [])
        {
            if (TraceId.TryParse(text, out var trace))
            {
                traces.Add(trace);
            }
            else
            {
                errors["traces"] = [$"“{text}” is no trace id: it has 32 hexadecimal digits."];
            }
        }

        if (request.Traces is { Count: 0 or > DeletionScope.TracesMax })
        {
            errors["traces"] = [$"1 to {DeletionScope.TracesMax} traces."];
        }

        var before = default(DateTimeOffset);
        if (request.Before is not null && (!DateTimeOffset.TryParse(request.Before, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out before) || before > web.Time.GetUtcNow() || before < DateTimeOffset.UnixEpoch))
        {
            errors["before"] = [$"“{request.Before}” is not a past time as RFC 3339 writes it, such as 2026-11-21T00:00:00Z."];
        }

        if (errors.Count > 0)
        {
            return (null, null, Problems.Invalid(errors));
        }

        var project = request.Project ?? web.Project;
        var scope = request.Traces is not null ? DeletionScope.OfTraces(project, [.. traces.Distinct()])
            : request.User is not null ? DeletionScope.OfUser(project, request.User)
            : request.Session is not null ? DeletionScope.OfSession(project, request.Session)
            : request.Before is not null ? DeletionScope.OfAge(before.ToUniversalTime(), request.Project)
            : DeletionScope.OfProject(project);
        return (scope, request, null);
    }

    private static IResult Json(DeletionView view) =>
        Results.Json(Reply(view), ApiJson.Options, statusCode: view.State == DeletionState.Asked ? StatusCodes.Status202Accepted : StatusCodes.Status200OK);

    private static DeletionReply Reply(DeletionView view) => new(
        view.Id, view.State.ToString().ToLowerInvariant(), view.Kind, view.Project, view.Subject, view.Traces, view.Before, view.Actor, view.AskedAt, view.CompletedAt, view.Rows, view.Left, view.Blobs, view.Reason);

    private static HoldReply Reply(HoldView view) =>
        new(view.Id, view.Kind, view.Project, view.Subject, view.Traces, view.Before, view.Actor, view.PlacedAt, view.Reason, view.LiftedAt);

    private static string Name(DeletionScope scope) => scope.Kind.ToString().ToLowerInvariant();

    private static IResult Missing(string what, string id) => Problems.Of(StatusCodes.Status404NotFound, $"No such {what}", $"There is no {what} {id}.");
}
