namespace Faultline.Lab.Worlds.Traffic;

/// <summary>How many requests come when: day and week, slow noise, bursts. The same for every reader of the same seed.</summary>
internal sealed class Rhythm
{
    private const long NanosPerHour = 3_600_000_000_000;
    private const long NoiseStepNanos = NanosPerHour / 6;

    private readonly double _peakHour;
    private readonly double _swing;
    private readonly double _weekend;
    private readonly long _start;
    private readonly double[] _noise;

    public Rhythm(Rng rng, long start, long length)
    {
        _start = start;
        _peakHour = rng.Between(10.0, 17.0);
        _swing = rng.Between(0.25, 0.75);
        _weekend = rng.Between(0.4, 1.0);
        _noise = new double[(length / NoiseStepNanos) + 2];
        var level = 0.0;
        for (var i = 0; i < _noise.Length; i++)
        {
            level = (0.85 * level) + rng.Normal(0, 0.06);
            _noise[i] = Math.Exp(level) * (rng.Chance(0.01) ? rng.Between(1.5, 2.2) : 1);
        }
    }

    /// <summary>The most that <see cref="At"/> returns.</summary>
    public double Most => (1 + _swing) * _noise.Max();

    /// <returns>Times the average rate.</returns>
    public double At(long unixNanos)
    {
        var hours = unixNanos / (double)NanosPerHour;
        var day = 1 + (_swing * Math.Cos((hours - _peakHour) / 24 * 2 * Math.PI));
        var weekday = (int)((unixNanos / (24 * NanosPerHour)) + 4) % 7;
        var week = weekday is 0 or 6 ? _weekend : 1;
        return day * week * _noise[Math.Clamp((unixNanos - _start) / NoiseStepNanos, 0, _noise.Length - 1)];
    }
}
