using System.Globalization;
using Faultline.Metrics.PromQL.Syntax;

namespace Faultline.Metrics.PromQL.Evaluation;

/// <summary>Warnings and infos of one query, each text once, in Prometheus' words.</summary>
internal sealed class Annotations
{
    private const string WarningPrefix = "PromQL warning: ";
    private const string InfoPrefix = "PromQL info: ";
    private const string Monotonicity = InfoPrefix
        + "input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)";

    private readonly Dictionary<string, TextRange> _plain = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Repair> _repairs = new(StringComparer.Ordinal);

    private sealed record Repair(TextRange At, long FromUnixMillis, long ToUnixMillis, double BucketMin, double BucketMax, double DifferenceMax, int Count);

    public void Warn(TextRange at, string message) => _plain[WarningPrefix + message] = at;

    public void Inform(TextRange at, string message) => _plain[InfoPrefix + message] = at;

    public void InvalidQuantile(TextRange at, double phi) => Warn(at, $"quantile value should be between 0 and 1, got {GoText.FormatG(phi)}");

    /// <summary>A classic histogram whose buckets fell was repaired; the repairs of one metric are told as one.</summary>
    public void ForcedMonotonic(TextRange at, string metric, long unixMillis, double bucketMin, double bucketMax, double difference)
    {
        var key = Monotonicity + ForMetric(metric);
        _repairs[key] = _repairs.TryGetValue(key, out var known)
            ? known with
            {
                FromUnixMillis = Math.Min(known.FromUnixMillis, unixMillis),
                ToUnixMillis = Math.Max(known.ToUnixMillis, unixMillis),
                BucketMin = Math.Min(known.BucketMin, bucketMin),
                BucketMax = Math.Max(known.BucketMax, bucketMax),
                DifferenceMax = Math.Max(known.DifferenceMax, difference),
                Count = known.Count + 1,
            }
            : new Repair(at, unixMillis, unixMillis, bucketMin, bucketMax, difference, 1);
    }

    /// <summary>` for metric name "x"`, or nothing for a nameless series.</summary>
    public static string ForMetric(string metric) => metric.Length == 0 ? "" : $" for metric name {GoText.Quote(metric)}";

    /// <param name="query">The text that positions refer to.</param>
    public (IReadOnlyList<string> Warnings, IReadOnlyList<string> Infos) Render(string query)
    {
        var texts = _plain.Select(pair => $"{pair.Key} ({pair.Value.LineAndColumn(query)})")
            .Concat(_repairs.Select(pair => $"{pair.Key}, {Describe(pair.Value)} ({pair.Value.At.LineAndColumn(query)})"))
            .Order(StringComparer.Ordinal).ToLookup(text => text.StartsWith(WarningPrefix, StringComparison.Ordinal));
        return ([.. texts[true]], [.. texts[false]]);
    }

    private static string Describe(Repair repair) => string.Create(CultureInfo.InvariantCulture,
        $"from buckets {GoText.FormatG(repair.BucketMin)} to {GoText.FormatG(repair.BucketMax)}, with a max diff of {repair.DifferenceMax:G2}, over {repair.Count} samples from {Seconds(repair.FromUnixMillis)} to {Seconds(repair.ToUnixMillis)}");

    private static string Seconds(long unixMillis) => DateTimeOffset.FromUnixTimeSeconds(unixMillis / 1000).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
