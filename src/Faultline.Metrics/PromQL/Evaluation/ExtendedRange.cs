using Faultline.Telemetry.Samples;

namespace Faultline.Metrics.PromQL.Evaluation;

/// <summary>
/// The <c>anchored</c> and <c>smoothed</c> modifiers: a window whose edges take the value of the sample before it (anchored) or the
/// value interpolated between its neighbours (smoothed), instead of extrapolating.
/// </summary>
internal static class ExtendedRange
{
    private static readonly string[] AnchoredFunctions = ["changes", "delta", "increase", "rate", "resets"];
    private static readonly string[] SmoothedFunctions = ["delta", "increase", "rate"];

    public static void RequireSupport(string function, bool anchored, bool smoothed)
    {
        if (anchored && !AnchoredFunctions.Contains(function, StringComparer.Ordinal))
        {
            throw Evaluator.Fault($"anchored modifier can only be used with: {string.Join(", ", AnchoredFunctions)} - not with {function}");
        }

        if (smoothed && !SmoothedFunctions.Contains(function, StringComparer.Ordinal))
        {
            throw Evaluator.Fault($"smoothed modifier can only be used with: {string.Join(", ", SmoothedFunctions)} - not with {function}");
        }
    }

    /// <summary>A smoothed instant selector: the exact sample, else between its neighbours, else the one before.</summary>
    public static double Smooth(ReadOnlySpan<long> times, ReadOnlySpan<double> values, long at, long lookback)
    {
        var previous = -1;
        var next = -1;
        for (var i = Evaluator.FirstAfter(times, at - lookback); i < times.Length && times[i] <= at + lookback && next < 0; i++)
        {
            if (SampleBatch.IsStale(values[i]))
            {
                continue;
            }

            if (times[i] >= at)
            {
                next = i;
            }
            else
            {
                previous = i;
            }
        }

        return next >= 0 && times[next] == at ? values[next]
            : previous < 0 ? StepSeries.Absent
            : next < 0 ? values[previous]
            : Interpolate(times, values, previous, next, at, isCounter: false);
    }

    /// <summary><c>rate</c>, <c>increase</c> and <c>delta</c> over an extended window.</summary>
    public static double Rate(in Functions.Window window, bool smoothed, bool isCounter, double perSeconds)
    {
        var times = window.UnixMillis;
        var values = window.Values;
        var (first, last) = Bounds(times, window.From, window.To, smoothed);
        if (times[last] <= window.From || (smoothed && times[first] > window.To))
        {
            return StepSeries.Absent;
        }

        var left = smoothed && times[first] < window.From ? Interpolate(times, values, first, first + 1, window.From, isCounter) : values[first];
        var right = smoothed && last > 0 && times[last] > window.To ? Interpolate(times, values, last - 1, last, window.To, isCounter) : values[last];
        var result = right - left;
        if (isCounter)
        {
            var from = times[first] <= window.From ? first + 1 : first;
            var to = times[last] >= window.To ? last - 1 : last;
            var previous = left;
            for (var i = from; i <= to; i++)
            {
                if (values[i] < previous)
                {
                    result += previous;
                }

                previous = values[i];
            }

            if (right < previous)
            {
                result += previous;
            }
        }

        return result / perSeconds;
    }

    /// <summary>The window itself, with one sample on each edge.</summary>
    public static (long[] UnixMillis, double[] Values) Samples(ReadOnlySpan<long> times, ReadOnlySpan<double> values, long from, long to, bool smoothed)
    {
        if (times.IsEmpty)
        {
            return ([], []);
        }

        var (first, last) = Bounds(times, from, to, smoothed);
        if (times[last] <= from)
        {
            return ([], []);
        }

        var left = smoothed && times[first] < from ? Interpolate(times, values, first, first + 1, from, isCounter: false) : values[first];
        var right = smoothed && last > 0 && times[last] > to ? Interpolate(times, values, last - 1, last, to, isCounter: false) : values[last];
        first = times[first] <= from ? first + 1 : first;
        last = times[last] >= to ? last - 1 : last;
        var end = Math.Max(first, last + 1);
        return ([from, .. times[first..end], to], [left, .. values[first..end], right]);
    }

    /// <summary>Index of the newest sample at or before <paramref name="from"/>, or 0; −1 when nothing lies after it.</summary>
    public static int AnchorIndex(ReadOnlySpan<long> times, long from)
    {
        var after = Evaluator.FirstAfter(times, from);
        return after >= times.Length ? -1 : Math.Max(0, after - 1);
    }

    private static (int First, int Last) Bounds(ReadOnlySpan<long> times, long from, long to, bool smoothed)
    {
        var last = times.Length - 1;
        var first = Math.Max(0, Evaluator.FirstAfter(times[..last], from) - 1);
        if (smoothed)
        {
            last = Evaluator.FirstAfter(times[..last], to - 1);
        }

        return (first, last);
    }

    private static double Interpolate(ReadOnlySpan<long> times, ReadOnlySpan<double> values, int before, int after, long at, bool isCounter)
    {
        var y1 = isCounter && values[after] < values[before] ? 0 : values[before];
        return y1 + ((values[after] - y1) * (at - times[before]) / (times[after] - times[before]));
    }
}
