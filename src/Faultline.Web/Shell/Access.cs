using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using Faultline.Web.Api;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Faultline.Web.Shell;

/// <summary>The secret in the login link that is printed at start. It lasts as long as the process.</summary>
public sealed class LoginTokens
{
    private readonly byte[] _token = Encoding.ASCII.GetBytes(Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(24)));

    /// <summary>The link to print.</summary>
    /// <param name="address">Where the pages are served, e.g. <c>http://127.0.0.1:4300</c>.</param>
    public string Link(string address) => $"{address.TrimEnd('/')}/login?token={Encoding.ASCII.GetString(_token)}";

    internal bool Accepts(string? token) => Access.SameSecret(token, _token);
}

/// <summary>
/// Who may ask: people by a cookie that the login link (or the admin token) is exchanged for, programs by
/// <c>Authorization: Bearer</c> with the admin token.
/// </summary>
internal static class Access
{
    public const string BearerScheme = "Bearer";
    private const string AnyScheme = "CookieOrBearer";
    private static readonly TimeSpan CookieLifetime = TimeSpan.FromDays(30);

    public static bool SameSecret(string? given, ReadOnlySpan<byte> secret) =>
        given is { Length: > 0 } && CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(given)), SHA256.HashData(secret));

    public static AuthenticationBuilder AddAccess(this AuthenticationBuilder builder) => builder
        .AddPolicyScheme(AnyScheme, AnyScheme, options => options.ForwardDefaultSelector = http =>
            http.Request.Headers.Authorization.Count > 0 ? BearerScheme : CookieAuthenticationDefaults.AuthenticationScheme)
        .AddScheme<AuthenticationSchemeOptions, BearerHandler>(BearerScheme, null)
        .AddCookie(options =>
        {
            options.Cookie.Name = PortCookies.Name;
            options.CookieManager = new PortCookies();
            options.Cookie.HttpOnly = true;
            options.Cookie.SameSite = SameSiteMode.Strict;
            options.Cookie.SecurePolicy = CookieSecurePolicy.SameAsRequest;
            options.ExpireTimeSpan = CookieLifetime;
            options.SlidingExpiration = true;
            options.Events.OnRedirectToLogin = context => AskToSignInAsync(context.HttpContext);
            options.Events.OnRedirectToAccessDenied = context => AskToSignInAsync(context.HttpContext);
        });

    public static string DefaultScheme => AnyScheme;

    public static string Actor(this HttpContext http) => http.User.Identity?.Name ?? "unknown";

    public static void MapLogin(this IEndpointRouteBuilder routes, WebDependencies web)
    {
        routes.MapGet("/login", async (HttpContext http, string? token, string? to) =>
        {
            if (token is null)
            {
                return LoginPage(http, web, to, wrong: false);
            }

            return web.Login.Accepts(token) ? await SignInAsync(http, to) : LoginPage(http, web, to, wrong: true);
        }).AllowAnonymous().ExcludeFromDescription();

        routes.MapPost("/login", async (HttpContext http, CancellationToken _) =>
        {
            var form = http.Request.HasFormContentType ? await http.Request.ReadFormAsync(http.RequestAborted) : FormCollection.Empty;
            var token = form["token"].ToString().Trim();
            return web.Login.Accepts(token) || SameSecret(token, Encoding.UTF8.GetBytes(web.AdminToken))
                ? await SignInAsync(http, form["to"])
                : LoginPage(http, web, form["to"], wrong: true);
        }).AllowAnonymous().ExcludeFromDescription();

        routes.MapPost("/logout", async (HttpContext http, CancellationToken _) =>
        {
            await http.SignOutAsync(CookieAuthenticationDefaults.AuthenticationScheme);
            return Results.LocalRedirect("/login");
        }).AllowAnonymous().ExcludeFromDescription();
    }

    /// <summary>
    /// Refuses a change that a cookie's owner was tricked into: a browser says where a request comes from, and only our
    /// own pages may send one that changes something. Requests with a bearer token carry no cookie and pass.
    /// </summary>
    public static IApplicationBuilder UseSameOriginChanges(this IApplicationBuilder app) => app.Use((http, next) =>
    {
        var request = http.Request;
        if (HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method) || HttpMethods.IsOptions(request.Method)
            || request.Headers.Authorization.Count > 0 || !PortCookies.AreIn(request))
        {
            return next(http);
        }

        var site = request.Headers["Sec-Fetch-Site"].ToString();
        var origin = request.Headers.Origin.ToString();
        var ours = site.Length > 0 ? site is "same-origin" or "none"
            : Uri.TryCreate(origin, UriKind.Absolute, out var uri) && string.Equals(uri.Authority, request.Host.Value, StringComparison.OrdinalIgnoreCase);
        return ours ? next(http) : Problems.WriteAsync(http, StatusCodes.Status403Forbidden, "Not from here", "A change by cookie must come from one of Faultline's own pages. Programs send `Authorization: Bearer` instead.");
    });

    private static async Task<IResult> SignInAsync(HttpContext http, string? to)
    {
        var identity = new ClaimsIdentity([new Claim(ClaimTypes.Name, "admin"), new Claim(ClaimTypes.Role, "admin")], CookieAuthenticationDefaults.AuthenticationScheme);
        await http.SignInAsync(CookieAuthenticationDefaults.AuthenticationScheme, new ClaimsPrincipal(identity), new AuthenticationProperties { IsPersistent = true });
        return Results.LocalRedirect(Local(to));
    }

    private static string Local(string? to) => to is ['/', not ('/' or '\\'), ..] && !to.AsSpan().ContainsAny('\r', '\n') ? to : "/";

    private static RazorComponentResult<LoginPage> LoginPage(HttpContext http, WebDependencies web, string? to, bool wrong) =>
        new(new Dictionary<string, object?>
        {
            [nameof(Shell.LoginPage.Viewer)] = Viewer.From(http, web.Time),
            [nameof(Shell.LoginPage.To)] = Local(to),
            [nameof(Shell.LoginPage.Wrong)] = wrong,
        })
        {
            StatusCode = wrong ? StatusCodes.Status401Unauthorized : StatusCodes.Status200OK,
        };

    private static Task AskToSignInAsync(HttpContext http)
    {
        var request = http.Request;
        if (request.Path.StartsWithSegments("/api") || request.Path.StartsWithSegments("/prometheus") || request.Path.StartsWithSegments("/live") || !HttpMethods.IsGet(request.Method))
        {
            http.Response.Headers.WWWAuthenticate = BearerScheme;
            return Problems.WriteAsync(http, StatusCodes.Status401Unauthorized, "Sign in first", "Send `Authorization: Bearer` with the admin token, which is kept in the data directory, or open the login link that was printed at start.");
        }

        if (request.Headers["Sec-Fetch-Site"] == "cross-site")
        {
            // Somebody followed a link in a chat: the browser holds our strict cookie back on that first request only. Asking
            // again from a page of ours brings it along; the second request is not cross-site, so this ends.
            http.Response.ContentType = "text/html; charset=utf-8";
            return http.Response.WriteAsync("<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"0\"><title>Faultline</title></head><body></body></html>");
        }

        http.Response.Redirect("/login?to=" + Uri.EscapeDataString(request.Path + request.QueryString));
        return Task.CompletedTask;
    }

    private sealed class BearerHandler(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory log, UrlEncoder encoder, WebDependencies web)
        : AuthenticationHandler<AuthenticationSchemeOptions>(options, log, encoder)
    {
        protected override Task<AuthenticateResult> HandleAuthenticateAsync()
        {
            var header = Request.Headers.Authorization.ToString();
            if (!header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) || !SameSecret(header[7..].Trim(), Encoding.UTF8.GetBytes(web.AdminToken)))
            {
                return Task.FromResult(AuthenticateResult.Fail("not the admin token"));
            }

            var identity = new ClaimsIdentity([new Claim(ClaimTypes.Name, "admin"), new Claim(ClaimTypes.Role, "admin")], BearerScheme);
            return Task.FromResult(AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(identity), BearerScheme)));
        }

        protected override Task HandleChallengeAsync(AuthenticationProperties properties)
        {
            Response.Headers.WWWAuthenticate = BearerScheme;
            return Problems.WriteAsync(Context, StatusCodes.Status401Unauthorized, "Not the admin token", "The token after `Authorization: Bearer` is not this server's admin token, which is kept in the data directory.");
        }
    }
}

/// <summary>
/// Cookies know no ports: two servers on one host would sign each other's people out. So the cookie's name ends with the port that
/// the browser asked.
/// </summary>
internal sealed class PortCookies : ICookieManager
{
    public const string Name = "faultline";

    private readonly ChunkingCookieManager _cookies = new();

    public static bool AreIn(HttpRequest request) => request.Cookies.ContainsKey(NameFor(request, Name));

    public string? GetRequestCookie(HttpContext context, string key) => _cookies.GetRequestCookie(context, NameFor(context.Request, key));

    public void AppendResponseCookie(HttpContext context, string key, string? value, CookieOptions options) =>
        _cookies.AppendResponseCookie(context, NameFor(context.Request, key), value, options);

    public void DeleteCookie(HttpContext context, string key, CookieOptions options) => _cookies.DeleteCookie(context, NameFor(context.Request, key), options);

    private static string NameFor(HttpRequest request, string key) =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{key}-{request.Host.Port ?? (request.IsHttps ? 443 : 80)}");
}
