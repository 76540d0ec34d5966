using Faultline.Diagnosis.Features;

namespace Faultline.Diagnosis.Baselines;

/// <summary>What a window of so many observations should look like, on the feature's scale.</summary>
/// <param name="Centre">Expected value.</param>
/// <param name="Sigma">Standard deviation of a usual window around it.</param>
/// <param name="Spread">The same for a sum over neighbouring windows, which strays further than if they were independent: never less than <paramref name="Sigma"/>.</param>
/// <param name="Rate">Of a share: how often it is usually so, as far as what was seen allows to say; 0 of anything else.</param>
/// <param name="Dispersion">Of a share: times a binomial variance that its sums have.</param>
/// <param name="IsSeasonal">Other days say what is usual at this hour.</param>
/// <param name="CentreError">Standard error of <paramref name="Centre"/>: few windows say less surely what is usual.</param>
/// <param name="Lasting">How many times further than by <paramref name="Spread"/> a sum over many windows strays: what drifts slowly hardly shows between neighbours.</param>
/// <param name="Strays">Of a share that drifts: standard deviation of it over many windows beyond what chance gives, the day's rhythm aside.</param>
/// <param name="Wild">Part of the usual windows that lie further off in the bad direction than <see cref="Baseline.WildSigma"/>; 0 where hardly one does, and of shares, whose likelihood knows.</param>
internal readonly record struct Expectation(
    double Centre, double Sigma, double Spread, double Rate = 0, double Dispersion = 1, bool IsSeasonal = false, double CentreError = 0, double Lasting = 1, double Strays = 0, double Wild = 0);

/// <summary>What is usual for one series.</summary>
internal interface IBaseline
{
    /// <summary>Windows learnt so far.</summary>
    int Learnt { get; }

    /// <summary>Enough is known to say that something is not usual.</summary>
    bool MayAlarm { get; }

    /// <summary>Mean observations in a learnt window.</summary>
    double UsualCount { get; }

    /// <summary>What a window that ends at <paramref name="unixSeconds"/> with <paramref name="count"/> observations should look like.</summary>
    Expectation Expect(long unixSeconds, double count);

    /// <summary>Takes in a usual window. Windows may come in any order.</summary>
    /// <param name="scaled">The window's value, on the feature's scale.</param>
    void Learn(long unixSeconds, double scaled, double count);

    /// <summary>Forgets what was learnt.</summary>
    void Restart();
}

/// <summary>
/// What is usual for one series, learnt online: a level with the day's (and, with enough weeks, the week's) rhythm, and
/// a spread that knows that windows with few observations are noisier.
/// </summary>
/// <remarks>
/// <para>Centre: each hour keeps a winsorised mean of its windows; an hour of the day is the median of that hour over the days
/// kept, an hour of the week likewise once three weeks have it; between the middles of two hours the centre is
/// interpolated. Before there is a day to look back on, it is the weighted median of the last windows.</para>
/// <para>Spread: a window's variance is taken as between² + within² / count (the variance of a mean in a one-way random
/// effects model; Searle, Casella and McCulloch 1992, "Variance Components", ch. 3). Residuals are kept by count class;
/// each class gives a scaled MAD, or where the bad side's tail is heavier what that tail amounts to, and the two parameters are fitted to those by weighted least squares, not negative.</para>
/// <para>Neighbouring windows of a real service are alike; their correlation is learnt as well, because a CUSUM over windows that are
/// not independent fires too early (Johnson and Bagshaw 1974, "The Effect of Serial Correlation on the Performance of CUSUM Tests"). Of what drifts
/// more slowly than that, <see cref="BatchMeans"/>.</para>
/// <para>Shares have the binomial variance instead of within², because most of their windows are exactly 0.</para>
/// </remarks>
internal sealed class Baseline(Feature feature) : IBaseline
{
    /// <summary>Windows to be learnt before anything may alarm: ten minutes of steady traffic.</summary>
    public const int WindowsBeforeAlarm = 60;

    /// <summary>Days that are looked back on: four weeks.</summary>
    internal const int DaysKept = 28;

    /// <summary>Part of the variance taken as "between" while windows of one size only have been seen.</summary>
    private const double BetweenShareUnknown = 0.15;

    /// <summary>Part of the variance that is "between" at least: no service is perfectly steady.</summary>
    private const double BetweenShareMin = 0.03;

    /// <summary>A share's baseline is never taken as less than this, so that a first error is not a miracle.</summary>
    private const double ShareMin = 0.02;

    /// <summary>Nothing is believed to be rarer than this, however long it was not seen.</summary>
    internal const double RateMin = 0.0005;

    /// <summary>Observations that are added to what was seen, one of them bad: never seen among few is not never.</summary>
    internal const double RateObservations = 50;

    /// <summary>Observations of an hour of the day that count as much as the share of all days.</summary>
    private const double HourObservations = 100;

    /// <summary>Observations after which what a share was counts for a third.</summary>
    private const double RateMemory = 5000;

    /// <summary>Standard deviations from which a usual window is a wild one: a call that was tried again, a cold start.</summary>
    internal const double WildSigma = 4;

    /// <summary>Wild windows that must have been seen, the older ones counting less.</summary>
    private const double WildMin = 1.5;

    /// <summary>What a window counts for when another one has been seen: after 5,000 a third.</summary>
    private const double WildKept = 1 - (1 / 5000.0);

    /// <summary>Windows this close are neighbours.</summary>
    private const long LagSecondsMax = 3 * FeatureWindows.LengthSeconds;

    private const int LagPairsMin = 30;

    private const double CorrelationMax = 0.9;

    private const int RecentMax = 128;
    private const int ResidualsMax = 256;
    private const int ResidualsMin = 24;
    private const int CountClasses = 7;
    private const float WeightMax = 16;

    private readonly float[] _recentValues = new float[RecentMax];
    private readonly float[] _recentWeights = new float[RecentMax];
    private readonly Residuals?[] _residuals = new Residuals?[CountClasses];
    private Day?[] _days = [];
    private long _hoursVersion;
    private long _centreHour = long.MinValue;
    private long _centreVersion = -1;
    private double _centreBefore;
    private double _centreAfter;
    private double _recentMedian;
    private int _recentMedianAt = -1;
    private double _between;
    private double _within;
    private int _spreadAt = -1;
    private double _shareExcess;
    private double _rateSum;
    private double _rateCount;
    private double _centreWeight;
    private int _centreDays;
    private long _lagEnd = long.MinValue / 2;
    private double _lagValue;
    private double _lagProducts;
    private double _lagSquares;
    private int _lagPairs;
    private readonly BatchMeans _batches = new();
    private double _wild;
    private double _wildOf;

    /// <summary>Windows learnt so far.</summary>
    public int Learnt { get; private set; }

    public bool MayAlarm => Learnt >= WindowsBeforeAlarm;

    /// <summary>Mean observations in a learnt window.</summary>
    public double UsualCount { get; private set; }

    public Expectation Expect(long unixSeconds, double count) => Expect(unixSeconds, count, 0);

    /// <param name="offset">How far from the centre the part lies that is asked for.</param>
    public Expectation Expect(long unixSeconds, double count, double offset)
    {
        var centre = Centre(unixSeconds) + offset;
        var n = Math.Max(count, 1);
        double variance;
        double rate = 0, dispersion = 1;
        var inflation = Inflation();
        var lasting = Math.Max(inflation, _batches.Inflation());
        if (feature.Statistic == Statistic.Share)
        {
            var share = Math.Clamp(centre, ShareMin, 1 - ShareMin);
            var binomial = share * (1 - share) / n;
            variance = binomial + _shareExcess;
            rate = Math.Clamp(Rate(centre - offset) + offset, RateMin, 1 - RateMin);
            dispersion = variance / binomial * inflation * inflation;
        }
        else
        {
            RefreshSpread();
            variance = (_between * _between) + (_within * _within / n);

            // Where windows of this very size were seen, the fit may not promise much less than they showed.
            if (_residuals[ClassOf(n)] is { Count: >= ResidualsMin } seen)
            {
                variance = Math.Max(variance, 0.7 * seen.Scale * seen.Scale);
            }
        }

        // What is too steady to be believed is no steadier for being alike from window to window.
        var sigma = Math.Sqrt(variance);
        var floor = feature.SpreadFloor(centre);
        var spread = Math.Max(sigma * inflation, floor);
        return new Expectation(centre, Math.Max(sigma, floor), spread, rate, dispersion, !double.IsNaN(_centreBefore) && !double.IsNaN(_centreAfter))
        {
            CentreError = Math.Max(sigma * lasting, floor) * Math.Sqrt(Math.Min(n, WeightMax) * MedianVariance * CentreReciprocal()),
            Strays = _batches.Strays(),
            Wild = _wild >= WildMin ? _wild / _wildOf : 0,
            Lasting = feature.Statistic == Statistic.Share ? lasting / inflation : Math.Max(sigma * lasting, floor) / spread,
        };
    }

    /// <summary>Variance of a median of normal data over that of the mean.</summary>
    private const double MedianVariance = Math.PI / 2;

    /// <summary>One over the observations that the centre rests on.</summary>
    private double CentreReciprocal()
    {
        var recent = 1 / (Math.Clamp(Learnt, 1, RecentMax) * Math.Clamp(UsualCount, 1, WeightMax));
        var hour = 1 / Math.Max(1, _centreWeight);
        return double.IsNaN(_centreBefore) || double.IsNaN(_centreAfter) ? recent : _centreDays >= 2 ? hour : (recent + hour) / 4;
    }

    /// <summary>How often it is so: what all days say or, where that is worse and the more of it was seen, what this hour of other days says.</summary>
    private double Rate(double centre)
    {
        var falls = feature.BadWhen == BadWhen.Falls;
        var all = ((falls ? _rateCount - _rateSum : _rateSum) + 1) / (_rateCount + RateObservations);
        var hour = falls ? 1 - centre : centre;
        var bad = Math.Max(all, ((_centreWeight * hour) + (HourObservations * all)) / (_centreWeight + HourObservations));
        return falls ? 1 - bad : bad;
    }

    public void Learn(long unixSeconds, double scaled, double count)
    {
        var weight = (float)Math.Min(Math.Max(count, 1), WeightMax);
        var learning = scaled;
        if (Learnt >= 8)
        {
            var expected = Expect(unixSeconds, count);
            var residual = scaled - expected.Centre;
            LearnSpread(residual, expected.Centre, count);
            LearnLag(unixSeconds, Math.Clamp(residual / expected.Sigma, -3, 3));
            LearnBatch(unixSeconds, scaled, expected, count);
            _lagEnd = unixSeconds;
            if (MayAlarm)
            {
                // Winsorised: one wild window moves its hour by no more than three of its standard deviations.
                var bound = 3 * expected.Sigma;
                LearnWild(feature.BadWhen switch { BadWhen.Rises => residual, BadWhen.Falls => -residual, _ => Math.Abs(residual) } > WildSigma * expected.Sigma);
                learning = expected.Centre + Math.Clamp(residual, -bound, bound);
            }
        }

        if (feature.Statistic == Statistic.Share)
        {
            var kept = Math.Exp(-count / RateMemory);
            _rateSum = (_rateSum * kept) + (scaled * count);
            _rateCount = (_rateCount * kept) + count;
        }

        _recentValues[Learnt % RecentMax] = (float)learning;
        _recentWeights[Learnt % RecentMax] = weight;
        LearnHour(Math.DivRem(unixSeconds - 1, 3600).Quotient, learning, weight);
        Learnt++;
        UsualCount += (count - UsualCount) / Math.Min(Learnt, 1000);
    }

    public void Restart()
    {
        (Learnt, UsualCount, _lagPairs, _rateSum, _rateCount, _shareExcess) = (0, 0, 0, 0, 0, 0);
        (_wild, _wildOf) = (0, 0);
        (_recentMedianAt, _spreadAt, _lagEnd) = (-1, -1, long.MinValue / 2);
        _batches.Restart();
        Array.Clear(_residuals);
        _days = [];
        _hoursVersion++;
    }

    private void LearnWild(bool isWild)
    {
        if (feature.Statistic != Statistic.Share)
        {
            _wild = (_wild * WildKept) + (isWild ? 1 : 0);
            _wildOf = (_wildOf * WildKept) + 1;
        }
    }

    private void LearnHour(long hour, double value, float weight)
    {
        var (at, hourOfDay) = Math.DivRem(hour, 24);
        if (_days.Length == 0)
        {
            _days = new Day?[DaysKept + 1];
        }

        ref var day = ref _days[at % _days.Length];
        if (day is null || day.Index < at)
        {
            day = new Day(at);
        }
        else if (day.Index > at)
        {
            return;         // older than all that is kept
        }

        ref var known = ref day.Hours[hourOfDay];
        if (known.Weight == 0)
        {
            _hoursVersion++;
        }

        known.Weight += weight;
        known.Mean += (float)((value - known.Mean) * weight / known.Weight);
    }

    /// <summary>What was learnt of an hour; nothing (weight 0) when it is not kept.</summary>
    private Hour HourAt(long hour) =>
        _days.Length > 0 && _days[hour / 24 % _days.Length] is { } day && day.Index == hour / 24 ? day.Hours[hour % 24] : default;

    private void LearnSpread(double residual, double centre, double count)
    {
        if (feature.Statistic == Statistic.Share)
        {
            // What is left of the squared residuals after the binomial part: bursts. Clamped, so that one burst is not the rule.
            var share = Math.Clamp(centre, ShareMin, 1 - ShareMin);
            var binomial = share * (1 - share) / Math.Max(count, 1);
            var excess = Math.Clamp(residual * residual, 0, 9 * (binomial + _shareExcess)) - binomial;
            _shareExcess = Math.Max(0, _shareExcess + ((excess - _shareExcess) / Math.Min(Learnt + 1, 500)));
            return;
        }

        (_residuals[ClassOf(count)] ??= new Residuals(feature.BadWhen switch { BadWhen.Rises => 1, BadWhen.Falls => -1, _ => 0 })).Add(residual, 1 / Math.Max(count, 1));
    }

    private void LearnLag(long unixSeconds, double standardised)
    {
        if (unixSeconds > _lagEnd && unixSeconds - _lagEnd <= (feature.Statistic == Statistic.Rate ? Traffic.Seconds : LagSecondsMax))
        {
            _lagPairs++;
            var memory = Math.Min(_lagPairs, 1000);
            _lagProducts += ((standardised * _lagValue) - _lagProducts) / memory;
            _lagSquares += ((standardised * standardised) - _lagSquares) / memory;
        }

        _lagValue = standardised;
    }

    private void LearnBatch(long unixSeconds, double scaled, in Expectation expected, double count)
    {
        var standardised = Math.Clamp((scaled - expected.Centre) / expected.Sigma, -3, 3);
        if (!feature.Drifts)
        {
            _batches.Add(unixSeconds - _lagEnd, standardised);
            return;
        }

        // The median of shares is nought until there is another day to look back on.
        var share = Math.Clamp(_rateSum / Math.Max(_rateCount, 1), ShareMin, 1 - ShareMin);
        _batches.Add(unixSeconds - _lagEnd, standardised, scaled - (expected.IsSeasonal ? expected.Centre : share), count, share * (1 - share));
    }

    /// <summary>√((1+ρ)/(1−ρ)) with the correlation ρ of neighbouring windows: the long-run standard deviation of an AR(1) process over its own.</summary>
    private double Inflation()
    {
        if (_lagPairs < LagPairsMin || _lagSquares <= 0)
        {
            return 1;
        }

        var correlation = Math.Clamp(_lagProducts / _lagSquares, 0, CorrelationMax);
        return Math.Sqrt((1 + correlation) / (1 - correlation));
    }

    /// <summary>0: one observation, 1: two or three, 2: four to seven, … 6: 64 and more.</summary>
    private static int ClassOf(double count) => Math.Min(CountClasses - 1, (int)Math.Log2(Math.Max(1, count)));

    private void RefreshSpread()
    {
        if (_spreadAt >= 0 && Learnt - _spreadAt < 16)
        {
            return;
        }

        _spreadAt = Learnt;
        double m = 0, u = 0, v = 0, uu = 0, uv = 0;
        var classes = 0;
        foreach (var residuals in _residuals)
        {
            if (residuals is not { Count: > 0 } || (residuals.Count < ResidualsMin && Learnt >= 2 * WindowsBeforeAlarm))
            {
                continue;
            }

            classes++;
            var variance = residuals.Scale * residuals.Scale;
            m += residuals.Count;
            u += residuals.Count * residuals.MeanReciprocal;
            v += residuals.Count * variance;
            uu += residuals.Count * residuals.MeanReciprocal * residuals.MeanReciprocal;
            uv += residuals.Count * residuals.MeanReciprocal * variance;
        }

        if (classes == 0)
        {
            _between = _within = 0;
            return;
        }

        double between, within;
        var determinant = (m * uu) - (u * u);
        if (classes == 1 || determinant <= 1e-9 * m * uu)
        {
            between = BetweenShareUnknown * v / m;
            within = (1 - BetweenShareUnknown) * v / u;
        }
        else
        {
            within = ((m * uv) - (u * v)) / determinant;
            between = (v - (within * u)) / m;
            if (within < 0)
            {
                within = 0;
                between = v / m;
            }
            else if (between < 0)
            {
                between = 0;
                within = uv / uu;
            }
        }

        _between = Math.Sqrt(Math.Max(between, BetweenShareMin * within));
        _within = Math.Sqrt(within);
    }

    private double Centre(long unixSeconds)
    {
        if (Learnt == 0)
        {
            return 0;
        }

        // Middles of the hours on either side of the moment, and how far it is from the first to the second.
        var (before, offset) = Math.DivRem(unixSeconds - 1 - 1800, 3600);
        if (_centreHour != before || _centreVersion != _hoursVersion)
        {
            _centreHour = before;
            _centreVersion = _hoursVersion;
            _centreBefore = HourCentre(before, unixSeconds);
            _centreAfter = HourCentre(before + 1, unixSeconds);
        }

        if (double.IsNaN(_centreBefore) || double.IsNaN(_centreAfter))
        {
            _centreWeight = 0;
            return RecentMedian();
        }

        var seasonal = _centreBefore + ((_centreAfter - _centreBefore) * offset / 3600.0);
        return feature.FollowsWindows > 0 ? (feature.BadWhen == BadWhen.Falls ? Math.Min(seasonal, RecentMedian()) : Math.Max(seasonal, RecentMedian()))
            : _centreDays >= 2 ? seasonal : (seasonal + RecentMedian()) / 2;
    }

    /// <summary>The usual value of an hour, from the same hour of other days; NaN when none is known.</summary>
    private double HourCentre(long hour, long nowUnixSeconds)
    {
        Span<double> sameDay = stackalloc double[DaysKept];
        Span<double> sameWeekday = stackalloc double[DaysKept / 7];
        var days = 0;
        var weeks = 0;
        _centreWeight = 0;
        var current = (nowUnixSeconds - 1) / 3600;
        for (var back = 1; back < DaysKept; back++)
        {
            // Looking forward as well as back would be seeing the future in a replay; the same hour of today is what is judged.
            var other = hour - (back * 24);
            if (other < 0 || other >= current)
            {
                continue;
            }

            if (HourAt(other) is { Weight: >= 3 } known)
            {
                sameDay[days++] = known.Mean;
                _centreWeight += known.Weight;
                if (back % 7 == 0)
                {
                    sameWeekday[weeks++] = known.Mean;
                }
            }
        }

        _centreDays = days;
        return weeks >= 3 ? RobustStatistics.Median(sameWeekday[..weeks])
            : days > 0 ? RobustStatistics.Median(sameDay[..days])
            : double.NaN;
    }

    private double RecentMedian()
    {
        if (_recentMedianAt >= 0 && Learnt - _recentMedianAt < (feature.FollowsWindows > 0 ? 1 : 4) && Learnt > 16)
        {
            return _recentMedian;
        }

        var n = Math.Min(Learnt, feature.FollowsWindows > 0 ? feature.FollowsWindows : RecentMax);
        Span<double> values = stackalloc double[n];
        Span<double> weights = stackalloc double[n];
        for (var i = 0; i < n; i++)
        {
            var at = (Learnt - 1 - i) % RecentMax;
            values[i] = _recentValues[at];
            weights[i] = _recentWeights[at];
        }

        _recentMedianAt = Learnt;
        return _recentMedian = RobustStatistics.WeightedMedian(values, weights);
    }

    private struct Hour
    {
        public float Mean;
        public float Weight;
    }

    /// <summary>The hours of one day. Most of what a series remembers, so means are kept as floats.</summary>
    private sealed class Day(long index)
    {
        public long Index { get; } = index;

        public Hour[] Hours { get; } = new Hour[24];
    }

    /// <summary>The last residuals of windows of about one size.</summary>
    private sealed class Residuals(int badSign)
    {
        /// <summary>Quantiles at which the bad side's tail is looked at, and the same of the standard normal distribution.</summary>
        private static readonly (double Rank, double Normal)[] Tail = [(0.90, 1.2816), (0.95, 1.6449), (0.98, 2.0537), (0.99, 2.3263)];

        private float[] _values = new float[ResidualsMin];
        private int _added;
        private int _scaledAt = -1;
        private double _scale;
        private double _reciprocals;

        public int Count => Math.Min(_added, ResidualsMax);

        /// <summary>Mean of 1 / count over the windows.</summary>
        public double MeanReciprocal => _reciprocals;

        public void Add(double residual, double reciprocal)
        {
            if (_added == _values.Length && _added < ResidualsMax)
            {
                Array.Resize(ref _values, Math.Min(ResidualsMax, _values.Length * 2));
            }

            _values[_added % ResidualsMax] = (float)residual;
            _added++;
            _reciprocals += (reciprocal - _reciprocals) / Math.Min(_added, ResidualsMax);
        }

        /// <summary>
        /// The normal distribution's standard deviation that has as heavy a tail on the bad side. Many series have two modes, a cache hit
        /// or none, a good answer or a wrong one: their median deviation is small, and the other mode is usual all the same.
        /// </summary>
        private double TailScale(ReadOnlySpan<double> residuals)
        {
            Span<double> bad = stackalloc double[residuals.Length];
            for (var i = 0; i < residuals.Length; i++)
            {
                bad[i] = badSign == 0 ? Math.Abs(residuals[i]) : badSign * residuals[i];
            }

            bad.Sort();
            var scale = 0.0;
            foreach (var (rank, normal) in Tail)
            {
                scale = Math.Max(scale, bad[(int)(rank * (bad.Length - 1))] / normal);
            }

            return scale;
        }

        public double Scale
        {
            get
            {
                if (_scaledAt < 0 || _added - _scaledAt >= 16)
                {
                    _scaledAt = _added;
                    Span<double> values = stackalloc double[Count];
                    for (var i = 0; i < values.Length; i++)
                    {
                        values[i] = _values[i];
                    }

                    _scale = Math.Max(TailScale(values), RobustStatistics.ScaledMad(values, 0));
                }

                return _scale;
            }
        }
    }
}
