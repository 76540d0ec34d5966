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

    /// <summary>A latency of a call a minute, with a long tail; one call in a hundred is four times as slow.</summary>
    /// <returns>Calls until it is found.</returns>
    private static int? RunLatency(double times, int seed, int windows, bool changed = false, Func<int, double>? wild = null)
    {
        var rng = new Random(seed);
        double Latency() => Math.Exp(0.3 * Math.Sqrt(-2 * Math.Log(1 - rng.NextDouble())) * Math.Cos(2 * Math.PI * rng.NextDouble())) * (rng.NextDouble() < 0.01 ? 4 : 1);
        var series = new Deviation(FeatureTable.LatencyP50, new Baseline(FeatureTable.LatencyP50));
        var index = 178_000_000L;
        for (var i = 0; i < 3000; i++)
        {
            series.Step(index += 6, Latency(), 1, learn: true);
        }

        for (var i = 1; i <= windows; i++)
        {
            if (series.Step(index += 6, Latency() * times * (wild?.Invoke(i) ?? 1), 1, learn: true, changed) == Turn.Raised)
            {
                return i;
            }
        }

        return null;
    }

    [Theory]
    [InlineData(3, 17)]
    [InlineData(4, 20)]
    public void Calls_that_are_ten_times_as_slow_are_found_with_the_third_of_them_mostly_and_with_the_fourth_always(int calls, int atLeast)
    {
        var found = Enumerable.Range(1, 20).Count(seed => RunLatency(10, seed, calls) is not null);
        Assert.True(found >= atLeast, $"{found} of 20");
    }

    /// <summary>Two weeks of a call a minute.</summary>
    [Fact]
    public void A_long_tail_is_no_alarm()
    {
        var found = Enumerable.Range(1, 10).Count(seed => RunLatency(1, seed, 20_000) is not null);
        Assert.True(found <= 1, $"{found} of 10");
    }

    /// <summary>By itself it is none; after a change two of twenty have a neighbour that says so, too.</summary>
    [Theory]
    [InlineData(false, 1)]
    [InlineData(true, 2)]
    public void One_wild_window_is_no_alarm_whatever_has_changed(bool changed, int atMost)
    {
        var found = Enumerable.Range(1, 20).Count(seed => RunLatency(1, seed, 12, changed, i => i == 2 ? 1000 : 1) is not null);
        Assert.True(found <= atMost, $"{found} of 20");
    }

    /// <summary>A call that was tried again takes ten times as long. Where one in three hundred does, two in a row, or two of three, come by chance every few weeks.</summary>
    [Theory]
    [InlineData(0, 2, true)]
    [InlineData(1 / 300.0, 2, false)]
    [InlineData(1 / 300.0, 3, true)]
    public void Slow_calls_that_come_now_and_then_tell_less_each(double usual, int slow, bool isFound)
    {
        var rng = new Random(8);
        var series = new Deviation(FeatureTable.LatencyP50, new Baseline(FeatureTable.LatencyP50));
        var index = 178_000_000L;
        double Latency() => 0.18 + (0.04 * rng.NextDouble());
        for (var i = 0; i < 6000; i++)
        {
            Assert.NotEqual(Turn.Raised, series.Step(index += 6, usual > 0 && i % (int)(1 / usual) == 0 ? 2.1 : Latency(), 1, learn: true));
        }

        var turns = Enumerable.Repeat(2.1, slow).Concat([Latency(), Latency()]).Select(seconds => series.Step(index += 6, seconds, 1, learn: true)).ToList();
        Assert.Equal(isFound, turns.Contains(Turn.Raised));
    }

    /// <summary>What was never bad among thousands is believed to be so rare that two in a row tell; what is bad now and then takes three.</summary>
    [Theory]
    [InlineData(0, 2, true)]
    [InlineData(0.005, 2, false)]
    [InlineData(0.005, 3, true)]
    public void How_many_bad_ones_in_a_row_tell_depends_on_how_rare_they_were(double usual, int inARow, bool isFound)
    {
        var rng = new Random(5);
        var series = new Deviation(FeatureTable.EmptyAnswers, new Baseline(FeatureTable.EmptyAnswers));
        var index = 178_000_000L;
        for (var i = 0; i < 3000; i++)
        {
            series.Step(index += 6, rng.NextDouble() < usual ? 1 : 0, 1, learn: true);
        }

        Assert.Equal(isFound, Enumerable.Range(0, inARow).Select(_ => series.Step(index += 6, 1, 1, learn: true)).Contains(Turn.Raised));
    }

    /// <summary>A call each ten seconds, with noise of its own and a drift over minutes that neighbours hardly show.</summary>
    /// <returns>Windows until it is found.</returns>
    private static int? RunDrift(int seed, int windows, double times)
    {
        var rng = new Random(seed);
        double Normal() => Math.Sqrt(-2 * Math.Log(1 - rng.NextDouble())) * Math.Cos(2 * Math.PI * rng.NextDouble());
        var drift = 0.0;
        double Latency() => Math.Exp((0.35 * Normal()) + (drift = (0.99 * drift) + (0.018 * Normal())));
        var series = new Deviation(FeatureTable.LatencyP50, new Baseline(FeatureTable.LatencyP50));
        var index = 178_000_000L;
        for (var i = 0; i < 9000; i++)
        {
            series.Step(index += 1, Latency(), 1, learn: true);
        }

        for (var i = 1; i <= windows; i++)
        {
            if (series.Step(index += 1, Latency() * times, 1, learn: true) == Turn.Raised)
            {
                return i;
            }
        }

        return null;
    }

    /// <summary>Two days each.</summary>
    [Fact]
    public void What_drifts_slowly_under_its_noise_is_no_alarm()
    {
        var found = Enumerable.Range(1, 10).Count(seed => RunDrift(seed, 17_000, 1) is not null);
        Assert.True(found <= 2, $"{found} of 10");
    }

    [Fact]
    public void What_drifts_is_found_when_it_doubles()
    {
        var found = Enumerable.Range(1, 20).Count(seed => RunDrift(seed, 30, 2) is not null);
        Assert.True(found >= 18, $"{found} of 20");
    }

    /// <summary>A week of which a call each twenty minutes is known says little of each of its hours; then comes a day with a call each ten seconds.</summary>
    [Fact]
    public void An_hour_of_which_little_is_known_is_no_alarm()
    {
        var feature = FeatureTable.Score("relevance");
        var found = 0;
        for (var seed = 1; seed <= 20; seed++)
        {
            var rng = new Random(seed);
            double Score() => 0.8 + (0.05 * Math.Sqrt(-2 * Math.Log(1 - rng.NextDouble())) * Math.Cos(2 * Math.PI * rng.NextDouble()));
            var series = new Deviation(feature, new Baseline(feature));
            var index = 178_000_000L;
            for (var i = 0; i < 7 * 72; i++)
            {
                series.Step(index += 120, Score(), 1, learn: true);
            }

            found += Enumerable.Range(0, 8640).Any(_ => series.Step(index += 1, Score(), 1, learn: true) == Turn.Raised) ? 1 : 0;
        }

        Assert.True(found <= 1, $"{found} of 20");
    }
}
