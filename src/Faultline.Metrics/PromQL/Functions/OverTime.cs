using Faultline.Metrics.PromQL.Evaluation;

namespace Faultline.Metrics.PromQL.Functions;

/// <summary>One series' samples in a window, aggregated.</summary>
internal static class OverTime
{
    public static double Average(RangeCall call, in Window window)
    {
        var mean = default(KahanMean);
        foreach (var value in window.Values)
        {
            mean.Add(value);
        }

        return mean.Value;
    }

    public static double Sum(RangeCall call, in Window window)
    {
        double sum = 0, compensation = 0;
        foreach (var value in window.Values)
        {
            GoMath.Add(value, ref sum, ref compensation);
        }

        return double.IsInfinity(sum) ? sum : sum + compensation;
    }

    public static double Max(RangeCall call, in Window window) => window.Values[Extreme(window.Values, (value, best) => value > best)];

    public static double Min(RangeCall call, in Window window) => window.Values[Extreme(window.Values, (value, best) => value < best)];

    public static double TimeOfMax(RangeCall call, in Window window) => window.UnixMillis[Extreme(window.Values, (value, best) => value >= best)] / 1000.0;

    public static double TimeOfMin(RangeCall call, in Window window) => window.UnixMillis[Extreme(window.Values, (value, best) => value <= best)] / 1000.0;

    public static double Variance(ReadOnlySpan<double> values)
    {
        double count = 0, mean = 0, cMean = 0, squares = 0, cSquares = 0;
        foreach (var value in values)
        {
            count++;
            var delta = value - (mean + cMean);
            GoMath.Add(delta / count, ref mean, ref cMean);
            GoMath.Add(delta * (value - (mean + cMean)), ref squares, ref cSquares);
        }

        return (squares + cSquares) / count;
    }

    public static double MedianAbsoluteDeviation(RangeCall call, in Window window)
    {
        var values = call.Scratch(window.Values);
        foreach (var value in values)
        {
            if (double.IsNaN(value))
            {
                return double.NaN;      // the median is undefined, so the deviation is
            }
        }

        var median = GoMath.Quantile(0.5, values);
        foreach (ref var value in values)
        {
            value = Math.Abs(value - median);
        }

        return GoMath.Quantile(0.5, values);
    }

    public static double Quantile(RangeCall call, in Window window)
    {
        var phi = call.Scalar(0, window.Step);
        if (double.IsNaN(phi) || phi is < 0 or > 1)
        {
            call.Annotations.InvalidQuantile(call.ArgumentPosition(0), phi);
        }

        return GoMath.Quantile(phi, call.Scratch(window.Values));
    }

    /// <summary>Any number is better than NaN.</summary>
    private static int Extreme(ReadOnlySpan<double> values, Func<double, double, bool> isBetter)
    {
        var best = 0;
        for (var i = 0; i < values.Length; i++)
        {
            if (double.IsNaN(values[best]) || isBetter(values[i], values[best]))
            {
                best = i;
            }
        }

        return best;
    }
}
