namespace Faultline.Diagnosis.Detectors.Series;

/// <summary>The last values of a series, in order, and what is asked of them.</summary>
internal sealed class RecentValues(int kept)
{
    // Twice as long as what is kept, so that values lie side by side and are moved once in a while.
    private readonly double[] _values = new double[2 * kept];
    private int _count;

    /// <summary>Values at hand, the newest last.</summary>
    public ReadOnlySpan<double> Values => _values.AsSpan(0, _count);

    public void Add(double value)
    {
        if (_count == _values.Length)
        {
            Array.Copy(_values, _values.Length - kept, _values, 0, kept);
            _count = kept;
        }

        _values[_count++] = value;
    }

    /// <summary>Mean of the last values. Summed anew each time, so that equal values give an equal mean, whatever came before.</summary>
    public double Mean(int length)
    {
        var last = Last(length);
        var sum = 0.0;
        foreach (var value in last)
        {
            sum += value;
        }

        return sum / last.Length;
    }

    /// <summary>Root mean square of the steps from value to value among the last ones.</summary>
    public double Roughness(int length)
    {
        var last = Last(length + 1);
        var sum = 0.0;
        for (var i = 1; i < last.Length; i++)
        {
            var step = last[i] - last[i - 1];
            sum += step * step;
        }

        return Math.Sqrt(sum / Math.Max(1, last.Length - 1));
    }

    /// <summary>Distance of the last values from the most similar earlier stretch of the same length that does not overlap them.</summary>
    /// <param name="length">Values in a stretch.</param>
    /// <param name="stretches">How many earlier stretches are looked at, the newest first.</param>
    /// <returns>Euclidean distance in the series' unit; NaN while there is no earlier stretch.</returns>
    /// <remarks>The left discord of a matrix profile (Lu, Srinivasan and Keogh 2022, "DAMP"), unscaled, because the level of telemetry has a meaning.</remarks>
    public double DistanceToNearest(int length, int stretches)
    {
        var values = Values;
        var now = values.Length - length;
        var first = Math.Max(0, now - length - stretches);
        var best = double.PositiveInfinity;
        for (var start = now - length; start >= first; start--)
        {
            var sum = 0.0;
            for (var i = length - 1; i >= 0 && sum < best; i--)
            {
                var difference = values[now + i] - values[start + i];
                sum += difference * difference;
            }

            best = Math.Min(best, sum);
        }

        return double.IsInfinity(best) ? double.NaN : Math.Sqrt(best);
    }

    private ReadOnlySpan<double> Last(int length) => _values.AsSpan(Math.Max(0, _count - length), Math.Min(length, _count));
}
