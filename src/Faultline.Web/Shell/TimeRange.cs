using System.Globalization;

namespace Faultline.Web.Shell;

/// <summary>The time range of a page, as its address holds it: <c>?from=now-1h&amp;to=now</c>, or RFC 3339 or Unix milliseconds.</summary>
/// <param name="FromText">As in the address.</param>
/// <param name="ToText">As in the address.</param>
/// <param name="From">Resolved.</param>
/// <param name="To">Resolved; later than <paramref name="From"/>.</param>
public sealed record TimeRange(string FromText, string ToText, DateTimeOffset From, DateTimeOffset To)
{
    public const string DefaultFrom = "now-1h";

    /// <summary>What the picker offers.</summary>
    public static readonly IReadOnlyList<string> Presets = ["5m", "15m", "30m", "1h", "3h", "6h", "12h", "24h", "2d", "7d", "14d", "30d"];

    public TimeSpan Length => To - From;

    /// <summary>True when the range ends now, so that live updates belong to it.</summary>
    public bool EndsNow => ToText == "now";

    public long FromUnixNanos => UnixNanos(From);

    public long ToUnixNanos => UnixNanos(To);

    /// <summary>Seconds between points of a chart with about <paramref name="points"/> of them; at least 10, the width of a live window.</summary>
    public int StepSeconds(int points) => Math.Max(10, (int)Math.Ceiling(Length.TotalSeconds / points / 10) * 10);

    /// <summary>Reads an address; what cannot be read becomes the last hour.</summary>
    public static TimeRange Parse(string? from, string? to, DateTimeOffset now)
    {
        var toText = string.IsNullOrWhiteSpace(to) ? "now" : to.Trim();
        var fromText = string.IsNullOrWhiteSpace(from) ? DefaultFrom : from.Trim();
        if (!TryMoment(toText, now, out var end) || !TryMoment(fromText, now, out var start) || start >= end)
        {
            return new TimeRange(DefaultFrom, "now", now.AddHours(-1), now);
        }

        return new TimeRange(fromText, toText, start, end);
    }

    public static long UnixNanos(DateTimeOffset at) => (at.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks) * 100;

    public static DateTimeOffset At(long unixNanos) => DateTimeOffset.UnixEpoch.AddTicks(unixNanos / 100);

    /// <summary>Reads <c>now</c>, <c>now-15m</c>, RFC 3339 (no zone: UTC) or Unix milliseconds.</summary>
    internal static bool TryMoment(string text, DateTimeOffset now, out DateTimeOffset at)
    {
        at = now;
        if (text == "now")
        {
            return true;
        }

        if (text.StartsWith("now-", StringComparison.Ordinal))
        {
            if (TrySpan(text.AsSpan(4), out var span) && span < now - DateTimeOffset.UnixEpoch)
            {
                at = now - span;
                return true;
            }

            return false;
        }

        if (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var millis))
        {
            if (millis > 253_402_300_799_000)
            {
                return false;
            }

            at = DateTimeOffset.FromUnixTimeMilliseconds(millis);
            return true;
        }

        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out at) && at >= DateTimeOffset.UnixEpoch && at.Year < 2262;
    }

    private static bool TrySpan(ReadOnlySpan<char> text, out TimeSpan span)
    {
        span = default;
        if (text.Length < 2 || !int.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var count) || count is < 1 or > 1_000_000)
        {
            return false;
        }

        span = text[^1] switch
        {
            's' => TimeSpan.FromSeconds(count),
            'm' => TimeSpan.FromMinutes(count),
            'h' => TimeSpan.FromHours(count),
            'd' => TimeSpan.FromDays(count),
            'w' => TimeSpan.FromDays(7L * count),
            _ => TimeSpan.Zero,
        };
        return span > TimeSpan.Zero;
    }
}
