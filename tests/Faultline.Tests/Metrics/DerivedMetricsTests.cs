using Faultline.Metrics.Derived;
using Faultline.Metrics.Exposition;
using Faultline.Telemetry.Spans;
using Faultline.Tests.Diagnosis;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Faultline.Tests.Metrics;

public sealed class DerivedMetricsTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly long NowNanos = Now.ToUnixTimeMilliseconds() * 1_000_000;
    private int _ids;

    [Fact]
    public void A_span_has_the_connector_s_names_labels_and_values()
    {
        var metrics = Metrics();

        metrics.Committed(new BatchBuilder(Now).Add(Span("chat x", 250) with { Kind = SpanKind.Client, Status = SpanStatus.Error, Model = "gpt-4o" }, "bot").Build());

        var calls = Family(metrics, "llm_traces_span_metrics_calls");
        var sample = Assert.Single(calls.Samples);
        Assert.Equal("_total", sample.Suffix);
        Assert.Equal("{env=\"production\",model=\"gpt-4o\",service_name=\"bot\",span_kind=\"SPAN_KIND_CLIENT\",span_name=\"chat x\",status_code=\"STATUS_CODE_ERROR\"}", sample.Labels.ToString());
        Assert.Equal(1, sample.Value);
    }

    [Fact]
    public void Latency_buckets_are_cumulative_in_seconds_and_carry_the_trace()
    {
        var metrics = Metrics();
        var slow = Span("work", 700);
        metrics.Committed(new BatchBuilder(Now).Add(Span("work", 3), "bot").Add(Span("work", 250), "bot").Add(slow, "bot").Build());

        var latency = Family(metrics, "llm_traces_span_metrics_latency").Samples;
        double Bucket(string le) => latency.Single(sample => sample.Suffix is "_bucket" && sample.Labels["le"] == le).Value;

        Assert.Equal((0, 1, 1, 2, 3, 3), (Bucket("0.001"), Bucket("0.005"), Bucket("0.1"), Bucket("0.5"), Bucket("1"), Bucket("+Inf")));
        Assert.Equal(0.953, latency.Single(sample => sample.Suffix is "_sum").Value, 9);
        Assert.Equal(3, latency.Single(sample => sample.Suffix is "_count").Value);
        Assert.Equal(slow.Trace.ToString(), latency.Single(sample => sample.Suffix is "_bucket" && sample.Labels["le"] == "1").Exemplar?.TraceId);
    }

    [Fact]
    public void Exemplars_of_deleted_traces_and_series_with_a_deleted_id_are_forgotten_and_the_counts_stay()
    {
        var metrics = Metrics();
        var (gone, stays) = (Span("work", 700), Span("work", 3));
        metrics.Committed(new BatchBuilder(Now).Add(gone, "bot").Add(stays, "bot").Add(Span("other", 3), "ann").Build());

        metrics.Forget("another", new HashSet<Faultline.Telemetry.Spans.TraceId> { stays.Trace }, new HashSet<string>(StringComparer.Ordinal) { "bot" });
        metrics.Forget("default", new HashSet<Faultline.Telemetry.Spans.TraceId> { gone.Trace }, new HashSet<string>(StringComparer.Ordinal) { "ann" });

        var latency = Family(metrics, "llm_traces_span_metrics_latency").Samples;
        Assert.Equal([stays.Trace.ToString()], latency.Select(sample => sample.Exemplar?.TraceId).OfType<string>().Distinct());
        Assert.Equal("bot", Assert.Single(latency, sample => sample.Suffix is "_count").Labels["service_name"]);
        Assert.Equal(2, latency.Single(sample => sample.Suffix is "_count").Value);

        metrics.Forget("default");
        Assert.Empty(Family(metrics, "llm_traces_span_metrics_latency").Samples);
    }

    [Fact]
    public void A_bound_belongs_to_its_bucket()
    {
        var metrics = Metrics();
        metrics.Committed(new BatchBuilder(Now).Add(Span("work", 100), "bot").Build());

        Assert.Equal(1, Family(metrics, "llm_traces_span_metrics_latency").Samples.Single(sample => sample.Labels["le"] == "0.1").Value);
    }

    [Fact]
    public void A_late_span_is_only_counted_as_late()
    {
        var metrics = Metrics();
        var end = NowNanos - (long)TimeSpan.FromMinutes(11).TotalNanoseconds;

        metrics.Committed(new BatchBuilder(Now).Add(new TestSpan(new TraceId(1), new SpanId(1), default, "old", end - 1, end), "bot").Build());

        Assert.Empty(Family(metrics, "llm_traces_span_metrics_calls").Samples);
        Assert.Equal(1, metrics.Internals().Single(family => family.Name is "faultline_derived_late_spans").Samples[0].Value);
    }

    [Fact]
    public void Spans_in_one_batch_or_in_many_give_the_same_counts()
    {
        var together = Metrics();
        var apart = Metrics();
        var all = new BatchBuilder(Now);
        for (var i = 0; i < 30; i++)
        {
            var span = Span(i % 3 == 0 ? "a" : "b", i);
            all.Add(span, "bot");
            apart.Committed(new BatchBuilder(Now).Add(span, "bot").Build());
        }

        together.Committed(all.Build());

        Assert.Equal(TextFormat.Write([Family(together, "llm_traces_span_metrics_calls")], false), TextFormat.Write([Family(apart, "llm_traces_span_metrics_calls")], false));
    }

    [Fact]
    public void Beyond_the_cap_one_overflow_series_takes_the_rest_and_the_others_stay_exact()
    {
        var metrics = new DerivedMetrics(new DerivedMetricsOptions { SeriesPerMetricMax = 5 }, NullLogger.Instance);
        for (var round = 0; round < 2; round++)
        {
            for (var i = 0; i < 20; i++)
            {
                metrics.Committed(new BatchBuilder(Now).Add(Span("name-" + i, 1), "bot").Build());
            }
        }

        var calls = Family(metrics, "llm_traces_span_metrics_calls").Samples;

        Assert.Equal(6, calls.Count);
        Assert.Equal(30, calls.Single(sample => sample.Labels["otel_metric_overflow"] == "true").Value);
        Assert.All(calls.Where(sample => sample.Labels["otel_metric_overflow"].Length == 0), sample => Assert.Equal(2, sample.Value));
        Assert.Equal(30, metrics.Internals().Single(family => family.Name is "faultline_derived_overflow").Samples.Single(sample => sample.Labels["metric"] is "span_metrics").Value);
    }

    [Fact]
    public void A_dimension_without_end_costs_no_memory_beyond_the_cap_and_is_named_once_with_a_sample()
    {
        const int Values = 20_000;
        var log = new Lines();
        var metrics = new DerivedMetrics(new DerivedMetricsOptions { SeriesPerMetricMax = 1_000, Dimensions = ["user.id"] }, log);
        var flood = new BatchBuilder(Now);
        var span = Span("work", 1);
        for (var i = 0; i < Values; i++)
        {
            flood.Add(span with { Attributes = [("user.id", "user-" + i)] }, "bot");
        }

        var batch = flood.Build();
        metrics.Committed(batch);
        var before = GC.GetAllocatedBytesForCurrentThread();
        metrics.Committed(batch);

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1_000);
        var calls = Family(metrics, "llm_traces_span_metrics_calls").Samples;
        Assert.Equal(1_001, calls.Count);
        Assert.Equal(2 * (Values - 1_000), calls.Single(sample => sample.Labels["otel_metric_overflow"] == "true").Value);
        Assert.All(calls.Where(sample => sample.Labels["user_id"].Length > 0), sample => Assert.Equal(2, sample.Value));
        var warning = Assert.Single(log.Said);
        Assert.Contains("Label user_id has 1000 values, for example 'user-", warning, StringComparison.Ordinal);
    }

    [Fact]
    public void Projects_are_apart_and_named_only_where_they_are_not_the_default()
    {
        var metrics = Metrics();
        metrics.Committed(new BatchBuilder(Now).Add(Span("work", 1), "bot").Build());
        metrics.Committed(new BatchBuilder(Now, "shop").Add(Span("work", 1), "bot").Build());

        Assert.Equal(["", "shop"], Family(metrics, "llm_traces_span_metrics_calls").Samples.Select(sample => sample.Labels["project"]).Order(StringComparer.Ordinal));
        Assert.Equal("", Assert.Single(metrics.Snapshot("shop").First(family => family.Name is "llm_traces_span_metrics_calls").Samples).Labels["project"]);
    }

    [Fact]
    public void Tokens_are_counted_for_counted_calls_and_what_was_not_sent_is_no_zero()
    {
        var metrics = Metrics();
        metrics.Committed(new BatchBuilder(Now)
            .Add(Span("chat", 1) with { Operation = "chat", Model = "m", InputTokens = 20, OutputTokens = 7 }, "bot")
            .Add(Span("invoke_agent", 1) with { Operation = "agent", Model = "m", InputTokens = 20, OutputTokens = 7 }, "bot").Build());

        var tokens = Family(metrics, "llm_tokens").Samples.ToDictionary(sample => sample.Labels["type"], sample => sample.Value, StringComparer.Ordinal);

        Assert.Equal(2, tokens.Count);
        Assert.Equal((20, 7), (tokens["input"], tokens["output"]));
    }

    [Fact]
    public void Scores_are_a_sum_and_a_count()
    {
        var metrics = Metrics();
        metrics.Committed(new BatchBuilder(Now).Score("bot", new TraceId(1), default, "relevance", 0.5, NowNanos).Score("bot", new TraceId(2), default, "relevance", 0.25, NowNanos).Build());

        var text = System.Text.Encoding.UTF8.GetString(TextFormat.Write([Family(metrics, "llm_evaluation_score")], false));

        Assert.Contains("llm_evaluation_score_sum{evaluation_name=\"relevance\",service_name=\"bot\"} 0.75\n", text, StringComparison.Ordinal);
        Assert.Contains("llm_evaluation_score_count{evaluation_name=\"relevance\",service_name=\"bot\"} 2\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Counting_spans_of_known_series_allocates_nothing()
    {
        var metrics = Metrics();
        var builder = new BatchBuilder(Now);
        for (var i = 0; i < 1_000; i++)
        {
            builder.Add(Span("chat " + (i % 7), i) with { Operation = "chat", Model = "m", InputTokens = 20, OutputTokens = 7 }, "bot");
        }

        var batch = builder.Build();
        metrics.Committed(batch);
        metrics.Committed(batch);
        var before = GC.GetAllocatedBytesForCurrentThread();

        metrics.Committed(batch);

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Counts_that_cannot_be_true_bend_no_counter()
    {
        var metrics = Metrics();
        metrics.Committed(new BatchBuilder(Now)
            .Add(Span("chat", 1) with { Operation = "chat", Model = "m", InputTokens = -5, OutputTokens = 7 }, "bot")
            .Score("bot", new TraceId(1), default, "relevance", double.PositiveInfinity, NowNanos).Build());

        Assert.Equal("output", Assert.Single(Family(metrics, "llm_tokens").Samples).Labels["type"]);
        Assert.Empty(Family(metrics, "llm_evaluation_score").Samples);
    }

    [Fact]
    public void The_same_name_and_value_split_differently_are_different_series()
    {
        var metrics = Metrics();
        metrics.Committed(new BatchBuilder(Now).Add(Span("ab", 1), "c").Build());
        metrics.Committed(new BatchBuilder(Now).Add(Span("b", 1), "ca").Build());

        Assert.Equal(2, Family(metrics, "llm_traces_span_metrics_calls").Samples.Count);
    }

    private static DerivedMetrics Metrics() => new(new DerivedMetricsOptions(), NullLogger.Instance);

    private static MetricFamily Family(DerivedMetrics metrics, string name) => metrics.Snapshot().Single(family => family.Name == name);

    private TestSpan Span(string name, double milliseconds)
    {
        _ids++;
        return new TestSpan(new TraceId((UInt128)_ids), new SpanId((ulong)_ids), default, name, NowNanos - (long)(milliseconds * 1e6), NowNanos);
    }

    private sealed class Lines : ILogger
    {
        public List<string> Said { get; } = [];

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => Said.Add(formatter(state, exception));
    }
}
