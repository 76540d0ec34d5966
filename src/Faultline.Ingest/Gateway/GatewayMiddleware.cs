using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Faultline.Ingest.Gateway;

/// <summary>One door for 4317, 4318, 9090 and 8428: no request passes without an identity.</summary>
public static class GatewayMiddleware
{
    private static readonly object IdentityKey = new();

    /// <summary>Put it first: what comes after may ask for <see cref="Identity"/>.</summary>
    public static IApplicationBuilder UseGateway(this IApplicationBuilder app, GatewayAuth auth, ILogger log, TimeProvider? time = null)
    {
        var refusals = new RefusalLog(log, time ?? TimeProvider.System);
        return app.Use(async (http, next) =>
        {
            var identity = auth.Identify(http.Request.Headers["X-API-Key"], http.Request.Headers.Authorization);
            if (identity is not null)
            {
                http.Items[IdentityKey] = identity;
                await next(http);
                return;
            }

            var isKeyGiven = http.Request.Headers.ContainsKey("X-API-Key") || http.Request.Headers.ContainsKey("Authorization");
            refusals.Add(http.Connection.RemoteIpAddress?.ToString() ?? "unknown", http.Connection.LocalPort, isKeyGiven ? "the key is not known" : "no key was given");
            if (http.Request.ContentType?.StartsWith("application/grpc", StringComparison.OrdinalIgnoreCase) == true)
            {
                Receivers.Grpc.GrpcReply.Refuse(http, Receivers.RpcCode.Unauthenticated, "Give a key in the header X-API-Key.");
                return;
            }

            const string NoKey = "No valid key. Send it in the header X-API-Key, or as the password of Basic authentication.";
            http.Response.Headers.WWWAuthenticate = "Basic realm=\"faultline\", charset=\"UTF-8\"";
            if (Receivers.Http.OtlpHttp.IsOtlp(http))
            {
                await Receivers.Http.OtlpHttp.RefuseAsync(http, StatusCodes.Status401Unauthorized, Receivers.RpcCode.Unauthenticated, NoKey);
                return;
            }

            http.Response.StatusCode = StatusCodes.Status401Unauthorized;
            await http.Response.WriteAsync(NoKey + "\n", http.RequestAborted);
        });
    }

    /// <summary>Who sent this request; only behind <see cref="UseGateway"/>.</summary>
    public static GatewayIdentity Identity(this HttpContext http) =>
        http.Items[IdentityKey] as GatewayIdentity ?? throw new InvalidOperationException("This address is not behind the gateway: UseGateway must come before it.");
}
