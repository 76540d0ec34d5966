using Faultline.Lab.Worlds.Topologies;

namespace Faultline.Lab.Worlds.Recording;

/// <summary>
/// When what a service tells arrives, if it does: in batches, some of them late, some lost. A collector is away now and then; then all of
/// a while is lost, or all comes at once when it is back.
/// </summary>
internal sealed class Exporter
{
    private const long NanosPerSecond = RequestRun.NanosPerSecond;
    private const long FlushNanos = 5 * NanosPerSecond;
    private const double AwaysPerDay = 0.5;

    private readonly Rng _rng;
    private readonly double _lateShare;
    private readonly double _lostShare;
    private readonly List<(long From, long To, bool Lost)> _aways = [];
    private readonly Dictionary<(string Service, int Instance, long Tick), long?> _arrivals = [];

    public Exporter(long start, long end, Rng rng)
    {
        _rng = rng;
        _lateShare = rng.Between(0, 0.03);
        _lostShare = rng.Between(0, 0.004);
        for (var at = start + Gap(); at < end; at += Gap())
        {
            _aways.Add((at, at + (long)(rng.Between(60, 360) * NanosPerSecond), rng.Chance(0.5)));
        }
    }

    /// <returns>Unix nanoseconds; null: it never arrives. The same for all that one instance tells in one flush.</returns>
    public long? Arrival(Service service, int instance, long ended)
    {
        var tick = (ended / FlushNanos) + 1;
        if (!_arrivals.TryGetValue((service.Name, instance, tick), out var arrival))
        {
            _arrivals[(service.Name, instance, tick)] = arrival = Draw(tick * FlushNanos);
        }

        return arrival;
    }

    private long? Draw(long flushed)
    {
        var at = flushed + (long)(_rng.Tailed(0.12, 0.6) * NanosPerSecond);
        if (_rng.Chance(_lostShare))
        {
            return null;
        }

        if (_rng.Chance(_lateShare))
        {
            at += (long)(_rng.Between(10, 420) * NanosPerSecond);
        }

        foreach (var (from, to, lost) in _aways)
        {
            if (at >= from && at < to)
            {
                return lost ? null : to + (long)(_rng.Between(1, 20) * NanosPerSecond);
            }
        }

        return at;
    }

    private long Gap() => (long)(_rng.Exponential(86_400 / AwaysPerDay) * NanosPerSecond);
}
