using Faultline.Diagnosis.Causes;

namespace Faultline.Diagnosis.Facts;

/// <summary>Which attribute values set the bad traces apart from the good ones.</summary>
internal static class BubbleUp
{
    /// <summary>Smallest difference of shares worth showing.</summary>
    public const double DifferenceMin = 0.3;

    private const int DistinctionsMax = 16;

    /// <summary>Standard errors from which a difference is no chance, with hundreds of values compared.</summary>
    private const double ZMin = 3;

    /// <summary>Good traces right before the onset that are asked whether a value was there already.</summary>
    private const int LateMax = 12;

    /// <summary>Most telling first. A value that the bad traces lack is told by what they have instead, or by its own falling share.</summary>
    /// <param name="onsetUnixNanos">What the last good traces before it have like the bad ones sets nothing apart: it was there and did no harm.</param>
    /// <param name="between">Traces after the last certain health and before the onset, of which nothing is known; only a release that they have is taken as harmless, because most are.</param>
    public static IReadOnlyList<Distinction> Compare(IReadOnlyList<TraceFacts> bad, IReadOnlyList<TraceFacts> good, long onsetUnixNanos = long.MaxValue, IReadOnlyList<TraceFacts>? between = null)
    {
        if (bad.Count < 2 || good.Count < 2)
        {
            return [];
        }

        var inBad = Count(bad);
        var inGood = Count(good);
        var late = good.Where(trace => trace.StartUnixNanos < onsetUnixNanos).OrderByDescending(trace => trace.StartUnixNanos).Take(LateMax).ToList();
        var inLate = Count(late);
        var unsure = (between ?? []).OrderByDescending(static trace => trace.StartUnixNanos).Take(LateMax).ToList();
        var inUnsure = Count(unsure);
        List<(Distinction Distinction, double Z)> found = [];
        foreach (var key in inBad.Keys.Union(inGood.Keys))
        {
            double p = inBad.GetValueOrDefault(key) / (double)bad.Count, q = inGood.GetValueOrDefault(key) / (double)good.Count;
            if (Math.Abs(p - q) < DifferenceMin || (late.Count >= LateMax / 2 && Math.Abs(p - (inLate.GetValueOrDefault(key) / (double)late.Count)) < Math.Abs(p - q) / 2))
            {
                continue;
            }

            if (key.Attribute is AttributeNames.Release && unsure.Count >= LateMax / 2 && Math.Abs(p - (inUnsure.GetValueOrDefault(key) / (double)unsure.Count)) < Math.Abs(p - q) / 2)
            {
                continue;
            }

            var z = Z(p, bad.Count, q, good.Count);
            if (z >= ZMin || (bad.Count + good.Count < 12 && Math.Abs(p - q) > 0.9))
            {
                found.Add((new Distinction(key.Attribute, key.Value, p, q), z));
            }
        }

        return [.. found
            .OrderByDescending(item => Math.Abs(item.Distinction.ShareOfBad - item.Distinction.ShareOfGood))
            .ThenByDescending(item => item.Distinction.ShareOfBad)
            .ThenBy(item => item.Distinction.Attribute, StringComparer.Ordinal)
            .ThenBy(item => item.Distinction.Value, StringComparer.Ordinal)
            .Take(DistinctionsMax)
            .Select(item => item.Distinction)];
    }

    /// <summary>Whether a share of bad traces is larger than the same of good ones, by more than chance and by enough to matter.</summary>
    public static bool IsMore(double share, int bad, double usual, int good) => share - usual >= DifferenceMin && Z(share, bad, usual, good) >= ZMin;

    /// <summary>Two proportions, pooled (Agresti 2013, "Categorical Data Analysis", 3.1), half a success added on each side.</summary>
    private static double Z(double p, int n, double q, int m)
    {
        var pooled = ((p * n) + (q * m) + 1) / (n + m + 2);
        return Math.Abs(p - q) / Math.Sqrt(pooled * (1 - pooled) * ((1.0 / n) + (1.0 / m)));
    }

    private static Dictionary<(string Attribute, string Value), int> Count(IReadOnlyList<TraceFacts> traces)
    {
        Dictionary<(string, string), int> counts = [];
        foreach (var trace in traces)
        {
            foreach (var value in trace.Values())
            {
                counts[value] = counts.GetValueOrDefault(value) + 1;
            }
        }

        return counts;
    }
}
