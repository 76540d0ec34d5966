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
    public static IReadOnlyList<Distinction> Compare(IReadOnlyList<TraceFacts> bad, IReadOnlyList<TraceFacts> good, long onsetUnixNanos = long.MaxValue)
    {
        if (bad.Count < 2 || good.Count < 2)
        {
            return [];
        }

        var inBad = Count(bad);
        var inGood = Count(good);
        var late = good.Where(trace => trace.StartUnixNanos < onsetUnixNanos).OrderByDescending(trace => trace.StartUnixNanos).Take(LateMax).ToList();
        var inLate = Count(late);
        List<(Distinction Distinction, double Z)> found = [];
        foreach (var key in inBad.Keys.Union(inGood.Keys))
        {
            double p = inBad.GetValueOrDefault(key) / (double)bad.Count, q = inGood.GetValueOrDefault(key) / (double)good.Count;
            if (Math.Abs(p - q) < DifferenceMin || (late.Count >= LateMax / 2 && Math.Abs(p - (inLate.GetValueOrDefault(key) / (double)late.Count)) < Math.Abs(p - q) / 2))
            {
                continue;
            }

            // Two proportions, pooled (Agresti 2013, "Categorical Data Analysis", 3.1), half a success added on each side.
            var pooled = (inBad.GetValueOrDefault(key) + inGood.GetValueOrDefault(key) + 1.0) / (bad.Count + good.Count + 2);
            var z = Math.Abs(p - q) / Math.Sqrt(pooled * (1 - pooled) * ((1.0 / bad.Count) + (1.0 / good.Count)));
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
