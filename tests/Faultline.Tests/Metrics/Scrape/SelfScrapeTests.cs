using System.Diagnostics;
using System.Net.Http.Headers;
using Faultline.Ingest.Gateway;
using Faultline.Ingest.Pipeline;
using Faultline.Metrics.Api;
using Faultline.Metrics.Derived;
using Faultline.Metrics.Exposition;
using Faultline.Metrics.Internals;
using Faultline.Metrics.Scrape;
using Faultline.Store;
using Faultline.Store.Samples;
using Faultline.Telemetry.Spans;
using Faultline.Tests.Diagnosis;
using Faultline.Tests.Ingest;
using Faultline.Tests.Store;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Faultline.Tests.Metrics.Scrape;

/// <summary>Our own metrics on their way into the store, and as a scraper sees them.</summary>
public sealed class SelfScrapeTests : StoreTest
{
    private static readonly TimeSpan Never = TimeSpan.FromHours(1);
    private int _ids;

    [Fact]
    public async Task Both_jobs_are_up_and_a_new_series_is_stored_without_waiting_for_the_next_round()
    {
        var store = await OpenAsync(Engine, Soon);
        var derived = new DerivedMetrics(new DerivedMetricsOptions(), NullLogger.Instance);
        var scrape = Scrape(store, derived);
        using var stop = new CancellationTokenSource();
        var loop = scrape.RunAsync(stop.Token);
        await StoredAsync(store, "up", ("job", SelfScrape.InternalJob));

        derived.Committed(Batch("first"));

        var up = Assert.Single(await StoredAsync(store, "up", ("job", SelfScrape.DerivedJob)));
        Assert.Equal([1.0], up.Values);
        var calls = Assert.Single(await StoredAsync(store, "llm_traces_span_metrics_calls_total", ("service_name", "bot")));
        Assert.Equal([1.0], calls.Values);
        Assert.Equal(("otel-collector", "127.0.0.1:8889", "first"), (calls.Labels["job"], calls.Labels["instance"], calls.Labels["span_name"]));
        Assert.NotEmpty(await StoredAsync(store, "otelcol_receiver_accepted_spans_total", ("job", SelfScrape.InternalJob)));
        Assert.All(scrape.Targets, target => Assert.Null(target.LastError));
        Assert.Contains(await store.Samples.MetadataAsync("default", "llm_traces_span_metrics_calls_total", 10), metadata => metadata.Type is "counter");

        await stop.CancelAsync();
        await loop;
    }

    [Fact]
    public async Task What_is_scraped_between_rounds_is_only_what_is_new()
    {
        var store = await OpenAsync(Engine, Soon);
        var derived = new DerivedMetrics(new DerivedMetricsOptions(), NullLogger.Instance);
        using var stop = new CancellationTokenSource();
        derived.Committed(Batch("first"));
        var loop = Scrape(store, derived).RunAsync(stop.Token);
        await StoredAsync(store, "llm_traces_span_metrics_calls_total", ("span_name", "first"));

        derived.Committed(Batch("second"));
        await StoredAsync(store, "llm_traces_span_metrics_calls_total", ("span_name", "second"));

        Assert.Single(Assert.Single(await StoredAsync(store, "llm_traces_span_metrics_calls_total", ("span_name", "first"))).Values);
        await stop.CancelAsync();
        await loop;
    }

    [Fact]
    public async Task A_series_that_has_expired_is_sampled_no_more_and_is_new_when_it_comes_again()
    {
        var clock = new Diagnosis.TestClock(DateTimeOffset.UtcNow);
        var store = await OpenAsync(Engine, Soon);
        var derived = new DerivedMetrics(new DerivedMetricsOptions { SeriesExpiration = TimeSpan.FromMinutes(5) }, NullLogger.Instance, clock);
        using var stop = new CancellationTokenSource();
        derived.Committed(Batch("comes and goes"));
        clock.Now += TimeSpan.FromMinutes(6);
        Assert.Empty(derived.Snapshot()[0].Samples);
        var loop = Scrape(store, derived).RunAsync(stop.Token);
        await StoredAsync(store, SelfScrape.ReadThroughMetric, ("job", SelfScrape.DerivedJob));
        Assert.Empty(await SelectAsync(store, "llm_traces_span_metrics_calls_total", ("span_name", "comes and goes"), "default"));

        clock.Now = DateTimeOffset.UtcNow;
        derived.Committed(Batch("comes and goes"));

        Assert.Equal(1, Assert.Single(Assert.Single(await StoredAsync(store, "llm_traces_span_metrics_calls_total", ("span_name", "comes and goes"))).Values));
        await stop.CancelAsync();
        await loop;
    }

    [Fact]
    public async Task A_series_of_another_project_is_stored_in_that_project_only()
    {
        var store = await OpenAsync(Engine, Soon);
        var derived = new DerivedMetrics(new DerivedMetricsOptions(), NullLogger.Instance);
        using var stop = new CancellationTokenSource();
        derived.Committed(Batch("theirs", "shop"));
        var loop = Scrape(store, derived).RunAsync(stop.Token);

        var theirs = Assert.Single(await StoredAsync(store, "llm_traces_span_metrics_calls_total", ("service_name", "bot"), "shop"));

        Assert.Equal("", theirs.Labels["project"]);
        Assert.Empty(await SelectAsync(store, "llm_traces_span_metrics_calls_total", ("service_name", "bot"), "default"));
        await stop.CancelAsync();
        await loop;
    }

    [Fact]
    public async Task A_store_that_takes_nothing_is_said_at_the_target()
    {
        var store = await OpenAsync(Engine, Soon);
        await store.Writer.StopAsync();
        var scrape = Scrape(store, new DerivedMetrics(new DerivedMetricsOptions(), NullLogger.Instance));
        using var stop = new CancellationTokenSource();
        var loop = scrape.RunAsync(stop.Token);

        await Eventually.TrueAsync(() => scrape.Targets[0].LastError is not null);

        Assert.Contains("not stored", scrape.Targets[0].LastError, StringComparison.Ordinal);
        await stop.CancelAsync();
        await loop;
    }

    [Fact]
    public async Task Exemplars_are_found_by_the_labels_of_the_stored_series()
    {
        var store = await OpenAsync(Engine, Soon);
        var derived = new DerivedMetrics(new DerivedMetricsOptions(), NullLogger.Instance);
        var scrape = Scrape(store, derived);
        derived.Committed(Batch("first"));
        derived.Committed(Batch("second"));

        var found = await scrape.FindExemplarsAsync(
            new SeriesQuery(
                "default",
                [[new LabelMatcher("__name__", MatchKind.Equal, "llm_traces_span_metrics_latency_bucket"), new LabelMatcher("span_name", MatchKind.Regex, "sec.*"), new LabelMatcher("job", MatchKind.NotEqual, "other")]],
                0,
                long.MaxValue),
            default);

        var series = Assert.Single(found);
        Assert.Equal(("second", "otel-collector"), (series.Series["span_name"], series.Series["job"]));
        Assert.Equal(new TraceId(2).ToString(), Assert.Single(series.Exemplars).Labels["trace_id"]);
        Assert.Empty(await scrape.FindExemplarsAsync(new SeriesQuery("default", [], 0, 1), default));
    }

    /// <summary>One histogram for all, and every table that there can be.</summary>
    public static readonly IReadOnlyDictionary<string, DerivedMetricsOptions> Kinds = new Dictionary<string, DerivedMetricsOptions>(StringComparer.Ordinal)
    {
        ["ours"] = new(),
        ["the connector's"] = new()
        {
            Unit = DurationUnit.Milliseconds,
            LatencyName = "duration_milliseconds",
            Dimensions = [new("env", "none")],
            CallsDimensions = ["tier"],
            HistogramDimensions = ["region"],
            EventDimensions = ["reason"],
            Scopes = ["scope of bot"],
            Excluded = new HashSet<string>(StringComparer.Ordinal) { "span.kind" },
        },
        ["calls alone"] = new() { Histogram = false },
    };

    [Theory]
    [InlineData("ours")]
    [InlineData("the connector's")]
    [InlineData("calls alone")]
    public async Task Counters_go_on_over_a_restart_with_what_was_committed_after_the_last_scrape_and_once(string kind)
    {
        var store = await OpenAsync(Engine, Soon);
        var derived = new DerivedMetrics(Kinds[kind], NullLogger.Instance);
        store.Writer.Readers.Add(derived);
        await WriteAsync(store, Said("first", "default"));
        await WriteAsync(store, Said("theirs", "shop"));
        using var stop = new CancellationTokenSource();
        await Eventually.TrueAsync(() => derived.Projects.Count == 2);
        var loop = Scrape(store, derived).RunAsync(stop.Token);
        await StoredAsync(store, SelfScrape.ReadThroughMetric, ("job", SelfScrape.DerivedJob));
        await WriteAsync(store, Said("first", "default"));
        await WriteAsync(store, Said("only here", "default"));
        await StoredAsync(store, "llm_traces_span_metrics_calls_total", ("span_name", "only here"));
        await stop.CancelAsync();
        await loop;
        await WriteAsync(store, Said("only here", "default"));
        await WriteAsync(store, Said("theirs", "shop"));
        await WriteAsync(store, Said("new project", "third"));
        await store.Writer.StopAsync();

        var restarted = new DerivedMetrics(Kinds[kind], NullLogger.Instance);
        await ContinueAsync(restarted);
        var again = new DerivedMetrics(Kinds[kind], NullLogger.Instance);
        await ContinueAsync(again);

        foreach (var project in derived.Projects)
        {
            Assert.NotEmpty(Values(derived, project));
            Assert.Equal(Values(derived, project), Values(restarted, project));
            Assert.Equal(Values(derived, project), Values(again, project));
        }
    }

    /// <summary>Opens the store as the next process would, reads on, scrapes once, and ends.</summary>
    private async Task ContinueAsync(DerivedMetrics derived)
    {
        var store = await OpenAsync(Engine, Soon);
        store.Writer.Readers.Add(derived);
        var scrape = Scrape(store, derived);
        store.Writer.ShowStoredAfter(await scrape.ContinueAsync(store.Writer.NewestStoredAtStart, default));
        await WriteAsync(store, Said("after the start", "fourth"));
        await Eventually.TrueAsync(() => derived.Projects.Contains("fourth"));
        using var stop = new CancellationTokenSource();
        var loop = scrape.RunAsync(stop.Token);
        await Eventually.TrueAsync(() => scrape.Targets.All(target => target.LastScrape is not null));
        await stop.CancelAsync();
        await loop;
        await store.Writer.StopAsync();
    }

    private static List<string> Values(DerivedMetrics derived, string project) =>
        [.. from family in derived.Snapshot(project) from sample in family.Samples orderby family.Name + sample.Suffix + sample.Labels select FormattableString.Invariant($"{family.Name}{sample.Suffix}{sample.Labels} {sample.Value:G12}")];

    /// <summary>A streamed model call with a score.</summary>
    private Faultline.Telemetry.TelemetryBatch Said(string name, string project)
    {
        var batch = SpanSpecs.Batch(project, SpanSpecs.NewHash(), new SpanSpec(new TraceId((UInt128)(++_ids)), new SpanId((ulong)_ids))
        {
            Name = name,
            Service = "bot",
            Start = Now() - 700_000_000,
            DurationNanos = 690_000_000 + _ids,
            Operation = "chat",
            Model = "m",
            InputTokens = 20 + _ids,
            OutputTokens = 7,
            Counted = true,
            FirstChunkNanos = 120_000_000,
            Attributes = [SpanSpecs.Text("env", "prod"), SpanSpecs.Text("tier", "gold")],
            Resource = [SpanSpecs.Text("region", "eu")],
            Events = [new(Now(), "retry", [SpanSpecs.Text("reason", "timeout")], 0)],
        });
        batch.Scores.Add("bot", "prod", new TraceId((UInt128)_ids), default, "", "relevance", 0.5 + (_ids / 100.0), "", "", "app", Now());
        return batch;
    }

    [SkippableTheory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Promtool_has_nothing_to_say_of_either_door(bool isDerived)
    {
        Skip.IfNot(File.Exists("/usr/bin/promtool"), "promtool is not installed here.");
        var store = await OpenAsync(Engine, Soon);
        var derived = new DerivedMetrics(new DerivedMetricsOptions { SeriesPerMetricMax = 2, Dimensions = ["env", "0 odd.näme"] }, NullLogger.Instance);
        derived.Committed(Batch("a \"quoted\" \\ name\nwith a line"));
        derived.Committed(Batch("second", "shop"));
        derived.Committed(Batch("one too many"));
        derived.Committed(new BatchBuilder(DateTimeOffset.UtcNow).Score("bot", new TraceId(1), default, "relevance", 0.5, Now()).Build());
        var internals = Internals(store, derived);
        await using var door = await Door.OpenAsync(HttpProtocols.Http1, app => app.MapMetrics(() => isDerived ? derived.Snapshot() : internals()));
        using var client = new HttpClient();

        var text = await client.GetStringAsync(new Uri(door.Address, "/metrics"));
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(door.Address, "/metrics"));
        request.Headers.Accept.Add(MediaTypeWithQualityHeaderValue.Parse("application/openmetrics-text;version=1.0.0"));
        using var open = await client.SendAsync(request);

        Assert.Equal("", await PromtoolAsync(text));
        Assert.Contains(isDerived ? "otel_metric_overflow=\"true\"" : "otelcol_exporter_queue_capacity", text, StringComparison.Ordinal);
        Assert.Equal("application/openmetrics-text", open.Content.Headers.ContentType?.MediaType);
        Assert.EndsWith("# EOF\n", await open.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    private static async Task<string> PromtoolAsync(string text)
    {
        using var promtool = Process.Start(new ProcessStartInfo("/usr/bin/promtool", ["check", "metrics"]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var said = promtool.StandardError.ReadToEndAsync();
        var also = promtool.StandardOutput.ReadToEndAsync();
        await promtool.StandardInput.WriteAsync(text);
        promtool.StandardInput.Close();
        await promtool.WaitForExitAsync();
        return await said + await also;
    }

    private static long Now() => DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() * 1_000_000;

    private static Func<IReadOnlyList<MetricFamily>> Internals(TelemetryStore store, DerivedMetrics derived)
    {
        var process = new ProcessMetrics(store.Writer, store.Disk, 1 << 20, TimeProvider.System);
        var figures = new IngestFigures();
        var auth = new GatewayAuth(new GatewayOptions(false, ["key"], []));
        return () => [.. process.Families(), .. IngestMetrics.Families(figures, auth), .. derived.Internals()];
    }

    private static SelfScrape Scrape(TelemetryStore store, DerivedMetrics derived) =>
        new(derived, Internals(store, derived), store.Samples, Never, TimeProvider.System, NullLogger.Instance);

    private static async Task<IReadOnlyList<SeriesData>> SelectAsync(TelemetryStore store, string metric, (string Name, string Value) label, string project) =>
        await store.Samples.SelectAsync(project, [new LabelMatcher("__name__", MatchKind.Equal, metric), new LabelMatcher(label.Name, MatchKind.Equal, label.Value)], 0, Now() / 1_000_000 + 60_000);

    private static async Task<IReadOnlyList<SeriesData>> StoredAsync(TelemetryStore store, string metric, (string Name, string Value) label, string project = "default")
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            var found = await SelectAsync(store, metric, label, project);
            if (found.Count > 0)
            {
                return found;
            }

            await Task.Delay(20, patience.Token);
        }
    }

    private Faultline.Telemetry.TelemetryBatch Batch(string name, string project = "default")
    {
        _ids++;
        var now = Now();
        return new BatchBuilder(DateTimeOffset.UtcNow, project).Add(new TestSpan(new TraceId((UInt128)_ids), new SpanId((ulong)_ids), default, name, now - 5_000_000, now), "bot").Build();
    }
}
