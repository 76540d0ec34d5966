using Faultline.Diagnosis.Features;

namespace Faultline.Diagnosis.Baselines;

/// <summary>How all segments together deviate, lately, from what is usual for each of them; in standard deviations.</summary>
internal sealed class Others
{
    /// <summary>Observations after which what was seen counts for a third.</summary>
    private const double Memory = 20;

    /// <summary>Few others are no proof: so many that did not deviate are added.</summary>
    private const double AddedWeight = 5;

    private double _sum;
    private double _weight;

    /// <summary>Observations so far.</summary>
    public double Seen { get; private set; }

    public void Add(double deviation, double count)
    {
        var kept = Math.Exp(-count / Memory);
        _sum = (_sum * kept) + (deviation * count);
        _weight = (_weight * kept) + count;
        Seen += count;
    }

    /// <summary>What is left by now of sums that were true when so many had been seen.</summary>
    public double KeptSince(double seen) => Math.Exp((seen - Seen) / Memory);

    /// <summary>Mean deviation without a part's own share, drawn towards nought while it rests on little.</summary>
    public double Without(double ownSum, double ownWeight) => (_sum - ownSum) / (Math.Max(0, _weight - ownWeight) + AddedWeight);
}

/// <summary>
/// What is usual for one segment's requests: what is usual for all, how far from it this segment usually lies, and how far off the others are
/// at the moment. The day's rhythm and what happens to everybody cancel, so little has to be learnt.
/// </summary>
internal sealed class RelativeBaseline(Feature feature, Baseline whole, Others others) : IBaseline
{
    /// <summary>Windows with data before anything may alarm, and observations of others.</summary>
    public const int WindowsBeforeAlarm = 30;

    /// <summary>Of a part less was seen than of the whole.</summary>
    private const double RateMin = 0.01;

    /// <summary>Windows after which the usual distance is learnt anew by two thirds.</summary>
    private const int Memory = 500;

    /// <summary>Windows from which on a wild one is taken for less.</summary>
    private const int WindowsTrusted = 8;

    private double _offset;

    /// <summary>Variance of its windows over that of equally large windows of the whole.</summary>
    private double _varianceRatio = 1;

    private double _ownSum;
    private double _ownWeight;
    private double _ownSeen;
    private double _ownCount;

    public int Learnt { get; private set; }

    public bool MayAlarm => Learnt >= WindowsBeforeAlarm && whole.MayAlarm && others.Seen - _ownCount >= WindowsBeforeAlarm;

    public double UsualCount { get; private set; }

    public Expectation Expect(long unixSeconds, double count)
    {
        var usual = Usual(unixSeconds, count);
        var kept = others.KeptSince(_ownSeen);
        var moved = others.Without(_ownSum * kept, _ownWeight * kept) * usual.Sigma;

        // What gets better for the others must not make the same worse for this one.
        var shift = feature.BadWhen == BadWhen.Falls ? Math.Min(0, moved) : Math.Max(0, moved);
        return usual with { Centre = usual.Centre + shift, Rate = Rate(usual.Rate + shift) };
    }

    /// <summary>What the segment's own windows allow to say: never seen among few is not never.</summary>
    private double Rate(double rate)
    {
        var falls = feature.BadWhen == BadWhen.Falls;
        var windows = Math.Min(Learnt, Memory);
        var bad = ((windows * (falls ? 1 - rate : rate)) + 1) / (windows + Baseline.RateObservations);
        bad = Math.Clamp(Math.Max(bad, falls ? 1 - rate : rate), RateMin, 1 - RateMin);
        return falls ? 1 - bad : bad;
    }

    public void Learn(long unixSeconds, double scaled, double count)
    {
        if (whole.Learnt == 0)
        {
            return;
        }

        var usual = Usual(unixSeconds, count);
        var residual = scaled - usual.Centre;
        Learnt++;
        var memory = Math.Min(Learnt, Memory);
        if (Learnt > WindowsTrusted)
        {
            var bound = 3 * usual.Sigma;
            var ratio = Math.Clamp(residual / usual.Sigma, -6, 6) * Inflation;
            _varianceRatio += ((ratio * ratio) - _varianceRatio) / memory;
            residual = Math.Clamp(residual, -bound, bound);
        }

        _offset += residual / memory;
        UsualCount += (count - UsualCount) / Math.Min(Learnt, 1000);
    }

    public void Restart() => (Learnt, UsualCount, _offset, _varianceRatio) = (0, 0, 0, 1);

    /// <summary>Tells the others' baselines of a window that was judged, usual or not.</summary>
    public void Note(long unixSeconds, double scaled, double count)
    {
        var usual = Usual(unixSeconds, count);
        var deviation = Math.Clamp((scaled - usual.Centre) / usual.Sigma, -3, 3);
        others.Add(deviation, count);
        var kept = others.KeptSince(_ownSeen);
        _ownSum = (_ownSum * kept) + (deviation * count);
        _ownWeight = (_ownWeight * kept) + count;
        _ownSeen = others.Seen;
        _ownCount += count;
    }

    private double Inflation => Math.Max(1, Math.Sqrt(_varianceRatio));

    private Expectation Usual(long unixSeconds, double count)
    {
        var usual = whole.Expect(unixSeconds, count, _offset);

        // What drifts, drifts for all.
        return usual with { Sigma = usual.Sigma * Inflation, Spread = usual.Spread * Inflation, Dispersion = usual.Dispersion * Inflation * Inflation, Strays = 0 };
    }
}
