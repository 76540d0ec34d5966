using Faultline.Diagnosis.Baselines;

namespace Faultline.Diagnosis.Localisation;

/// <summary>Resources of services that stand far outside their usual range while the symptom lasts.</summary>
internal static class ResourceShifts
{
    /// <summary>Usual deviations at which a shift has half of the strength; chance and load reach a few.</summary>
    private const double HalfStrengthDeviations = 15;

    private const int UsualCountMin = 20;
    private static readonly string[] ResourceWords = ["cpu", "mem", "disk", "gpu", "heap", "thread", "connection", "throttl", "syscall", "filedescriptor"];

    /// <summary>What belongs to the machine is shared by all services on it and points to none.</summary>
    private static readonly string[] SharedWords = ["node", "host"];

    public static IEnumerable<Clue> Clues(Incident incident)
    {
        var rows = incident.Abnormal.Metrics.UnixSeconds;
        var noticed = incident.Symptom?.UnixSeconds ?? 0;
        int[] during = [.. Enumerable.Range(0, rows.Count).Where(row => rows[row] >= noticed)];
        foreach (var (name, values) in incident.Abnormal.Metrics.Series
            .Where(one => IsResource(one.Key.Metric))
            .OrderBy(one => one.Key.Service, StringComparer.Ordinal)
            .ThenByDescending(one => one.Key.Metric.Contains('%', StringComparison.Ordinal))
            .ThenBy(one => one.Key.Metric, StringComparer.Ordinal).ThenBy(one => one.Key.Statistic, StringComparer.Ordinal))
        {
            double[] now = [.. during.Select(row => values[row]).Where(double.IsFinite)];
            double[] then = [.. (incident.Normal.Metrics.Series.GetValueOrDefault(name) ?? []).Where(double.IsFinite)];
            if (now.Length == 0 || then.Length < UsualCountMin)
            {
                continue;
            }

            var (usual, value) = (RobustStatistics.Median(then), RobustStatistics.Median(now));
            var spread = Math.Max((then[then.Length * 99 / 100] - usual) / 2.33, (then[then.Length * 3 / 4] - then[then.Length / 4]) / 1.35);
            spread = Math.Max(spread, Math.Max(0.02 * Math.Abs(usual), 1e-9));
            var deviations = Math.Max(0, value - usual) / spread;
            var strength = Math.Pow(deviations, 3) / (Math.Pow(deviations, 3) + Math.Pow(HalfStrengthDeviations, 3));
            if (strength >= 0.01)
            {
                yield return new Clue(name.Service, ClueKind.Resource, strength, name.Metric,
                    FormattableString.Invariant($"{name.Metric} is {value:0.##}, {deviations:0} deviations above its usual {usual:0.##}."));
            }
        }
    }

    private static bool IsResource(string metric) =>
        ResourceWords.Any(word => metric.Contains(word, StringComparison.OrdinalIgnoreCase))
        && !SharedWords.Any(word => metric.StartsWith(word, StringComparison.OrdinalIgnoreCase));
}
