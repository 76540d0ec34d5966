namespace Faultline.Metrics.PromQL.Evaluation;

/// <summary>Where Go's arithmetic and .NET's differ, Go's: PromQL is defined by it.</summary>
internal static class GoMath
{
    /// <summary>An infinity decides before a NaN does.</summary>
    public static double Max(double x, double y) => double.IsPositiveInfinity(x) || double.IsPositiveInfinity(y) ? double.PositiveInfinity : Math.Max(x, y);

    /// <summary>An infinity decides before a NaN does.</summary>
    public static double Min(double x, double y) => double.IsNegativeInfinity(x) || double.IsNegativeInfinity(y) ? double.NegativeInfinity : Math.Min(x, y);

    /// <summary>One step of Kahan's sum in Neumaier's form. The true sum is <paramref name="sum"/> + <paramref name="compensation"/>.</summary>
    public static void Add(double term, ref double sum, ref double compensation)
    {
        var total = sum + term;
        if (double.IsInfinity(total))
        {
            compensation = 0;
        }
        else if (Math.Abs(sum) >= Math.Abs(term))
        {
            compensation += sum - total + term;
        }
        else
        {
            compensation += term - total + sum;
        }

        sum = total;
    }

    /// <summary>The φ-quantile with linear interpolation; NaN for no values or a NaN φ, ±Inf for one outside 0 to 1.</summary>
    /// <param name="values">Sorted in place; NaN counts as smallest.</param>
    public static double Quantile(double phi, Span<double> values)
    {
        if (values.IsEmpty || double.IsNaN(phi))
        {
            return double.NaN;
        }

        if (phi is < 0 or > 1)
        {
            return phi < 0 ? double.NegativeInfinity : double.PositiveInfinity;
        }

        values.Sort();
        var rank = phi * (values.Length - 1);
        var lower = Math.Max(0, (int)Math.Floor(rank));
        var upper = Math.Min(values.Length - 1, lower + 1);
        var weight = rank - Math.Floor(rank);
        return (values[lower] * (1 - weight)) + (values[upper] * weight);
    }
}

/// <summary>A mean that sums while it can and turns to increments before it would overflow, as upstream's <c>avg</c> does.</summary>
internal struct KahanMean
{
    private double _sum;
    private double _mean;
    private double _compensation;
    private bool _incremental;

    public double Count { get; private set; }

    public readonly double Value => _incremental ? _mean + _compensation : (_sum / Count) + (_compensation / Count);

    public void Add(double value)
    {
        Count++;
        if (Count == 1)
        {
            _sum = value;
            return;
        }

        if (!_incremental)
        {
            var (sum, compensation) = (_sum, _compensation);
            GoMath.Add(value, ref sum, ref compensation);
            if (!double.IsInfinity(sum))
            {
                (_sum, _compensation) = (sum, compensation);
                return;
            }

            _incremental = true;
            _mean = _sum / (Count - 1);
            _compensation /= Count - 1;
        }

        var q = (Count - 1) / Count;
        _mean *= q;
        _compensation *= q;
        GoMath.Add(value / Count, ref _mean, ref _compensation);
    }
}
