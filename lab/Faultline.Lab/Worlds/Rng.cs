using System.Numerics;

namespace Faultline.Lab.Worlds;

/// <summary>Random numbers that are the same on every machine and every release of .NET.</summary>
/// <remarks>Source: Blackman and Vigna 2021, "Scrambled Linear Pseudorandom Number Generators" (xoshiro256**), seeded by SplitMix64.</remarks>
internal sealed class Rng
{
    private ulong _a;
    private ulong _b;
    private ulong _c;
    private ulong _d;

    public Rng(ulong seed)
    {
        _a = Mix(ref seed);
        _b = Mix(ref seed);
        _c = Mix(ref seed);
        _d = Mix(ref seed);
    }

    /// <summary>A stream of its own for one purpose, so that drawing more of one thing does not move another.</summary>
    public static Rng For(long seed, string purpose)
    {
        var hash = 14695981039346656037UL;
        foreach (var character in purpose)
        {
            hash = (hash ^ character) * 1099511628211UL;
        }

        return new Rng(hash ^ BitOperations.RotateLeft((ulong)seed * 0x9E3779B97F4A7C15UL, 17));
    }

    public ulong Bits()
    {
        var result = BitOperations.RotateLeft(_b * 5, 7) * 9;
        var t = _b << 17;
        _c ^= _a;
        _d ^= _b;
        _b ^= _c;
        _a ^= _d;
        _c ^= t;
        _d = BitOperations.RotateLeft(_d, 45);
        return result;
    }

    /// <returns>At least 0, below 1.</returns>
    public double Unit() => (Bits() >> 11) * (1.0 / (1UL << 53));

    /// <returns>At least 0, below <paramref name="count"/>.</returns>
    public int Below(int count) => (int)(Unit() * count);

    public int Between(int least, int most) => least + Below(most - least + 1);

    public double Between(double least, double most) => least + (Unit() * (most - least));

    public bool Chance(double probability) => Unit() < probability;

    public T Pick<T>(IReadOnlyList<T> from) => from[Below(from.Count)];

    public double Exponential(double mean) => -Math.Log(1 - Unit()) * mean;

    public double Normal(double mean, double deviation) =>
        mean + (deviation * Math.Sqrt(-2 * Math.Log(1 - Unit())) * Math.Cos(2 * Math.PI * Unit()));

    /// <summary>A long-tailed positive number.</summary>
    public double Tailed(double median, double sigma) => median * Math.Exp(Normal(0, sigma));

    /// <summary>An index below <paramref name="count"/>; small ones are drawn more often.</summary>
    public int Skewed(int count) => (int)(count * Math.Pow(Unit(), 1.7));

    public List<T> Shuffled<T>(IEnumerable<T> items)
    {
        var list = items.ToList();
        for (var i = list.Count - 1; i > 0; i--)
        {
            var j = Below(i + 1);
            (list[i], list[j]) = (list[j], list[i]);
        }

        return list;
    }

    private static ulong Mix(ref ulong state)
    {
        state += 0x9E3779B97F4A7C15UL;
        var z = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return z ^ (z >> 31);
    }
}
