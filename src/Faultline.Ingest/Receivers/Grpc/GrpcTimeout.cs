using System.Globalization;

namespace Faultline.Ingest.Receivers.Grpc;

/// <summary>The header <c>grpc-timeout</c>: at most eight digits and a unit.</summary>
/// <remarks>Source: grpc/doc/PROTOCOL-HTTP2.md.</remarks>
internal static class GrpcTimeout
{
    private static readonly TimeSpan Longest = TimeSpan.FromHours(1);

    /// <returns>False when there is none, or none that can be read: the call then has no deadline.</returns>
    public static bool TryParse(string? header, out TimeSpan timeout)
    {
        timeout = default;
        if (header is not { Length: >= 2 and <= 9 } || !long.TryParse(header.AsSpan(0, header.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var amount))
        {
            return false;
        }

        long ticks = header[^1] switch
        {
            'H' => TimeSpan.TicksPerHour,
            'M' => TimeSpan.TicksPerMinute,
            'S' => TimeSpan.TicksPerSecond,
            'm' => TimeSpan.TicksPerMillisecond,
            'u' => TimeSpan.TicksPerMicrosecond,
            'n' => 0,      // less than a clock's tick; counted as nothing left
            _ => -1,
        };
        if (ticks < 0)
        {
            return false;
        }

        timeout = TimeSpan.FromTicks(Math.Min(amount * ticks, Longest.Ticks));
        return true;
    }
}
