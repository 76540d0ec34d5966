using System.ComponentModel;
using System.Text;
using System.Text.RegularExpressions;
using Faultline.Diagnosis.Knowledge;
using Faultline.Web.Shell;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Faultline.Web.Api;

public sealed record KnowledgeImportAnswer(int Imported);

/// <summary>What diagnosis remembers, as JSON lines.</summary>
internal static partial class KnowledgeRest
{
    private const string JsonLines = "application/x-ndjson";

    /// <summary>A thousand cases of the longest kind.</summary>
    private const int BytesMax = 8 << 20;

    public static void MapKnowledge(this IEndpointRouteBuilder api, WebDependencies web)
    {
        api.MapGet("/knowledge", () => Results.Text(string.Concat(web.Cases.Past(web.Project).Select(one => KnowledgeLines.Write(one) + "\n")), JsonLines))
            .Produces<string>(200, JsonLines).WithSummary("Resolved cases that diagnosis remembers, a line each").WithTags("cases");

        api.MapPost("/knowledge", async (HttpContext http, [Description("name of the Faultline they come from")] string? from) =>
        {
            if (from is null || !SourceName().IsMatch(from))
            {
                return Problems.Invalid("from", "Name the Faultline they come from: letters, digits, dots, dashes, at most 64.");
            }

            if (await ReadAsync(http) is not { } text)
            {
                return Problems.Of(StatusCodes.Status413PayloadTooLarge, "Too much at once", $"At most {BytesMax >> 20} MiB.");
            }

            var (cases, problems) = KnowledgeLines.Read(text.Split('\n'), from);
            if (problems.Count > 0)
            {
                return Problems.Of(StatusCodes.Status400BadRequest, "Nothing was imported", string.Join(' ', problems.Take(10)));
            }

            await web.Cases.ImportAsync(web.Project, cases, http.Actor(), http.RequestAborted);
            return Results.Json(new KnowledgeImportAnswer(cases.Count), ApiJson.Options);
        }).Accepts<string>(JsonLines).Produces<KnowledgeImportAnswer>().ProducesProblem(400).ProducesProblem(413).WithSummary("Import resolved cases of another Faultline").WithTags("cases");
    }

    private static async Task<string?> ReadAsync(HttpContext http)
    {
        using var buffer = new MemoryStream();
        var piece = new byte[16 << 10];
        int read;
        while ((read = await http.Request.Body.ReadAsync(piece, http.RequestAborted)) > 0)
        {
            if (buffer.Length + read > BytesMax)
            {
                return null;
            }

            buffer.Write(piece, 0, read);
        }

        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }

    [GeneratedRegex("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", RegexOptions.CultureInvariant)]
    private static partial Regex SourceName();
}
