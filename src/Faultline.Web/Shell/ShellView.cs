using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Faultline.Web.Shell;

/// <summary>What every page's frame shows.</summary>
/// <param name="Range">Null on pages that have no time range.</param>
public sealed record ShellView(Viewer Viewer, Address Address, string Title, string Section, TimeRange? Range, string Project, int OpenCases);

/// <summary>A page as an answer: a component in the frame, whose parameters are what it shows.</summary>
internal static class Page
{
    public static IResult Of<TComponent>(HttpContext http, WebDependencies web, string title, string section, TimeRange? range, IReadOnlyDictionary<string, object?> parameters, int status = StatusCodes.Status200OK)
        where TComponent : IComponent
    {
        var view = new ShellView(Viewer.From(http, web.Time), Address.Of(http.Request), title, section, range, web.Project, web.OpenCases());
        return new RazorComponentResult<Document>(new Dictionary<string, object?>
        {
            [nameof(Document.View)] = view,
            [nameof(Document.Content)] = Content<TComponent>(parameters),
        })
        {
            StatusCode = status,
            PreventStreamingRendering = true,
        };
    }

    public static IResult NotFound(HttpContext http, WebDependencies web, string section, string what, string hint) =>
        Of<Missing>(http, web, "Not found", section, null, new Dictionary<string, object?> { [nameof(Missing.What)] = what, [nameof(Missing.Hint)] = hint }, StatusCodes.Status404NotFound);

    public static RenderFragment Content<TComponent>(IReadOnlyDictionary<string, object?> parameters)
        where TComponent : IComponent => builder =>
    {
        builder.OpenComponent<TComponent>(0);
        builder.AddMultipleAttributes(1, parameters!);
        builder.CloseComponent();
    };

    public static TimeRange Range(HttpContext http, WebDependencies web) =>
        TimeRange.Parse(http.Request.Query["from"], http.Request.Query["to"], web.Time.GetUtcNow());
}
