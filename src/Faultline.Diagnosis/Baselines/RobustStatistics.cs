namespace Faultline.Diagnosis.Baselines;

/// <summary>Estimators that a minority of wild values cannot move.</summary>
internal static class RobustStatistics
{
    /// <summary>1 / Φ⁻¹(3/4): makes the median absolute deviation of normal data its standard deviation.</summary>
    public const double MadToSigma = 1.482602218505602;

    /// <summary>The middle value, or the mean of the two middle ones.</summary>
    /// <param name="values">Any unit, any order, at least one. Sorted in place.</param>
    /// <exception cref="ArgumentException"><paramref name="values"/> is empty.</exception>
    public static double Median(Span<double> values)
    {
        if (values.IsEmpty)
        {
            throw new ArgumentException("A median needs at least one value.", nameof(values));
        }

        values.Sort();
        var middle = values.Length / 2;
        return values.Length % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
    }

    /// <summary>Median absolute deviation from the median, scaled to the standard deviation of normal data.</summary>
    /// <param name="values">Any unit, any order, at least one. Overwritten.</param>
    /// <returns>Unit of <paramref name="values"/>. 0 when more than half are equal.</returns>
    /// <exception cref="ArgumentException"><paramref name="values"/> is empty.</exception>
    /// <remarks>Source: Rousseeuw and Croux 1993, "Alternatives to the Median Absolute Deviation".</remarks>
    public static double ScaledMad(Span<double> values) => ScaledMad(values, Median(values));

    /// <summary>The same around a centre that is known, e.g. 0 for residuals.</summary>
    public static double ScaledMad(Span<double> values, double centre)
    {
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = Math.Abs(values[i] - centre);
        }

        return MadToSigma * Median(values);
    }

    /// <summary>The value at which half of the weight lies below.</summary>
    /// <param name="values">At least one; sorted in place together with the weights.</param>
    /// <param name="weights">Not negative, not all 0.</param>
    /// <exception cref="ArgumentException"><paramref name="values"/> is empty.</exception>
    public static double WeightedMedian(Span<double> values, Span<double> weights)
    {
        if (values.IsEmpty)
        {
            throw new ArgumentException("A median needs at least one value.", nameof(values));
        }

        values.Sort(weights);
        var half = 0.0;
        foreach (var weight in weights)
        {
            half += weight;
        }

        half /= 2;
        var below = 0.0;
        for (var i = 0; i < values.Length; i++)
        {
            below += weights[i];
            if (below >= half)
            {
                return values[i];
            }
        }

        return values[^1];
    }
}
