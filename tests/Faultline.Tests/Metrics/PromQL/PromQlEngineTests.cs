using Faultline.Metrics.PromQL;
using Faultline.Store.Samples;
using Faultline.Telemetry.Samples;
using Xunit;

namespace Faultline.Tests.Metrics.PromQL;

public sealed class PromQlEngineTests
{
    private readonly MemorySeries _series = new();

    public PromQlEngineTests()
    {
        for (var i = 0; i <= 60; i++)
        {
            _series.Add(Labels.Of(("__name__", "requests_total"), ("code", "200")), i * 10_000, i * 5);
            _series.Add(Labels.Of(("__name__", "requests_total"), ("code", "500")), i * 10_000, i);
        }
    }

    [Fact]
    public async Task A_range_query_reads_each_selector_once_whatever_its_steps()
    {
        var result = await Engine().RangeAsync("default", "rate(requests_total{code=\"500\"}[1m]) / ignoring(code) rate(requests_total{code=\"200\"}[1m]) + ignoring(code) 0 * rate(requests_total{code=\"500\"}[1m])", 60_000, 600_000, 1000);

        var series = Assert.Single(Assert.IsType<PromQlResult.Matrix>(result).Series);
        Assert.Equal(541, series.Values.Length);
        Assert.All(series.Values, value => Assert.Equal(0.2, value, 12));
        Assert.Equal(2, _series.Selections);
    }

    [Fact]
    public async Task The_project_goes_to_the_store()
    {
        var asked = "";
        var engine = new PromQlEngine((project, _, _, _, _) =>
        {
            asked = project;
            return Task.FromResult<IReadOnlyList<SeriesData>>([]);
        });

        await engine.InstantAsync("team-a", "up", 0);

        Assert.Equal("team-a", asked);
    }

    [Fact]
    public async Task A_selector_is_read_over_its_lookback_and_no_further()
    {
        (long From, long To) asked = default;
        var engine = new PromQlEngine((_, _, from, to, _) =>
        {
            asked = (from, to);
            return Task.FromResult<IReadOnlyList<SeriesData>>([]);
        });

        await engine.InstantAsync("default", "up offset 1m", 1_000_000);
        Assert.Equal((1_000_000 - 60_000 - 300_000 + 1, 1_000_000 - 60_000), asked);

        await engine.RangeAsync("default", "max_over_time(rate(up[2m])[10m:1m])", 1_000_000, 2_000_000, 60_000);
        Assert.Equal((1_000_000 - 600_000 - 120_000 + 1, 2_000_000), asked);
    }

    [Fact]
    public async Task A_query_that_needs_too_many_samples_is_refused()
    {
        var engine = new PromQlEngine(_series.SelectAsync, new PromQlOptions { SamplesMax = 100 });

        var fault = await Assert.ThrowsAsync<PromQlException>(() => engine.RangeAsync("default", "requests_total", 0, 600_000, 10_000));

        Assert.Equal(("execution", "query processing would load too many samples into memory in query execution"), (fault.ErrorType, fault.Message));
    }

    [Fact]
    public async Task A_query_that_takes_too_long_times_out()
    {
        var engine = new PromQlEngine(Never, new PromQlOptions { Timeout = TimeSpan.FromMilliseconds(1) });

        var fault = await Assert.ThrowsAsync<PromQlException>(() => engine.InstantAsync("default", "up", 0));

        Assert.Equal(("timeout", "query timed out in expression evaluation"), (fault.ErrorType, fault.Message));
    }

    [Fact]
    public async Task A_query_whose_asker_left_is_canceled()
    {
        using var gone = new CancellationTokenSource();
        var query = new PromQlEngine(Never).InstantAsync("default", "up", 0, gone.Token);

        await gone.CancelAsync();

        Assert.Equal("canceled", (await Assert.ThrowsAsync<PromQlException>(() => query)).ErrorType);
    }

    [Theory]
    [InlineData("histogram_count(up)", "execution", "not yet supported: native histograms")]
    [InlineData("up </ 1", "execution", "not yet supported: native histograms (operator </)")]
    [InlineData("info(up)", "execution", "not yet supported: function info()")]
    [InlineData("sum(", "bad_data", "1:5: parse error: unclosed left parenthesis")]
    [InlineData("rate(up)", "bad_data", "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector")]
    public async Task What_cannot_be_answered_says_why(string expression, string type, string message)
    {
        var fault = await Assert.ThrowsAsync<PromQlException>(async () => await Engine().InstantAsync("default", expression, 0));

        Assert.Equal((type, message), (fault.ErrorType, fault.Message));
    }

    [Fact]
    public async Task A_quantile_of_a_latency_histogram_is_interpolated()
    {
        string[] bounds = ["0.1", "0.5", "1", "+Inf"];
        double[] counts = [10, 60, 90, 100];
        for (var i = 0; i < bounds.Length; i++)
        {
            for (var step = 0; step < 10; step++)
            {
                _series.Add(Labels.Of(("__name__", "latency_bucket"), ("le", bounds[i]), ("service", "bot")), step * 10_000, counts[i] * step);
            }
        }

        var result = await Engine().InstantAsync("default", "histogram_quantile(0.5, sum by (le, service) (rate(latency_bucket[1m])))", 90_000);

        var (labels, _, value) = Assert.Single(Assert.IsType<PromQlResult.Vector>(result).Samples);
        Assert.Equal(Labels.Of(("service", "bot")), labels);
        Assert.Equal(0.1 + (0.4 * 40 / 50), value, 9);
    }

    [Fact]
    public async Task Warnings_and_infos_come_with_their_place()
    {
        var result = await Engine().InstantAsync("default", "quantile(2, rate(gauge[1m]))", 0);
        Assert.Equal(["PromQL warning: quantile value should be between 0 and 1, got 2 (1:10)"], result.Warnings);

        _series.Add(Labels.Of(("__name__", "gauge")), 0, 1);
        _series.Add(Labels.Of(("__name__", "gauge")), 10_000, 2);
        result = await Engine().InstantAsync("default", "rate(gauge[1m])", 10_000);
        Assert.Equal(["PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"gauge\" (1:6)"], result.Infos);
    }

    [Fact]
    public async Task A_series_is_gone_right_after_its_staleness_marker()
    {
        var labels = Labels.Of(("__name__", "up"));
        _series.Add(labels, 0, 1);
        _series.Add(labels, 60_000, SampleBatch.StaleNaN);

        var result = Assert.IsType<PromQlResult.Matrix>(await Engine().RangeAsync("default", "up", 0, 120_000, 30_000));

        Assert.Equal([0, 30_000], Assert.Single(result.Series).UnixMillis);
    }

    private static async Task<IReadOnlyList<SeriesData>> Never(string project, IReadOnlyList<LabelMatcher> matchers, long from, long to, CancellationToken cancel)
    {
        await Task.Delay(System.Threading.Timeout.Infinite, cancel);
        return [];
    }

    private PromQlEngine Engine() => new(_series.SelectAsync);
}
