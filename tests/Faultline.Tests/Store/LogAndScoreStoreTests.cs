using Faultline.Store.Logs;
using Faultline.Store.Traces;
using Faultline.Telemetry;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Spans;
using Xunit;
using static Faultline.Tests.Store.LogSpecs;
using static Faultline.Tests.Store.SpanSpecs;

namespace Faultline.Tests.Store;

public sealed class LogAndScoreStoreTests : StoreTest
{
    private const long Hour = 3600 * Second;

    [Fact]
    public async Task A_log_record_comes_back_as_it_was_sent()
    {
        var store = await OpenAsync(Engine, Soon);
        var batch = Batch();
        Log(batch, "first \0 body", Noon, Trace(1), attributes: [Text("k", "v"), new("k", "2", AttributeType.Int)]);
        await WriteAsync(store, batch);
        var log = Assert.Single(await store.Logs.OfTraceAsync("default", Trace(1), 10));
        Assert.Equal(
            new StoredLog(Noon, Noon + 1, 9, "INFO", "shop", "first \0 body", "an.event", Trace(1), Span(3), log.Attributes, log.Resource),
            log);
        Assert.Equal([Text("k", "v"), new StoredAttribute("k", "2", AttributeType.Int)], log.Attributes);
        Assert.Equal([Text("service.name", "shop")], log.Resource);
    }

    [Fact]
    public async Task A_record_without_a_time_is_found_by_when_it_was_observed()
    {
        var store = await OpenAsync(Engine, Soon);
        var batch = Batch();
        Log(batch, "when?", 0, Trace(1), observed: Noon + 5);
        await WriteAsync(store, batch);
        Assert.Equal(0, Assert.Single(await store.Logs.SearchAsync("default", null, null, 0, Noon, Noon + 10, 10)).UnixNanos);
        Assert.Empty(await store.Logs.SearchAsync("default", null, null, 0, Noon + 6, Noon + 10, 10));
    }

    [Fact]
    public async Task Logs_are_searched_by_service_text_severity_and_time_newest_first()
    {
        var store = await OpenAsync(Engine, Soon);
        var batch = Batch();
        Log(batch, "Payment declined", Noon, Trace(1), severity: 17);
        Log(batch, "payment taken", Noon + 1, Trace(1));
        Log(batch, "hello", Noon + 2, Trace(2), service: "web", attributes: [Text("note", "PAYMENT later")]);
        await WriteAsync(store, batch);
        async Task<string> Found(string? service, string? text, int severity, long from = Noon, int limit = 10) =>
            string.Join('|', (await store.Logs.SearchAsync("default", service, text, severity, from, Noon + Hour, limit)).Select(log => log.Body));

        Assert.Equal("hello|payment taken|Payment declined", await Found(null, null, 0));
        Assert.Equal("hello|payment taken|Payment declined", await Found(null, "payment", 0));
        Assert.Equal("Payment declined", await Found(null, null, 17));
        Assert.Equal("hello", await Found("web", null, 0));
        Assert.Equal("hello|payment taken", await Found(null, null, 0, Noon + 1));
        Assert.Equal("hello", await Found(null, null, 0, limit: 1));
        Assert.Equal("Payment declined|payment taken", string.Join("|", (await store.Logs.OfTraceAsync("default", Trace(1), 10)).Select(log => log.Body)));
        Assert.Empty(await store.Logs.SearchAsync("another", null, null, 0, Noon, Noon + Hour, 10));
    }

    [Fact]
    public async Task What_was_said_in_log_records_is_with_its_span_whenever_they_came_and_once()
    {
        var store = await OpenAsync(Engine, Soon);
        TelemetryBatch Said(long received)
        {
            var batch = new TelemetryBatch { Project = "default", ReceivedUnixNanos = received, RequestHash = NewHash() };
            Log(batch, """{"values":[{"key":"content","value":{"stringValue":"Where is it?"}}]}""", Noon, Trace(1), name: "gen_ai.user.message", bodyType: AttributeType.KeyValues);
            Log(batch, "{}", Noon + 1, Trace(1), name: "gen_ai.assistant.message", bodyType: AttributeType.KeyValues);
            Log(batch, """{"role":"assistant","finish_reason":"stop","message":{"content":"Here."}}""", Noon + 2, Trace(1), name: "", attributes: [Text("event.name", "gen_ai.choice"), Text("gen_ai.system", "openai")]);
            Log(batch, "not said", Noon + 3, Trace(1));
            return batch;
        }

        await WriteAsync(store, Said(Noon));
        await WriteAsync(store, Batch(new SpanSpec(Trace(1), Span(3)), new SpanSpec(Trace(1), Span(4))));
        await WriteAsync(store, Said(Noon + Hour));

        var spans = await store.Traces.SpansOfAsync("default", Trace(1));
        var content = Assert.Single(spans, span => span.LogEvents.Count > 0).ReadContent();
        Assert.Equal("user: Where is it?", Assert.Single(content.Input) is var asked ? $"{asked.Role}: {asked.Words}" : "");
        Assert.Equal(("assistant", "Here.", "stop"), Assert.Single(content.Output) is var answer ? (answer.Role, answer.Words, answer.FinishReason) : default);
    }

    [Fact]
    public async Task Scores_are_found_by_service_name_and_time_and_a_resent_one_is_one()
    {
        var store = await OpenAsync(Engine, Soon);
        for (var i = 0; i < 2; i++)
        {
            var batch = Batch();
            batch.Score("relevance", 0.9, Trace(1), Span(1), at: Noon);
            batch.Score("relevance", 0.1, Trace(2), Span(1), at: Noon + 1);
            batch.Score("groundedness", 0.5, Trace(1), Span(1), at: Noon + 2);
            batch.Score("verdict", double.NaN, Trace(1), Span(1), at: Noon + 3);
            await WriteAsync(store, batch);
        }

        async Task<string> Found(string? service, string? name, long from = Noon, int limit = 10, bool worst = false) =>
            string.Join(' ', (await store.Scores.ScoresAsync("default", service, name, from, Noon + Hour, limit, worst)).Select(score => score.Value));
        Assert.Equal("NaN 0.5 0.1 0.9", await Found(null, null));
        Assert.Equal("0.1 0.5 0.9 NaN", await Found(null, null, worst: true));
        Assert.Equal("0.1 0.9", await Found("shop", "relevance"));
        Assert.Equal("0.1", await Found(null, "relevance", Noon + 1));
        Assert.Equal("", await Found("web", null));
        Assert.Equal("NaN", await Found(null, null, limit: 1));
    }

    [Fact]
    public async Task Storage_is_told_by_table()
    {
        var store = await OpenAsync(Engine, Soon);
        await WriteAsync(store, Batch(new SpanSpec(Trace(1), Span(1)), new SpanSpec(Trace(1), Span(2))));
        var spans = Assert.Single(await store.StorageAsync(), table => table.Table is "spans");
        Assert.Equal((2, 1), (spans.Rows, spans.Parts));
        Assert.True(spans.DiskBytes > 0);
    }
}
