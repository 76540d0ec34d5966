namespace Faultline.Diagnosis.Topics;

/// <summary>Tests of shares.</summary>
internal static class Proportions
{
    /// <summary>
    /// How likely <paramref name="hits"/> of <paramref name="calls"/> or more would be if they were drawn from both groups alike: the one-sided exact test of
    /// Fisher (1935).
    /// </summary>
    public static double Above(long hits, long calls, long otherHits, long otherCalls)
    {
        var (all, allHits) = (calls + otherCalls, hits + otherHits);
        var most = Math.Min(calls, allHits);
        var p = 0.0;
        for (var k = hits; k <= most; k++)
        {
            p += Math.Exp(LogChoose(allHits, k) + LogChoose(all - allHits, calls - k) - LogChoose(all, calls));
        }

        return Math.Min(1, p);
    }

    /// <summary>Two-sided p-value for two shares being one, by the pooled normal approximation.</summary>
    public static double Differ(double hits, double calls, double otherHits, double otherCalls)
    {
        if (calls <= 0 || otherCalls <= 0)
        {
            return 1;
        }

        var pooled = (hits + otherHits) / (calls + otherCalls);
        var error = Math.Sqrt(pooled * (1 - pooled) * ((1 / calls) + (1 / otherCalls)));
        return error <= 0 ? 1 : 2 * UpperTail(Math.Abs((hits / calls) - (otherHits / otherCalls)) / error);
    }

    /// <summary>Which of the p-values are discoveries, when at most the share <paramref name="rate"/> of those may be false on average.</summary>
    /// <remarks>Source: Benjamini and Hochberg 1995, "Controlling the false discovery rate".</remarks>
    public static bool[] Discoveries(IReadOnlyList<double> pValues, double rate)
    {
        int[] order = [.. Enumerable.Range(0, pValues.Count).OrderBy(i => pValues[i]).ThenBy(i => i)];
        var last = order.Length - 1;
        while (last >= 0 && pValues[order[last]] > rate * (last + 1) / order.Length)
        {
            last--;
        }

        var found = new bool[pValues.Count];
        for (var k = 0; k <= last; k++)
        {
            found[order[k]] = true;
        }

        return found;
    }

    /// <summary>P(Z > z) of a standard normal, to seven digits (Abramowitz and Stegun 1964, 26.2.17).</summary>
    private static double UpperTail(double z)
    {
        var t = 1 / (1 + (0.2316419 * z));
        var series = t * (0.319381530 + (t * (-0.356563782 + (t * (1.781477937 + (t * (-1.821255978 + (t * 1.330274429))))))));
        return Math.Exp(-z * z / 2) / Math.Sqrt(2 * Math.PI) * series;
    }

    private static double LogChoose(long n, long k) => k < 0 || k > n ? double.NegativeInfinity : LogFactorial(n) - LogFactorial(k) - LogFactorial(n - k);

    // Stirling's series: beyond 32 its error is below 1e-12.
    private static double LogFactorial(long n)
    {
        if (n < Small.Length)
        {
            return Small[n];
        }

        var x = n + 1.0;
        return ((x - 0.5) * Math.Log(x)) - x + (0.5 * Math.Log(2 * Math.PI)) + (1 / (12 * x)) - (1 / (360 * x * x * x));
    }

    private static readonly double[] Small = [.. Enumerable.Range(0, 33).Select(n => Enumerable.Range(1, n).Sum(i => Math.Log(i)))];
}
