using Faultline.Web.Api;
using Faultline.Web.Shell;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Faultline.Web.Topics;

internal static class TopicPages
{
    public static void MapTopicPages(this IEndpointRouteBuilder routes, WebDependencies web) =>
        routes.MapGet("/topics", async (HttpContext http) =>
        {
            var range = Page.Range(http, web);
            var answer = await TopicsRest.ReadAsync(web, range, http.Request.Query["service"], null, null, http.RequestAborted);
            return Page.Of<TopicsPage>(http, web, "Topics", "topics", range, new Dictionary<string, object?> { [nameof(TopicsPage.Answer)] = answer });
        }).ExcludeFromDescription();
}
