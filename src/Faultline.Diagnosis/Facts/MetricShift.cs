using Faultline.Diagnosis.Baselines;
using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Findings;
using Faultline.Store.Samples;
using Faultline.Telemetry.Samples;

namespace Faultline.Diagnosis.Facts;

/// <summary>A metric that senders report themselves, before and after the onset.</summary>
/// <param name="Z">Robust standard deviations of the values before; positive is up.</param>
internal sealed record MetricShift(Labels Labels, double Before, double After, double Z, DateTimeOffset From, DateTimeOffset To)
{
    /// <summary>Names of what has a limit that can be reached: what work waits for, and what it waits in.</summary>
    public const string Names = "(?i).*(gpu|vram|accelerator|cuda|kv_?cache|queue|waiting|pending|backlog|saturat|utili[sz]ation|throttl|in_?flight|concurren|pool|worker|thread|cpu|mem|cache_hit|hit_rat).*";

    private const int ValuesBeforeMin = 8;
    private const int ValuesAfterMin = 2;
    private const double ZMin = 5;
    private const double RelativeMin = 0.25;

    public string Name => Labels[Labels.MetricName];

    public string Service => Labels["service_name"] is { Length: > 0 } service ? service : Labels["job"];

    public bool Rose => Z > 0;

    public Evidence Evidence => new("series", $"{Labels}@{Shift.Rfc3339(From)}..{Shift.Rfc3339(To)}", $"{Name} of {Service} {(Rose ? "rose" : "fell")} from {Sentences.Number(Before)} to {Sentences.Number(After)}.");

    public bool IsOf(params ReadOnlySpan<string> words)
    {
        foreach (var word in words)
        {
            if (Name.Contains(word, StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The series that left their range at the onset, the furthest first.</summary>
    public static IReadOnlyList<MetricShift> Among(IReadOnlyList<SeriesData> series, DateTimeOffset from, DateTimeOffset onset, DateTimeOffset to)
    {
        List<MetricShift> shifts = [];
        foreach (var one in series)
        {
            // Totals say how much until now; what they grew by is the figure. Buckets are counts of counts.
            var name = one.Labels[Labels.MetricName];
            if (name.EndsWith("_bucket", StringComparison.Ordinal) || name.EndsWith("_total", StringComparison.Ordinal) || name.EndsWith("_sum", StringComparison.Ordinal) || name.EndsWith("_count", StringComparison.Ordinal))
            {
                continue;
            }

            if (Of(one, from, onset, to) is { } shift)
            {
                shifts.Add(shift);
            }
        }

        return [.. shifts.OrderByDescending(shift => Math.Abs(shift.Z)).ThenBy(shift => shift.Labels.ToString(), StringComparer.Ordinal)];
    }

    private static MetricShift? Of(SeriesData series, DateTimeOffset from, DateTimeOffset onset, DateTimeOffset to)
    {
        List<double> before = [];
        List<double> after = [];
        for (var i = 0; i < series.Values.Length; i++)
        {
            if (double.IsFinite(series.Values[i]))
            {
                (series.UnixMillis[i] < onset.ToUnixTimeMilliseconds() ? before : after).Add(series.Values[i]);
            }
        }

        if (before.Count < ValuesBeforeMin || after.Count < ValuesAfterMin)
        {
            return null;
        }

        var usual = RobustStatistics.Median([.. before]);
        var now = RobustStatistics.Median([.. after]);
        var spread = Math.Max(RobustStatistics.ScaledMad([.. before], usual), Math.Max(0.03 * Math.Abs(usual), 1e-9));
        var z = (now - usual) / spread;
        return Math.Abs(z) >= ZMin && (Math.Abs(now - usual) >= RelativeMin * Math.Abs(usual) || IsAtLimit(before, after, usual, now)) ? new MetricShift(series.Labels, usual, now, z, from, to) : null;
    }

    /// <summary>Of a part of something whole, little of which is left: from 80 to 97 % used is not a fifth more, it is the end of it.</summary>
    private static bool IsAtLimit(List<double> before, List<double> after, double usual, double now)
    {
        var most = Math.Max(before.Max(), after.Max());
        var whole = most <= 1 ? 1 : most <= 100 ? 100 : double.PositiveInfinity;
        return usual > whole / 2 && now >= AtLimit * whole && whole - now <= (whole - usual) / 2;
    }

    private const double AtLimit = 0.93;
}
