using Faultline.Diagnosis.Detectors.Joint;
using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Topics;
using Xunit;

namespace Faultline.Tests.Diagnosis.Detectors;

public sealed class JointDeviationTests
{
    /// <summary>Three days of steady traffic.</summary>
    private const int Learning = 3 * 8640;

    private static double Parted(Feature feature) => feature == FeatureTable.LatencyP50 || feature == FeatureTable.ModelLatency ? 1.9 : feature == FeatureTable.OutputTokens ? -1.9 : 0;

    private static double AllAtOnce(Feature feature) => feature == FeatureTable.ToolLatency || feature == FeatureTable.RetrievalLatency || feature == FeatureTable.InputTokens ? 2.1 : 0;

    /// <summary>Every single detector stays silent, so without the forest nothing would be found.</summary>
    [Fact]
    public void Latency_and_output_tokens_that_part_are_found_though_each_stays_in_its_band()
    {
        List<int> taken = [];
        for (var seed = 1UL; seed <= 10; seed++)
        {
            var service = new SimulatedFeatures(seed);
            service.Live(Learning);
            Assert.Equal((0, 0), (service.Raised, service.RaisedAlone));

            taken.Add(service.Live(180, Parted, untilRaised: true));
            Assert.Equal((1, 0), (service.Raised, service.RaisedAlone));
            Assert.True(service.Joint.Parted, $"seed {seed}: {string.Join(", ", service.Joint.Telling.Select(one => $"{one.Series.Feature.Name} {one.Deviations}"))}");
            Assert.Contains(service.Joint.Telling, one => one.Series.Feature == FeatureTable.OutputTokens && one.Deviations < -0.75);
            Assert.Contains(service.Joint.Telling, one => one.Series.Feature.Unit == "s" && one.Deviations > 1);

            service.Live(180);
            Assert.False(service.Joint.Abnormal);
        }

        Assert.InRange(taken.Order().ElementAt(5), 3, 90);
    }

    [Fact]
    public void Three_features_each_a_spread_and_a_half_off_are_found_though_no_one_is_worth_a_word()
    {
        var raised = 0;
        List<int> taken = [];
        for (var seed = 11UL; seed <= 20; seed++)
        {
            var service = new SimulatedFeatures(seed);
            service.Live(Learning);
            taken.Add(service.Live(360, AllAtOnce, untilRaised: true));
            Assert.Equal(0, service.RaisedAlone);
            raised += service.Raised;
            Assert.False(service.Joint.Parted);
            Assert.All(service.Joint.Telling, one => Assert.True(AllAtOnce(one.Series.Feature) > 0, one.Series.Feature.Name));
        }

        // Measured: nine, within a quarter of an hour in the median.
        Assert.InRange(raised, 8, 10);
        Assert.InRange(taken.Order().ElementAt(5), 3, 90);
    }

    /// <summary>Over 200 days in all, steady or thin: no more than the bound says, once in e¹³ windows.</summary>
    [Theory]
    [InlineData(1, 10, 40)]
    [InlineData(6, 1, 120)]
    [InlineData(60, 1, 240)]
    public void Healthy_days_raise_no_more_than_the_bound_says(int every, int count, int days)
    {
        var (raised, windows, told) = Healthy(every, count, days, drift: 0.15);
        Assert.True(raised <= 1 + Math.Ceiling(2 * windows / Math.Exp(ConformalEvidence.Threshold)), $"{raised} in {windows} windows: {told}");
    }

    /// <summary>Two thirds of a standard deviation of drift over minutes to an hour, of everything at once: windows that cannot be exchanged, which the bound is not for.</summary>
    [Theory]
    [InlineData(1, 10, 40)]
    [InlineData(6, 4, 120)]
    public void Days_that_drift_raise_one_in_twenty_days_at_most(int every, int count, int days)
    {
        var (raised, _, told) = Healthy(every, count, days, drift: 0.6);
        Assert.True(raised <= days / 20, $"{raised} in {days} days: {told}");
    }

    private static (int Raised, int Windows, string Told) Healthy(int every, int count, int days, double drift)
    {
        var (raised, windows) = (0, 0);
        List<string> told = [];
        for (var seed = 1; seed <= 10; seed++)
        {
            var service = new SimulatedFeatures((ulong)(1000 + (every * 100) + seed), every, count, drift: drift);
            service.Live(days / 10 * 8640 / every);
            raised += service.Raised;
            windows += service.Windows;
            told.Add($"{service.Raised} with seed {seed}");
        }

        return (raised, windows, string.Join(", ", told));
    }

    [Fact]
    public void The_same_windows_give_the_same_findings()
    {
        var (one, other) = (new SimulatedFeatures(5), new SimulatedFeatures(5));
        one.Live(Learning);
        other.Live(Learning);
        Assert.Equal(one.Live(180, Parted, untilRaised: true), other.Live(180, Parted, untilRaised: true));
        Assert.Equal(one.Joint.Evidence, other.Joint.Evidence);
        Assert.Equal(one.Joint.Telling.Select(told => (told.Series.Feature.Name, told.Deviations)), other.Joint.Telling.Select(told => (told.Series.Feature.Name, told.Deviations)));
    }

    [Fact]
    public void Two_features_say_nothing_that_each_does_not_say_itself()
    {
        var service = new SimulatedFeatures(7, features: 2);
        service.Live(Learning);
        service.Live(360, Parted);
        Assert.Equal((0, 0.0), (service.Raised, service.Joint.Evidence));
    }

    /// <summary>What gets better in every respect is strange as well, and no fault.</summary>
    [Fact]
    public void What_only_gets_better_is_no_finding()
    {
        var service = new SimulatedFeatures(8);
        service.Live(Learning);
        service.Live(360, feature => feature == FeatureTable.InputTokens ? 0 : -2);
        Assert.Equal(0, service.Raised);
    }

    /// <summary>Cuts across two coordinates: a vector where neither is strange by itself is isolated all the same.</summary>
    [Fact]
    public void A_vector_off_the_diagonal_is_isolated_sooner_than_the_usual_ones()
    {
        var random = new SeededRandom(3);
        var vectors = new sbyte[512 * 2];
        for (var i = 0; i < 512; i++)
        {
            var common = random.NextNormal();
            vectors[2 * i] = JointWindows.ToSteps(common + (0.1 * random.NextNormal()));
            vectors[(2 * i) + 1] = JointWindows.ToSteps(common + (0.1 * random.NextNormal()));
        }

        var forest = new IsolationForest(vectors, 2, seed: 1);
        var off = forest.Depth([JointWindows.ToSteps(1.5), JointWindows.ToSteps(-1.5)]);
        var deeper = Enumerable.Range(0, 512).Count(i => forest.Depth(vectors.AsSpan(2 * i, 2)) > off);
        Assert.True(deeper > 470, $"{deeper} of 512");
    }

    [Fact]
    public void Even_ranks_are_no_evidence_and_rare_ones_are()
    {
        var evidence = new ConformalEvidence();
        var random = new SeededRandom(9);
        for (var i = 0; i < 500; i++)
        {
            evidence.Learn((float)random.NextDouble());
        }

        var fired = 0;
        for (var i = 0; i < 400_000; i++)
        {
            var p = (1 + random.Next(501)) / 501.0;
            evidence.Note(p);
            evidence.Step(p);
            if (evidence.Sum >= ConformalEvidence.Threshold)
            {
                fired++;
                evidence.Reset();
            }
        }

        Assert.InRange(fired, 0, 3);
        var steps = 0;
        while (evidence.Sum < ConformalEvidence.Threshold)
        {
            evidence.Step(evidence.P(-1));
            steps++;
        }

        Assert.InRange(steps, 3, 8);
    }
}
