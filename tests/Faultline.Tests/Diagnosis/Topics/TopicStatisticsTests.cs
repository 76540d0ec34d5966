using Faultline.Diagnosis.Topics;
using Xunit;

namespace Faultline.Tests.Diagnosis.Topics;

public sealed class TopicStatisticsTests
{
    [Theory]
    [InlineData(8, 10, 1, 6, 0.02447552)]       // 196/8008 by hand
    [InlineData(3, 4, 1, 4, 0.24285714)]        // Fisher's own tea
    [InlineData(0, 5, 3, 20, 1)]
    public void Fishers_test_is_the_published_one(long hits, long calls, long otherHits, long otherCalls, double p) =>
        Assert.Equal(p, Proportions.Above(hits, calls, otherHits, otherCalls), 6);

    [Fact]
    public void Two_shares_differ_as_the_normal_table_says()
    {
        // z = 0.15 / sqrt(0.225 * 0.775 * 2 / 100) = 2.540
        Assert.Equal(0.01109, Proportions.Differ(30, 100, 15, 100), 4);
        Assert.Equal(1, Proportions.Differ(0, 10, 0, 20));
    }

    [Fact]
    public void Discoveries_are_those_of_Benjamini_and_Hochbergs_example()
    {
        double[] p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0];
        Assert.Equal(4, Proportions.Discoveries(p, 0.05).Count(found => found));
        Assert.Empty(Proportions.Discoveries([], 0.05));
    }

    [Fact]
    public void Fourier_features_have_length_one_and_their_product_is_the_kernel()
    {
        var random = new SeededRandom(1);
        var errors = new List<double>();
        for (var i = 0; i < 200; i++)
        {
            var (one, other) = (Unit(ref random), Unit(ref random));
            var (a, b) = (DriftTest.Features(one), DriftTest.Features(other));
            var squared = one.Zip(other, (x, y) => (x - y) * (double)(x - y)).Sum();
            Assert.Equal(1, a.Sum(x => x * (double)x), 4);
            errors.Add(a.Zip(b, (x, y) => x * (double)y).Sum() - Math.Exp(-squared));
        }

        Assert.InRange(Math.Sqrt(errors.Average(error => error * error)), 0, 0.13);        // 1/sqrt(64)
    }

    /// <summary>A p-value is one when no more than the share q of those where nothing differs are below q.</summary>
    [Fact]
    public void The_permutation_tests_p_values_are_uniform_where_nothing_differs()
    {
        var random = new SeededRandom(2);
        var p = new List<double>();
        for (var i = 0; i < 400; i++)
        {
            p.Add(DriftTest.Compare(Sample(ref random, 100, 0), Sample(ref random, 40, 0), (ulong)i).P);
        }

        foreach (var q in new[] { 0.05, 0.2, 0.5 })
        {
            var below = p.Count(one => one <= q) / (double)p.Count;
            Assert.InRange(below, q - (4 * Math.Sqrt(q * (1 - q) / p.Count)), q + (4 * Math.Sqrt(q * (1 - q) / p.Count)));
        }

        Assert.InRange(DriftTest.Compare(Sample(ref random, 100, 0), Sample(ref random, 40, 1), 3).P, 0, 1e-4);
    }

    [Fact]
    public void Telling_words_are_those_that_stand_here_and_not_elsewhere()
    {
        var (all, here) = (new WordCounts(100), new WordCounts(100));
        for (var i = 0; i < 50; i++)
        {
            var mine = WordCounts.Of($"Please tell me about the gift card number {i}, my card is empty.");
            here.Add(mine);
            all.Add(mine);
            all.Add(WordCounts.Of("Please tell me about the delivery, my parcel is late."));
        }

        Assert.Equal(["card", "empty", "gift"], here.Telling(all, 3).Order());
        Assert.DoesNotContain("tell", here.Telling(all, 4).Take(3));
    }

    private static List<float[]> Sample(ref SeededRandom random, int count, int shifted)
    {
        List<float[]> sample = [];
        for (var i = 0; i < count; i++)
        {
            var vector = Unit(ref random);
            vector[0] += shifted;
            sample.Add(DriftTest.Features(vector));
        }

        return sample;
    }

    private static float[] Unit(ref SeededRandom random)
    {
        var vector = new float[512];
        for (var i = 0; i < vector.Length; i++)
        {
            vector[i] = (float)random.NextNormal();
        }

        var length = MathF.Sqrt(vector.Sum(x => x * x));
        return [.. vector.Select(x => x / length)];
    }
}
