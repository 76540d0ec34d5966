namespace Faultline.Diagnosis.Detectors.Series;

/// <summary>The last values of a statistic, sorted, so that a new one can be ranked among them.</summary>
/// <remarks>
/// The share of earlier values at least as extreme, with the new one counted in, is a conformal p-value (Vovk, Gammerman and Shafer 2005,
/// "Algorithmic Learning in a Random World", 2.2): right for any distribution, with nothing to fit.
/// </remarks>
internal sealed class RankWindow(int capacity)
{
    /// <summary>Fewer earlier values say nothing.</summary>
    public const int HistoryMin = 30;

    private readonly double[] _sorted = new double[capacity];
    private readonly double[] _arrived = new double[capacity];
    private int _count;
    private int _oldest;

    /// <summary>How rarely values are this high, in decades: 2 is one in a hundred. 0 without enough history.</summary>
    public double SurpriseHigh(double value) => Surprise(_count - BelowOf(value));

    /// <summary>The same for values that are this low.</summary>
    public double SurpriseLow(double value) => Surprise(NotAboveOf(value));

    /// <summary>Takes a value in; the oldest goes once there are as many as fit.</summary>
    public void Add(double value)
    {
        if (_count == capacity)
        {
            var gone = BelowOf(_arrived[_oldest]);
            Array.Copy(_sorted, gone + 1, _sorted, gone, _count - gone - 1);
            _count--;
        }

        var at = BelowOf(value);
        Array.Copy(_sorted, at, _sorted, at + 1, _count - at);
        _sorted[at] = value;
        _count++;
        _arrived[_oldest] = value;
        _oldest = (_oldest + 1) % capacity;
    }

    private double Surprise(int asExtreme) => _count < HistoryMin ? 0 : -Math.Log10((asExtreme + 1.0) / (_count + 1.0));

    private int BelowOf(double value)
    {
        var (low, high) = (0, _count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (_sorted[middle] < value)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }

    private int NotAboveOf(double value)
    {
        var (low, high) = (0, _count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (_sorted[middle] <= value)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }
}
