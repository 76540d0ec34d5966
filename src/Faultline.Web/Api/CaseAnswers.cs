using System.Buffers;
using System.Text.Json;
using Faultline.Cases.Projections;
using Microsoft.AspNetCore.Http;

namespace Faultline.Web.Api;

/// <summary>Cases as REST and the command line show them.</summary>
internal static class CaseAnswers
{
    public static IResult Json(CaseView view) => Write(json => CaseJson.Write(json, view));

    public static IResult Json(IReadOnlyList<CaseView> views) => Write(json =>
    {
        json.WriteStartArray();
        foreach (var view in views)
        {
            CaseJson.Write(json, view);
        }

        json.WriteEndArray();
    });

    private static IResult Write(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(4 * 1024);
        using (var json = new Utf8JsonWriter(buffer))
        {
            write(json);
        }

        return Results.Bytes(buffer.WrittenSpan.ToArray(), "application/json");
    }
}
