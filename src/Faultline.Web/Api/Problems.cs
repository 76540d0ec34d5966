using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;

namespace Faultline.Web.Api;

/// <summary>Refusals as <c>application/problem+json</c> (RFC 9457).</summary>
internal static class Problems
{
    public static IResult Of(int status, string title, string detail) => Results.Problem(detail, statusCode: status, title: title);

    /// <param name="errors">Field → what is wrong with it.</param>
    public static IResult Invalid(IDictionary<string, string[]> errors) => Results.ValidationProblem(errors, title: "Something in the request is not right");

    public static IResult Invalid(string field, string problem) => Invalid(new Dictionary<string, string[]>(StringComparer.Ordinal) { [field] = [problem] });

    public static Task WriteAsync(HttpContext http, int status, string title, string detail)
    {
        http.Response.StatusCode = status;
        return http.Response.WriteAsJsonAsync(new ProblemDetails { Status = status, Title = title, Detail = detail }, (JsonSerializerOptions?)null, "application/problem+json", http.RequestAborted);
    }
}
