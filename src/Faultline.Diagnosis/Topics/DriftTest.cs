using System.Numerics.Tensors;
using Faultline.Diagnosis.Evaluators.Encoder;

namespace Faultline.Diagnosis.Topics;

/// <summary>How far two samples of vectors are apart, and whether that can be chance.</summary>
/// <remarks>
/// The squared maximum mean discrepancy (Gretton et al. 2012, "A Kernel Two-Sample Test") of a Gaussian kernel, which is 0 only for equal distributions. The kernel is
/// approximated by random Fourier features (Rahimi and Recht 2007), so that a sample is summed up by one vector and a permutation costs additions only.
/// The p-value is that of a sequential Monte Carlo permutation test (Besag and Clifford 1991): where nothing differs, a dozen permutations say so.
/// </remarks>
internal static class DriftTest
{
    /// <summary>Numbers of <see cref="Features"/>.</summary>
    public const int Dimensions = 2 * Frequencies;

    /// <summary>So the least p-value is 1/20,001.</summary>
    public const int PermutationsMax = 20_000;

    private const int Frequencies = 64;

    /// <summary>Permutations at least as far apart, after which the p-value is known well enough.</summary>
    private const int ExceedingEnough = 10;

    /// <summary>Of exp(-|x-y|²/w). The squared distance of unit vectors is some 0.8 for sentences of one subject, 1.7 for those of two.</summary>
    private const double KernelWidth = 1.0;

    private static readonly float[] Waves = DrawWaves();

    /// <summary>A unit vector of the encoder as a vector of length 1 whose dot product with another one is the kernel of the two, approximately.</summary>
    public static float[] Features(ReadOnlySpan<float> vector)
    {
        var features = new float[Dimensions];
        var scale = 1 / MathF.Sqrt(Frequencies);
        for (var i = 0; i < Frequencies; i++)
        {
            var (sin, cos) = MathF.SinCos(TensorPrimitives.Dot(vector, Waves.AsSpan(i * SentenceEncoder.Dimensions, SentenceEncoder.Dimensions)));
            features[i] = cos * scale;
            features[Frequencies + i] = sin * scale;
        }

        return features;
    }

    /// <summary>The unbiased estimate: around 0 when both are of one distribution, then as often below as above; at most about 1.</summary>
    /// <param name="one">Features; two at least.</param>
    /// <param name="other">Features; two at least.</param>
    public static (double Distance, double P) Compare(IReadOnlyList<float[]> one, IReadOnlyList<float[]> other, ulong seed)
    {
        float[][] all = [.. one, .. other];
        var total = new float[Dimensions];
        foreach (var features in all)
        {
            TensorPrimitives.Add(total, features, total);
        }

        var sum = new float[Dimensions];
        foreach (var features in other)
        {
            TensorPrimitives.Add(sum, features, sum);
        }

        var rest = new float[Dimensions];
        var observed = Distance(sum, other.Count, total, all.Length, rest);
        var random = new SeededRandom(seed);
        var exceeding = 0;
        for (var permutation = 1; permutation <= PermutationsMax; permutation++)
        {
            Array.Clear(sum);
            for (var i = 0; i < other.Count; i++)
            {
                var k = i + random.Next(all.Length - i);
                (all[i], all[k]) = (all[k], all[i]);
                TensorPrimitives.Add(sum, all[i], sum);
            }

            if (Distance(sum, other.Count, total, all.Length, rest) >= observed && ++exceeding == ExceedingEnough)
            {
                return (observed, exceeding / (double)permutation);
            }
        }

        return (observed, (exceeding + 1) / (double)(PermutationsMax + 1));
    }

    // Every feature vector has length 1, so the mean kernel within n of them is (|sum|² - n) / n(n-1).
    private static double Distance(float[] sum, int count, float[] total, int all, float[] rest)
    {
        var others = all - count;
        TensorPrimitives.Subtract(total, sum, rest);
        double inside = TensorPrimitives.SumOfSquares<float>(sum), outside = TensorPrimitives.SumOfSquares<float>(rest), between = TensorPrimitives.Dot<float>(sum, rest);
        return ((inside - count) / ((double)count * (count - 1))) + ((outside - others) / ((double)others * (others - 1))) - (2 * between / ((double)count * others));
    }

    private static float[] DrawWaves()
    {
        var random = new SeededRandom(20_070_101);
        var waves = new float[Frequencies * SentenceEncoder.Dimensions];
        for (var i = 0; i < waves.Length; i++)
        {
            waves[i] = (float)(random.NextNormal() * Math.Sqrt(2 / KernelWidth));
        }

        return waves;
    }
}
