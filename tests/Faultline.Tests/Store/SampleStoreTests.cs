using Faultline.Store;
using Faultline.Store.Samples;
using Faultline.Telemetry.Samples;
using Xunit;

namespace Faultline.Tests.Store;

public sealed class SampleStoreTests : StoreTest
{
    [Fact]
    public async Task Samples_come_back_by_series_in_time_order_with_every_bit()
    {
        var store = await OpenAsync(Engine, Soon);
        double[] values = [1.5, double.NaN, SampleBatch.StaleNaN, double.PositiveInfinity, -0.0, 5e-324, BitConverter.UInt64BitsToDouble(0xfff8000000000123)];
        var batch = new SampleBatch();
        var a = Labels.Of((Labels.MetricName, "up"), ("job", "a"));
        for (var i = values.Length - 1; i >= 0; i--)
        {
            batch.Add(a, 1000 + i, values[i]);
        }

        batch.Add(Labels.Of((Labels.MetricName, "down")), 1000, 9);
        await store.Samples.WriteAsync("default", batch);

        var series = Assert.Single(await store.Samples.SelectAsync("default", [Is("__name__", "up")], 0, 10_000));
        Assert.Equal(a, series.Labels);
        Assert.Equal(Enumerable.Range(1000, values.Length).Select(time => (long)time), series.UnixMillis);
        Assert.Equal(values.Select(BitConverter.DoubleToUInt64Bits), series.Values.Select(BitConverter.DoubleToUInt64Bits));
        Assert.True(SampleBatch.IsStale(series.Values[2]));
    }

    [Fact]
    public async Task Both_ends_of_a_range_are_in_it()
    {
        var store = await OpenAsync(Engine, Soon);
        var batch = new SampleBatch();
        for (var time = 0; time < 10; time++)
        {
            batch.Add(Labels.Of((Labels.MetricName, "up")), time, time);
        }

        await store.Samples.WriteAsync("default", batch);
        var series = Assert.Single(await store.Samples.SelectAsync("default", [], 3, 5));
        Assert.Equal([3L, 4, 5], series.UnixMillis);
        Assert.Empty(await store.Samples.SelectAsync("default", [], 10, 20));
    }

    [Fact]
    public async Task Of_two_samples_at_one_time_the_one_written_last_wins()
    {
        var store = await OpenAsync(Engine, Soon);
        var labels = Labels.Of((Labels.MetricName, "up"));
        var first = new SampleBatch();
        first.Add(labels, 1000, 1);
        first.Add(labels, 1000, 2);
        first.Add(labels, 2000, 3);
        await store.Samples.WriteAsync("default", first);
        Assert.Equal("2 3", await Values());

        var second = new SampleBatch();
        second.Add(labels, 1000, 7);
        await store.Samples.WriteAsync("default", second);
        Assert.Equal("7 3", await Values());
        async Task<string> Values() => string.Join(' ', Assert.Single(await store.Samples.SelectAsync("default", [], 0, 5000)).Values);
    }

    [Fact]
    public async Task The_project_is_part_of_a_series()
    {
        var store = await OpenAsync(Engine, Soon);
        var batch = new SampleBatch();
        batch.Add(Labels.Of((Labels.MetricName, "up")), 1000, 1);
        await store.Samples.WriteAsync("ours", batch);
        Assert.Empty(await store.Samples.SelectAsync("theirs", [], 0, 5000));
        Assert.Empty(await store.Samples.SeriesAsync("theirs", [], 0, 5000, 10));
        Assert.Empty(await store.Samples.LabelNamesAsync("theirs", [], 0, 5000));
        Assert.Single(await store.Samples.SelectAsync("ours", [], 0, 5000));
    }

    [Fact]
    public async Task Series_names_and_values_are_of_the_range_and_the_matchers()
    {
        var store = await OpenAsync(Engine, Soon);
        var batch = new SampleBatch();
        batch.Add(Labels.Of((Labels.MetricName, "a"), ("x", "1")), 1000, 1);
        batch.Add(Labels.Of((Labels.MetricName, "b"), ("y", "2")), 2000, 1);
        batch.Add(Labels.Of((Labels.MetricName, "c"), ("z", "3")), 9000, 1);
        batch.Metadata.Add(new MetricMetadata("a", "counter", "seconds", "What a is."));
        batch.Metadata.Add(new MetricMetadata("b", "gauge", "", "What b is."));
        await store.Samples.WriteAsync("default", batch);
        var samples = store.Samples;

        Assert.Equal("a{x=\"1\"} b{y=\"2\"}", string.Join(' ', await samples.SeriesAsync("default", [], 0, 5000, 10)));
        Assert.Single(await samples.SeriesAsync("default", [], 0, 5000, 1));
        Assert.Equal(3, (await samples.SeriesAsync("default", [], 0, 9000, 0)).Count);
        Assert.Equal("a{x=\"1\"} c{z=\"3\"}", string.Join(' ', await samples.SeriesAsync("default", [[Is("x", "1")], [Is("z", "3")]], 0, 9000, 0)));
        Assert.Equal(["__name__", "x", "y"], await samples.LabelNamesAsync("default", [], 0, 5000));
        Assert.Equal(["__name__", "x"], await samples.LabelNamesAsync("default", [[Is("__name__", "a")]], 0, 5000));
        Assert.Equal(["a", "b"], await samples.LabelValuesAsync("default", "__name__", [], 0, 5000));
        Assert.Equal(["1"], await samples.LabelValuesAsync("default", "x", [], 0, 5000));
        Assert.Empty(await samples.LabelValuesAsync("default", "z", [], 0, 5000));

        var changed = new SampleBatch();
        changed.Metadata.Add(new MetricMetadata("a", "counter", "seconds", "What a is now."));
        await samples.WriteAsync("default", changed);
        Assert.Equal([new MetricMetadata("a", "counter", "seconds", "What a is now."), new MetricMetadata("b", "gauge", "", "What b is.")], await samples.MetadataAsync("default", null, 0));
        Assert.Equal("b", Assert.Single(await samples.MetadataAsync("default", "b", 0)).Name);
        Assert.Single(await samples.MetadataAsync("default", null, 1));
    }

    [Fact]
    public async Task A_series_is_written_once_a_day_and_once_more_after_a_restart()
    {
        var store = await OpenAsync(Engine, Soon);
        var labels = Labels.Of((Labels.MetricName, "up"));
        for (var time = 0; time < 5; time++)
        {
            var batch = new SampleBatch();
            batch.Add(labels, time, time);
            await store.Samples.WriteAsync("default", batch);
        }

        Assert.Equal(1, await CountAsync("metric_series"));
        var restarted = await OpenAsync(Engine, Soon);
        var another = new SampleBatch();
        another.Add(labels, 5, 5);
        await restarted.Samples.WriteAsync("default", another);
        Assert.Equal(6, Assert.Single(await restarted.Samples.SelectAsync("default", [], 0, 10)).Values.Length);
        Assert.Single(await restarted.Samples.SeriesAsync("default", [], 0, 10, 0));
    }

    [Fact]
    public async Task A_store_that_cannot_write_says_so()
    {
        var engine = new FaultyEngine(Engine);
        var time = new ImpatientTime();
        var store = await TelemetryStore.OpenAsync(engine, Soon, time);
        engine.BeforeInsert = (_, _) => throw FaultyEngine.OutOfMemory();
        var batch = new SampleBatch();
        batch.Add(Labels.Of((Labels.MetricName, "up")), 1, 1);
        await Assert.ThrowsAsync<StoreUnavailableException>(() => store.Samples.WriteAsync("default", batch));
        Assert.Equal(0, await CountAsync("metric_samples"));
    }

    private static LabelMatcher Is(string name, string value) => new(name, MatchKind.Equal, value);

    /// <summary>A clock whose timers are due at once.</summary>
    private sealed class ImpatientTime : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            System.CreateTimer(callback, state, dueTime > TimeSpan.Zero ? TimeSpan.FromMilliseconds(1) : dueTime, period);
    }
}
