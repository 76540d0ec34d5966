namespace Faultline.Metrics.PromQL.Evaluation;

/// <summary>One bucket of a classic histogram: how many observations were at most <paramref name="UpperBound"/>.</summary>
internal record struct Bucket(double UpperBound, double Count);

/// <summary>What repairing falling bucket counts did.</summary>
internal readonly record struct MonotonicityRepair(bool Forced, double BucketMin, double BucketMax, double DifferenceMax);

/// <summary>Quantiles and fractions of classic histograms, with upstream's linear interpolation and repairs.</summary>
internal static class ClassicHistogram
{
    /// <summary>Relative difference below which two counts are taken as equal: rounding, not data.</summary>
    private const double SmallDifference = 1e-12;

    /// <param name="buckets">Upper bounds rising. Changed in place.</param>
    public static double Quantile(double phi, Span<Bucket> buckets, out MonotonicityRepair repair)
    {
        repair = default;
        if (double.IsNaN(phi))
        {
            return double.NaN;
        }

        if (phi is < 0 or > 1)
        {
            return phi < 0 ? double.NegativeInfinity : double.PositiveInfinity;
        }

        if (!double.IsPositiveInfinity(buckets[^1].UpperBound))
        {
            return double.NaN;
        }

        buckets = Coalesce(buckets);
        repair = MakeMonotonic(buckets);
        var observations = buckets[^1].Count;
        if (buckets.Length < 2 || observations == 0)
        {
            return double.NaN;
        }

        var rank = phi * observations;
        var index = 0;
        while (index < buckets.Length - 1 && !(buckets[index].Count >= rank))
        {
            index++;
        }

        if (index == buckets.Length - 1)
        {
            return buckets[^2].UpperBound;
        }

        if (index == 0 && buckets[0].UpperBound <= 0)
        {
            return buckets[0].UpperBound;
        }

        var (start, below) = index > 0 ? (buckets[index - 1].UpperBound, buckets[index - 1].Count) : (0, 0);
        return start + ((buckets[index].UpperBound - start) * ((rank - below) / (buckets[index].Count - below)));
    }

    /// <summary>The part of the observations between two values.</summary>
    /// <param name="buckets">Upper bounds rising. Changed in place.</param>
    public static double Fraction(double lower, double upper, Span<Bucket> buckets)
    {
        if (!double.IsPositiveInfinity(buckets[^1].UpperBound))
        {
            return double.NaN;
        }

        buckets = Coalesce(buckets);
        var count = buckets[^1].Count;
        if (count == 0 || double.IsNaN(lower) || double.IsNaN(upper))
        {
            return double.NaN;
        }

        if (lower >= upper)
        {
            return 0;
        }

        var lowerRank = Math.Min(RankOf(lower, buckets), count);
        var upperRank = Math.Min(RankOf(upper, buckets), count);
        return (upperRank - lowerRank) / count;
    }

    /// <summary>How many observations lie below a value; +∞ when it is above every bound.</summary>
    private static double RankOf(double value, ReadOnlySpan<Bucket> buckets)
    {
        double rank = 0;
        var start = buckets[0].UpperBound <= 0 ? double.NegativeInfinity : 0;
        foreach (var bucket in buckets)
        {
            if (start >= value)
            {
                return rank;
            }

            if (bucket.UpperBound > value)
            {
                return double.IsNegativeInfinity(start) ? bucket.Count : rank + ((bucket.Count - rank) * (value - start) / (bucket.UpperBound - start));
            }

            rank = bucket.Count;
            start = bucket.UpperBound;
        }

        return double.PositiveInfinity;
    }

    /// <summary>Adds up buckets with one upper bound (<c>1</c> and <c>1.0</c>).</summary>
    private static Span<Bucket> Coalesce(Span<Bucket> buckets)
    {
        var last = 0;
        for (var i = 1; i < buckets.Length; i++)
        {
            if (buckets[i].UpperBound == buckets[last].UpperBound)
            {
                buckets[last].Count += buckets[i].Count;
            }
            else
            {
                buckets[++last] = buckets[i];
            }
        }

        return buckets[..(last + 1)];
    }

    private static MonotonicityRepair MakeMonotonic(Span<Bucket> buckets)
    {
        var repair = new MonotonicityRepair(Forced: false, double.PositiveInfinity, double.NegativeInfinity, 0);
        var previous = buckets[0].Count;
        for (var i = 1; i < buckets.Length; i++)
        {
            var current = buckets[i].Count;
            if (current == previous)
            {
                continue;
            }

            if (AlmostEqual(previous, current))
            {
                buckets[i].Count = previous;
            }
            else if (current < previous)
            {
                buckets[i].Count = previous;
                var bound = buckets[i].UpperBound;
                repair = new MonotonicityRepair(true, Math.Min(repair.BucketMin, bound), Math.Max(repair.BucketMax, bound), Math.Max(repair.DifferenceMax, previous - current));
            }
            else
            {
                previous = current;
            }
        }

        return repair;
    }

    private static bool AlmostEqual(double a, double b)
    {
        const double SmallestNormal = 2.2250738585072014e-308;
        var sum = Math.Abs(a) + Math.Abs(b);
        var difference = Math.Abs(a - b);
        return a == 0 || b == 0 || sum < SmallestNormal
            ? difference < SmallDifference * SmallestNormal
            : difference / Math.Min(sum, double.MaxValue) < SmallDifference;
    }
}
