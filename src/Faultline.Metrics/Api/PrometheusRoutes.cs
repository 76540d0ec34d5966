using System.IO.Compression;
using System.Text.Encodings.Web;
using System.Text.Json;
using Faultline.Metrics.PromQL;
using Faultline.Metrics.PromQL.Syntax;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Faultline.Metrics.Api;

/// <summary>Prometheus' HTTP API and the few pages and health paths around it.</summary>
public static class PrometheusRoutes
{
    private static readonly string[] GetAndPost = ["GET", "POST"];

    private static readonly JsonWriterOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    /// <summary>Answers what goes into a response's <c>data</c>.</summary>
    internal delegate Task<Answer> Handler(ApiRequest request, HttpContext context);

    /// <summary>Maps <c>/api/v1/…</c>, <c>/federate</c>, <c>/-/healthy</c>, <c>/-/ready</c> and, without a prefix, the pages of a browser.</summary>
    /// <param name="projectOf">The project that the request's key gives access to; all that is read is of that project.</param>
    /// <param name="prefix">Goes before every path, as <c>/prometheus</c>.</param>
    public static void MapPrometheusApi(this IEndpointRouteBuilder routes, PrometheusApi api, Func<HttpContext, string> projectOf, string prefix = "")
    {
        var queries = new QueryEndpoints(api);
        var catalog = new CatalogEndpoints(api);
        var status = new StatusEndpoints(api);
        var group = routes.MapGroup(prefix);

        Both("/api/v1/query", queries.Instant);
        Both("/api/v1/query_range", queries.Range);
        Both("/api/v1/query_exemplars", queries.Exemplars);
        Both("/api/v1/format_query", QueryEndpoints.Format);
        Both("/api/v1/series", catalog.Series);
        Both("/api/v1/labels", catalog.LabelNames);
        Get("/api/v1/label/{name}/values", catalog.LabelValues);
        Get("/api/v1/metadata", catalog.Metadata);
        Get("/api/v1/targets", status.Targets);
        Get("/api/v1/rules", StatusEndpoints.Rules);
        Get("/api/v1/alerts", StatusEndpoints.Alerts);
        Get("/api/v1/status/buildinfo", status.BuildInfo);
        Get("/api/v1/status/runtimeinfo", status.RuntimeInfo);
        Get("/api/v1/status/config", status.Configuration);
        Get("/api/v1/status/flags", status.Flags);
        Get("/api/v1/status/tsdb", status.Tsdb);

        group.MapGet("/federate", Wrap(api, projectOf, (_, _) => throw new System.Diagnostics.UnreachableException(), new Federation(api).WriteAsync));
        group.MapGet("/-/healthy", (RequestDelegate)(context => context.Response.WriteAsync("Faultline is healthy.\n", context.RequestAborted)));
        group.MapGet("/-/ready", (RequestDelegate)(context =>
        {
            var ready = api.IsReady();
            context.Response.StatusCode = ready ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
            return context.Response.WriteAsync(ready ? "Faultline is ready.\n" : "Faultline is starting.\n", context.RequestAborted);
        }));
        if (prefix.Length == 0)
        {
            new Pages(api, projectOf).Map(routes);
        }

        void Both(string path, Handler handler) => group.MapMethods(path, GetAndPost, Wrap(api, projectOf, handler));

        void Get(string path, Handler handler) => group.MapGet(path, Wrap(api, projectOf, handler));
    }

    /// <summary>As <see cref="MapPrometheusApi"/>, with the paths that VictoriaMetrics adds: <c>/health</c>, and the same API under <c>/prometheus</c>.</summary>
    public static void MapVictoriaMetricsApi(this IEndpointRouteBuilder routes, PrometheusApi api, Func<HttpContext, string> projectOf)
    {
        routes.MapPrometheusApi(api, projectOf);
        routes.MapPrometheusApi(api, projectOf, "/prometheus");
        routes.MapGet("/health", (RequestDelegate)(context => context.Response.WriteAsync("OK", context.RequestAborted)));
    }

    private static RequestDelegate Wrap(PrometheusApi api, Func<HttpContext, string> projectOf, Handler handler, Func<ApiRequest, HttpContext, Task>? instead = null) => async context =>
    {
        try
        {
            var request = await ApiRequest.ReadAsync(context, projectOf(context)).ConfigureAwait(false);
            if (instead is not null)
            {
                await instead(request, context).ConfigureAwait(false);
                return;
            }

            await WriteAsync(context, await handler(request, context).ConfigureAwait(false)).ConfigureAwait(false);
        }
        catch (PromQlException fault)
        {
            await RefuseAsync(context, fault.ErrorType, fault.Message).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            context.Abort();      // nobody is left to answer
        }
        catch (Exception fault)      // the boundary: whatever broke below is logged and answered in the API's form
        {
            context.RequestServices.GetService<ILoggerFactory>()?.CreateLogger(typeof(PrometheusRoutes)).Failed(fault, context.Request.Path);
            await RefuseAsync(context, "internal", fault.Message).ConfigureAwait(false);
        }
    };

    private static async Task WriteAsync(HttpContext context, Answer answer)
    {
        context.Response.ContentType = "application/json";
        context.Response.Headers.Vary = "Accept-Encoding";
        var zipped = context.Request.Headers.AcceptEncoding.ToString().Contains("gzip", StringComparison.OrdinalIgnoreCase);
        if (zipped)
        {
            context.Response.Headers.ContentEncoding = "gzip";
        }

        await using var zip = zipped ? new GZipStream(context.Response.Body, CompressionLevel.Fastest, leaveOpen: true) : null;
        await using var json = new Utf8JsonWriter(zip ?? context.Response.Body, Json);
        json.WriteStartObject();
        json.WriteString("status"u8, "success"u8);
        json.WritePropertyName("data"u8);
        await answer.Data(json, context.RequestAborted).ConfigureAwait(false);
        WriteList(json, "warnings", answer.Warnings);
        WriteList(json, "infos", answer.Infos);
        json.WriteEndObject();
        await json.FlushAsync(context.RequestAborted).ConfigureAwait(false);
    }

    private static void WriteList(Utf8JsonWriter json, string name, IReadOnlyList<string> texts)
    {
        if (texts.Count == 0)
        {
            return;
        }

        json.WriteStartArray(name);
        foreach (var text in texts)
        {
            json.WriteStringValue(text);
        }

        json.WriteEndArray();
    }

    private static async Task RefuseAsync(HttpContext context, string errorType, string message)
    {
        if (context.Response.HasStarted)
        {
            context.Abort();      // half an answer must not look like a whole one
            return;
        }

        context.Response.Clear();
        context.Response.StatusCode = errorType switch
        {
            "bad_data" => StatusCodes.Status400BadRequest,
            "execution" => StatusCodes.Status422UnprocessableEntity,
            "canceled" => StatusCodes.Status499ClientClosedRequest,
            "timeout" => StatusCodes.Status503ServiceUnavailable,
            "not_found" => StatusCodes.Status404NotFound,
            _ => StatusCodes.Status500InternalServerError,
        };
        context.Response.ContentType = "application/json";
        await using var json = new Utf8JsonWriter(context.Response.Body, Json);
        json.WriteStartObject();
        json.WriteString("status"u8, "error"u8);
        json.WriteString("errorType"u8, errorType);
        json.WriteString("error"u8, message);
        json.WriteEndObject();
        await json.FlushAsync(context.RequestAborted).ConfigureAwait(false);
    }
}

/// <summary>A success: what writes <c>data</c>, and what is said beside it.</summary>
internal sealed record Answer(Func<Utf8JsonWriter, CancellationToken, Task> Data, IReadOnlyList<string> Warnings, IReadOnlyList<string> Infos)
{
    public const string Truncated = "results truncated due to limit";

    public static Answer Of(Action<Utf8JsonWriter> write, IReadOnlyList<string>? warnings = null) => new(
        (json, _) =>
        {
            write(json);
            return Task.CompletedTask;
        },
        warnings ?? [], []);

    public static Task<Answer> Now(Action<Utf8JsonWriter> write) => Task.FromResult(Of(write));

    /// <summary>A list of texts, cut at a limit (0: none) with the warning that Prometheus gives.</summary>
    public static Answer OfTexts(IEnumerable<string> texts, int limit)
    {
        var list = texts.Order(StringComparer.Ordinal).ToList();
        var truncated = limit > 0 && list.Count > limit;
        return Of(
            json =>
            {
                json.WriteStartArray();
                foreach (var text in truncated ? list.Take(limit) : list)
                {
                    json.WriteStringValue(text);
                }

                json.WriteEndArray();
            },
            truncated ? [Truncated] : []);
    }
}

internal static partial class ApiLog
{
    [LoggerMessage(4301, LogLevel.Error, "The answer to {Path} failed")]
    public static partial void Failed(this ILogger log, Exception fault, string path);
}
