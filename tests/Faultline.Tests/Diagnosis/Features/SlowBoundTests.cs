using Faultline.Diagnosis.Features;
using Xunit;

namespace Faultline.Tests.Diagnosis.Features;

public sealed class SlowBoundTests
{
    [Fact]
    public void One_call_in_twenty_is_slow_whatever_their_distribution_and_an_hour_of_slow_ones_hardly_moves_it()
    {
        var rng = new Random(7);
        double Call() => 0.5 * Math.Pow(1 - rng.NextDouble(), -0.4);
        var bound = new SlowBound();
        var early = Enumerable.Range(0, 199).Select(_ => bound.Note(Call())).ToList();
        Assert.All(early, Assert.Null);

        double Share(int calls, double times) => Enumerable.Range(0, calls).Count(_ => bound.Note(times * Call()) == true) / (double)calls;
        Share(200, 1);
        Assert.InRange(Share(5000, 1), 0.035, 0.065);
        var slowed = Share(60, 5);
        Assert.True(slowed > 0.8, $"{slowed}");
        Assert.InRange(Share(5000, 1), 0.03, 0.065);
    }
}
