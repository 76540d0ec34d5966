using Faultline.Metrics.PromQL.Evaluation;

namespace Faultline.Metrics.PromQL.Functions;

/// <summary>How counters and gauges move within a window.</summary>
internal static class Rates
{
    public static double Rate(RangeCall call, in Window window) => Extrapolated(call, window, isCounter: true, perSecond: true);

    public static double Increase(RangeCall call, in Window window) => Extrapolated(call, window, isCounter: true, perSecond: false);

    public static double Delta(RangeCall call, in Window window) => Extrapolated(call, window, isCounter: false, perSecond: false);

    public static double InstantRate(RangeCall call, in Window window) => OfLastTwo(window, isCounter: true);

    public static double InstantDelta(RangeCall call, in Window window) => OfLastTwo(window, isCounter: false);

    public static double Changes(RangeCall call, in Window window)
    {
        var values = window.Values;
        var first = call.Anchored ? ExtendedRange.AnchorIndex(window.UnixMillis, window.From) : 0;
        if (first < 0)
        {
            return StepSeries.Absent;
        }

        var changes = 0;
        for (var i = first + 1; i < values.Length; i++)
        {
            if (values[i] != values[i - 1] && !(double.IsNaN(values[i]) && double.IsNaN(values[i - 1])))
            {
                changes++;
            }
        }

        return changes;
    }

    public static double Resets(RangeCall call, in Window window)
    {
        var values = window.Values;
        var first = call.Anchored ? ExtendedRange.AnchorIndex(window.UnixMillis, window.From) : 0;
        if (first < 0)
        {
            return StepSeries.Absent;
        }

        var resets = 0;
        for (var i = first + 1; i < values.Length; i++)
        {
            if (values[i] < values[i - 1])
            {
                resets++;
            }
        }

        return resets;
    }

    /// <summary>
    /// The difference between the last and the first sample, stretched to the window's edges where a further sample would be expected
    /// there, but never back beyond the point where a counter would have been zero.
    /// </summary>
    private static double Extrapolated(RangeCall call, in Window window, bool isCounter, bool perSecond)
    {
        if (call.Anchored || call.Smoothed)
        {
            return ExtendedRange.Rate(window, call.Smoothed, isCounter, perSecond ? call.RangeSeconds : 1);
        }

        var times = window.UnixMillis;
        var values = window.Values;
        if (values.Length < 2)
        {
            return StepSeries.Absent;
        }

        var difference = values[^1] - values[0];
        if (isCounter)
        {
            for (var i = 1; i < values.Length; i++)
            {
                if (values[i] < values[i - 1])
                {
                    difference += values[i - 1];
                }
            }
        }

        var toStart = (times[0] - window.From) / 1000.0;
        var toEnd = (window.To - times[^1]) / 1000.0;
        var sampled = (times[^1] - times[0]) / 1000.0;
        var between = sampled / (values.Length - 1);
        var threshold = between * 1.1;
        if (toStart >= threshold)
        {
            toStart = between / 2;
        }

        if (isCounter && difference > 0 && values[0] >= 0)
        {
            var toZero = sampled * (values[0] / difference);
            if (toZero < toStart)
            {
                toStart = toZero;
            }
        }

        if (toEnd >= threshold)
        {
            toEnd = between / 2;
        }

        var factor = sampled == 0 ? 1 : (sampled + toStart + toEnd) / sampled;
        return difference * (perSecond ? factor / call.RangeSeconds : factor);
    }

    private static double OfLastTwo(in Window window, bool isCounter)
    {
        var times = window.UnixMillis;
        var values = window.Values;
        if (values.Length < 2 || times[^1] == times[^2])
        {
            return StepSeries.Absent;
        }

        var isReset = isCounter && values[^1] < values[^2];
        var difference = isReset ? values[^1] : values[^1] - values[^2];
        return isCounter ? difference / ((times[^1] - times[^2]) / 1000.0) : difference;
    }
}

/// <summary>Straight lines and smoothing through the samples of a window.</summary>
internal static class Regression
{
    public static double Derivative(RangeCall call, in Window window) =>
        window.Values.Length < 2 ? StepSeries.Absent : Line(window, window.UnixMillis[0]).Slope;

    public static double PredictLinear(RangeCall call, in Window window)
    {
        if (window.Values.Length < 2)
        {
            return StepSeries.Absent;
        }

        var (slope, intercept) = Line(window, window.At);
        return (slope * call.Scalar(1, window.Step)) + intercept;
    }

    /// <summary>Holt's linear method.</summary>
    public static double DoubleExponentialSmoothing(RangeCall call, in Window window)
    {
        var smoothing = call.Scalar(1, window.Step);
        var trendFactor = call.Scalar(2, window.Step);
        if (!(smoothing > 0 && smoothing < 1) && !double.IsNaN(smoothing))
        {
            throw Evaluator.Fault(FormattableString.Invariant($"invalid smoothing factor. Expected: 0 < sf < 1, got: {smoothing:F6}"));
        }

        if (!(trendFactor > 0 && trendFactor < 1) && !double.IsNaN(trendFactor))
        {
            throw Evaluator.Fault(FormattableString.Invariant($"invalid trend factor. Expected: 0 < tf < 1, got: {trendFactor:F6}"));
        }

        var values = window.Values;
        if (values.Length < 2)
        {
            return StepSeries.Absent;
        }

        var previous = 0.0;
        var level = values[0];
        var trend = values[1] - values[0];
        for (var i = 1; i < values.Length; i++)
        {
            if (i > 1)
            {
                trend = (trendFactor * (level - previous)) + ((1 - trendFactor) * trend);
            }

            (previous, level) = (level, (smoothing * values[i]) + ((1 - smoothing) * (level + trend)));
        }

        return level;
    }

    /// <summary>Least squares. The intercept is the value at <paramref name="origin"/>, which should be near the samples, for precision.</summary>
    private static (double Slope, double Intercept) Line(in Window window, long origin)
    {
        var times = window.UnixMillis;
        var values = window.Values;
        double sumX = 0, cX = 0, sumY = 0, cY = 0, sumXy = 0, cXy = 0, sumXx = 0, cXx = 0;
        var constant = true;
        for (var i = 0; i < values.Length; i++)
        {
            constant &= i == 0 || values[i] == values[0];
            var x = (times[i] - origin) / 1e3;
            GoMath.Add(x, ref sumX, ref cX);
            GoMath.Add(values[i], ref sumY, ref cY);
            GoMath.Add(x * values[i], ref sumXy, ref cXy);
            GoMath.Add(x * x, ref sumXx, ref cXx);
        }

        if (constant)
        {
            return double.IsInfinity(values[0]) ? (double.NaN, double.NaN) : (0, values[0]);
        }

        double n = values.Length;
        sumX += cX;
        sumY += cY;
        var slope = (sumXy + cXy - (sumX * sumY / n)) / (sumXx + cXx - (sumX * sumX / n));
        return (slope, (sumY / n) - (slope * sumX / n));
    }
}
