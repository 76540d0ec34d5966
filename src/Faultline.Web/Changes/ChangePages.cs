using System.Globalization;
using Faultline.Cases.Projections;
using Faultline.Metrics.PromQL;
using Faultline.Telemetry.Changes;
using Faultline.Web.Shell;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Faultline.Web.Changes;

/// <summary>A figure of a service before and after a change, both as means over the windows that detection measures.</summary>
/// <param name="Feature">As in the label of <c>faultline_feature</c>.</param>
/// <param name="Spread">Standard deviation of the windows before; 0 where there was one window, or all were equal.</param>
public sealed record Movement(string Feature, double Before, double After, double Spread)
{
    /// <summary>Differences below this share of the figure before are not called a move, however quiet it was.</summary>
    private const double ShareMin = 0.1;

    private const double SpreadsMin = 3;

    /// <summary>Whether the difference is more than three standard deviations of the windows before, and more than a tenth.</summary>
    public bool Moved => Math.Abs(After - Before) > Math.Max(SpreadsMin * Spread, ShareMin * Math.Abs(Before));
}

internal static class ChangePages
{
    /// <summary>Changes on one page.</summary>
    public const int ChangesMax = 200;

    /// <summary>How long before and after a change is looked at.</summary>
    public static readonly TimeSpan Around = TimeSpan.FromHours(1);

    public static void MapChangePages(this IEndpointRouteBuilder routes, WebDependencies web)
    {
        var log = routes.ServiceProvider.GetRequiredService<ILoggerFactory>().CreateLogger("Faultline.Web.Changes");
        routes.MapGet("/changes", (HttpContext http) =>
        {
            var range = TimeRange.Parse(Address.Of(http.Request)["from"] ?? "now-24h", http.Request.Query["to"], web.Time.GetUtcNow());
            var address = Address.Of(http.Request);
            var all = web.Cases.Changes(web.Project, range.From, range.To);
            return Page.Of<ChangeListPage>(http, web, "Changes", "changes", range, new Dictionary<string, object?>
            {
                [nameof(ChangeListPage.Changes)] = all.Where(change => Matches(change, address)).ToList(),
                [nameof(ChangeListPage.Cases)] = web.Cases.List(web.Project),
                [nameof(ChangeListPage.Services)] = all.Select(change => change.Service).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList(),
                [nameof(ChangeListPage.Range)] = range,
            });
        }).ExcludeFromDescription();
        routes.MapGet("/changes/{id}", async (HttpContext http, string id) =>
        {
            if (web.Cases.FindChange(web.Project, id) is not { } found)
            {
                return Page.NotFound(http, web, "changes", "No such change", "A change's id begins with chg-. The list has all of them.");
            }

            return Page.Of<ChangePage>(http, web, found.Detail, "changes", null, new Dictionary<string, object?>
            {
                [nameof(ChangePage.Change)] = found,
                [nameof(ChangePage.Cases)] = Followed(found, web.Cases.List(web.Project)),
                [nameof(ChangePage.Movements)] = await MovementsAsync(web, found, log, http.RequestAborted),
            });
        }).ExcludeFromDescription();
    }

    /// <summary>Cases of the changed service that began within the hour after.</summary>
    public static IReadOnlyList<CaseView> Followed(ChangeEvent change, IReadOnlyList<CaseView> cases) =>
        [.. cases.Where(one => one.Service == change.Service && one.OnsetAt >= change.At.AddMinutes(-1) && one.OnsetAt <= change.At + Around)];

    private static bool Matches(ChangeEvent change, Address address) =>
        (address["type"] is not { } type || change.Type == type)
        && (address["service"] is not { } service || change.Service == service)
        && (address["source"] is not { } source || change.Source == source)
        && (address["q"] is not { } text || change.Detail.Contains(text, StringComparison.OrdinalIgnoreCase)
            || change.Attributes.Any(pair => pair.Key.Contains(text, StringComparison.OrdinalIgnoreCase) || pair.Value.Contains(text, StringComparison.OrdinalIgnoreCase)));

    /// <summary>The largest moves first. Null when the figures could not be read.</summary>
    private static async Task<IReadOnlyList<Movement>?> MovementsAsync(WebDependencies web, ChangeEvent change, ILogger log, CancellationToken cancel)
    {
        var now = web.Time.GetUtcNow();
        var end = change.At + Around < now ? change.At + Around : now;
        var after = (int)(end - change.At).TotalSeconds;
        if (after < 10)
        {
            return [];
        }

        try
        {
            var selector = $"faultline_feature{{service_name={Quoted(change.Service)},feature!=\"calls\"}}";
            var before = await ByFeatureAsync(web, Invariant($"avg by (feature) (avg_over_time({selector}[{(int)Around.TotalSeconds}s]))"), change.At, cancel);
            var spread = await ByFeatureAsync(web, Invariant($"max by (feature) (stddev_over_time({selector}[{(int)Around.TotalSeconds}s]))"), change.At, cancel);
            var later = await ByFeatureAsync(web, Invariant($"avg by (feature) (avg_over_time({selector}[{after}s]))"), end, cancel);
            return [.. before.Where(pair => later.ContainsKey(pair.Key))
                .Select(pair => new Movement(pair.Key, pair.Value, later[pair.Key], spread.GetValueOrDefault(pair.Key)))
                .OrderByDescending(one => one.Moved)
                .ThenByDescending(one => Math.Abs(one.After - one.Before) / Math.Max(Math.Max(Math.Abs(one.Before), Math.Abs(one.After)), 1e-9))
                .ThenBy(one => one.Feature, StringComparer.Ordinal)];
        }
        catch (PromQlException problem)
        {
            log.MovementsMissing(change.Id, problem.Message);
            return null;
        }
    }

    private static async Task<Dictionary<string, double>> ByFeatureAsync(WebDependencies web, string query, DateTimeOffset at, CancellationToken cancel) =>
        await web.PromQl.InstantAsync(web.Project, query, at.ToUnixTimeMilliseconds(), cancel) is PromQlResult.Vector vector
            ? vector.Samples.Where(sample => double.IsFinite(sample.Value)).ToDictionary(sample => sample.Labels["feature"], sample => sample.Value, StringComparer.Ordinal)
            : [];

    /// <summary>A PromQL string; a service's name comes from outside.</summary>
    public static string Quoted(string text) => "\"" + text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal) + "\"";

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}

internal static partial class ChangeLog
{
    [LoggerMessage(7111, LogLevel.Warning, "The page of change {Change} does not say what moved: {Reason}")]
    public static partial void MovementsMissing(this ILogger log, string change, string reason);
}
