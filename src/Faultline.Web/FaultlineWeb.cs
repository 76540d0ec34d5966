using System.Text.Json;
using Faultline.Web.Api;
using Faultline.Web.Audit;
using Faultline.Web.Cases;
using Faultline.Web.Changes;
using Faultline.Web.Live;
using Faultline.Web.Logs;
using Faultline.Web.Metrics;
using Faultline.Web.Overview;
using Faultline.Web.Settings;
using Faultline.Web.Shell;
using Faultline.Web.Topics;
using Faultline.Web.Traces;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.StaticAssets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Faultline.Web;

/// <summary>Plugs pages, live events and REST into a web application.</summary>
public static class FaultlineWeb
{
    /// <summary>Nothing is loaded from elsewhere, nothing inline runs, nobody frames the pages.</summary>
    private const string ContentSecurityPolicy =
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

    public static IServiceCollection AddFaultlineWeb(this IServiceCollection services, WebDependencies web)
    {
        services.AddSingleton(web);
        services.AddRazorComponents();
        services.AddAuthentication(Access.DefaultScheme).AddAccess();
        services.AddAuthorizationBuilder().SetFallbackPolicy(new AuthorizationPolicyBuilder(Access.DefaultScheme).RequireAuthenticatedUser().Build());
        var protection = services.AddDataProtection().SetApplicationName("faultline");
        if (web.DataProtectionDirectory is { } directory)
        {
            protection.PersistKeysToFileSystem(new DirectoryInfo(directory));
        }
        else
        {
            protection.UseEphemeralDataProtectionProvider();
        }

        services.ConfigureHttpJsonOptions(options => ApiJson.Configure(options.SerializerOptions));
        services.AddFaultlineOpenApi();
        services.AddResponseCompression(options => options.EnableForHttps = false);
        return services;
    }

    /// <summary>Maps everything that this library serves. Call before other endpoints of the same application are mapped.</summary>
    public static WebApplication MapFaultlineWeb(this WebApplication app, WebDependencies web)
    {
        app.Use((http, next) =>
        {
            var headers = http.Response.Headers;
            headers.ContentSecurityPolicy = ContentSecurityPolicy;
            headers.XContentTypeOptions = "nosniff";
            headers["Referrer-Policy"] = "same-origin";
            headers["Cross-Origin-Opener-Policy"] = "same-origin";
            return next(http);
        });
        app.UseResponseCompression();
        Trouble.Use(app, web);
        app.UseSameOriginChanges();
        app.UseAuthentication();
        app.UseAuthorization();
        app.Use((http, next) =>
        {
            // Pages hold what only a signed-in person may see; assets say themselves how long they keep.
            if (!http.Request.Path.StartsWithSegments("/_content"))
            {
                http.Response.Headers.CacheControl = "no-store";
            }

            return next(http);
        });

        // What no endpoint answers: a problem for programs, a page for people. Not a fallback endpoint, which would also take
        // over where only the method or the content type does not fit.
        app.UseStatusCodePages(context =>
        {
            var http = context.HttpContext;
            var status = http.Response.StatusCode;
            return http.Request.Path.StartsWithSegments("/api") || status != StatusCodes.Status404NotFound
                ? Problems.WriteAsync(http, status, Microsoft.AspNetCore.WebUtilities.ReasonPhrases.GetReasonPhrase(status), $"{http.Request.Method} {http.Request.Path} is not part of the API in this form. /openapi/v1.json lists what is.")
                : Page.NotFound(http, web, "", "There is nothing at this address", "The link may be from another version, or cut off.").ExecuteAsync(http);
        });
        MapAssets(app);
        app.MapLogin(web);
        app.MapLive(web);
        app.MapOverview(web);
        app.MapTracePages(web);
        app.MapMetricPages(web);
        app.MapTopicPages(web);
        app.MapCasePages(web);
        app.MapLogPages(web);
        app.MapChangePages(web);
        app.MapAuditPages(web);
        app.MapSettings(web);
        app.MapRest(web);
        return app;
    }

    private static void MapAssets(WebApplication app)
    {
        // The manifest is written by the build of the executable; a test host of another assembly has none.
        if (File.Exists(Path.Combine(AppContext.BaseDirectory, app.Environment.ApplicationName + ".staticwebassets.endpoints.json")))
        {
            app.MapStaticAssets().AllowAnonymous();
        }
    }
}
