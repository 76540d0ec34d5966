using Faultline.ClickHouse;
using Faultline.Metrics.Internals;
using Faultline.Store;
using Faultline.Store.Deletions;
using Faultline.Store.Tiers;
using Faultline.Telemetry;
using Faultline.Telemetry.Spans;
using Faultline.Tests.Store.Deletions;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;
using static Faultline.Tests.Store.SpanSpecs;

namespace Faultline.Tests.Store.Tiers;

/// <summary>Retention by the clock, on the real engine.</summary>
public sealed class RetentionTests : StoreTest
{
    private const long Day = 86_400 * Second;

    private static readonly Pins NoPins = new([], []);

    private static readonly RetentionOptions ThreeDays = new(TimeSpan.FromDays(3),
    [
        new("errors", new KeepCondition.Error(), TimeSpan.FromDays(30)),
        new("slow", new KeepCondition.SlowerThan(TimeSpan.FromSeconds(5)), TimeSpan.FromDays(20)),
        new("costly", new KeepCondition.CostAbove(0.5), TimeSpan.FromDays(10)),
        new("ungrounded", new KeepCondition.ScoreBelow("groundedness", 0.4), TimeSpan.FromDays(10)),
        new("checkout", new KeepCondition.Service("checkout"), TimeSpan.FromDays(10)),
        new("gold", new KeepCondition.Attribute("customer.tier", "gold"), TimeSpan.FromDays(10)),
        new("cases", new KeepCondition.CaseLinked(), TimeSpan.FromDays(90)),
    ]);

    private readonly SetClock _clock = new() { Now = At(0) };

    [Fact]
    public async Task What_a_rule_names_outlives_the_window_with_its_logs_and_scores_and_says_why()
    {
        var store = await OpenAtAsync(Engine);
        var batch = Received(
            0,
            new SpanSpec(Trace(1), Span(1)) { Status = SpanStatus.Error },
            new SpanSpec(Trace(2), Span(1)) { DurationNanos = 6 * Second },
            new SpanSpec(Trace(3), Span(1)) { Attributes = [Text("gen_ai.usage.cost", "0.3")], Counted = true, Operation = "chat" },
            new SpanSpec(Trace(3), Span(2)) { Attributes = [Text("gen_ai.usage.cost", "0.3")], Counted = true, Operation = "chat" },
            new SpanSpec(Trace(4), Span(1)) { ResponseId = "resp-4" },
            new SpanSpec(Trace(5), Span(1)) { Service = "checkout" },
            new SpanSpec(Trace(6), Span(1)) { Resource = [Text("customer.tier", "gold")] },
            new SpanSpec(Trace(7), Span(1)),
            new SpanSpec(Trace(8), Span(1)) { Attributes = [Text("customer.tier", "silver"), Text("gen_ai.usage.cost", "0.4")] },
            new SpanSpec(Trace(9), Span(1)));
        batch.Score("groundedness", 0.2, responseId: "resp-4");
        batch.Score("relevance", 0.1, Trace(8));
        batch.Score("relevance", 0.9, Trace(1));
        DeletionStoreTests.Logs(batch, "of an error", Trace(1));
        DeletionStoreTests.Logs(batch, "of nothing much", Trace(8));
        DeletionStoreTests.Logs(batch, "of no trace", default);
        await WriteAsync(store, batch);
        var pins = new Pins([("default", Trace(7)), ("other", Trace(9))], []);

        _clock.Now = At(3);
        Assert.Empty(await store.Retention.DueAsync(ThreeDays));
        Assert.Equal(new TraceKeep("errors", Date(30), false), await store.Retention.OfTraceAsync("default", Trace(1), ThreeDays, () => pins));
        Assert.Equal(new TraceKeep("cases", Date(90), false), await store.Retention.OfTraceAsync("default", Trace(7), ThreeDays, () => pins));
        Assert.Equal(new TraceKeep(null, Date(4), false), await store.Retention.OfTraceAsync("default", Trace(8), ThreeDays, () => pins));

        _clock.Now = At(4);
        await StepAsync(store, pins);

        Assert.Equal("1 2 3 4 5 6 7", await TracesAsync());
        Assert.Equal(8, await CountAsync("spans"));
        Assert.Equal("of an error", Assert.Single(await store.Logs.SearchAsync("default", null, null, 0, 0, long.MaxValue, 10)).Body);
        Assert.Equal([0.2, 0.9], (await store.Scores.ScoresAsync("default", null, null, 0, long.MaxValue, 10)).Select(score => score.Value).Order());
        string[] rules = ["errors", "slow", "costly", "ungrounded", "checkout", "gold", "cases"];
        int[] days = [30, 20, 10, 10, 10, 10, 90];
        for (var i = 0; i < rules.Length; i++)
        {
            Assert.Equal(new TraceKeep(rules[i], Date(days[i]), true), await store.Retention.OfTraceAsync("default", Trace((ulong)i + 1), ThreeDays, () => NoPins));
        }

        Assert.Null(await store.Retention.OfTraceAsync("default", Trace(8), ThreeDays, () => NoPins));
        Assert.Empty(await store.Retention.DueAsync(ThreeDays));
        Assert.Equal(0, await CountAsync("system.mutations", "countIf(database = currentDatabase() AND table IN ('spans', 'logs', 'scores'))"));

        // Each goes when its own time is over.
        foreach (var (day, left) in new[] { (10, "1 2 7"), (20, "1 7"), (30, "7"), (90, "") })
        {
            _clock.Now = At(day - 1);
            await StepAsync(store, NoPins);
            Assert.NotEqual(left, await TracesAsync());
            _clock.Now = At(day);
            await StepAsync(store, NoPins);
            Assert.Equal(left, await TracesAsync());
        }

        Assert.Equal((0, 0), (await CountAsync("logs"), await CountAsync("scores")));
    }

    [Fact]
    public async Task A_trace_is_judged_whole_whatever_day_its_parts_came_and_late_parts_stay_with_it()
    {
        var store = await OpenAtAsync(Engine);
        await WriteAsync(store, Received(0, new SpanSpec(Trace(1), Span(1)), new SpanSpec(Trace(2), Span(1))));
        await WriteAsync(store, Received(1, new SpanSpec(Trace(1), Span(2)) { Status = SpanStatus.Error }));
        await WriteAsync(store, Received(6, new SpanSpec(Trace(1), Span(3)), new SpanSpec(Trace(3), Span(1))));

        _clock.Now = At(4);
        await StepAsync(store, NoPins);
        Assert.Equal((4, "1 3"), (await CountAsync("spans"), await TracesAsync()));
        for (_clock.Now = At(5); _clock.Now < At(12); _clock.Now += TimeSpan.FromDays(1))
        {
            await StepAsync(store, NoPins);
        }

        Assert.Equal((3, "1"), (await CountAsync("spans"), await TracesAsync()));
        Assert.Equal(3, (await store.Traces.SpansOfAsync("default", Trace(1))).Count);
    }

    [Fact]
    public async Task Whatever_statement_it_ends_at_nothing_that_is_kept_is_missing_or_doubled_and_the_next_start_finishes()
    {
        var faulty = new FaultyEngine(Engine);
        var store = await OpenAtAsync(faulty);
        for (var round = 0; round < 40; round++)
        {
            var day = round * 10;
            _clock.Now = At(day);
            var batch = Received(day, new SpanSpec(Trace((ulong)(100 * round) + 1), Span(1)) { Status = SpanStatus.Error }, new SpanSpec(Trace((ulong)(100 * round) + 2), Span(1)));
            batch.Score("relevance", 0.9, Trace((ulong)(100 * round) + 1));
            batch.Score("relevance", 0.9, Trace((ulong)(100 * round) + 2));
            DeletionStoreTests.Logs(batch, "kept", Trace((ulong)(100 * round) + 1));
            DeletionStoreTests.Logs(batch, "dropped", Trace((ulong)(100 * round) + 2));
            await WriteAsync(store, batch);
            _clock.Now = At(day + 4);

            // The statement after which the process is gone: one later each round.
            var left = round;
            faulty.BeforeExecute = _ =>
            {
                if (left-- == 0)
                {
                    throw new ClickHouseException(0, "the process ended", "");
                }
            };
            var ended = false;
            try
            {
                await StepAsync(store, NoPins);
            }
            catch (ClickHouseException)
            {
                ended = true;
            }

            faulty.BeforeExecute = _ => { };
            var kept = Trace((ulong)(100 * round) + 1);
            Assert.Single(await store.Traces.SpansOfAsync("default", kept));
            Assert.Equal("kept", Assert.Single(await store.Logs.OfTraceAsync("default", kept, 10)).Body);
            Assert.Equal(1, await CountAsync("spans", $"countIf(lower(hex(trace_id)) = '{kept}')"));
            Assert.Equal(1, await CountAsync("scores", $"countIf(lower(hex(trace_id)) = '{kept}')"));

            await StepAsync(store, NoPins);
            Assert.Empty(await store.Retention.DueAsync(ThreeDays));
            Assert.Empty(await store.Traces.SpansOfAsync("default", Trace((ulong)(100 * round) + 2)));
            Assert.Empty(await store.Logs.OfTraceAsync("default", Trace((ulong)(100 * round) + 2), 10));
            Assert.Single(await store.Traces.SpansOfAsync("default", kept));
            if (!ended)
            {
                Assert.True(round > 5, $"only {round} statements");
                return;
            }
        }

        Assert.Fail("It never came to its end.");
    }

    [Fact]
    public async Task A_percentage_keeps_the_same_share_of_traces_everywhere()
    {
        var store = await OpenAtAsync(Engine);
        var random = new Random(20_261_121);
        await WriteAsync(store, Received(0, [.. Enumerable.Range(0, 2_000).Select(_ => new SpanSpec(Trace(new UInt128((ulong)random.NextInt64(), (ulong)random.NextInt64(long.MinValue, long.MaxValue))), Span(1)))]));
        var tenth = new RetentionOptions(TimeSpan.FromDays(3), [new("sample", new KeepCondition.Percentage(10), TimeSpan.FromDays(30))]);
        _clock.Now = At(4);

        await new RetentionWorker(store.Retention, tenth, () => NoPins, _clock, NullLogger<RetentionWorker>.Instance).StepAsync();

        Assert.InRange(await CountAsync("spans"), 150, 250);
        Assert.Equal(0, await CountAsync("spans", $"countIf(reinterpretAsUInt64(reverse(substring(trace_id, 10, 7))) < {(long)Math.Round(0.9 * (1L << 56))})"));
    }

    [Fact]
    public async Task What_a_run_did_and_what_is_kept_by_which_rule_is_counted()
    {
        var engine = new FaultyEngine(Engine);
        var store = await OpenAtAsync(engine);
        await WriteAsync(store, Received(
            0, new SpanSpec(Trace(1), Span(1)) { Status = SpanStatus.Error }, new SpanSpec(Trace(2), Span(1)) { Status = SpanStatus.Error }, new SpanSpec(Trace(3), Span(1)) { User = "ann" }, new SpanSpec(Trace(4), Span(1))));
        var held = new Pins([], [DeletionScope.OfUser("default", "ann")]);
        var worker = new RetentionWorker(store.Retention, ThreeDays, () => held, _clock, NullLogger<RetentionWorker>.Instance);
        double Value(string name, string? rule = null) =>
            RetentionMetrics.Families(worker.Figures).Single(family => family.Name == name).Samples.Single(sample => rule is null || sample.Labels["rule"] == rule).Value;
        Assert.DoesNotContain(RetentionMetrics.Families(worker.Figures), family => family.Name == "faultline_retention_success_timestamp_seconds");

        await worker.StepAsync();
        Assert.Equal((0, 0), (Value("faultline_retention_replaced_days"), Value("faultline_retention_kept_traces", "errors")));

        _clock.Now = At(4);
        await worker.StepAsync();
        Assert.Equal((1, 1), (Value("faultline_retention_replaced_days"), Value("faultline_retention_dropped_rows")));
        Assert.Equal((2, 1, 0), (Value("faultline_retention_kept_traces", "errors"), Value("faultline_retention_kept_traces", RetentionStore.HoldRule), Value("faultline_retention_kept_traces", "gold")));
        Assert.Equal(_clock.Now.ToUnixTimeSeconds(), Value("faultline_retention_success_timestamp_seconds"));
        Assert.True(Value("faultline_retention_run_seconds") >= 0);

        // A rule that is set no more still keeps what it decided on, under one name for all of them.
        var other = new RetentionOptions(TimeSpan.FromDays(3), [new("gold", new KeepCondition.Attribute("customer.tier", "gold"), TimeSpan.FromDays(10))]);
        Assert.Equal(2, (await store.Retention.KeptByRuleAsync(other))[RetentionStore.FormerRules]);

        await WriteAsync(store, Received(1, new SpanSpec(Trace(5), Span(1))));
        engine.BeforeExecute = _ => throw FaultyEngine.OutOfMemory();
        _clock.Now = At(5);
        using var stop = new CancellationTokenSource();
        var running = worker.RunAsync(stop.Token);
        await Eventually.TrueAsync(() => worker.Figures.Failures > 0);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        Assert.Equal((1, 1), (Value("faultline_retention_failures"), Value("faultline_retention_replaced_days")));
    }

    [Fact]
    public async Task What_is_under_hold_stays_until_the_hold_is_lifted()
    {
        var store = await OpenAtAsync(Engine);
        var batch = Received(0, new SpanSpec(Trace(1), Span(1)) { User = "ann" }, new SpanSpec(Trace(2), Span(1)) { User = "bob" });
        DeletionStoreTests.Logs(batch, "hers", Trace(1));
        DeletionStoreTests.Logs(batch, "hers alone", default, "ann");
        DeletionStoreTests.Logs(batch, "his alone", default, "bob");
        await WriteAsync(store, batch);
        var held = new Pins([], [DeletionScope.OfUser("default", "ann")]);
        for (var day = 4; day < 8; day++)
        {
            _clock.Now = At(day);
            await StepAsync(store, held);
            Assert.Equal(("1", 2), (await TracesAsync(), await CountAsync("logs")));
            Assert.Equal(RetentionStore.HoldRule, (await store.Retention.OfTraceAsync("default", Trace(1), ThreeDays, () => held))!.Rule);
        }

        _clock.Now = At(8);
        await StepAsync(store, NoPins);
        Assert.Equal(("", 0), (await TracesAsync(), await CountAsync("logs")));
    }

    [Fact]
    public async Task Without_a_hot_window_nothing_ever_goes_and_metrics_are_never_touched()
    {
        var store = await OpenAtAsync(Engine);
        await WriteAsync(store, Received(0, new SpanSpec(Trace(1), Span(1))));
        var samples = new Telemetry.Samples.SampleBatch();
        samples.Add(Telemetry.Samples.Labels.Of(("__name__", "calls")), 1_000, 1);
        await store.Samples.WriteAsync("default", samples);
        _clock.Now = At(1_000);

        Assert.Empty(await store.Retention.DueAsync(new RetentionOptions()));
        Assert.Null(await store.Retention.OfTraceAsync("default", Trace(1), new RetentionOptions(), () => NoPins));
        await StepAsync(store, NoPins);

        Assert.Equal((0, 1), (await CountAsync("spans"), await CountAsync("metric_samples")));
    }

    private Task<TelemetryStore> OpenAtAsync(IClickHouse engine) => OpenAsync(engine, Soon, _clock);

    private Task StepAsync(TelemetryStore store, Pins pins) =>
        new RetentionWorker(store.Retention, ThreeDays, () => pins, _clock, NullLogger<RetentionWorker>.Instance).StepAsync();

    /// <summary>Numbers of the traces that have a span.</summary>
    private async Task<string> TracesAsync() =>
        string.Join(' ', (await Engine.QueryAsync("SELECT DISTINCT reinterpretAsUInt8(reverse(trace_id)) AS n FROM spans ORDER BY n")).Rows.Select(row => row.Int64("n")));

    private static TelemetryBatch Received(int day, params SpanSpec[] spans)
    {
        var batch = new TelemetryBatch { Project = "default", ReceivedUnixNanos = Noon + (day * Day), RequestHash = NewHash() };
        foreach (var span in spans)
        {
            Add(batch.Spans, span with { Start = Noon + (day * Day) });
        }

        return batch;
    }

    private static DateTimeOffset At(int day) => DateTimeOffset.UnixEpoch.AddTicks((Noon + (day * Day)) / 100);

    private static DateOnly Date(int day) => DateOnly.FromDateTime(At(day).UtcDateTime);
}
