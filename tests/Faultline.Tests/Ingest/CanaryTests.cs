using Faultline.Ingest.Pipeline;
using Faultline.Store;
using Faultline.Store.Tiers;
using Faultline.Store.Traces;
using Faultline.Telemetry;
using Faultline.Tests.Diagnosis;
using Faultline.Tests.Store;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;
using static Faultline.Tests.Store.SpanSpecs;

namespace Faultline.Tests.Ingest;

public sealed class CanaryTests : StoreTest
{
    [Fact]
    public async Task It_says_how_long_a_span_takes_to_be_durable_and_to_be_readable()
    {
        var canary = CanaryOf(await OpenAsync(Engine, Soon));

        await canary.FlyAsync();
        await canary.FlyAsync();

        Assert.Equal(2, Value(canary, "faultline_canary_sent"));
        Assert.Equal(0, Value(canary, "faultline_canary_failures"));
        Assert.InRange(Value(canary, "faultline_canary_durable_seconds"), double.Epsilon, Value(canary, "faultline_canary_readable_seconds"));
        Assert.True(Value(canary, "faultline_canary_success_timestamp_seconds") > 1.7e9);
    }

    [Fact]
    public async Task Before_the_first_success_there_is_no_time_of_it()
    {
        var canary = CanaryOf(await OpenAsync(Engine, Soon));

        Assert.DoesNotContain(canary.Figures.Families(), family => family.Name.EndsWith("_seconds", StringComparison.Ordinal));
    }

    [Fact]
    public async Task No_reader_is_shown_it_neither_after_its_commit_nor_after_a_start()
    {
        var before = await OpenAsync(Engine, Soon);
        var reader = new Projects();
        before.Writer.Readers.Add(reader);
        await CanaryOf(before).FlyAsync();
        await WriteAsync(before, Batch("shop", NewHash(), new SpanSpec(Trace(1), Span(1))));
        await before.Writer.StopAsync();

        var after = await OpenAsync(Engine, Soon);
        var again = new Projects();
        after.Writer.Readers.Add(again);
        after.Writer.ShowStoredAfter(0);
        await Eventually.TrueAsync(() => again.Seen.Count > 0);

        Assert.Equal(["shop"], reader.Seen);
        Assert.Equal(["shop"], again.Seen);
    }

    [Fact]
    public async Task It_is_in_no_search_but_its_own()
    {
        var store = await OpenAsync(Engine, Soon);
        await CanaryOf(store).FlyAsync();
        var all = new TraceFilter { FromUnixNanos = 0, ToUnixNanos = long.MaxValue };

        Assert.Equal(0, (await store.Traces.SearchAsync("default", all)).Total);
        Assert.Equal(1, (await store.Traces.SearchAsync(TelemetryBatch.CanaryProject, all)).Total);
        Assert.Equal(1, await CountAsync("spans"));
        Assert.Equal(0, await CountAsync("scores"));
    }

    [Fact]
    public async Task No_retention_rule_keeps_it()
    {
        var time = new TestClock(DateTimeOffset.UnixEpoch.AddTicks(Noon / 100));
        var store = await OpenAsync(Engine, Soon, time);
        await CanaryOf(store, time).FlyAsync();
        await WriteAsync(store, Batch("shop", NewHash(), new SpanSpec(Trace(1), Span(1))));
        var options = new RetentionOptions(TimeSpan.FromDays(1), [new("everything", new KeepCondition.Percentage(100), TimeSpan.FromDays(30))]);

        time.Now += TimeSpan.FromDays(4);
        await new RetentionWorker(store.Retention, options, () => new Pins([], []), time, NullLogger<RetentionWorker>.Instance).StepAsync();

        Assert.Equal(1, await CountAsync("spans"));
        Assert.Equal(0, await CountAsync("spans", $"countIf(project = '{TelemetryBatch.CanaryProject}')"));
    }

    [Fact]
    public async Task A_store_that_cannot_write_is_a_failure_that_is_counted_and_said_once()
    {
        var faulty = new FaultyEngine(Engine);
        var store = await OpenAsync(faulty, Soon);
        var log = new Lines();
        var canary = new Canary(PipelineOf(store, TimeProvider.System), store.Traces, new CanaryOptions(), TimeProvider.System, log);
        faulty.BeforeInsert = (_, _) => throw FaultyEngine.OutOfMemory();

        await canary.FlyAsync();
        await canary.FlyAsync();
        Assert.Equal(2, Value(canary, "faultline_canary_failures"));
        Assert.DoesNotContain(canary.Figures.Families(), family => family.Name is "faultline_canary_success_timestamp_seconds");

        faulty.BeforeInsert = (_, _) => { };
        await canary.FlyAsync();
        Assert.Equal(2, Value(canary, "faultline_canary_failures"));
        Assert.Equal([LogLevel.Warning, LogLevel.Information], log.Levels);
    }

    [Fact]
    public async Task It_flies_again_and_again_until_it_is_stopped()
    {
        var store = await OpenAsync(Engine, Soon);
        var often = new CanaryOptions { Interval = TimeSpan.FromMilliseconds(10) };
        var canary = new Canary(PipelineOf(store, TimeProvider.System), store.Traces, often, TimeProvider.System, NullLogger<Canary>.Instance);
        using var stop = new CancellationTokenSource();
        var loop = canary.RunAsync(stop.Token);

        await Eventually.TrueAsync(() => Value(canary, "faultline_canary_sent") >= 3);

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => loop);
    }

    private static Canary CanaryOf(TelemetryStore store, TimeProvider? time = null) =>
        new(PipelineOf(store, time ?? TimeProvider.System), store.Traces, new CanaryOptions(), time ?? TimeProvider.System, NullLogger<Canary>.Instance);

    private static IngestPipeline PipelineOf(TelemetryStore store, TimeProvider time) => new(store.Writer, new IngestOptions(TimeSpan.FromDays(365)), new IngestFigures(), time);

    private static double Value(Canary canary, string metric) =>
        canary.Figures.Families().Where(family => family.Name == metric).SelectMany(family => family.Samples).Sum(sample => sample.Value);

    private sealed class Projects : IBatchReader
    {
        public List<string> Seen { get; } = [];

        public bool SeesStored => true;

        public void Committed(TelemetryBatch batch) => Seen.Add(batch.Project);
    }

    private sealed class Lines : ILogger<Canary>
    {
        public List<LogLevel> Levels { get; } = [];

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => Levels.Add(logLevel);
    }
}
