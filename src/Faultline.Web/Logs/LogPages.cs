using System.Globalization;
using Faultline.Store.Logs;
using Faultline.Web.Shell;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Faultline.Web.Logs;

/// <summary>One log record of the list.</summary>
/// <param name="Id">Stays while newer records come in, so that a live list keeps what is open.</param>
/// <param name="At">The record's own time, or when it was observed where none was sent.</param>
public sealed record LogRow(string Id, DateTimeOffset At, StoredLog Log);

internal static class LogPages
{
    /// <summary>Records shown; that there are more is said.</summary>
    public const int RowsMax = 200;

    /// <summary>Services offered for completion.</summary>
    private const int CompletionMax = 50;

    /// <summary>What the filter calls a severity, and its smallest number.</summary>
    /// <remarks>Source: OpenTelemetry logs data model, "SeverityNumber".</remarks>
    public static readonly IReadOnlyList<KeyValuePair<string, int>> Severities =
        [new("trace", 1), new("debug", 5), new("info", 9), new("warn", 13), new("error", 17), new("fatal", 21)];

    public static void MapLogPages(this IEndpointRouteBuilder routes, WebDependencies web) =>
        routes.MapGet("/logs", async (HttpContext http) =>
        {
            var cancel = http.RequestAborted;
            var range = Page.Range(http, web);
            var address = Address.Of(http.Request);
            var severityMin = Severities.FirstOrDefault(pair => pair.Key == address["severity"]).Value;
            var search = web.Store.Logs.SearchAsync(web.Project, address["service"], address["q"], severityMin, range.FromUnixNanos, range.ToUnixNanos, RowsMax + 1, cancel);
            var services = web.Store.Traces.ValuesAsync(web.Project, "service", range.FromUnixNanos, range.ToUnixNanos, CompletionMax, cancel);
            await Task.WhenAll(search, services);
            var found = await search;
            return Page.Of<LogListPage>(http, web, "Logs", "logs", range, new Dictionary<string, object?>
            {
                [nameof(LogListPage.Rows)] = Rows(found.Take(RowsMax)),
                [nameof(LogListPage.HasMore)] = found.Count > RowsMax,
                [nameof(LogListPage.Services)] = (await services).Select(value => value.Key).Where(value => value.Length > 0).ToList(),
                [nameof(LogListPage.Range)] = range,
                [nameof(LogListPage.Connection)] = web.Connection(),
            });
        }).ExcludeFromDescription();

    /// <summary>What to call a severity: the sender's own word, else the one that OpenTelemetry has for the number.</summary>
    public static string Severity(StoredLog log) =>
        log.SeverityText.Length > 0 ? log.SeverityText.ToLowerInvariant()
        : log.SeverityNumber > 0 ? Severities.Last(pair => pair.Value <= log.SeverityNumber).Key : "–";

    public static string? Tone(StoredLog log) => log.SeverityNumber switch { >= 17 => "bad", >= 13 => "warn", _ => null };

    private static List<LogRow> Rows(IEnumerable<StoredLog> logs)
    {
        var rows = new List<LogRow>();
        var same = 0;
        foreach (var log in logs)
        {
            var nanos = log.UnixNanos != 0 ? log.UnixNanos : log.ObservedUnixNanos;
            var at = TimeRange.At(nanos);
            same = rows is [.., var last] && last.At == at ? same + 1 : 0;
            rows.Add(new LogRow(string.Create(CultureInfo.InvariantCulture, $"l-{nanos}-{same}"), at, log));
        }

        return rows;
    }
}
