using Faultline.Cases.Projections;
using Microsoft.AspNetCore.Http;

namespace Faultline.Web.Api;

/// <summary>Cases as REST and the command line show them.</summary>
internal static class CaseAnswers
{
    public static IResult Json(CaseView view) => Results.Json(view, ApiJson.Options);

    public static IResult Json(IReadOnlyList<CaseView> views) => Results.Json(views, ApiJson.Options);
}
