namespace Faultline.Diagnosis.Detectors.Series;

/// <summary>What a series can be unusual in.</summary>
[Flags]
public enum SeriesAspects
{
    None = 0,

    /// <summary>The value, and the means of the last 20 and 200.</summary>
    Level = 1,

    /// <summary>How much it jumps from value to value, over the last 10 and 80.</summary>
    Roughness = 2,

    /// <summary>How far it is from what is usual at this time, now and over the last 5 and 20.</summary>
    Season = 4,

    /// <summary>The shape of the last 4 and 16 values: how unlike every earlier stretch it is.</summary>
    Shape = 8,
}

/// <summary>What the detector thinks of a value.</summary>
/// <param name="Score">0 to 1; <see cref="SeriesDetector.AlarmScore"/> and more is an alarm. While an alarm is fresh, what follows it stays below.</param>
/// <param name="Surprise">Quadratic mean of the surprise of all statistics, in decades: 2 is as rare as one in a hundred.</param>
/// <param name="Aspects">All with a statistic that is as rare by itself as an alarm asks of them together.</param>
/// <param name="High">Those of them that are that rare because they are so high. Never <see cref="SeriesAspects.Shape"/>, which has no sides.</param>
/// <param name="Low">Those that are so low. The short and the long mean of a series can be on different sides.</param>
public readonly record struct SeriesScore(double Score, double Surprise, SeriesAspects Aspects, SeriesAspects High, SeriesAspects Low);

/// <summary>
/// Says, value by value, how unusual one series of numbers is: any unit, any step, nothing to configure, no look ahead. One threshold
/// serves all series.
/// </summary>
/// <remarks>
/// <para>Ten statistics of the last values are each ranked among their own last 4,000, which gives a p-value without any assumption
/// about the distribution; none counts for more than one in a thousand, so no single one raises an alarm. The score is the quadratic mean of
/// their surprise against a fixed one. Means and roughness are judged on both sides: a series that falls silent is as unusual as
/// one that jumps. A spike that comes every hour is usual, a new level is learnt within days, and a statistic that has been surprising for
/// long, as those of a series with a trend are, is expected to be.</para>
/// <para>Sources: conformal anomaly detection (Laxhammar and Falkman 2014; Burnaev and Ishimtsev 2016, "Conformalized density- and distance-based
/// anomaly detection in time-series data"), left discords (Lu, Srinivasan and Keogh 2022, "DAMP"), combination of p-values by their
/// logarithms (Fisher 1932). The statistics depend on each other, so their sum is not Fisher's χ²; the threshold was set on labelled
/// series (docs/detection.md).</para>
/// <para>About 0.7 MB a series, and some 30 µs a value. Not safe for use by several threads.</para>
/// </remarks>
public sealed class SeriesDetector
{
    public const double AlarmScore = 0.5;

    /// <summary>Values after an alarm that raise no other: it is the same one.</summary>
    public const int ValuesPerAlarm = 100;

    /// <summary>Earlier values that a value is judged by; older ones, but for their season, count no longer.</summary>
    public const int ValuesRemembered = RankedStatistic.Remembered;

    /// <summary>With fewer earlier values no statistic can be rarer than one in 56, which an alarm asks of all together.</summary>
    public const int ValuesToSay = 56;

    /// <summary>From as many earlier values on a statistic can be as rare as is told apart, one in a thousand.</summary>
    public const int ValuesToKnow = 1000;

    /// <summary>Mean surprise at which the score is <see cref="AlarmScore"/>: as if every statistic were one in 56.</summary>
    private const double AlarmSurprise = 1.75;

    private const double HeldScoreMax = 0.49;
    private const int StretchesSearched = 1000;
    private const int LongestStretch = 16;

    private static readonly int[] MeanLengths = [1, 20, 200];
    private static readonly int[] ResidualLengths = [5, 20];
    private static readonly int[] RoughnessLengths = [10, 80];
    private static readonly int[] StretchLengths = [4, LongestStretch];

    private readonly RecentValues _recent = new(StretchesSearched + (2 * LongestStretch));
    private readonly RecentValues _residuals = new(ResidualLengths[^1]);
    private readonly SeasonProfile _season = new();
    private readonly RankedStatistic[] _means = Statistics(MeanLengths.Length);
    private readonly RankedStatistic[] _roughness = Statistics(RoughnessLengths.Length);
    private readonly RankedStatistic[] _stretches = Statistics(StretchLengths.Length);
    private readonly RankedStatistic _residual = new();
    private readonly RankedStatistic[] _residualMeans = Statistics(ResidualLengths.Length);
    private int _sinceAlarm = ValuesPerAlarm;

    /// <summary>Takes the next value in and judges it by those before.</summary>
    /// <param name="unixSeconds">Its time; used for the season only, so gaps and repeats do no harm.</param>
    /// <param name="value">Any unit. What is not finite is not learnt and scores 0.</param>
    public SeriesScore Step(long unixSeconds, double value)
    {
        if (!double.IsFinite(value))
        {
            return default;
        }

        _recent.Add(value);
        var tally = default(Tally);
        for (var i = 0; i < MeanLengths.Length; i++)
        {
            tally.Add(SeriesAspects.Level, _means[i].Either(_recent.Mean(MeanLengths[i])));
        }

        for (var i = 0; i < RoughnessLengths.Length; i++)
        {
            tally.Add(SeriesAspects.Roughness, _roughness[i].Either(_recent.Roughness(RoughnessLengths[i])));
        }

        for (var i = 0; i < StretchLengths.Length; i++)
        {
            tally.AddWithoutSide(SeriesAspects.Shape, _stretches[i].High(_recent.DistanceToNearest(StretchLengths[i], StretchesSearched)));
        }

        var residual = value - _season.Predict(unixSeconds);
        _season.Learn(unixSeconds, value);
        if (!double.IsNaN(residual))
        {
            _residuals.Add(residual);
        }

        tally.Add(SeriesAspects.Season, (_residual.High(Math.Abs(residual)), residual > 0));
        for (var i = 0; i < ResidualLengths.Length; i++)
        {
            tally.Add(SeriesAspects.Season, _residualMeans[i].Either(double.IsNaN(residual) ? residual : _residuals.Mean(ResidualLengths[i])));
        }

        return Judge(tally);
    }

    private SeriesScore Judge(in Tally tally)
    {
        var score = Math.Min(1, AlarmScore * tally.Mean / AlarmSurprise);
        _sinceAlarm = Math.Min(_sinceAlarm + 1, ValuesPerAlarm);
        if (score >= AlarmScore)
        {
            if (_sinceAlarm < ValuesPerAlarm)
            {
                score = HeldScoreMax;
            }
            else
            {
                _sinceAlarm = 0;
            }
        }

        return new SeriesScore(score, tally.Mean, tally.Rare, tally.High, tally.Low);
    }

    private static RankedStatistic[] Statistics(int count) => [.. Enumerable.Range(0, count).Select(_ => new RankedStatistic())];

    /// <summary>Mean surprise, and what is rare by itself.</summary>
    private struct Tally
    {
        private double _squares;
        private int _count;

        public SeriesAspects Rare { get; private set; }

        public SeriesAspects High { get; private set; }

        public SeriesAspects Low { get; private set; }

        /// <summary>Quadratic, so that two statistics far out weigh more than four that are somewhat out.</summary>
        public readonly double Mean => _count == 0 ? 0 : Math.Sqrt(_squares / _count);

        public void Add(SeriesAspects aspect, (double Surprise, bool IsHigh) found)
        {
            if (AddWithoutSide(aspect, found.Surprise))
            {
                High |= found.IsHigh ? aspect : SeriesAspects.None;
                Low |= found.IsHigh ? SeriesAspects.None : aspect;
            }
        }

        /// <returns>Whether it is rare by itself.</returns>
        public bool AddWithoutSide(SeriesAspects aspect, double surprise)
        {
            _squares += surprise * surprise;
            _count++;
            var isRare = surprise >= AlarmSurprise;
            Rare |= isRare ? aspect : SeriesAspects.None;
            return isRare;
        }
    }
}
