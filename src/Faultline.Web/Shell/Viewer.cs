using Microsoft.AspNetCore.Http;

namespace Faultline.Web.Shell;

/// <summary>Who is looking, and how they want to see it; told by cookies that the browser side keeps.</summary>
/// <param name="Theme">light, dark or system.</param>
/// <param name="Zone">Their time zone; UTC until the browser has said.</param>
/// <param name="ZoneKnown">False on the very first page, whose script then rewrites the times.</param>
/// <param name="Now">The moment the page was made.</param>
public sealed record Viewer(string Theme, TimeZoneInfo Zone, bool ZoneKnown, DateTimeOffset Now)
{
    public static Viewer From(HttpContext http, TimeProvider time)
    {
        var theme = http.Request.Cookies["theme"] is "light" or "dark" ? http.Request.Cookies["theme"]! : "system";
        var known = TimeZoneInfo.TryFindSystemTimeZoneById(http.Request.Cookies["tz"] ?? "", out var zone);
        return new Viewer(theme, known ? zone! : TimeZoneInfo.Utc, known, time.GetUtcNow());
    }

    /// <summary>Local time in words. <paramref name="form"/>: time, millis, minute, day.</summary>
    public string Local(DateTimeOffset at, string form) => TimeZoneInfo.ConvertTime(at, Zone).ToString(
        form switch
        {
            "millis" => "HH:mm:ss.fff",
            "minute" => "MMM d, HH:mm",
            "day" => "MMM d, HH:mm:ss",
            "clock" => "HH:mm",
            _ => "HH:mm:ss",
        },
        System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Only the clock when it was today, else the day with it.</summary>
    public string Near(DateTimeOffset at) => TimeZoneInfo.ConvertTime(at, Zone).Date == TimeZoneInfo.ConvertTime(Now, Zone).Date ? "time" : "minute";
}
