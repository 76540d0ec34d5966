namespace Faultline.Diagnosis.Topics;

/// <summary>Random numbers that are the same for the same seed on every machine and runtime.</summary>
/// <remarks>Source: SplitMix64, Steele, Lea and Flood 2014, "Fast Splittable Pseudorandom Number Generators".</remarks>
internal struct SeededRandom(ulong seed)
{
    private ulong _state = seed;

    public ulong NextBits()
    {
        var mixed = _state += 0x9E3779B97F4A7C15UL;
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9UL;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBUL;
        return mixed ^ (mixed >> 31);
    }

    /// <summary>0 (included) to 1.</summary>
    public double NextDouble() => (NextBits() >> 11) * (1.0 / (1UL << 53));

    /// <summary>0 (included) to <paramref name="max"/>.</summary>
    public int Next(int max) => (int)(NextDouble() * max);

    /// <summary>Standard normal (Box and Muller 1958).</summary>
    public double NextNormal() => Math.Sqrt(-2 * Math.Log(1 - NextDouble())) * Math.Cos(2 * Math.PI * NextDouble());
}
