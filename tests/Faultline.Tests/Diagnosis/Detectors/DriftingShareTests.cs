using Faultline.Diagnosis.Baselines;
using Faultline.Diagnosis.Detectors;
using Faultline.Diagnosis.Features;
using Xunit;

namespace Faultline.Tests.Diagnosis.Detectors;

/// <summary>The share of slow calls of a service whose durations drift over minutes: from five per cent up to twenty and back.</summary>
public sealed class DriftingShareTests
{
    private const int WindowsOfADay = 24 * 360;
    private static readonly Feature Steady = FeatureTable.SlowCalls with { Drifts = false };

    private sealed class Calls(Feature feature, int seed)
    {
        private readonly Random _rng = new(seed);
        private readonly Deviation _series = new(feature, new Baseline(feature));
        private long _index = 178_000_000;
        private double _drift;

        /// <returns>How often it raised, and the window of the first time.</returns>
        public (int Raised, int First) Pass(int windows, double more)
        {
            var (raised, first) = (0, windows);
            for (var i = 0; i < windows; i++)
            {
                // Two calls in ten seconds; what they have in common is remembered for some twelve minutes.
                _drift = (0.986 * _drift) + (0.167 * Normal());
                var share = Math.Min(1, (0.05 * Math.Exp(0.6 * _drift)) + more);
                var slow = (_rng.NextDouble() < share ? 0.5 : 0) + (_rng.NextDouble() < share ? 0.5 : 0);
                if (_series.Step(_index++, slow, 2, learn: !_series.Abnormal) == Turn.Raised)
                {
                    first = raised++ == 0 ? i + 1 : first;
                }
            }

            return (raised, first);
        }

        private double Normal() => Math.Sqrt(-2 * Math.Log(1 - _rng.NextDouble())) * Math.Cos(2 * Math.PI * _rng.NextDouble());
    }

    [Fact]
    public void A_drift_that_is_usual_is_hardly_ever_an_alarm()
    {
        int Raised(Feature feature) => Enumerable.Range(1, 10).Sum(seed => new Calls(feature, seed).Pass(3 * WindowsOfADay, 0).Raised);
        var (drifts, steady) = (Raised(FeatureTable.SlowCalls), Raised(Steady));
        Assert.True(drifts <= 3 && steady >= 5 * Math.Max(1, drifts), $"{drifts} in 30 days, {steady} where drift is not looked for");
    }

    [Fact]
    public void Calls_that_become_slow_are_found_all_the_same()
    {
        var found = Enumerable.Range(1, 10).Count(seed =>
        {
            var calls = new Calls(FeatureTable.SlowCalls, seed);
            calls.Pass(WindowsOfADay, 0);
            return calls.Pass(180, 0.6).First <= 40;
        });
        Assert.True(found >= 9, $"{found} of 10");
    }

    [Fact]
    public void Where_nothing_drifts_nothing_is_taken_off()
    {
        var baseline = new Baseline(FeatureTable.SlowCalls);
        var rng = new Random(1);
        for (var i = 0; i < WindowsOfADay; i++)
        {
            baseline.Learn(1_780_000_000 + (i * 10), rng.NextDouble() < 0.05 ? 1 : 0, 1);
        }

        Assert.InRange(baseline.Expect(1_780_000_000 + (WindowsOfADay * 10), 1).Strays, 0, 0.01);
    }
}
