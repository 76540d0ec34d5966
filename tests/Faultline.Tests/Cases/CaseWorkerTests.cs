using System.Threading.Channels;
using Faultline.Cases;
using Faultline.Cases.Lifecycle;
using Faultline.Cases.Projections;
using Faultline.ClickHouse.Embedded;
using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Findings;
using Faultline.Ledger;
using Faultline.Metrics.PromQL;
using Faultline.Store;
using Faultline.Store.Writes;
using Faultline.Telemetry.Spans;
using Faultline.Tests.Diagnosis;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Faultline.Tests.Cases;

/// <summary>When a case is thought over.</summary>
public sealed class CaseWorkerTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("faultline-worker-").FullName;
    private readonly TestClock _clock = new(new DateTimeOffset(2026, 11, 1, 12, 0, 0, TimeSpan.Zero));
    private readonly Channel<FindingNews> _news = Channel.CreateUnbounded<FindingNews>();
    private EmbeddedClickHouse _engine = null!;
    private TelemetryStore _store = null!;
    private LedgerFile _ledger = null!;
    private CaseBook _book = null!;
    private CaseWorker _worker = null!;
    private string? _unableBecause = "no prompt was recorded";
    private int _thoughts;

    public async Task InitializeAsync()
    {
        _engine = await EngineFixture.OpenDatabaseAsync();
        _store = await TelemetryStore.OpenAsync(_engine, new WriterOptions(TimeSpan.FromMilliseconds(1)), TimeProvider.System);
        _ledger = await LedgerFile.OpenAsync(Path.Combine(_folder, "ledger"), _clock);
        _book = await CaseBook.OpenAsync(_ledger, Path.Combine(_folder, "blobs"), _clock);
        _worker = new CaseWorker(_book, _news.Reader, (_, _, _, _) => Task.FromResult(Think()), _store, new PromQlEngine(_store.Samples.SelectAsync), _clock, NullLogger<CaseWorker>.Instance);
    }

    public async Task DisposeAsync()
    {
        await _ledger.DisposeAsync();
        await _store.Writer.StopAsync();
        await _engine.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_cause_that_cannot_be_determined_is_tried_again_until_it_can()
    {
        await RaiseAsync();
        await MinutesAsync(20);
        Assert.Equal(4, _thoughts);
        Assert.NotNull(_book.Find(null, new CaseId(1))!.Verdict!.UnableBecause);

        _unableBecause = null;
        await MinutesAsync(10);
        Assert.Equal(5, _thoughts);
        Assert.Equal("index_stale", _book.Find(null, new CaseId(1))!.Verdict!.Hypotheses[0].Cause);

        await MinutesAsync(60);
        Assert.Equal(5, _thoughts);
    }

    [Fact]
    public async Task It_is_not_tried_for_ever_nor_after_the_symptoms_went_away()
    {
        await RaiseAsync();
        await MinutesAsync(200);
        Assert.Equal(9, _thoughts);

        _thoughts = 0;
        await RaiseAsync("fnd-2", "other-bot");
        await MinutesAsync(7);
        Assert.Equal(3, _thoughts);
        await _news.Writer.WriteAsync(new FindingNews.Cleared("fnd-2", _clock.Now));
        await MinutesAsync(60);
        Assert.InRange(_thoughts, 3, 4);
    }

    private async Task MinutesAsync(int minutes)
    {
        for (var i = 0; i <= minutes * 6; i++)
        {
            await _worker.StepAsync(verify: false, default);
            _clock.Now += TimeSpan.FromSeconds(10);
        }
    }

    private Verdict Think()
    {
        _thoughts++;
        var cause = _unableBecause is null ? "index_stale" : "unknown";
        return new Verdict(FailureClass.RETRIEVAL_DRIFT, [new Hypothesis(cause, "bot", "why", 0.9, "act", "30 min", "Low", null, [], [], "look")], [], [], _unableBecause, [1, 0]);
    }

    private ValueTask RaiseAsync(string id = "fnd-1", string service = "bot") => _news.Writer.WriteAsync(new FindingNews.Raised(new Finding
    {
        Id = id,
        Project = "default",
        Environment = "production",
        Service = service,
        Trigger = "baseline",
        Title = "relevance fell",
        FailureClass = FailureClass.RETRIEVAL_DRIFT,
        OnsetAt = _clock.Now.AddMinutes(-1),
        DetectedAt = _clock.Now,
        Symptoms = [new Symptom("score:relevance", "it fell", "q", 0.9, 0.8, 1, 0.4, "1")],
        BadTraces = [new TraceId(1)],
        GoodTraces = [new TraceId(2)],
        VerificationQuery = "vector(1)",
    }));
}
