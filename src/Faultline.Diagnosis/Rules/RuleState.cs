using Faultline.Diagnosis.Features;

namespace Faultline.Diagnosis.Rules;

/// <summary>One rule on one series. Event time only: it is stepped once for each closed window with data.</summary>
internal sealed class RuleState(UserRule rule, ServiceFeatures service, FeatureSeries series)
{
    /// <summary>Silence after which a breach is no longer one in a row.</summary>
    private const long SilentSecondsMax = 600;

    /// <summary>Telemetry time without a breach, with data, after which the finding is over.</summary>
    private const long UsualSecondsToClear = 60;

    private readonly Queue<(long EndSeconds, double Value, double Count)> _recent = new();
    private long _newest = long.MinValue;
    private double _countSince;
    private long? _usualSince;

    public UserRule Rule { get; } = rule;

    public ServiceFeatures Service { get; } = service;

    public FeatureSeries Series { get; } = series;

    /// <summary>Start of the first window of the breach, Unix seconds; null while there is none.</summary>
    public long? SinceSeconds { get; private set; }

    public bool IsOpen { get; private set; }

    /// <summary>Mean over the rule's range, in the feature's unit.</summary>
    public double Observed { get; private set; }

    /// <summary>What it is compared with; fixed when the breach began, so that it cannot become usual meanwhile.</summary>
    public double Limit { get; private set; }

    /// <summary>What was usual when the breach began; the limit where that is not known.</summary>
    public double Usual { get; private set; }

    /// <summary>A finding of an earlier process goes on.</summary>
    public void Restore(long sinceSeconds, double limit) => (SinceSeconds, IsOpen, Limit, Usual) = (sinceSeconds, true, limit, limit);

    public RuleTurn Step(long window, double value, double count)
    {
        var end = FeatureWindows.EndSeconds(window);
        if (end <= _newest || !double.IsFinite(value) || (count <= 0 && Series.Feature.Statistic != Statistic.Max))
        {
            return RuleTurn.None;       // a straggler corrects the stored sample, not what was concluded
        }

        if (_newest != long.MinValue && end - _newest > SilentSecondsMax)
        {
            _recent.Clear();
            SinceSeconds = IsOpen ? SinceSeconds : null;
        }

        _newest = end;
        _recent.Enqueue((end, value, count));
        while (_recent.Peek().EndSeconds <= end - Rule.Over.TotalSeconds)
        {
            _recent.Dequeue();
        }

        Observed = Series.Feature.Statistic == Statistic.Max
            ? _recent.Max(one => one.Value)
            : _recent.Sum(one => one.Value * Math.Max(1, one.Count)) / _recent.Sum(one => Math.Max(1, one.Count));
        if (SinceSeconds is null && !TakeLimit(end))
        {
            return RuleTurn.None;
        }

        return (Rule.Above ? Observed > Limit : Observed < Limit) ? Breached(window, end, count) : NotBreached(end);
    }

    private RuleTurn Breached(long window, long end, double count)
    {
        if (SinceSeconds is null)
        {
            SinceSeconds = FeatureWindows.StartSeconds(window);
            _countSince = 0;
        }

        _usualSince = null;
        _countSince += count;
        if (IsOpen || end - SinceSeconds < Rule.For.TotalSeconds || _countSince < Rule.CountMin)
        {
            return RuleTurn.None;
        }

        IsOpen = true;
        return RuleTurn.Raised;
    }

    private RuleTurn NotBreached(long end)
    {
        if (!IsOpen)
        {
            SinceSeconds = null;
            return RuleTurn.None;
        }

        _usualSince ??= end;
        if (end - _usualSince < UsualSecondsToClear)
        {
            return RuleTurn.None;
        }

        (IsOpen, SinceSeconds, _usualSince) = (false, null, null);
        return RuleTurn.Cleared;
    }

    /// <returns>False while the baseline that the rule asks for is not learnt.</returns>
    private bool TakeLimit(long endSeconds)
    {
        var baseline = Series.Detector.Baseline;
        var usual = baseline.MayAlarm ? Series.Feature.FromScale(baseline.Expect(endSeconds, 1).Centre) : double.NaN;
        var limit = Rule.Limit;
        if (limit.FromUsual)
        {
            var distance = limit.IsPart ? Math.Abs(usual) * limit.Value : limit.Value;
            Limit = Rule.Above ? usual + distance : usual - distance;
        }
        else
        {
            Limit = limit.Value;
        }

        Usual = double.IsFinite(usual) ? usual : Limit;
        return double.IsFinite(Limit);
    }
}

internal enum RuleTurn
{
    None,
    Raised,
    Cleared,
}
