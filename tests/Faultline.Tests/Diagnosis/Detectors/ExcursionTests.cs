using Faultline.Diagnosis.Baselines;
using Faultline.Diagnosis.Detectors;
using Faultline.Diagnosis.Features;
using Xunit;

namespace Faultline.Tests.Diagnosis.Detectors;

public sealed class ExcursionTests
{
    /// <summary>A steady score with the noise of single answers, then one that is lower by <paramref name="shift"/> standard deviations.</summary>
    private static (Turn Turn, int Windows) Run(double shift, bool changed, int seed, int windows = 60)
    {
        const double Sigma = 0.1;
        var rng = new Random(seed);
        double Noise() => Sigma * Math.Sqrt(-2 * Math.Log(1 - rng.NextDouble())) * Math.Cos(2 * Math.PI * rng.NextDouble());
        var series = new Deviation(FeatureTable.Score("groundedness"), new Baseline(FeatureTable.Score("groundedness")));
        var index = 178_000_000L;
        for (var i = 0; i < 3000; i++)
        {
            series.Step(index += 3, 0.8 + Noise(), 1, learn: true);
        }

        for (var i = 1; i <= windows; i++)
        {
            if (series.Step(index += 3, 0.8 - (shift * Sigma) + Noise(), 1, learn: true, changed) == Turn.Raised)
            {
                return (Turn.Raised, i);
            }
        }

        return (Turn.None, windows);
    }

    [Fact]
    public void A_shift_that_no_single_window_shows_adds_up_to_an_alarm()
    {
        var found = Enumerable.Range(1, 20).Count(seed => Run(1.5, changed: false, seed).Turn == Turn.Raised);
        Assert.True(found >= 18, $"{found} of 20");
    }

    [Fact]
    public void Noise_alone_is_no_alarm()
    {
        var found = Enumerable.Range(1, 20).Count(seed => Run(0, changed: false, seed, windows: 500).Turn == Turn.Raised);
        Assert.True(found <= 1, $"{found} of 20");
    }

    [Fact]
    public void After_a_change_less_evidence_is_enough()
    {
        var (usual, changed) = (0, 0);
        for (var seed = 1; seed <= 20; seed++)
        {
            usual += Run(1.5, changed: false, seed).Windows;
            changed += Run(1.5, changed: true, seed).Windows;
        }

        Assert.True(changed < 0.8 * usual, $"{changed} windows after a change, {usual} without");
    }

    /// <summary>A call a minute of which one in two hundred fails, then so many.</summary>
    /// <returns>Windows until it is found; null when it is not within <paramref name="windows"/>.</returns>
    private static int? RunShare(double bad, int seed, int windows, bool changed = false)
    {
        var rng = new Random(seed);
        var series = new Deviation(FeatureTable.ErrorRate, new Baseline(FeatureTable.ErrorRate));
        var index = 178_000_000L;
        for (var i = 0; i < 3000; i++)
        {
            series.Step(index += 6, rng.NextDouble() < 0.005 ? 1 : 0, 1, learn: true);
        }

        for (var i = 1; i <= windows; i++)
        {
            if (series.Step(index += 6, rng.NextDouble() < bad ? 1 : 0, 1, learn: true, changed) == Turn.Raised)
            {
                return i;
            }
        }

        return null;
    }

    [Theory]
    [InlineData(1, 4)]
    [InlineData(0.5, 15)]
    [InlineData(0.25, 40)]
    public void Errors_among_few_calls_add_up_by_how_unlikely_they_are(double bad, int within)
    {
        var found = Enumerable.Range(1, 20).Count(seed => RunShare(bad, seed, within) is not null);
        Assert.True(found >= 16, $"{found} of 20");
    }

    [Fact]
    public void Errors_as_usual_are_no_alarm_after_a_change_either()
    {
        var found = Enumerable.Range(1, 20).Count(seed => RunShare(0.005, seed, 2000, changed: true) is not null);
        Assert.True(found <= 1, $"{found} of 20");
    }

    /// <summary>A figure that never moves makes a small step as certain as a large one: it is found at once, however alike its windows were.</summary>
    [Fact]
    public void What_never_moved_is_found_when_it_does()
    {
        var series = new Deviation(FeatureTable.SystemPromptLength, new Baseline(FeatureTable.SystemPromptLength));
        var index = 178_000_000L;
        for (var i = 0; i < 500; i++)
        {
            series.Step(index += 1, 600 + (i % 2), 1, learn: true);
        }

        Assert.Contains(Turn.Raised, Enumerable.Range(0, 4).Select(_ => series.Step(index += 1, 200, 1, learn: true)).ToList());
    }
}
