using Faultline.Store;
using Faultline.Store.Traces;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Spans;
using Xunit.Abstractions;
using Xunit;
using static Faultline.Tests.Store.SpanSpecs;

namespace Faultline.Tests.Store;

public sealed class TraceStoreTests(ITestOutputHelper output) : StoreTest
{
    private static readonly TraceFilter Everything = new() { FromUnixNanos = Noon - (3600 * Second), ToUnixNanos = Noon + (3600 * Second) };

    [Fact]
    public async Task What_went_in_comes_out_types_order_and_duplicates_included()
    {
        var seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var store = await OpenAsync(Engine, Soon);
        for (var round = 0; round < 5; round++)
        {
            var trace = Trace(new UInt128((ulong)random.NextInt64(), (ulong)random.NextInt64()));
            var sent = Enumerable.Range(0, random.Next(1, 60)).Select(_ => RandomSpan(random, trace)).ToArray();
            await WriteAsync(store, Batch(sent));
            var stored = (await store.Traces.SpansOfAsync("default", trace)).ToDictionary(span => span.Summary.SpanId);
            Assert.Equal(sent.Length, stored.Count);
            Assert.All(sent, span => StoredSpans.AssertSame(span, stored[span.Span]));
        }
    }

    [Fact]
    public async Task Duplicate_keys_of_one_span_are_kept_in_order()
    {
        var store = await OpenAsync(Engine, Soon);
        StoredAttribute[] attributes = [Text("k", "2"), new("k", "1", AttributeType.Int), Text("a", "é\0\\'"), Text("", "")];
        await WriteAsync(store, Batch(new SpanSpec(Trace(5), Span(1)) { Attributes = attributes }));
        Assert.Equal(attributes, Assert.Single(await store.Traces.SpansOfAsync("default", Trace(5))).Summary.Attributes);
    }

    [Fact]
    public async Task A_batch_that_no_normaliser_has_seen_has_no_genai_fields()
    {
        var store = await OpenAsync(Engine, Soon);
        var batch = Batch();
        var withGenAi = new SpanBatch();
        Add(withGenAi, new SpanSpec(Trace(5), Span(1)));
        Add(batch.Spans, new SpanSpec(Trace(5), Span(1)));
        ClearGenAi(batch.Spans);
        await WriteAsync(store, batch);
        var genAi = Assert.Single(await store.Traces.SpansOfAsync("default", Trace(5))).Summary.GenAi;
        Assert.Equal(("", null, false, null), (genAi.Operation, genAi.InputTokens, genAi.Counted, genAi.DocumentTopScore));
    }

    [Fact]
    public async Task Ids_with_leading_or_trailing_zeros_are_found_by_id_and_by_search()
    {
        var store = await OpenAsync(Engine, Soon);
        Assert.True(TraceId.TryParse("000000000000000000000000000000ab", out var leading));
        Assert.True(TraceId.TryParse("ab000000000000000000000000000000", out var trailing));
        Assert.True(TraceId.TryParse("00ab0000000000000000000000000000", out var both));
        await WriteAsync(store, Batch(new SpanSpec(leading, Span(1)), new SpanSpec(trailing, Span(1UL << 56)), new SpanSpec(both, Span(2))));

        foreach (var id in (TraceId[])[leading, trailing, both])
        {
            Assert.Equal(id, Assert.Single(await store.Traces.SpansOfAsync("default", id)).Summary.TraceId);
        }

        var found = await store.Traces.SearchAsync("default", Everything);
        Assert.Equal(new HashSet<TraceId> { leading, trailing, both }, found.Traces.Select(trace => trace.TraceId).ToHashSet());
    }

    [Fact]
    public async Task A_trace_of_two_thousand_spans_is_read_whole()
    {
        var store = await OpenAsync(Engine, Soon);
        var spans = Enumerable.Range(1, 2000).Select(i => new SpanSpec(Trace(1), Span((ulong)i)) { Parent = Span((ulong)(i / 2)), Start = Noon + i, Bodies = [Text("prompt", new string('p', 1500))] }).ToArray();
        await WriteAsync(store, Batch(spans));
        var stored = await store.Traces.SpansOfAsync("default", Trace(1));
        Assert.Equal(spans.Select(span => span.Span), stored.Select(span => span.Summary.SpanId));
        Assert.Equal(2000, Assert.Single((await store.Traces.SearchAsync("default", Everything)).Traces).SpanCount);
    }

    [Fact]
    public async Task Spans_of_one_trace_that_came_in_several_requests_are_one_trace()
    {
        var store = await OpenAsync(Engine, Soon);
        await WriteAsync(store, Batch(new SpanSpec(Trace(1), Span(2)) { Parent = Span(1), Service = "retriever", Start = Noon + 5, DurationNanos = 10 }));
        await WriteAsync(store, Batch(new SpanSpec(Trace(1), Span(3)) { Parent = Span(2), Service = "model", Start = Noon + 6, DurationNanos = Second, Status = SpanStatus.Error }));
        var early = Assert.Single((await store.Traces.SearchAsync("default", Everything)).Traces);
        Assert.True(early.RootMissing);
        Assert.Equal("retriever", early.Service);

        await WriteAsync(store, Batch(new SpanSpec(Trace(1), Span(1)) { Name = "POST /chat", Service = "web", Start = Noon, DurationNanos = 2 * Second }));
        var trace = Assert.Single((await store.Traces.SearchAsync("default", Everything)).Traces);
        Assert.False(trace.RootMissing);
        Assert.Equal(("web", "POST /chat", Noon, 2 * Second, 3, 1), (trace.Service, trace.RootName, trace.StartUnixNanos, trace.DurationNanos, trace.SpanCount, trace.ErrorCount));
        Assert.Equal(["model", "retriever", "web"], trace.Services);
        Assert.Equal(3, (await store.Traces.SpansOfAsync("default", Trace(1))).Count);
    }

    [Fact]
    public async Task A_span_that_is_stored_twice_is_shown_and_counted_once()
    {
        var store = await OpenAsync(Engine, Soon);
        var span = new SpanSpec(Trace(1), Span(1)) { Counted = true, InputTokens = 10, Operation = "chat" };
        await WriteAsync(store, Batch(span));
        await WriteAsync(store, Batch(span with { Parent = default }));
        Assert.Single(await store.Traces.SpansOfAsync("default", Trace(1)));
        Assert.Single(await store.Traces.SpansAsync("default", Everything));
        var trace = Assert.Single((await store.Traces.SearchAsync("default", Everything)).Traces);
        Assert.Equal((1, 10L), (trace.SpanCount, trace.InputTokens));
    }

    [Fact]
    public async Task Nothing_of_one_project_is_seen_in_another()
    {
        var store = await OpenAsync(Engine, Soon);
        await WriteAsync(store, Batch("theirs", NewHash(), new SpanSpec(Trace(1), Span(1)) { Attributes = [Text("k", "v")] }));
        Assert.Empty(await store.Traces.SpansOfAsync("ours", Trace(1)));
        Assert.Equal(0, (await store.Traces.SearchAsync("ours", Everything)).Total);
        Assert.Empty(await store.Traces.SpansAsync("ours", Everything));
        Assert.Empty(await store.Traces.ServicesAsync("ours", Everything.FromUnixNanos, Everything.ToUnixNanos));
        Assert.Empty(await store.Traces.ValuesAsync("ours", "k", Everything.FromUnixNanos, Everything.ToUnixNanos, 10));
        Assert.Single(await store.Traces.SpansOfAsync("theirs", Trace(1)));
    }

    [Fact]
    public async Task A_list_is_newest_first_and_says_how_many_there_are()
    {
        var store = await OpenAsync(Engine, Soon);
        await WriteAsync(store, Batch([.. Enumerable.Range(1, 25).Select(i => new SpanSpec(Trace((UInt128)i), Span(1)) { Start = Noon + (i * Second) })]));
        var first = await store.Traces.SearchAsync("default", Everything with { Limit = 10 });
        var third = await store.Traces.SearchAsync("default", Everything with { Limit = 10, Offset = 20 });
        var beyond = await store.Traces.SearchAsync("default", Everything with { Limit = 10, Offset = 30 });
        Assert.Equal(Enumerable.Range(16, 10).Reverse(), first.Traces.Select(trace => (int)trace.TraceId.Value));
        Assert.Equal([5, 4, 3, 2, 1], third.Traces.Select(trace => (int)trace.TraceId.Value));
        Assert.Empty(beyond.Traces);
        Assert.Equal((25, 25, 25), (first.Total, third.Total, beyond.Total));
        Assert.Equal([25, 24], (await store.Traces.SpansAsync("default", Everything with { Limit = 2 })).Select(span => (int)span.TraceId.Value));
    }

    [Fact]
    public async Task A_row_counts_tokens_once_and_names_model_words_and_worst_score()
    {
        var store = await OpenAsync(Engine, Soon);
        var batch = Batch(
            new SpanSpec(Trace(1), Span(1)) { Name = "agent", Operation = "agent", InputTokens = 30, OutputTokens = 12, DurationNanos = 9 * Second },
            new SpanSpec(Trace(1), Span(2)) { Parent = Span(1), Name = "chat", Operation = "chat", Counted = true, InputTokens = 10, OutputTokens = 5, Model = "m1", Start = Noon + 1, ResponseId = "r1", Input = "what?", Output = "a tool" },
            new SpanSpec(Trace(1), Span(3)) { Parent = Span(1), Name = "chat", Operation = "chat", Counted = true, InputTokens = 20, OutputTokens = 7, Model = "m2", Start = Noon + 2, ResponseId = "r2", Input = "what now?", Output = "this" },
            new SpanSpec(Trace(2), Span(1)));
        batch.Score("relevance", 0.9, Trace(1), Span(2));
        batch.Score("groundedness", 0.2, responseId: "r2");
        batch.Score("label only", double.NaN, Trace(2));
        await WriteAsync(store, batch);

        var list = await store.Traces.SearchAsync("default", Everything);
        var trace = list.Traces.Single(row => row.TraceId == Trace(1));
        Assert.Equal((30L, 12L), (trace.InputTokens, trace.OutputTokens));
        Assert.Equal(("m1", "what?", "this"), (trace.Model, trace.InputPreview, trace.OutputPreview));
        Assert.Equal((0.2, "groundedness"), (trace.WorstScore, trace.WorstScoreName));
        var other = list.Traces.Single(row => row.TraceId == Trace(2));
        Assert.Equal((null, null, null, ""), (other.InputTokens, other.OutputTokens, other.WorstScore, other.WorstScoreName));
    }

    [Fact]
    public async Task Scores_stand_at_the_span_they_judge()
    {
        var store = await OpenAsync(Engine, Soon);
        await WriteAsync(store, Batch(
            new SpanSpec(Trace(1), Span(1)) { Start = Noon },
            new SpanSpec(Trace(1), Span(2)) { Parent = Span(1), Start = Noon + 1, ResponseId = "r1" },
            new SpanSpec(Trace(1), Span(3)) { Parent = Span(2), Start = Noon + 2, ResponseId = "r1", Counted = true }));
        var scores = Batch();
        scores.Score("by span", 1, Trace(1), Span(2));
        scores.Score("by response", 2, responseId: "r1");
        scores.Score("of the trace", 3, Trace(1));
        scores.Score("of another", 4, Trace(2), Span(2));
        await WriteAsync(store, scores);

        var spans = await store.Traces.SpansOfAsync("default", Trace(1));
        Assert.Equal("of the trace|by span|by response", string.Join('|', spans.Select(span => Assert.Single(span.Scores).Name)));
        Assert.Equal("because", spans[0].Scores[0].Explanation);
        Assert.Equal("shop", spans[0].Scores[0].Service);

        // One span alone has the same ones.
        foreach (var span in spans)
        {
            var alone = await store.Traces.SpanOfAsync("default", Trace(1), span.Summary.SpanId);
            Assert.Equal((span.Summary.ParentSpanId, span.Scores[0].Name), (alone!.Summary.ParentSpanId, Assert.Single(alone.Scores).Name));
        }

        Assert.Null(await store.Traces.SpanOfAsync("default", Trace(1), Span(9)));
        Assert.Null(await store.Traces.SpanOfAsync("default", Trace(9), Span(1)));
    }

    [Fact]
    public async Task A_histogram_has_every_bucket()
    {
        var store = await OpenAsync(Engine, Soon);
        await WriteAsync(store, Batch(
            new SpanSpec(Trace(1), Span(1)) { DurationNanos = 2 * Second },
            new SpanSpec(Trace(1), Span(2)) { Parent = Span(1), Status = SpanStatus.Error },
            new SpanSpec(Trace(2), Span(1)) { DurationNanos = 4 * Second },
            new SpanSpec(Trace(3), Span(1)) { Start = Noon + (50 * Second) }));
        var histogram = await store.Traces.HistogramAsync("default", Everything with { FromUnixNanos = Noon, ToUnixNanos = Noon + (100 * Second) - 1 }, 10);
        Assert.Equal([2L, 0, 0, 0, 0, 1, 0, 0, 0, 0], histogram.Select(bucket => bucket.Count));
        Assert.Equal(1, histogram[0].Errors);
        Assert.Equal(3, histogram[0].P50Seconds, 6);
        Assert.Equal(Noon + (50 * Second), histogram[5].StartUnixNanos);
    }

    [Fact]
    public async Task Services_have_their_requests_errors_latency_and_tokens()
    {
        var store = await OpenAsync(Engine, Soon);
        await WriteAsync(store, Batch(
            new SpanSpec(Trace(1), Span(1)) { Service = "web", DurationNanos = 2 * Second, Status = SpanStatus.Error },
            new SpanSpec(Trace(1), Span(2)) { Service = "web", Parent = Span(1), Status = SpanStatus.Error, DurationNanos = 50 * Second },
            new SpanSpec(Trace(1), Span(3)) { Service = "rag", Parent = Span(2), Kind = SpanKind.Server, DurationNanos = Second, Start = Noon + 9 },
            new SpanSpec(Trace(1), Span(4)) { Service = "llm", Parent = Span(3), Kind = SpanKind.Client, Counted = true, InputTokens = 5, OutputTokens = 6, FirstChunkNanos = Second / 2, Model = "m" }));
        var services = await store.Traces.ServicesAsync("default", Everything.FromUnixNanos, Everything.ToUnixNanos);
        Assert.Equal("llm rag web", string.Join(' ', services.Select(service => service.Service)));
        Assert.Equal((1L, 0L, 0L, 5L, 6L, 0.5), (services[0].Spans, services[0].Requests, services[0].Errors, services[0].InputTokens, services[0].OutputTokens, services[0].FirstChunkP50Seconds));
        Assert.Equal(["m"], services[0].Models);
        Assert.Equal((1L, 1L, 0L, 1.0, Noon + 9), (services[1].Spans, services[1].Requests, services[1].Errors, services[1].P95Seconds, services[1].LastSeenUnixNanos));
        Assert.Equal((2L, 1L, 1L, 2.0, null), (services[2].Spans, services[2].Requests, services[2].Errors, services[2].P50Seconds, services[2].FirstChunkP50Seconds));
    }

    [Fact]
    public async Task Values_come_most_frequent_first()
    {
        var store = await OpenAsync(Engine, Soon);
        await WriteAsync(store, Batch([.. Enumerable.Range(1, 6).Select(i => new SpanSpec(Trace((UInt128)i), Span(1))
        {
            Name = i < 5 ? "often" : "rarely", Model = "m", Attributes = i == 1 ? [Text("tier", "gold")] : [], Resource = i == 2 ? [Text("tier", "silver")] : [],
        })]));
        Task<IReadOnlyList<KeyValuePair<string, long>>> Values(string field, int max = 10) => store.Traces.ValuesAsync("default", field, Everything.FromUnixNanos, Everything.ToUnixNanos, max);
        Assert.Equal([new("often", 4), new("rarely", 2)], await Values("name"));
        Assert.Equal([new("often", 4)], await Values("name", 1));
        Assert.Equal([new("m", 6)], await Values("model"));
        Assert.Equal([new("shop", 6)], await Values("service"));
        Assert.Equal([new("gold", 1), new("silver", 1)], await Values("tier"));
        Assert.Empty(await Values("operation"));
    }

    [Fact]
    public async Task Hostile_text_in_a_filter_finds_only_itself()
    {
        var seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var store = await OpenAsync(Engine, Soon);
        var texts = Enumerable.Range(0, 20).Select(_ => "x" + RandomText(random)).Append("' OR 1=1 --").Append("\\").Append("{name:String}").Distinct(StringComparer.Ordinal).ToList();
        await WriteAsync(store, Batch([.. texts.Select((text, i) => new SpanSpec(Trace((UInt128)i + 1), Span(1)) { Name = text, Attributes = [Text(text, text)] })]));
        foreach (var (text, i) in texts.Select((text, i) => (text, i)))
        {
            foreach (var filter in (TraceFilter[])[Everything with { Name = text }, Everything with { Attributes = [new(text, text)] }])
            {
                var found = Assert.Single((await store.Traces.SearchAsync("default", filter)).Traces);
                Assert.Equal(Trace((UInt128)i + 1), found.TraceId);
            }
        }
    }

    private static void ClearGenAi(SpanBatch batch)
    {
        foreach (var property in typeof(Telemetry.GenAi.GenAiColumns).GetProperties())
        {
            if (property.GetValue(batch.GenAi) is { } column && column.GetType().GetMethod("Truncate") is { } truncate)
            {
                truncate.Invoke(column, [0]);
            }
        }
    }
}
