using System.Diagnostics;
using Faultline.ClickHouse;
using Faultline.Web.Api;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Faultline.Web.Shell;

/// <summary>What is said instead of a page or an answer that could not be made: what happened and what to do, never a stack.</summary>
/// <param name="Status">Of HTTP.</param>
internal sealed record Trouble(int Status, string What, string Hint)
{
    /// <summary>ClickHouse's codes for a query that took too long, and for one that needed too much memory.</summary>
    private const int TimeoutExceeded = 159, MemoryLimitExceeded = 241;

    private static Trouble Of(Exception failure, TimeSpan patience, string reference) => failure switch
    {
        OperationCanceledException or ClickHouseException { Code: TimeoutExceeded } => new Trouble(
            StatusCodes.Status504GatewayTimeout, "The store did not answer in time",
            $"The question was given up after {Figures.Span(patience)}. Ask about a shorter time range or filter more, or try again: the store may be busy."),
        ClickHouseException { Code: MemoryLimitExceeded } => new Trouble(
            StatusCodes.Status503ServiceUnavailable, "The store has too little memory for this question",
            "Ask about a shorter time range or filter more. What the store may use is the setting store.memory_bytes_max."),
        ClickHouseException refused => new Trouble(
            StatusCodes.Status503ServiceUnavailable, "The store could not answer",
            $"It refused the question with code {refused.Code}. Try again; if it stays, the server's log has the reason under {reference}."),
        BadHttpRequestException bad => new Trouble(bad.StatusCode, "The request could not be read", bad.Message),
        InvalidDataException bad => new Trouble(StatusCodes.Status400BadRequest, "The form could not be read", bad.Message),
        ObjectDisposedException => new Trouble(
            StatusCodes.Status503ServiceUnavailable, "Faultline is stopping", "The store is closed already. Open the page again when the server is back."),
        _ => new Trouble(
            StatusCodes.Status500InternalServerError, "Something in Faultline failed", $"This should not happen. The server's log has the reason under {reference}."),
    };

    public static void Use(WebApplication app, WebDependencies web)
    {
        var log = app.Services.GetRequiredService<ILoggerFactory>().CreateLogger("Faultline.Web");
        app.Use(async (http, next) =>
        {
            // Streams live as long as their page, and PromQL has limits of its own.
            if (http.Request.Path.StartsWithSegments("/live") || http.Request.Path.StartsWithSegments("/prometheus"))
            {
                await next(http);
                return;
            }

            var gone = http.RequestAborted;
            using var patience = new CancellationTokenSource(web.PatienceMax, web.Time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(gone, patience.Token);
            http.RequestAborted = either.Token;
            try
            {
                await next(http);
            }
            catch (OperationCanceledException) when (gone.IsCancellationRequested)
            {
                // Nobody waits for the answer any more.
            }
            catch (Exception failure) when (!http.Response.HasStarted)
            {
                http.RequestAborted = gone;
                var reference = Activity.Current?.TraceId.ToHexString() ?? http.TraceIdentifier;
                var trouble = Of(failure, web.PatienceMax, reference);
                if (trouble.Status >= StatusCodes.Status500InternalServerError)
                {
                    log.PageFailed(failure, http.Request.Method, http.Request.Path, reference);
                }

                await trouble.SayAsync(http, web);
            }
            finally
            {
                http.RequestAborted = gone;
            }
        });
    }

    private Task SayAsync(HttpContext http, WebDependencies web) =>
        http.Request.Path.StartsWithSegments("/api") || http.User.Identity is not { IsAuthenticated: true }
            ? Problems.WriteAsync(http, Status, What, Hint)
            : Page.Of<Missing>(http, web, What, "", null, new Dictionary<string, object?> { [nameof(Missing.What)] = What, [nameof(Missing.Hint)] = Hint, [nameof(Missing.CanRetry)] = true }, Status).ExecuteAsync(http);
}

internal static partial class TroubleLog
{
    [LoggerMessage(7201, LogLevel.Error, "{Method} {Path} failed ({Reference})")]
    public static partial void PageFailed(this ILogger log, Exception failure, string method, string path, string reference);
}
