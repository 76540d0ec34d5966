using Faultline.Diagnosis.Findings;
using Faultline.Telemetry.Spans;
using Xunit;

namespace Faultline.Tests.Diagnosis;

/// <summary>Event time: late, out-of-order and parallel data, and restarts.</summary>
public sealed class WindowTests
{
    private static readonly DateTimeOffset Start = new(2026, 3, 10, 14, 3, 0, TimeSpan.Zero);
    private static readonly Behaviour Stale = new() { Relevance = 0.45, TopScore = 0.52 };

    [Fact]
    public async Task A_window_is_the_mean_of_its_scores_stamped_with_its_end()
    {
        var rig = new Rig(Start);
        var batch = new BatchBuilder(Start);
        foreach (var (second, value) in (ReadOnlySpan<(int, double)>)[(0, 0.5), (3, 0.7), (9, 0.9), (10, 0.1)])
        {
            batch.Score("bot", new TraceId(1), default, "relevance", value, Nanos(Start.AddSeconds(second)));
        }

        await rig.CommitAsync(batch);
        rig.Clock.Now += TimeSpan.FromSeconds(30);
        await rig.AdvanceAsync();

        var values = rig.Samples.Feature("bot", "score:relevance");
        var counts = rig.Samples.Feature("bot", "score:relevance", "faultline_feature_count");
        Assert.Equal(0.7, values[Start.AddSeconds(10).ToUnixTimeMilliseconds()], 9);
        Assert.Equal(3, counts[Start.AddSeconds(10).ToUnixTimeMilliseconds()]);
        Assert.Equal(0.1, values[Start.AddSeconds(20).ToUnixTimeMilliseconds()], 9);
    }

    [Fact]
    public async Task A_score_that_comes_after_its_window_closed_corrects_the_sample()
    {
        var rig = new Rig(Start);
        await rig.CommitAsync(new BatchBuilder(Start).Score("bot", new TraceId(1), default, "relevance", 0.8, Nanos(Start.AddSeconds(1))));
        rig.Clock.Now += TimeSpan.FromSeconds(60);
        await rig.CommitAsync(new BatchBuilder(Start).Score("bot", new TraceId(2), default, "relevance", 0.8, Nanos(Start.AddSeconds(58))));
        await rig.CommitAsync(new BatchBuilder(Start).Score("bot", new TraceId(3), default, "relevance", 0.2, Nanos(Start.AddSeconds(2))));

        var at = Start.AddSeconds(10).ToUnixTimeMilliseconds();
        Assert.Equal(0.5, rig.Samples.Feature("bot", "score:relevance")[at], 9);
        Assert.Equal(2, rig.Samples.Feature("bot", "score:relevance", "faultline_feature_count")[at]);
    }

    [Fact]
    public async Task The_last_windows_close_by_the_clock_when_nothing_newer_comes()
    {
        var rig = new Rig(Start);
        await rig.CommitAsync(new BatchBuilder(Start).Score("bot", new TraceId(1), default, "relevance", 0.8, Nanos(Start.AddSeconds(1))));
        Assert.Empty(rig.Samples.Feature("bot", "score:relevance"));
        rig.Clock.Now += TimeSpan.FromSeconds(20);
        await rig.AdvanceAsync();
        Assert.Single(rig.Samples.Feature("bot", "score:relevance"));
    }

    /// <summary>Seven senders, a day each, at the same time: every window is whole in the end, and nothing is raised.</summary>
    [Fact]
    public async Task Days_sent_in_parallel_give_the_windows_of_days_sent_in_turn()
    {
        var inTurn = new Rig(Start);
        var parallel = new Rig(Start);
        List<List<BatchBuilder>> days = [];
        for (var day = 7; day >= 1; day--)
        {
            // A bot a day, so that both rigs get the same spans.
            var bot = new SimulatedBot(400 + day);
            List<BatchBuilder> batches = [];
            for (var at = Start.AddDays(-day); at < Start.AddDays(1 - day); at += TimeSpan.FromMinutes(20))
            {
                batches.Add(bot.Stretch(at, TimeSpan.FromSeconds(20), new Behaviour()));
            }

            days.Add(batches);
        }

        foreach (var batch in days.SelectMany(day => day))
        {
            await inTurn.CommitAsync(batch);
        }

        for (var i = 0; i < days[0].Count; i++)
        {
            foreach (var day in days)
            {
                await parallel.CommitAsync(day[i]);
            }
        }

        await inTurn.AdvanceAsync(everything: true);
        await parallel.AdvanceAsync(everything: true);
        var expected = inTurn.Samples.Feature("support-bot", "score:relevance");
        var actual = parallel.Samples.Feature("support-bot", "score:relevance");
        Assert.True(expected.Count > 700);
        Assert.Equal(expected.Count, actual.Count);
        Assert.All(expected, sample => Assert.Equal(sample.Value, actual[sample.Key], 6));
        Assert.Empty(parallel.News);

        // And the baseline learnt from them works.
        var live = new SimulatedBot(500);
        await parallel.LiveAsync(live, TimeSpan.FromSeconds(60), new Behaviour());
        Assert.Empty(parallel.News);
        await parallel.LiveAsync(live, TimeSpan.FromSeconds(100), Stale);
        Assert.Single(parallel.Raised.Select(finding => finding.Id).Distinct(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Batches_in_any_order_within_seconds_change_nothing()
    {
        var rig = new Rig(Start);
        var bot = new SimulatedBot(41);
        await rig.HistoryAsync(bot, TimeSpan.FromDays(2), TimeSpan.FromMinutes(20));
        var random = new Random(41);
        for (var part = 0; part < 30; part++)
        {
            var behaviour = part < 12 ? new Behaviour() : Stale;
            var batches = Enumerable.Range(0, 5).Select(second => bot.Stretch(rig.Clock.Now.AddSeconds(second), TimeSpan.FromSeconds(1), behaviour)).ToArray();
            random.Shuffle(batches);
            rig.Clock.Now += TimeSpan.FromSeconds(5);
            foreach (var batch in batches)
            {
                await rig.CommitAsync(batch);
            }
        }

        Assert.Single(rig.Raised.Select(finding => finding.Id).Distinct(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_restart_keeps_the_baseline()
    {
        var first = new Rig(Start);
        var bot = new SimulatedBot(51);
        await first.HistoryAsync(bot, TimeSpan.FromDays(7), TimeSpan.FromMinutes(20));
        await first.LiveAsync(bot, TimeSpan.FromSeconds(60), new Behaviour());
        await first.AdvanceAsync(everything: true);

        var second = new Rig(first.Clock.Now, first.Samples);
        await second.LiveAsync(bot, TimeSpan.FromSeconds(30), new Behaviour());
        Assert.Empty(second.News);
        await second.LiveAsync(bot, TimeSpan.FromSeconds(90), Stale);
        Assert.Single(second.Raised.Select(finding => finding.Id).Distinct(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_restart_amid_a_fault_continues_the_same_finding_and_clears_it()
    {
        var first = new Rig(Start);
        var bot = new SimulatedBot(61);
        await first.HistoryAsync(bot, TimeSpan.FromDays(7), TimeSpan.FromMinutes(20));
        await first.LiveAsync(bot, TimeSpan.FromSeconds(60), new Behaviour());
        await first.LiveAsync(bot, TimeSpan.FromSeconds(120), Stale);
        var id = Assert.Single(first.Raised.Select(finding => finding.Id).Distinct(StringComparer.Ordinal));
        await first.AdvanceAsync(everything: true);

        var second = new Rig(first.Clock.Now, first.Samples);
        await second.LiveAsync(bot, TimeSpan.FromSeconds(60), Stale);
        Assert.Equal(id, Assert.Single(second.Raised.Select(finding => finding.Id).Distinct(StringComparer.Ordinal)));
        await second.LiveAsync(bot, TimeSpan.FromSeconds(150), new Behaviour());
        Assert.Equal(id, Assert.Single(second.News.OfType<FindingNews.Cleared>()).FindingId);

        // And once more: what is over stays over.
        await second.AdvanceAsync(everything: true);
        var third = new Rig(second.Clock.Now, second.Samples);
        await third.LiveAsync(bot, TimeSpan.FromSeconds(60), new Behaviour());
        Assert.Empty(third.News);
    }

    [Fact]
    public async Task A_loop_that_ended_while_the_server_was_down_is_cleared()
    {
        var first = new Rig(Start);
        var bot = new SimulatedBot(62);
        await first.HistoryAsync(bot, TimeSpan.FromDays(7), TimeSpan.FromMinutes(20));
        await first.LiveAsync(bot, TimeSpan.FromSeconds(60), new Behaviour());
        await first.LiveAsync(bot, TimeSpan.FromSeconds(60), new Behaviour { SameCalls = 50 });
        var id = first.Raised.First().Id;
        await first.AdvanceAsync(everything: true);

        var second = new Rig(first.Clock.Now.AddMinutes(30), first.Samples);
        await second.LiveAsync(bot, TimeSpan.FromSeconds(180), new Behaviour());
        Assert.Equal(id, Assert.Single(second.News.OfType<FindingNews.Cleared>()).FindingId);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(long.MinValue)]
    public async Task A_score_without_a_time_harms_nothing(long unixNanos)
    {
        var rig = new Rig(Start);
        await rig.CommitAsync(new BatchBuilder(Start)
            .Score("bot", new TraceId(1), default, "relevance", 0.8, unixNanos)
            .Score("bot", new TraceId(1), default, "relevance", double.NaN, Nanos(Start))
            .Score("bot", new TraceId(1), default, "relevance", 0.8, Nanos(Start)));
        await rig.AdvanceAsync(everything: true);
        Assert.Single(rig.Samples.Feature("bot", "score:relevance"));
        Assert.Equal(1, rig.Detection.Figures.TooLate);
    }

    [Fact]
    public async Task Projects_do_not_see_each_other()
    {
        var rig = new Rig(Start);
        await rig.CommitAsync(new BatchBuilder(Start, "a").Score("bot", new TraceId(1), default, "relevance", 0.8, Nanos(Start)));
        await rig.CommitAsync(new BatchBuilder(Start, "b").Score("bot", new TraceId(2), default, "relevance", 0.1, Nanos(Start)));
        Assert.Equal(2, rig.Detection.Figures.Services);
    }

    /// <summary>Two services in the same traces, one fault: retrieval's own service and the bot that answers with it.</summary>
    [Fact]
    public async Task A_fault_that_shows_in_two_services_of_the_same_traces_is_one_finding()
    {
        var rig = new Rig(Start);
        var random = new Random(71);
        ulong ids = 0;
        BatchBuilder Second(DateTimeOffset from, double score)
        {
            var batch = new BatchBuilder(from);
            for (var i = 0; i < 5; i++)
            {
                var trace = new TraceId(new UInt128(71, ++ids));
                var end = Nanos(from.AddSeconds(i));
                var root = new SpanId(++ids);
                batch.Add(new TestSpan(trace, new SpanId(++ids), root, "search", end - 900_000_000, end - 800_000_000) { Operation = "retrieval", Documents = 4, TopScore = score + (0.03 * random.NextDouble()), MeanScore = score }, "searcher");
                batch.Add(new TestSpan(trace, root, default, "ask", end - 1_000_000_000, end) { Kind = SpanKind.Server }, "bot");
                batch.Score("bot", trace, root, "relevance", score + (0.04 * random.NextDouble()), end);
            }

            return batch;
        }

        for (var i = 0; i < 200; i++)
        {
            rig.Clock.Now += TimeSpan.FromSeconds(5);
            await rig.CommitAsync(Second(rig.Clock.Now.AddSeconds(-5), i < 170 ? 0.85 : 0.4));
        }

        Assert.Single(rig.Raised.Select(finding => finding.Id).Distinct(StringComparer.Ordinal));
        Assert.Contains(rig.Raised.Last().Symptoms, symptom => symptom.Feature is "score:relevance");
        Assert.Contains(rig.Raised.Last().Symptoms, symptom => symptom.Feature is "retrieval_top_score");
    }

    private static long Nanos(DateTimeOffset at) => at.ToUnixTimeMilliseconds() * 1_000_000;
}
