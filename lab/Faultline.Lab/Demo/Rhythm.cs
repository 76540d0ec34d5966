namespace Faultline.Lab.Demo;

/// <summary>How a working day makes traffic and slowness rise and fall, with noise. Nothing here knows of faults.</summary>
internal sealed class Rhythm(int seed)
{
    private readonly Random _random = new(seed);

    /// <summary>0.25 at night to 1 in the early afternoon (UTC), a third less at weekends.</summary>
    public static double Load(DateTimeOffset at)
    {
        var hour = at.UtcDateTime.TimeOfDay.TotalHours;
        var day = 0.625 + (0.375 * Math.Cos((hour - 14) / 24 * 2 * Math.PI));
        return at.UtcDateTime.DayOfWeek is DayOfWeek.Saturday or DayOfWeek.Sunday ? day * 0.67 : day;
    }

    public double Uniform() => _random.NextDouble();

    public int Next(int below) => _random.Next(below);

    public T Pick<T>(IReadOnlyList<T> items) => items[_random.Next(items.Count)];

    /// <summary>Standard normal, by Box and Muller.</summary>
    public double Normal() => Math.Sqrt(-2 * Math.Log(1 - _random.NextDouble())) * Math.Cos(2 * Math.PI * _random.NextDouble());

    public double Normal(double mean, double deviation) => mean + (deviation * Normal());

    /// <summary>A score in 0..1.</summary>
    public double Score(double mean, double deviation) => Math.Clamp(Normal(mean, deviation), 0.01, 0.99);

    /// <summary>A duration whose logarithm is normal: most near the median, some long. Busy hours are up to 15 % slower.</summary>
    public TimeSpan Duration(double medianMilliseconds, double spread, DateTimeOffset at) =>
        TimeSpan.FromMilliseconds(medianMilliseconds * (1 + (0.15 * Load(at))) * Math.Exp(Normal(0, spread)));
}
