using Faultline.Store.Samples;

namespace Faultline.Diagnosis.Findings;

/// <summary>When which service was under a finding, as the stored <see cref="OpenFinding.OnsetMetric"/> tells. What happened then is not usual.</summary>
internal sealed class AbnormalPeriods
{
    /// <summary>How long what happens under an open finding counts as unusual; a fault that nobody minds for longer has become usual.</summary>
    public const long UnusualSecondsMax = 24 * 3600;

    private readonly Dictionary<(string Environment, string Service), List<(long From, long To)>> _periods = [];

    /// <summary>Takes in one stored finding.</summary>
    /// <returns>Unix seconds of its onset and of its last sample while it is not over; null when it is.</returns>
    public (long Onset, long At)? Add(SeriesData stored)
    {
        var key = (stored.Labels["environment"], stored.Labels["service_name"]);
        if (!_periods.TryGetValue(key, out var periods))
        {
            _periods.Add(key, periods = []);
        }

        long? from = null;
        long at = 0;
        for (var i = 0; i < stored.Values.Length; i++)
        {
            if (stored.Values[i] > 0)
            {
                from ??= (long)stored.Values[i];
                at = stored.UnixMillis[i] / 1000;
            }
            else if (from is { } since)
            {
                periods.Add((since, Math.Min(stored.UnixMillis[i] / 1000, since + UnusualSecondsMax)));
                from = null;
            }
        }

        if (from is not { } onset)
        {
            return null;
        }

        periods.Add((onset, onset + UnusualSecondsMax));
        return (onset, at);
    }

    /// <summary>Whether a moment (unix seconds; of a window, its end) lies in a period of that service.</summary>
    public bool Contains(string environment, string service, long seconds) =>
        _periods.TryGetValue((environment, service), out var periods) && periods.Exists(period => seconds > period.From && seconds <= period.To);
}
