using System.Text.Json;
using Faultline.Lab.Worlds.Topologies;

namespace Faultline.Lab.Worlds.Dialects;

/// <summary>What every dialect leaves to the web server, the database driver and the application's own spans.</summary>
internal static class Plain
{
    /// <returns>False: the span is the dialect's to tell.</returns>
    public static bool Tell(Span span, Told told)
    {
        switch (span.Work)
        {
            case Work.Request or Work.Hop:
                Serve(span, told);
                return true;
            case Work.Database:
                told.Kind = Told.Client;
                told.Name = $"SELECT {span.Target}";
                told.Set("db.system.name", span.Run.System.Database.Kind).Set("db.namespace", span.Target).Set("db.query.text", span.Query).Set("error.type", span.Error);
                return true;
            case Work.Http:
                told.Kind = Told.Client;
                told.Set("http.request.method", "GET").Set("server.address", span.Target).Set("url.full", $"https://{span.Target}/v1/lookup")
                    .Set("http.response.status_code", span.Status).Set("error.type", span.Error);
                return true;
            default:
                return false;
        }
    }

    public static void Error(Span span, Told told)
    {
        if (span.Error is { } error)
        {
            told.Tell("exception", span.End, new("exception.type", error), new("exception.message", span.ErrorMessage ?? error));
        }
    }

    /// <summary>Session, user and tenant, as an application sets them on its first span and on model calls.</summary>
    public static void Identity(Span span, Told told, string? sessionKey, string? userKey)
    {
        var (system, request) = (span.Run.System, span.Run.Request);
        if (sessionKey is not null && system.Has(Abilities.Sessions))
        {
            told.Set(sessionKey, request.Session);
        }

        if (!system.TenantsShown)
        {
            return;
        }

        if (userKey is not null)
        {
            told.Set(userKey, request.User);
        }

        var key = system.Dialect.TenantKey;
        told.Set(key, key == "metadata" ? JsonSerializer.Serialize(new { tenant = request.Tenant }) : request.Tenant);
    }

    /// <summary>How many input tokens the provider had cached, in systems that say so.</summary>
    public static void CachedTokens(Span span, ModelCall call, Told told, string key)
    {
        if (span.Run.System.Has(Abilities.PromptCache))
        {
            told.Set(key, call.CachedTokens);
        }
    }

    /// <summary>The prompt template and its version, in systems that show them.</summary>
    public static void Template(Span span, ModelCall call, Told told, string nameKey, string versionKey)
    {
        if (span.Run.System.TemplatesShown)
        {
            told.Set(nameKey, call.Template).Set(versionKey, call.TemplateVersion);
        }
    }

    private static void Serve(Span span, Told told)
    {
        told.Kind = Told.Server;
        if (span.Name.Split(' ') is [("GET" or "POST") and var method, var route])
        {
            told.Set("http.request.method", method).Set("http.route", route).Set("http.response.status_code", span.Status ?? (span.Error is null ? 200 : 500));
        }

        told.Set("error.type", span.Error);
        if (span.Parent is null)
        {
            Identity(span, told, "session.id", "enduser.id");
        }
    }
}
