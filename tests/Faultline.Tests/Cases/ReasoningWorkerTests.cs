using System.Text.Json;
using System.Threading.Channels;
using Faultline.Cases;
using Faultline.Cases.Lifecycle;
using Faultline.Cases.Projections;
using Faultline.ClickHouse.Embedded;
using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Findings;
using Faultline.Diagnosis.Reasoning;
using Faultline.Ledger;
using Faultline.Metrics.PromQL;
using Faultline.Store;
using Faultline.Store.Writes;
using Faultline.Telemetry.Spans;
using Faultline.Tests.Diagnosis;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Faultline.Tests.Cases;

/// <summary>A language model's part in a case's life: kept beside the verdict, changing nothing.</summary>
public sealed class ReasoningWorkerTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("faultline-reasoning-").FullName;
    private readonly TestClock _clock = new(new DateTimeOffset(2026, 11, 1, 12, 0, 0, TimeSpan.Zero));
    private readonly Channel<FindingNews> _news = Channel.CreateUnbounded<FindingNews>();
    private readonly List<ReasoningCase> _asked = [];
    private EmbeddedClickHouse _engine = null!;
    private TelemetryStore _store = null!;
    private LedgerFile _ledger = null!;
    private CaseBook _book = null!;
    private ReasoningWorker _reasoning = null!;
    private CaseWorker _worker = null!;
    private string _cause = "index_stale";
    private Func<ReasoningCase, Reasoned> _reason = null!;

    public async Task InitializeAsync()
    {
        _engine = await EngineFixture.OpenDatabaseAsync();
        _store = await TelemetryStore.OpenAsync(_engine, new WriterOptions(TimeSpan.FromMilliseconds(1)), TimeProvider.System);
        _ledger = await LedgerFile.OpenAsync(Path.Combine(_folder, "ledger"), _clock);
        _book = await OpenBookAsync();
        _reason = about => Added(about, "abuse_or_injection");
        _reasoning = new ReasoningWorker(
            _book,
            (about, _) =>
            {
                _asked.Add(about);
                return Task.FromResult(_reason(about));
            },
            NullLogger<ReasoningWorker>.Instance);
        _worker = new CaseWorker(_book, _news.Reader, (finding, _, _, _) => Task.FromResult(VerdictOf(_cause)), _store, new PromQlEngine(_store.Samples.SelectAsync), _clock, NullLogger<CaseWorker>.Instance, _reasoning);
    }

    public async Task DisposeAsync()
    {
        await _ledger.DisposeAsync();
        await _store.Writer.StopAsync();
        await _engine.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task It_is_asked_once_the_verdict_has_settled_and_again_only_when_that_changes()
    {
        await RaiseAsync();
        await StepAsync();
        Assert.Empty(_asked);

        await StepAsync(TimeSpan.FromSeconds(31));
        Assert.Equal("CASE-1", Assert.Single(_asked).CaseId);

        await StepAsync(TimeSpan.FromMinutes(6));
        Assert.Single(_asked);

        _cause = "prompt_template_regressed";
        await RaiseAsync("retrieval_top_score");
        await StepAsync();
        await StepAsync(TimeSpan.FromSeconds(11));
        await StepAsync(TimeSpan.FromSeconds(31));
        Assert.Equal(2, _asked.Count);
        Assert.Equal(2, View().ContributionCount);
    }

    [Fact]
    public async Task What_it_says_changes_no_state_verdict_suggestion_fix_or_memory()
    {
        await RaiseAsync();
        await StepAsync();
        var before = View();

        await StepAsync(TimeSpan.FromSeconds(31));

        Assert.NotNull(View().Contribution);
        Assert.Equal(JsonSerializer.Serialize(before.Verdict), JsonSerializer.Serialize(View().Verdict));
        Assert.Equal((before.State, before.FailureClass), (View().State, View().FailureClass));
        Assert.Equal("case.reasoned", View().Timeline[^1].Type);
        Assert.Equal("scripted-1", View().Timeline[^1].Actor);

        await _book.FixAppliedAsync(null, View().Id, null, "ann");
        Assert.Equal("Re-index", View().FixApplied);
        await _book.ResolveAsync(null, View().Id, "done", "ann");
        Assert.Equal("index_stale of help-centre", View().Resolution!.RootCause);
        Assert.Equal("index_stale", Assert.Single(_book.Past("default")).Cause);
    }

    [Fact]
    public async Task Contribution_conversation_and_cost_are_there_after_a_restart_and_in_the_JSON()
    {
        await RaiseAsync();
        await StepAsync();
        await StepAsync(TimeSpan.FromSeconds(31));
        var before = JsonSerializer.Serialize(View().Contribution);

        await _ledger.DisposeAsync();
        _ledger = await LedgerFile.OpenAsync(Path.Combine(_folder, "ledger"), _clock);
        _book = await OpenBookAsync();

        Assert.Equal(before, JsonSerializer.Serialize(View().Contribution));
        Assert.Equal(["system", "tool"], _book.TranscriptOf(View()).Select(line => line.Role));
        using var stream = new MemoryStream();
        await using (var json = new Utf8JsonWriter(stream))
        {
            CaseJson.Write(json, View());
        }

        using var document = JsonDocument.Parse(stream.ToArray());
        var added = document.RootElement.GetProperty("language_model");
        Assert.Equal(("held", 1_000), (added.GetProperty("outcome").GetString(), added.GetProperty("cost").GetProperty("input_tokens").GetInt32()));
        Assert.Equal("index_stale", document.RootElement.GetProperty("remediation_suggestions")[0].GetProperty("cause").GetString());
        Assert.Equal(1, document.RootElement.GetProperty("remediation_suggestions").GetArrayLength());
    }

    [Fact]
    public async Task A_failure_of_the_asking_leaves_the_case_as_it_was()
    {
        _reason = _ => throw new InvalidOperationException("a bug");
        await RaiseAsync();
        await StepAsync();
        await StepAsync(TimeSpan.FromSeconds(31));

        Assert.Single(_asked);
        Assert.Null(View().Contribution);
        Assert.Equal(CaseState.REMEDIATION_SUGGESTED, View().State);
    }

    [Fact]
    public async Task A_case_that_was_closed_while_it_waited_is_not_asked_about()
    {
        await RaiseAsync();
        await StepAsync();
        _clock.Now += TimeSpan.FromSeconds(31);
        await _worker.StepAsync(verify: false, default);
        await _book.ResolveAsync(null, View().Id, "false alarm", "ann");

        Assert.True(await _reasoning.StepAsync(default));
        Assert.Empty(_asked);
    }

    private async Task StepAsync(TimeSpan? later = null)
    {
        _clock.Now += later ?? TimeSpan.Zero;
        await _worker.StepAsync(verify: false, default);
        await _reasoning.StepAsync(default);
    }

    private ValueTask RaiseAsync(string feature = "score:relevance") => _news.Writer.WriteAsync(new FindingNews.Raised(new Finding
    {
        Id = "fnd-1",
        Project = "default",
        Environment = "production",
        Service = "bot",
        Trigger = "baseline",
        Title = "relevance fell",
        FailureClass = FailureClass.RETRIEVAL_DRIFT,
        OnsetAt = _clock.Now.AddMinutes(-1),
        DetectedAt = _clock.Now,
        Symptoms = [new Symptom(feature, "it fell", "q", 0.9, 0.8, 1, 0.4, "1")],
        BadTraces = [new TraceId(1)],
        GoodTraces = [new TraceId(2)],
        VerificationQuery = "vector(1)",
    }));

    private static Verdict VerdictOf(string cause) => new(
        FailureClass.RETRIEVAL_DRIFT, [new Hypothesis(cause, "help-centre", "the index is old", 0.9, "Re-index", "30 min", "Low", null, [new Evidence("series", "q@a..b", "fell")], [], "look")], [], [], null, [1, 0, 0.5]);

    private static Reasoned Added(ReasoningCase about, string cause) => new(
        new Contribution(
            ContributionOutcome.Held, "The language model holds it likely.", "scripted-1", "127.0.0.1:1", Reasoner.Over(about.Verdict),
            [new CheckedHypothesis(cause, "bot", 0.95, 1, null, [new CheckedClaim(true, "so it is", new Evidence("change", "chg-1", "A change."))])],
            [], "", new ContributionCost(2, 1, 0, 1_000, 50, false, 100, 1.5)),
        [new TranscriptLine("system", "", "You help …"), new TranscriptLine("tool", "read_trace", "{}")]);

    private CaseView View() => _book.Find(null, new CaseId(1))!;

    private Task<CaseBook> OpenBookAsync() => CaseBook.OpenAsync(_ledger, Path.Combine(_folder, "blobs"), _clock);
}
