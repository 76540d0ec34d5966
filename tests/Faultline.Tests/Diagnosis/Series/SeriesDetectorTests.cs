using Faultline.Diagnosis.Detectors.Series;
using Xunit;
using Xunit.Abstractions;

namespace Faultline.Tests.Diagnosis.Series;

/// <summary>The detector of one series on series whose anomalies are planted.</summary>
public sealed class SeriesDetectorTests(ITestOutputHelper log)
{
    private const int StepSeconds = 300;
    private const int Day = 86_400 / StepSeconds;
    private const int Length = 14 * Day;
    private const int Onset = (11 * Day) + 150;

    /// <summary>Series without an anomaly, by name.</summary>
    private static readonly Dictionary<string, Func<Random, int, double>> Healthy = new(StringComparer.Ordinal)
    {
        ["constant"] = (_, _) => 42,
        ["noise"] = (random, _) => 10 + Gauss(random),
        ["day"] = (random, t) => 100 + (30 * Wave(t)) + (3 * Gauss(random)),
        ["day without noise"] = (_, t) => Math.Round(100 + (30 * Wave(t)), 6),
        ["week"] = (random, t) => 100 + ((t / Day % 7 < 5 ? 40 : 10) * Math.Max(0, Wave(t))) + (3 * Gauss(random)),
        ["trend"] = (random, t) => (0.01 * t) + Gauss(random),
        ["rare counts"] = (random, _) => random.NextDouble() < 0.03 ? 1 + random.Next(3) : 0,
        ["counts"] = (random, t) => Math.Round(Math.Max(0, 20 + (10 * Wave(t)) + (4.5 * Gauss(random)))),
        ["heavy tail"] = (random, _) => Math.Pow(random.NextDouble() + 1e-9, -0.4),
        ["hourly spikes"] = (random, t) => (t % 12 == 0 ? 50 : 1) + (0.2 * Gauss(random)),
    };

    public static TheoryData<string> HealthyNames => [.. Healthy.Keys];

    [Theory]
    [MemberData(nameof(HealthyNames))]
    public void A_healthy_series_alarms_every_other_day_at_most(string name)
    {
        const int Seeds = 3;
        var alarms = 0;
        for (var seed = 1; seed <= Seeds; seed++)
        {
            var random = new Random(seed);
            alarms += Alarms(t => Healthy[name](random, t)).Count(t => t > 3 * Day);
        }

        log.WriteLine($"{name}: {alarms} alarms in {Seeds * 11} days, seeds 1 to {Seeds}");
        Assert.InRange(alarms, 0, Seeds * 11 / 2);
    }

    [Theory]
    [InlineData("level shift")]
    [InlineData("spike")]
    [InlineData("silence")]
    [InlineData("noisier")]
    [InlineData("peak missing")]
    [InlineData("oscillation")]
    public void A_planted_anomaly_is_found_within_half_an_hour(string kind)
    {
        for (var seed = 1; seed <= 3; seed++)
        {
            var random = new Random(seed);
            var alarms = Alarms(t => Planted(kind, t, random));
            log.WriteLine($"{kind}, seed {seed}: alarms {string.Join(',', alarms.Select(t => t - Onset))} values after the onset");
            Assert.Contains(alarms, t => t >= Onset && t < Onset + 6);
        }
    }

    [Fact]
    public void A_usual_value_at_the_wrong_time_of_day_is_found_but_not_always()
    {
        const int Seeds = 8;
        var found = 0;
        for (var seed = 1; seed <= Seeds; seed++)
        {
            var random = new Random(seed);
            found += Alarms(t => Planted("peak at night", t, random)).Exists(t => t >= Onset && t < Onset + Day) ? 1 : 0;
        }

        log.WriteLine($"{found} of {Seeds}, seeds 1 to {Seeds}");
        Assert.InRange(found, 3, Seeds);
    }

    [Theory]
    [InlineData(StepSeconds)]
    [InlineData(86_400)]
    public void Nothing_is_an_alarm_while_too_little_is_known_to_say(int stepSeconds)
    {
        for (var earlier = 0; earlier < SeriesDetector.ValuesToSay; earlier++)
        {
            var (detector, random) = (new SeriesDetector(), new Random(10));
            for (var t = 0; t < earlier; t++)
            {
                Assert.InRange(detector.Step((long)t * stepSeconds, Gauss(random)).Score, 0, 0.4999);
            }

            Assert.InRange(detector.Step((long)earlier * stepSeconds, 1e9).Score, 0, 0.4999);
        }
    }

    [Fact]
    public void From_a_thousand_values_on_a_jump_is_an_alarm_though_no_season_is_known()
    {
        var (detector, random) = (new SeriesDetector(), new Random(10));
        for (var t = 0; t < SeriesDetector.ValuesToKnow; t++)
        {
            detector.Step(t, Gauss(random));
        }

        Assert.InRange(detector.Step(SeriesDetector.ValuesToKnow, 1e9).Score, SeriesDetector.AlarmScore, 1);
    }

    [Fact]
    public void A_score_depends_on_nothing_that_comes_later()
    {
        var values = Wild(5);
        var whole = Scores(values, values.Length);
        foreach (var length in new[] { 1, 29, 30, 41, 500, 1999 })
        {
            Assert.Equal(whole[..length], Scores(values, length));
        }
    }

    [Fact]
    public void The_unit_does_not_matter()
    {
        var values = Wild(6);
        var scaled = Array.ConvertAll(values, value => 1024 * value);
        Assert.Equal(Scores(values, values.Length), Scores(scaled, scaled.Length));
    }

    [Fact]
    public void A_value_that_is_no_number_scores_nothing_and_is_not_learnt()
    {
        var (plain, holed) = (new SeriesDetector(), new SeriesDetector());
        var values = Wild(7);
        for (var t = 0; t < values.Length; t++)
        {
            if (t % 7 == 3)
            {
                Assert.Equal(0, holed.Step(t * StepSeconds, t % 2 == 0 ? double.NaN : double.PositiveInfinity).Score);
            }

            Assert.Equal(plain.Step(t * StepSeconds, values[t]), holed.Step(t * StepSeconds, values[t]));
        }
    }

    [Fact]
    public void Times_may_stand_still_or_go_back()
    {
        var detector = new SeriesDetector();
        var random = new Random(8);
        for (var t = 0; t < 2000; t++)
        {
            var score = detector.Step(random.NextInt64(-1_000_000_000, 1_000_000_000), Gauss(random)).Score;
            Assert.InRange(score, 0, 1);
        }
    }

    [Fact]
    public void What_is_unusual_is_named()
    {
        var detector = new SeriesDetector();
        var random = new Random(9);
        SeriesScore last = default;
        for (var t = 0; t < 2000; t++)
        {
            last = detector.Step(t * StepSeconds, t < 1990 ? Gauss(random) : 0);
        }

        Assert.Equal((SeriesAspects.Roughness, SeriesAspects.Roughness, SeriesAspects.None), (last.Aspects & SeriesAspects.Roughness, last.Low, last.High));
    }

    [Fact]
    public void Upside_down_a_series_is_as_unusual_and_high_is_low()
    {
        var (upright, mirrored) = (new SeriesDetector(), new SeriesDetector());
        var sides = SeriesAspects.None;
        foreach (var (t, value) in Wild(4).Index())
        {
            var (one, other) = (upright.Step((long)t * StepSeconds, value), mirrored.Step((long)t * StepSeconds, -value));
            // How much it jumps has no sign.
            var mirror = SeriesAspects.Level | SeriesAspects.Season;
            Assert.Equal((one.Score, one.Aspects, one.High & mirror, one.Low & mirror), (other.Score, other.Aspects, other.Low & mirror, other.High & mirror));
            Assert.Equal(one.High & ~mirror, other.High & ~mirror);
            sides |= one.High;
        }

        Assert.Equal(SeriesAspects.Level | SeriesAspects.Season | SeriesAspects.Roughness, sides);
    }

    /// <summary>Rhythm, spikes, a shift and a silent stretch.</summary>
    private static double[] Wild(int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, 2000).Select(t =>
            t is > 1500 and < 1600 ? 0 : (10 * Wave(t)) + Gauss(random) + (random.NextDouble() < 0.01 ? 40 : 0) + (t > 1200 ? 15 : 0))];
    }

    private static double[] Scores(double[] values, int length)
    {
        var detector = new SeriesDetector();
        return [.. values.Take(length).Select((value, t) => detector.Step((long)t * StepSeconds, value).Score)];
    }

    private static double Planted(string kind, int t, Random random)
    {
        var since = t - Onset;
        var noise = 3 * Gauss(random);
        var usual = 100 + (30 * Wave(t)) + noise;
        return since < 0 ? usual : kind switch
        {
            "level shift" => usual + 60,
            "spike" => since < 3 ? usual + 100 : usual,
            "silence" => 0,
            "noisier" => usual + (6 * noise),
            "peak missing" => since < Day ? 70 + noise : usual,
            "peak at night" => since < Day ? 100 - (30 * Wave(t)) + noise : usual,
            "oscillation" => usual + (since % 2 == 0 ? 25 : -25),
            _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "unknown"),
        };
    }

    private static List<int> Alarms(Func<int, double> value)
    {
        var detector = new SeriesDetector();
        List<int> alarms = [];
        for (var t = 0; t < Length; t++)
        {
            if (detector.Step((long)t * StepSeconds, value(t)).Score >= SeriesDetector.AlarmScore)
            {
                alarms.Add(t);
            }
        }

        return alarms;
    }

    private static double Wave(int t) => Math.Sin(2 * Math.PI * t / Day);

    internal static double Gauss(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
