using Faultline.Diagnosis.Findings;
using Faultline.Telemetry.Changes;
using Faultline.Telemetry.Spans;
using Xunit;

namespace Faultline.Tests.Diagnosis;

public sealed class DetectionTests
{
    private static readonly DateTimeOffset Start = new(2026, 3, 10, 14, 3, 0, TimeSpan.Zero);
    private static readonly Behaviour Stale = new() { Relevance = 0.45, TopScore = 0.52 };

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task A_fall_in_relevance_is_one_finding_within_a_minute_and_a_half(int seed)
    {
        var rig = new Rig(Start);
        var bot = new SimulatedBot(seed);
        await rig.HistoryAsync(bot, TimeSpan.FromDays(7), TimeSpan.FromMinutes(20));
        await rig.LiveAsync(bot, TimeSpan.FromSeconds(60), new Behaviour());
        Assert.Empty(rig.News);

        var faultAt = rig.Clock.Now;
        await rig.LiveAsync(bot, TimeSpan.FromSeconds(190), Stale);

        var first = rig.Raised.First();
        Assert.Single(rig.Raised.Select(finding => finding.Id).Distinct(StringComparer.Ordinal));
        Assert.Equal(FailureClass.RETRIEVAL_DRIFT, first.FailureClass);
        Assert.InRange((first.DetectedAt - faultAt).TotalSeconds, 0, 60);
        Assert.InRange((first.OnsetAt - faultAt).TotalSeconds, -20, 20);
        var last = rig.Raised.Last();
        Assert.Contains("relevance of support-bot fell from 0.87 to 0.4", last.Title, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("latency and errors stayed usual", last.Title, StringComparison.Ordinal);
        Assert.Contains(last.Symptoms, symptom => symptom.Feature is "retrieval_top_score");
        Assert.NotEmpty(last.BadTraces);
        Assert.NotEmpty(last.GoodTraces);
        Assert.Empty(rig.News.OfType<FindingNews.Cleared>());

        await rig.LiveAsync(bot, TimeSpan.FromSeconds(120), new Behaviour());
        Assert.Equal(first.Id, Assert.Single(rig.News.OfType<FindingNews.Cleared>()).FindingId);
    }

    /// <summary>Examples, passages or history that a model is no longer given show nowhere else at first.</summary>
    [Fact]
    public async Task Prompts_that_lose_a_third_are_found_and_drawn_by_the_series_of_input_tokens()
    {
        var rig = new Rig(Start);
        var bot = new SimulatedBot(41);
        await rig.LiveAsync(bot, TimeSpan.FromHours(1), new Behaviour());
        await rig.LiveAsync(bot, TimeSpan.FromMinutes(3), new Behaviour { InputTokens = 600 });
        var finding = Assert.Single(rig.Raised.DistinctBy(raised => raised.Id));
        Assert.Equal(FailureClass.PROMPT_REGRESSION, finding.FailureClass);
        Assert.Contains("input tokens a model call of support-bot fell from 9", finding.Title, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("feature=\"input_tokens\"", finding.Symptoms[0].Query, StringComparison.Ordinal);
        Assert.DoesNotContain("input_tokens_fall", finding.VerificationQuery, StringComparison.Ordinal);
    }

    /// <summary>One call in five is slow, and ten come in a window: its median stays, and for its 95th percentile they are too few.</summary>
    [Fact]
    public async Task A_tail_that_grows_where_the_median_stays_is_found()
    {
        var rig = new Rig(Start);
        var bot = new SimulatedBot(43);
        await rig.LiveAsync(bot, TimeSpan.FromHours(1), new Behaviour());
        Assert.Empty(rig.News);

        await rig.LiveAsync(bot, TimeSpan.FromMinutes(8), new Behaviour { SlowShare = 0.2 });
        Assert.Contains(rig.Raised, finding => finding.Symptoms.Any(symptom => symptom.Feature == "slow_call_share"));
    }

    /// <summary>Seventy questions an hour, and of their answers some are wrong: the mean of so few moves by as much when one of them is, as it is now and then.</summary>
    [Fact]
    public async Task Where_few_ask_every_third_wrong_answer_is_found_within_the_hour_and_one_in_fifty_is_usual()
    {
        const int Bots = 10;
        var found = 0;
        for (var seed = 0; seed < Bots; seed++)
        {
            var rig = new Rig(Start);
            var bot = new SimulatedBot(500 + seed, perSecond: 0.02);
            await rig.LiveAsync(bot, TimeSpan.FromHours(30), new Behaviour { WrongShare = 0.02 });
            Assert.DoesNotContain(rig.Raised, IsOfPoor);
            await rig.LiveAsync(bot, TimeSpan.FromHours(1), new Behaviour { WrongShare = 0.33 });
            found += rig.Raised.Any(IsOfPoor) ? 1 : 0;
        }

        Assert.InRange(found, 9, Bots);
        static bool IsOfPoor(Finding finding) => finding.Symptoms.Any(static symptom => symptom.Feature == "poor_score:relevance"
            && symptom.Words.StartsWith("share of answers far below what is usual in relevance of support-bot rose from ", StringComparison.Ordinal));
    }

    /// <summary>A fallback, or the provider's next version: nothing else need show it. What somebody chose and said so is no news.</summary>
    [Theory]
    [InlineData("gpt-4o-mini", "gpt-4o-mini-2027-01-01", false, "model_version_share")]
    [InlineData("small-one", "small-one-1", false, "model_share")]
    [InlineData("small-one", "small-one-1", true, null)]
    public async Task Another_model_than_usual_is_told_unless_somebody_chose_it(string requested, string responded, bool isRecorded, string? feature)
    {
        var rig = new Rig(Start);
        var bot = new SimulatedBot(17);
        await rig.LiveAsync(bot, TimeSpan.FromHours(1), new Behaviour());
        if (isRecorded)
        {
            rig.Detection.Changed(new ChangeEvent("chg-1", "default", "model", "support-bot", "a smaller model", rig.Clock.Now, new Dictionary<string, string>()));
        }

        await rig.LiveAsync(bot, TimeSpan.FromMinutes(3), new Behaviour { ModelRequested = requested, ModelResponded = responded });
        Assert.Equal(feature, rig.Raised.FirstOrDefault()?.Symptoms[0].Feature);
    }

    [Fact]
    public async Task An_agent_that_repeats_a_call_is_found_as_soon_as_the_trace_is_in()
    {
        var rig = new Rig(Start);
        var bot = new SimulatedBot(5, perSecond: 0.3);
        await rig.HistoryAsync(bot, TimeSpan.FromDays(7), TimeSpan.FromMinutes(20));
        await rig.LiveAsync(bot, TimeSpan.FromSeconds(60), new Behaviour());
        Assert.Empty(rig.News);

        var faultAt = rig.Clock.Now;
        await rig.LiveAsync(bot, TimeSpan.FromSeconds(120), new Behaviour { SameCalls = 50 });

        var first = rig.Raised.First();
        Assert.Single(rig.Raised.Select(finding => finding.Id).Distinct(StringComparer.Ordinal));
        Assert.Equal("agent_loop", first.Trigger);
        Assert.Equal(FailureClass.AGENT_LOOP, first.FailureClass);
        Assert.InRange((first.DetectedAt - faultAt).TotalSeconds, 0, 30);
        Assert.Contains("repeats account with the same arguments", first.Title, StringComparison.Ordinal);
        Assert.True(rig.Raised.Last().BadTraces.Count > 1);
        Assert.NotEmpty(first.GoodTraces);

        await rig.LiveAsync(bot, TimeSpan.FromSeconds(300), new Behaviour());
        Assert.Equal(first.Id, Assert.Single(rig.News.OfType<FindingNews.Cleared>()).FindingId);
    }

    [Fact]
    public async Task A_loop_is_seen_though_its_spans_come_in_any_order_over_several_batches()
    {
        var rig = new Rig(Start);
        var trace = new TraceId(77);
        var order = Enumerable.Range(0, 30).ToArray();
        new Random(9).Shuffle(order);
        foreach (var part in order.Chunk(7))
        {
            var batch = new BatchBuilder(rig.Clock.Now);
            foreach (var i in part)
            {
                var at = (Start.ToUnixTimeMilliseconds() + (i * 200)) * 1_000_000;
                batch.Add(new TestSpan(trace, new SpanId((ulong)i + 1), new SpanId(999), "execute_tool search", at, at + 1_000_000) { Operation = "tool", Tool = "search", ArgumentsHash = "0123456789abcdef" }, "agents");
            }

            await rig.CommitAsync(batch);
        }

        var finding = rig.Raised.Last();
        Assert.Equal([trace], finding.BadTraces);
        Assert.Single(rig.Raised.Select(raised => raised.Id).Distinct(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Many_different_calls_of_one_tool_are_no_loop()
    {
        var rig = new Rig(Start);
        var batch = new BatchBuilder(rig.Clock.Now);
        for (var i = 0; i < 100; i++)
        {
            var at = (Start.ToUnixTimeMilliseconds() + (i * 50)) * 1_000_000;
            batch.Add(new TestSpan(new TraceId(5), new SpanId((ulong)i + 1), default, "execute_tool search", at, at + 1_000_000) { Operation = "tool", Tool = "search", ArgumentsHash = i.ToString("x16", null) }, "agents");
        }

        await rig.CommitAsync(batch);
        await rig.AdvanceAsync(everything: true);
        Assert.Empty(rig.News);
    }

    /// <summary>Ten services, a day each after a week of history: no false finding at all.</summary>
    [Fact]
    public async Task A_healthy_day_raises_nothing()
    {
        for (var seed = 100; seed < 110; seed++)
        {
            var rig = new Rig(Start);
            var bot = new SimulatedBot(seed, perSecond: 0.3);
            await rig.HistoryAsync(bot, TimeSpan.FromDays(7), TimeSpan.FromMinutes(20));
            var end = rig.Clock.Now.AddHours(24);
            while (rig.Clock.Now < end)
            {
                // Releases that change nothing come every six hours.
                var release = "2.4." + (rig.Clock.Now.Hour / 6);
                var batch = bot.Stretch(rig.Clock.Now, TimeSpan.FromSeconds(60), new Behaviour { Release = release });
                rig.Clock.Now += TimeSpan.FromSeconds(60);
                await rig.CommitAsync(batch);
            }

            Assert.True(rig.News.Count == 0, $"seed {seed}: {string.Join("; ", rig.Raised.Select(finding => finding.Title))}");
        }
    }

    /// <summary>Without any history: the first windows only teach, and a rising day is not a fault.</summary>
    [Fact]
    public async Task A_cold_start_raises_nothing_while_it_learns()
    {
        for (var seed = 200; seed < 210; seed++)
        {
            var rig = new Rig(Start);
            var bot = new SimulatedBot(seed);
            await rig.LiveAsync(bot, TimeSpan.FromHours(8), new Behaviour());
            Assert.True(rig.News.Count == 0, $"seed {seed}: {string.Join("; ", rig.Raised.Select(finding => finding.Title))}");
        }
    }

    [Fact]
    public async Task After_ten_minutes_from_nothing_a_fault_is_found()
    {
        var rig = new Rig(Start);
        var bot = new SimulatedBot(31);
        await rig.LiveAsync(bot, TimeSpan.FromMinutes(12), new Behaviour());
        await rig.LiveAsync(bot, TimeSpan.FromSeconds(120), Stale);
        Assert.Single(rig.Raised.Select(finding => finding.Id).Distinct(StringComparer.Ordinal));
    }
}
