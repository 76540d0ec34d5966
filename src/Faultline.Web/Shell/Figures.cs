using System.Globalization;

namespace Faultline.Web.Shell;

/// <summary>Numbers in words: short, with a unit on every one.</summary>
public static class Figures
{
    /// <summary>A duration: <c>340 µs</c>, <c>820 ms</c>, <c>2.34 s</c>, <c>3 min 20 s</c>.</summary>
    public static string Seconds(double seconds) => Math.Abs(seconds) switch
    {
        double.NaN => "–",
        0 => "0 ms",
        < 0.001 => (seconds * 1e6).ToString("0", CultureInfo.InvariantCulture) + " µs",
        < 0.01 => (seconds * 1e3).ToString("0.0", CultureInfo.InvariantCulture) + " ms",
        < 0.9995 => (seconds * 1e3).ToString("0", CultureInfo.InvariantCulture) + " ms",
        < 10 => seconds.ToString("0.00", CultureInfo.InvariantCulture) + " s",
        < 60 => seconds.ToString("0.0", CultureInfo.InvariantCulture) + " s",
        _ => Span(TimeSpan.FromSeconds(Math.Min(seconds, 1e9))),
    };

    public static string Nanos(long nanos) => Seconds(nanos / 1e9);

    /// <summary>A longer time in its two largest units: <c>3 min 20 s</c>, <c>2 h 5 min</c>, <c>4 d 3 h</c>.</summary>
    public static string Span(TimeSpan span) => span switch
    {
        { TotalSeconds: < 1 } => "0 s",
        { TotalMinutes: < 1 } => $"{(int)span.TotalSeconds} s",
        { TotalHours: < 1 } => span.Seconds == 0 ? $"{span.Minutes} min" : $"{span.Minutes} min {span.Seconds} s",
        { TotalDays: < 1 } => span.Minutes == 0 ? $"{span.Hours} h" : $"{span.Hours} h {span.Minutes} min",
        _ => span.Hours == 0 ? $"{span.Days} d" : $"{span.Days} d {span.Hours} h",
    };

    /// <summary>How long ago, in one unit: <c>12 s</c>, <c>3 min</c>, <c>2 h</c>, <c>4 d</c>.</summary>
    public static string Age(TimeSpan span) => span switch
    {
        { TotalSeconds: < 1 } => "now",
        { TotalMinutes: < 1 } => $"{(int)span.TotalSeconds} s",
        { TotalHours: < 1 } => $"{(int)span.TotalMinutes} min",
        { TotalDays: < 1 } => $"{(int)span.TotalHours} h",
        _ => $"{(int)span.TotalDays} d",
    };

    /// <summary>A count: exact with separators below 100,000, then <c>123 k</c>, <c>1.23 M</c>.</summary>
    public static string Count(double count) => Math.Abs(count) switch
    {
        double.NaN => "–",
        < 100_000 => count.ToString("#,0.##", CultureInfo.InvariantCulture),
        < 1_000_000 => (count / 1e3).ToString("0", CultureInfo.InvariantCulture) + " k",
        < 1_000_000_000 => (count / 1e6).ToString("0.##", CultureInfo.InvariantCulture) + " M",
        _ => (count / 1e9).ToString("0.##", CultureInfo.InvariantCulture) + " G",
    };

    /// <summary>A count that is never shortened.</summary>
    public static string Exact(long count) => count.ToString("#,0", CultureInfo.InvariantCulture);

    public static string Percent(double share) => double.IsNaN(share) ? "–" : share switch
    {
        0 => "0 %",
        < 0.001 => "< 0.1 %",
        < 0.1 => (share * 100).ToString("0.#", CultureInfo.InvariantCulture) + " %",
        _ => (share * 100).ToString("0", CultureInfo.InvariantCulture) + " %",
    };

    public static string Score(double score) => score.ToString("0.00", CultureInfo.InvariantCulture);

    /// <summary>A figure with the unit that a symptom names: s, tokens, 1 (a ratio or score), calls.</summary>
    public static string WithUnit(double value, string unit) => double.IsNaN(value) ? "no data" : unit switch
    {
        "s" => Seconds(value),
        "1" or "" => value.ToString(Math.Abs(value) >= 100 ? "#,0" : "0.##", CultureInfo.InvariantCulture),
        "tokens" or "calls" or "documents" => (Math.Abs(value) >= 10 ? Count(Math.Round(value)) : value.ToString("0.#", CultureInfo.InvariantCulture)) + " " + unit,
        _ => Count(Math.Round(value, 2)) + " " + unit,
    };

    /// <summary>Two figures of one unit, the unit once where it is a word: <c>1,420 → 1,431 tokens</c>.</summary>
    public static (string Before, string After) Change(double before, double after, string unit)
    {
        var (first, second) = (WithUnit(before, unit), WithUnit(after, unit));
        return (unit is "tokens" or "calls" or "documents" && first.EndsWith(unit, StringComparison.Ordinal) ? first[..^unit.Length].TrimEnd() : first, second);
    }

    /// <summary>"1 case", "2 cases".</summary>
    public static string Of(long count, string one, string? many = null) => $"{Exact(count)} {(count == 1 ? one : many ?? one + "s")}";

    /// <summary>A number for an SVG attribute.</summary>
    public static string Svg(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);

    /// <summary>Which of the eight palette colours a service has, everywhere and always.</summary>
    public static string Colour(string service)
    {
        var hash = 2166136261u;
        foreach (var letter in service)
        {
            hash = (hash ^ letter) * 16777619u;
        }

        return "c" + ((hash ^ (hash >> 15)) % 8).ToString(CultureInfo.InvariantCulture);
    }
}
