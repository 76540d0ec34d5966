using Faultline.Diagnosis.Features;

namespace Faultline.Diagnosis.Detectors.Joint;

/// <summary>The last usual windows of one service as vectors of its features, each in steps of a twentieth of a standard deviation.</summary>
internal sealed class JointWindows
{
    /// <summary>Features of one service that are looked at together: the first ones that have a baseline.</summary>
    public const int Width = 32;

    /// <summary>Windows remembered: the last three hours of steady traffic, the last seventeen of a call a minute.</summary>
    public const int Max = 1024;

    /// <summary>Steps of a standard deviation.</summary>
    private const float Steps = 20;

    /// <summary>Standard deviations that a figure counts for at most.</summary>
    private const float FarMost = 6;

    /// <summary>The same in the good direction: what is much better than usual is not strange for that.</summary>
    private const float BetterMost = 2;

    /// <summary>Correlation from which on one feature is said to tell another.</summary>
    private const double RelatedMin = 0.5;

    /// <summary>Steps that are left of a feature at least, however well another one tells it.</summary>
    private const double LeftMin = 4;

    private readonly sbyte[] _vectors = new sbyte[Max * Width];

    /// <summary>Windows taken in so far.</summary>
    public int Added { get; private set; }

    public int Count => Math.Min(Added, Max);

    /// <summary>The <paramref name="index"/>-th place; the oldest window is overwritten by the next.</summary>
    public ReadOnlySpan<sbyte> this[int index] => _vectors.AsSpan(index * Width, Width);

    public void Add(ReadOnlySpan<sbyte> vector) => vector.CopyTo(_vectors.AsSpan(Added++ % Max * Width, Width));

    public static sbyte ToSteps(double deviations) => (sbyte)Math.Clamp(Math.Round(deviations * Steps), -FarMost * Steps, FarMost * Steps);

    public static double FromSteps(double steps) => steps / Steps;

    /// <summary>A feature's deviation as it counts here.</summary>
    /// <param name="deviation">Standard deviations, up positive.</param>
    public static sbyte ToSteps(Feature feature, double deviation) => ToSteps(
        FeatureTable.IsBadBothWays(feature) ? deviation
        : feature.BadWhen == BadWhen.Falls ? Math.Min(deviation, BetterMost)
        : Math.Max(deviation, -BetterMost));

    /// <summary>For each feature the one that tells most of it, where that is much.</summary>
    /// <param name="columns">Features.</param>
    public JointRelation[] Relations(int columns)
    {
        Span<double> mean = stackalloc double[Width];
        var products = new double[Width * Width];
        for (var at = 0; at < Count; at++)
        {
            var vector = this[at];
            for (var i = 0; i < columns; i++)
            {
                mean[i] += vector[i];
                for (var j = 0; j <= i; j++)
                {
                    products[(i * Width) + j] += vector[i] * vector[j];
                }
            }
        }

        double Covariance(int i, int j, ReadOnlySpan<double> sums) => (products[(Math.Max(i, j) * Width) + Math.Min(i, j)] - (sums[i] * sums[j] / Count)) / Count;
        List<JointRelation> found = [];
        for (var i = 0; i < columns; i++)
        {
            var (best, most) = (-1, RelatedMin);
            for (var j = 0; j < columns; j++)
            {
                var variances = i == j ? 0 : Covariance(i, i, mean) * Covariance(j, j, mean);
                var correlation = variances > 0 ? Math.Abs(Covariance(i, j, mean)) / Math.Sqrt(variances) : 0;
                (best, most) = correlation > most ? (j, correlation) : (best, most);
            }

            if (best >= 0)
            {
                var slope = Covariance(i, best, mean) / Covariance(best, best, mean);
                var left = Math.Sqrt(Math.Max(0, Covariance(i, i, mean) * (1 - (most * most))));
                found.Add(new JointRelation(i, best, slope, (mean[i] - (slope * mean[best])) / Count, Math.Max(left, LeftMin)));
            }
        }

        return [.. found];
    }
}

/// <summary>What of a feature another one does not tell: <c>(x[first] − slope·x[second] − offset) / left</c>, in standard deviations; x in steps.</summary>
internal readonly record struct JointRelation(int First, int Second, double Slope, double Offset, double Left)
{
    /// <summary>What the second says of the first.</summary>
    public sbyte Told(ReadOnlySpan<sbyte> vector) => (sbyte)Math.Clamp(Math.Round((Slope * vector[Second]) + Offset), sbyte.MinValue, sbyte.MaxValue);

    public sbyte Of(ReadOnlySpan<sbyte> vector) => JointWindows.ToSteps((vector[First] - (Slope * vector[Second]) - Offset) / Left);
}
