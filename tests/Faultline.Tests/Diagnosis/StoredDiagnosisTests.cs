using Faultline.ClickHouse.Embedded;
using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Findings;
using Faultline.Store;
using Faultline.Store.Samples;
using Faultline.Store.Writes;
using Faultline.Telemetry.Changes;
using Faultline.Telemetry.Spans;
using Xunit;

namespace Faultline.Tests.Diagnosis;

/// <summary>From committed batches to the verdict on the real store: what is cited is looked up again.</summary>
public sealed class StoredDiagnosisTests : IAsyncLifetime
{
    private static readonly DateTimeOffset Start = new(2026, 3, 10, 14, 3, 0, TimeSpan.Zero);
    private EmbeddedClickHouse _engine = null!;
    private TelemetryStore _store = null!;

    public async Task InitializeAsync()
    {
        _engine = await EngineFixture.OpenDatabaseAsync();
        _store = await OpenStoreAsync();
    }

    public async Task DisposeAsync()
    {
        await _store.Writer.StopAsync();
        await _engine.DisposeAsync();
    }

    [Theory]
    [InlineData("stale index, data change")]
    [InlineData("other embedding model, nothing recorded")]
    [InlineData("worse prompt, nothing recorded")]
    [InlineData("loop after a prompt change")]
    public async Task A_fault_is_found_and_named_and_all_that_is_cited_is_stored(string name)
    {
        var scenario = DiagnosticianTests.Scenarios[name];
        var rig = new Rig(Start, _store);
        var bot = new SimulatedBot(91);
        await rig.HistoryAsync(bot, TimeSpan.FromDays(1), TimeSpan.FromMinutes(20));
        await rig.LiveAsync(bot, TimeSpan.FromSeconds(60), new Behaviour());
        Assert.Empty(rig.News);
        IReadOnlyList<ChangeEvent> changes = scenario.Change is { } change
            ? [new ChangeEvent("chg-1", "default", change.Type, bot.Service, change.Detail, rig.Clock.Now, new Dictionary<string, string>(StringComparer.Ordinal))]
            : [];
        await rig.LiveAsync(bot, TimeSpan.FromSeconds(90), scenario.Behaviour);

        var finding = rig.Raised.Last();
        Assert.Single(rig.Raised.Select(raised => raised.Id).Distinct(StringComparer.Ordinal));
        var verdict = await new Diagnostician(_store, rig.Clock).DiagnoseAsync(finding, changes, []);
        Assert.Equal(scenario.Cause, verdict.Hypotheses[0].Cause);
        Assert.Equal(scenario.Target, verdict.Hypotheses[0].Target);
        Assert.Equal(scenario.Class, verdict.FailureClass);

        foreach (var evidence in verdict.Hypotheses.SelectMany(hypothesis => hypothesis.For.Concat(hypothesis.Against)))
        {
            if (evidence.Kind is "span")
            {
                Assert.True(TraceId.TryParse(evidence.Ref.Split('/')[0], out var trace));
                Assert.Contains(evidence.Ref.Split('/')[1], (await _store.Traces.SpansOfAsync("default", trace)).Select(span => span.Summary.SpanId.ToString()), StringComparer.Ordinal);
            }
            else if (evidence.Kind is "series")
            {
                var feature = evidence.Ref.Split("feature=\"")[1].Split('"')[0];
                var times = evidence.Ref[(evidence.Ref.LastIndexOf('@') + 1)..].Split("..");
                var stored = await _store.Samples.SelectAsync(
                    "default",
                    [new LabelMatcher("__name__", MatchKind.Equal, "faultline_feature"), new LabelMatcher("feature", MatchKind.Equal, feature)],
                    DateTimeOffset.Parse(times[0], null).ToUnixTimeMilliseconds(),
                    DateTimeOffset.Parse(times[1], null).ToUnixTimeMilliseconds());
                Assert.NotEmpty(stored);
            }
        }
    }

    [Fact]
    public async Task A_new_process_on_the_same_store_continues_the_finding()
    {
        var first = new Rig(Start, _store);
        var bot = new SimulatedBot(92);
        await first.HistoryAsync(bot, TimeSpan.FromDays(1), TimeSpan.FromMinutes(20));
        await first.LiveAsync(bot, TimeSpan.FromSeconds(60), new Behaviour());
        await first.LiveAsync(bot, TimeSpan.FromSeconds(90), new Behaviour { Relevance = 0.45, TopScore = 0.52 });
        var id = Assert.Single(first.Raised.Select(raised => raised.Id).Distinct(StringComparer.Ordinal));
        await first.AdvanceAsync(everything: true);
        await _store.Writer.StopAsync();

        _store = await OpenStoreAsync();
        var second = new Rig(first.Clock.Now, _store);
        await second.LiveAsync(bot, TimeSpan.FromSeconds(30), new Behaviour { Relevance = 0.45, TopScore = 0.52 });
        Assert.Equal(id, Assert.Single(second.Raised.Select(raised => raised.Id).Distinct(StringComparer.Ordinal)));
        await second.LiveAsync(bot, TimeSpan.FromSeconds(120), new Behaviour());
        Assert.Equal(id, Assert.Single(second.News.OfType<FindingNews.Cleared>()).FindingId);
    }

    private Task<TelemetryStore> OpenStoreAsync() => TelemetryStore.OpenAsync(_engine, new WriterOptions(TimeSpan.FromMilliseconds(1)), TimeProvider.System);
}
