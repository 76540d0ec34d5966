namespace Faultline.Diagnosis.Detectors.Series;

/// <summary>One statistic of a series: how unusual is its new value, given its own past?</summary>
internal sealed class RankedStatistic
{
    /// <summary>Decades; nothing is taken for rarer than one in a thousand.</summary>
    private const double SurpriseMax = 3;

    /// <summary>Mean surprise of a statistic whose ranks are all equally likely.</summary>
    private const double SurpriseUsual = 1 / 2.302585092994046;

    /// <summary>Values after which a surprise that stays has become two thirds usual.</summary>
    private const int ValuesToExpect = 500;

    public const int Remembered = 4000;

    private readonly RankWindow _past = new(Remembered);
    private double _lately = SurpriseUsual;

    /// <summary>Surprise at so high a value, in decades, less what surprises lately anyway. A value that is not known is none and is not learnt.</summary>
    public double High(double value) => double.IsNaN(value) ? 0 : Learn(value, _past.SurpriseHigh(value));

    /// <summary>The same, unusually low or unusually high, whichever is rarer.</summary>
    public (double Surprise, bool IsHigh) Either(double value)
    {
        if (double.IsNaN(value))
        {
            return (0, false);
        }

        var (high, low) = (_past.SurpriseHigh(value), _past.SurpriseLow(value));
        return (Learn(value, Math.Max(high, low)), high > low);
    }

    private double Learn(double value, double surprise)
    {
        _past.Add(value);
        surprise = Math.Min(surprise, SurpriseMax);
        var unexpected = Math.Max(0, surprise - Math.Max(0, _lately - SurpriseUsual));
        _lately += (surprise - _lately) / ValuesToExpect;
        return unexpected;
    }
}
