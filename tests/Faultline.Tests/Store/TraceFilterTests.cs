using Faultline.ClickHouse.Embedded;
using Faultline.Store;
using Faultline.Store.Traces;
using Faultline.Store.Writes;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Spans;
using Xunit;
using static Faultline.Tests.Store.SpanSpecs;

namespace Faultline.Tests.Store;

/// <summary>Three traces, of which every filter below finds one.</summary>
public sealed class ThreeTraces : IAsyncLifetime
{
    private EmbeddedClickHouse _engine = null!;

    public TelemetryStore Store { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        _engine = await EngineFixture.OpenDatabaseAsync();
        Store = await TelemetryStore.OpenAsync(_engine, new WriterOptions(TimeSpan.FromMilliseconds(1)), TimeProvider.System);
        var wanted = new SpanSpec(Trace(2), Span(1))
        {
            Service = "wanted",
            Name = "wanted name",
            Start = Noon + (100 * Second),
            DurationNanos = 6 * Second,
            Operation = "retrieval",
            Model = "wanted-model",
            Status = SpanStatus.Error,
            StatusMessage = "the status says no",
            Session = "wanted session",
            User = "wanted user",
            Attributes = [Text("k", "wanted"), new("n", "7", AttributeType.Int), new("nothing", "", AttributeType.Empty)],
            Bodies = [Text("prompt", "a wanted prompt, long ago")],
            Resource = [Text("host.name", "wanted-host"), Text("deployment.environment.name", "wanted env")],
            Input = "the previewed question",
            Events = [new StoredEvent(Noon, "exception", [Text("exception.message", "Deadline exceeded")], 0)],
        };
        await StoreTest.WriteAsync(Store, Batch(
            new SpanSpec(Trace(1), Span(1)) { Attributes = [Text("k", "other"), new("n", "8", AttributeType.Int)], Bodies = [Text("prompt", "another")], Operation = "chat", Model = "small" },
            wanted,
            new SpanSpec(Trace(2), Span(2)) { Parent = Span(1), Name = "child", Start = Noon + (101 * Second) },
            new SpanSpec(Trace(3), Span(1)) { Status = SpanStatus.Ok }));
    }

    public async Task DisposeAsync()
    {
        await Store.Writer.StopAsync();
        await _engine.DisposeAsync();
    }
}

public sealed class TraceFilterTests(ThreeTraces traces) : IClassFixture<ThreeTraces>
{
    private static readonly TraceFilter Everything = new() { FromUnixNanos = Noon - (3600 * Second), ToUnixNanos = Noon + (3600 * Second) };

    public static TheoryData<string> Filters() => new(s_filters.Keys);

    private static readonly Dictionary<string, TraceFilter> s_filters = new(StringComparer.Ordinal)
    {
        ["service"] = Everything with { Service = "wanted" },
        ["name"] = Everything with { Name = "wanted name" },
        ["environment"] = Everything with { Environment = "wanted env" },
        ["operation"] = Everything with { Operation = "retrieval" },
        ["model"] = Everything with { Model = "wanted-model" },
        ["requested model"] = Everything with { Model = "wanted-model-alias" },
        ["status"] = Everything with { Status = SpanStatus.Error },
        ["least duration"] = Everything with { DurationNanosMin = 5 * Second },
        ["session"] = Everything with { Session = "wanted session" },
        ["user"] = Everything with { User = "wanted user" },
        ["attribute"] = Everything with { Attributes = [new("k", "wanted")] },
        ["empty attribute"] = Everything with { Attributes = [new("nothing", "")] },
        ["two attributes"] = Everything with { Attributes = [new("k", "wanted"), new("n", "7")] },
        ["body"] = Everything with { Attributes = [new("prompt", "a wanted prompt, long ago")] },
        ["resource attribute"] = Everything with { Attributes = [new("host.name", "wanted-host")] },
        ["text in a name"] = Everything with { Text = "WANTED NAME" },
        ["text in a body"] = Everything with { Text = "wanted PROMPT" },
        ["text in an attribute"] = Everything with { Text = "NTE" },
        ["text in a preview"] = Everything with { Text = "previewed question" },
        ["text in an exception"] = Everything with { Text = "deadline exceeded" },
        ["text in a status"] = Everything with { Text = "status says" },
        ["from"] = Everything with { FromUnixNanos = Noon + (100 * Second) },
        ["everything at once"] = Everything with
        {
            Service = "wanted",
            Name = "wanted name",
            Environment = "wanted env",
            Operation = "retrieval",
            Model = "wanted-model",
            Status = SpanStatus.Error,
            DurationNanosMin = 5 * Second,
            DurationNanosMax = 7 * Second,
            Session = "wanted session",
            User = "wanted user",
            Attributes = [new("k", "wanted"), new("prompt", "a wanted prompt, long ago")],
            Text = "wanted",
        },
    };

    [Theory]
    [MemberData(nameof(Filters))]
    public async Task A_filter_finds_the_one_trace_it_should(string name)
    {
        var store = traces.Store.Traces;
        var list = await store.SearchAsync("default", s_filters[name]);
        Assert.Equal(1, list.Total);
        var trace = Assert.Single(list.Traces);
        Assert.Equal((Trace(2), "wanted name", 2), (trace.TraceId, trace.RootName, trace.SpanCount));
        Assert.Contains(await store.SpansAsync("default", s_filters[name]), span => span.TraceId == Trace(2) && span.SpanId == Span(1));
        Assert.Equal(1, (await store.HistogramAsync("default", s_filters[name], 10)).Sum(bucket => bucket.Count));
    }

    [Theory]
    [InlineData("k", "")]
    [InlineData("never sent", "")]
    [InlineData("prompt", "ANOTHER")]
    public async Task A_filter_on_an_attribute_wants_the_key_and_exactly_the_text(string key, string value) =>
        Assert.Equal(0, (await traces.Store.Traces.SearchAsync("default", Everything with { Attributes = [new(key, value)] })).Total);
}
