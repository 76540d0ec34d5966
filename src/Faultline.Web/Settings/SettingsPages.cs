using Faultline.Web.Shell;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Faultline.Web.Settings;

internal static class SettingsPages
{
    public static void MapSettings(this IEndpointRouteBuilder routes, WebDependencies web) =>
        routes.MapGet("/settings", (HttpContext http) => Page.Of<SettingsPage>(http, web, "Settings", "settings", null, new Dictionary<string, object?>
        {
            [nameof(SettingsPage.Connection)] = web.Connection(),
        })).ExcludeFromDescription();
}
