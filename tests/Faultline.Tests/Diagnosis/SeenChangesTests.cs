using Faultline.Diagnosis.Changes;
using Faultline.Telemetry.Changes;
using Faultline.Telemetry.Spans;
using Xunit;

namespace Faultline.Tests.Diagnosis;

public sealed class SeenChangesTests
{
    private const string Bot = "support-bot";

    private static readonly DateTimeOffset Start = new(2026, 3, 10, 14, 3, 0, TimeSpan.Zero);

    private readonly MemorySamples _samples = new();
    private readonly List<ChangeEvent> _told = [];
    private readonly TestClock _clock = new(Start);
    private ulong _ids;
    private SeenChanges _seen;

    public SeenChangesTests() => _seen = Open();

    [Fact]
    public async Task A_first_start_tells_nothing_of_what_is_there()
    {
        await PassAsync(TimeSpan.FromHours(2), _ => new Behaviour { Release = "2.4.0" });

        Assert.Empty(_told);
    }

    [Fact]
    public async Task A_new_release_model_and_template_version_are_one_change_each_at_the_time_of_their_first_span()
    {
        await PassAsync(TimeSpan.FromHours(1), _ => new Behaviour());
        var at = _clock.Now;
        await PassAsync(TimeSpan.FromMinutes(20), _ => new Behaviour { Release = "2.5.0", ModelRequested = "gpt-5-mini", ModelResponded = "gpt-5-mini-2026", PromptVersion = "13" });

        Assert.Equal(
            ["deploy service.version 2.5.0 first seen, 2.4.0 before", "model model gpt-5-mini first seen, gpt-4o-mini before", "prompt prompt template support-answer version 13 first seen, 12 before"],
            _told.Select(change => $"{change.Type} {change.Detail}").Order(StringComparer.Ordinal));
        Assert.All(_told, change =>
        {
            Assert.InRange((change.At - at).TotalSeconds, -10, 120);
            Assert.Equal((ChangeEvent.Telemetry, Bot, "production"), (change.Source, change.Service, change.Attributes["environment"]));
        });
    }

    [Fact]
    public async Task Another_model_that_answers_for_the_same_name_is_a_change()
    {
        await PassAsync(TimeSpan.FromHours(1), _ => new Behaviour());
        await PassAsync(TimeSpan.FromMinutes(10), _ => new Behaviour { ModelResponded = "gpt-4o-mini-2026-01-01" });

        Assert.Equal("gpt-4o-mini is answered by gpt-4o-mini-2026-01-01 first seen, gpt-4o-mini-2024-07-18 before", Assert.Single(_told).Detail);
    }

    [Fact]
    public async Task Another_embedding_model_is_a_change_and_says_so()
    {
        await PassAsync(TimeSpan.FromHours(1), _ => new Behaviour());
        await PassAsync(TimeSpan.FromMinutes(10), _ => new Behaviour { EmbeddingModel = "text-embedding-4" });

        var change = Assert.Single(_told);
        Assert.Equal(("model", "embedding_model"), (change.Type, change.Attributes["aspect"]));
        Assert.Contains("embedding model text-embedding-4", change.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_canary_whose_share_comes_and_goes_is_told_once()
    {
        await PassAsync(TimeSpan.FromHours(1), _ => new Behaviour());
        var random = new Random(4);
        for (var wave = 0; wave < 12; wave++)
        {
            var share = wave % 3 == 0 ? 0 : 0.1 + (0.04 * wave);
            await PassAsync(TimeSpan.FromMinutes(15), _ => new Behaviour { Release = random.NextDouble() < share ? "2.5.0" : "2.4.0" });
        }

        Assert.Single(_told);
    }

    [Fact]
    public async Task That_everything_went_back_to_the_earlier_release_is_a_change_and_flapping_is_told_twice_a_day_at_most()
    {
        await PassAsync(TimeSpan.FromHours(1), _ => new Behaviour());
        await PassAsync(TimeSpan.FromMinutes(20), _ => new Behaviour { Release = "2.5.0" });
        var at = _clock.Now;
        await PassAsync(TimeSpan.FromMinutes(20), _ => new Behaviour());

        Assert.Equal("service.version 2.4.0 is back, after 2.5.0", _told[^1].Detail);
        Assert.InRange((_told[^1].At - at).TotalSeconds, -10, 120);

        for (var i = 0; i < 8; i++)
        {
            await PassAsync(TimeSpan.FromMinutes(20), _ => new Behaviour { Release = i % 2 == 0 ? "2.5.0" : "2.4.0" });
        }

        Assert.Equal(3, _told.Count);
    }

    [Fact]
    public async Task A_restart_knows_what_was_seen_and_tells_what_came_while_it_was_down()
    {
        await PassAsync(TimeSpan.FromHours(1), _ => new Behaviour());
        _clock.Now += TimeSpan.FromHours(3);
        _seen = Open();
        await PassAsync(TimeSpan.FromMinutes(5), _ => new Behaviour());
        Assert.Empty(_told);

        _clock.Now += TimeSpan.FromHours(3);
        _seen = Open();
        await PassAsync(TimeSpan.FromMinutes(5), _ => new Behaviour { Release = "2.5.0" });

        Assert.Equal("deploy", Assert.Single(_told).Type);
    }

    [Fact]
    public async Task A_version_that_is_another_in_every_request_is_an_id_and_floods_nobody()
    {
        await PassAsync(TimeSpan.FromHours(1), _ => new Behaviour());
        var version = 0;
        await PassAsync(TimeSpan.FromHours(2), _ => new Behaviour { PromptVersion = $"render-{version++ / 4}" });

        Assert.InRange(_told.Count, 0, SeenAspect.FirstsADayMax);
    }

    [Fact]
    public async Task A_single_stray_span_is_no_release()
    {
        await PassAsync(TimeSpan.FromHours(1), _ => new Behaviour());
        await PassAsync(TimeSpan.FromSeconds(10), _ => new Behaviour { Release = "laptop" });
        await PassAsync(TimeSpan.FromMinutes(10), _ => new Behaviour());

        Assert.Empty(_told);
    }

    /// <summary>A request every ten seconds, a batch each, told of and stored every minute or so.</summary>
    private async Task PassAsync(TimeSpan length, Func<DateTimeOffset, Behaviour> behaviour)
    {
        var end = _clock.Now + length;
        while (_clock.Now < end)
        {
            var b = behaviour(_clock.Now);
            var trace = new TraceId(++_ids);
            var at = _clock.Now.ToUnixTimeMilliseconds() * 1_000_000;
            TestSpan Span(string operation) => new(trace, new SpanId(++_ids), default, operation, at, at + 1_000_000) { Operation = operation };
            var batch = new BatchBuilder(_clock.Now)
                .Add(Span("retrieval") with { Model = b.EmbeddingModel, DataSource = "help-centre" }, Bot, release: b.Release)
                .Add(Span("chat") with { Model = b.ModelRequested, ModelResponded = b.ModelResponded, Prompt = "support-answer", PromptVersion = b.PromptVersion }, Bot, release: b.Release);
            _seen.Committed(batch.Build());
            _clock.Now += TimeSpan.FromSeconds(10);
            await _seen.AdvanceAsync();
        }
    }

    private SeenChanges Open() => new(
        _samples.WriteAsync,
        _samples.Select,
        (change, _) =>
        {
            _told.Add(change);
            return Task.CompletedTask;
        },
        _clock);
}
