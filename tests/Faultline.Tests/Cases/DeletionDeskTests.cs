using System.Text;
using Faultline.Cases;
using Faultline.Cases.Deletions;
using Faultline.Cases.Projections;
using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Findings;
using Faultline.Ledger;
using Faultline.Ledger.Verification;
using Faultline.Store;
using Faultline.Store.Deletions;
using Faultline.Telemetry.Spans;
using Faultline.Tests.Store;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;
using static Faultline.Tests.Store.SpanSpecs;

namespace Faultline.Tests.Cases;

/// <summary>Deletions over a real engine, a real ledger and real files.</summary>
public sealed class DeletionDeskTests : StoreTest, IAsyncLifetime
{
    private const string User = "pl4nted.person@example.com";
    private const string Prompt = "pl4nted prompt 7f3a";

    private readonly string _folder = Directory.CreateTempSubdirectory("faultline-deletions-").FullName;
    private readonly List<Forgotten> _forgotten = [];
    private LedgerFile _ledger = null!;
    private CaseBook _book = null!;
    private TelemetryStore _store = null!;
    private DeletionDesk _desk = null!;

    async Task IAsyncLifetime.InitializeAsync()
    {
        await InitializeAsync();
        _store = await OpenAsync(Engine, Soon);
        await ReopenAsync();
    }

    async Task IAsyncLifetime.DisposeAsync()
    {
        await _ledger.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
        await DisposeAsync();
    }

    [Fact]
    public async Task A_deletion_is_done_proven_and_told_in_the_ledger_without_the_users_id()
    {
        await WriteAsync(_store, Batch(new SpanSpec(Trace(1), Span(1)) { User = User, Input = Prompt }, new SpanSpec(Trace(2), Span(1)) { User = "somebody else" }));
        var asked = await AskAsync(DeletionScope.OfUser("default", User));
        Assert.Single(FilesWith(User));

        await _desk.StepAsync();

        var done = _desk.Find(asked.Id)!;
        Assert.Equal((DeletionState.Completed, 1L, 0L, "ann"), (done.State, done.Rows["spans"], done.Left["spans"], done.Actor));
        Assert.Equal(_desk.SubjectOf("default", User), done.Subject);
        Assert.NotEqual(_desk.SubjectOf("other", User), done.Subject);
        Assert.Equal(1, await CountAsync("spans"));
        Assert.Empty(FilesWith(User));
        Assert.Equal([0, 1], _forgotten.Select(what => what.Traces.Count));
        Assert.Equal(Trace(1), Assert.Single(_forgotten[^1].Traces));
        Assert.IsType<LedgerVerdict.Sound>(await LedgerVerifier.VerifyAsync(Path.Combine(_folder, "ledger"), null));
        await ReopenAsync();
        Assert.Equivalent(done, _desk.Find(asked.Id));
    }

    [Fact]
    public async Task Texts_of_cases_lose_what_is_from_a_deleted_trace_and_keep_the_rest_over_a_restart()
    {
        await WriteAsync(_store, Batch(new SpanSpec(Trace(1), Span(1)), new SpanSpec(Trace(2), Span(1))));
        var opened = await OpenCaseAsync("default", 1, 2);
        await _book.DiagnosedAsync(opened, VerdictOf(1, 2), default);
        await _book.CommentAsync(null, opened.Id, $"see {Trace(1)}", "ann");
        await _book.CommentAsync(null, opened.Id, "looking", "ann");
        Assert.NotEmpty(FilesWith(Prompt));
        await AskAsync(DeletionScope.OfTraces("default", Trace(1)));

        await _desk.StepAsync();

        for (var restarted = 0; restarted < 2; restarted++)
        {
            var view = _book.Find(null, opened.Id)!;
            Assert.Equal("relevance fell", view.Title);
            Assert.Equal([Trace(2).ToString()], view.BadTraces);
            Assert.Equal("what stays", Assert.Single(view.Snapshot.Prompts).Text);
            Assert.Equal($"{Trace(2)}/1", Assert.Single(Assert.Single(view.Verdict!.Hypotheses).For).Ref);
            Assert.Equal(["(deleted)", "looking"], view.Timeline.TakeLast(2).Select(line => line.Words));
            Assert.Empty(FilesWith(Prompt));
            Assert.Empty(FilesWith(Trace(1).ToString()));
            await ReopenAsync();
        }

        Assert.Equal(3, Assert.Single(_desk.Deletions).Blobs);
        Assert.IsType<LedgerVerdict.Sound>(await LedgerVerifier.VerifyAsync(Path.Combine(_folder, "ledger"), null));
    }

    [Fact]
    public async Task A_deleted_project_has_no_cases_and_no_changes_and_the_next_case_has_a_new_number()
    {
        await OpenCaseAsync("gone", 1, 2);
        await OpenCaseAsync("stays", 1, 2);
        await _book.RecordChangeAsync("gone", "deploy", "bot", "words of gone", DateTimeOffset.UtcNow, new Dictionary<string, string>(StringComparer.Ordinal), "ann");
        await AskAsync(DeletionScope.OfProject("gone"));

        await _desk.StepAsync();
        await ReopenAsync();

        Assert.Equal("stays", Assert.Single(_book.List(null)).Project);
        Assert.Empty(_book.Changes("gone", DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddHours(1)));
        Assert.Empty(FilesWith("words of gone"));
        Assert.Equal(3, (await OpenCaseAsync("gone", 3, 4)).Id.Number);
    }

    [Fact]
    public async Task What_is_under_hold_is_not_deleted_by_any_scope_that_touches_it_until_the_hold_is_lifted()
    {
        await WriteAsync(_store, Batch(new SpanSpec(Trace(1), Span(1)) { User = User, Session = "s-1" }, new SpanSpec(Trace(2), Span(1)) { Session = "s-2" }));
        await WriteAsync(_store, Batch("other", NewHash(), new SpanSpec(Trace(1), Span(1)) { User = User }));
        var hold = await _desk.HoldAsync(DeletionScope.OfUser("default", User), "case 4711 at court", "counsel");
        await ReopenAsync();

        foreach (var scope in (DeletionScope[])[
            DeletionScope.OfTraces("default", Trace(2), Trace(1)), DeletionScope.OfUser("default", User), DeletionScope.OfSession("default", "s-1"),
            DeletionScope.OfProject("default"), DeletionScope.OfAge(DateTimeOffset.UtcNow.AddYears(5)), DeletionScope.OfAge(DateTimeOffset.UtcNow.AddYears(5), "default")])
        {
            Assert.Equal([hold.Id], Assert.IsType<DeletionAnswer.Held>(await _desk.AskAsync(scope, "ann")).Holds);
        }

        await AskAsync(DeletionScope.OfSession("default", "s-2"));
        await AskAsync(DeletionScope.OfProject("other"));
        await _desk.StepAsync();
        Assert.Equal(1, await CountAsync("spans"));

        Assert.NotNull((await _desk.LiftAsync(hold.Id, "counsel"))!.LiftedAt);
        await AskAsync(DeletionScope.OfUser("default", User));
        await _desk.StepAsync();
        Assert.Equal(0, await CountAsync("spans"));
        Assert.Empty(FilesWith(User));
    }

    [Fact]
    public async Task A_hold_that_comes_after_the_wish_stops_it()
    {
        await WriteAsync(_store, Batch(new SpanSpec(Trace(1), Span(1))));
        var asked = await AskAsync(DeletionScope.OfTraces("default", Trace(1)));
        var hold = await _desk.HoldAsync(DeletionScope.OfProject("default"), "wait", "counsel");

        await _desk.StepAsync();

        Assert.Equal(DeletionState.Refused, _desk.Find(asked.Id)!.State);
        Assert.Contains(hold.Id, _desk.Find(asked.Id)!.Reason, StringComparison.Ordinal);
        Assert.Equal(1, await CountAsync("spans"));
    }

    [Fact]
    public async Task A_deletion_that_a_crash_cut_in_two_is_finished_by_the_next_process_with_its_texts()
    {
        await WriteAsync(_store, Batch(new SpanSpec(Trace(1), Span(1)) { User = User }));
        await OpenCaseAsync("default", 1, 2);
        var asked = await AskAsync(DeletionScope.OfUser("default", User));

        // The rows went, and the process with them.
        await _store.Deletions.DeleteAsync([(asked.Id, DeletionScope.OfUser("default", User))]);
        await ReopenAsync();
        Assert.Equal(DeletionState.Asked, _desk.Find(asked.Id)!.State);

        await _desk.StepAsync();

        Assert.Equal(DeletionState.Completed, _desk.Find(asked.Id)!.State);
        Assert.Equal([Trace(2).ToString()], Assert.Single(_book.List(null)).BadTraces);
        Assert.Empty(FilesWith(Prompt));
    }

    [Fact]
    public async Task What_was_asked_for_done_refused_and_held_is_counted_and_the_ledgers_part_survives_a_restart()
    {
        await WriteAsync(_store, Batch(new SpanSpec(Trace(1), Span(1)) { User = User }, new SpanSpec(Trace(2), Span(1)), new SpanSpec(Trace(3), Span(1))));
        await AskAsync(DeletionScope.OfUser("default", User));
        await AskAsync(DeletionScope.OfTraces("default", Trace(2)));
        await AskAsync(DeletionScope.OfTraces("default", Trace(3)));
        Assert.Equal(3, Value("faultline_deletions_waiting"));
        await _desk.HoldAsync(DeletionScope.OfTraces("default", Trace(3)), "case 4711 at court", "counsel");
        var lifted = await _desk.HoldAsync(DeletionScope.OfProject("other"), "a mistake", "counsel");
        await _desk.LiftAsync(lifted.Id, "counsel");
        await _desk.StepAsync();
        var late = Batch(new SpanSpec(Trace(1), Span(2)));
        late.ReceivedUnixNanos = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() * 1_000_000;
        await WriteAsync(_store, late);
        await _desk.StepAsync();

        Assert.Equal(1, Value("faultline_deleted_late_rows"));
        Assert.Equal(0, Value("faultline_deletion_failures"));
        Assert.InRange(DateTimeOffset.UtcNow.ToUnixTimeSeconds() - Value("faultline_deletion_sweep_success_timestamp_seconds"), -1, 120);
        Assert.True(Value("faultline_deletion_sweep_seconds") >= 0);
        for (var restart = 0; restart < 2; restart++)
        {
            Assert.Equal((1, 2), (Value("faultline_deletions_requested", "user"), Value("faultline_deletions_requested", "traces")));
            Assert.Equal((2, 1, 0), (Value("faultline_deletions_finished", "completed"), Value("faultline_deletions_finished", "refused"), Value("faultline_deletions_waiting")));
            Assert.Equal((2, 1), (Value("faultline_deleted_rows", "spans"), Value("faultline_holds_in_force")));
            await ReopenAsync();
        }
    }

    [Fact]
    public async Task A_round_that_the_store_does_not_let_end_is_counted_and_the_next_one_does_it()
    {
        var engine = new FaultyEngine(Engine);
        _desk = DeskOf(await OpenAsync(engine, Soon));
        await AskAsync(DeletionScope.OfTraces("default", Trace(1)));
        engine.BeforeExecute = _ => throw FaultyEngine.OutOfMemory();

        await _desk.StepAsync();
        Assert.Equal((1, 1), (Value("faultline_deletion_failures"), Value("faultline_deletions_waiting")));

        engine.BeforeExecute = _ => { };
        await _desk.StepAsync();
        Assert.Equal((1, 0), (Value("faultline_deletion_failures"), Value("faultline_deletions_waiting")));
    }

    /// <param name="label">The value of its one label.</param>
    private double Value(string name, string? label = null) =>
        DeletionMetrics.Families(_desk).Single(family => family.Name == name).Samples.Single(sample => label is null || sample.Labels.Pairs[0].Value == label).Value;

    private async Task<DeletionView> AskAsync(DeletionScope scope) => Assert.IsType<DeletionAnswer.Taken>(await _desk.AskAsync(scope, "ann")).Deletion;

    private async Task ReopenAsync()
    {
        if (_ledger is not null)
        {
            await _ledger.DisposeAsync();
        }

        _ledger = await LedgerFile.OpenAsync(Path.Combine(_folder, "ledger"), TimeProvider.System);
        _book = await CaseBook.OpenAsync(_ledger, Path.Combine(_folder, "blobs"), TimeProvider.System);
        _desk = DeskOf(_store);
    }

    private DeletionDesk DeskOf(TelemetryStore store) => new(_book, store.Deletions, new byte[32], TimeProvider.System, NullLogger<DeletionDesk>.Instance, (what, _) =>
    {
        _forgotten.Add(what);
        return Task.CompletedTask;
    });

    private async Task<CaseView> OpenCaseAsync(string project, ulong first, ulong second)
    {
        var now = DateTimeOffset.UtcNow;
        var finding = new Finding
        {
            Id = $"fnd-{project}-{first}",
            Project = project,
            Environment = "production",
            Service = "bot",
            Trigger = "baseline",
            Title = "relevance fell",
            FailureClass = FailureClass.RETRIEVAL_DRIFT,
            OnsetAt = now.AddMinutes(-1),
            DetectedAt = now,
            Symptoms = [new Symptom("score:relevance", "relevance fell from 0.9 to 0.4", "q", 0.9, 0.8, 1, 0.4, "1")],
            BadTraces = [Trace(first), Trace(second)],
            GoodTraces = [],
            VerificationQuery = "q",
        };
        var snapshot = new ContextSnapshot(
            [Trace(first).ToString(), Trace(second).ToString()], [new SnapshotItem($"{Trace(first)}/1", Prompt), new SnapshotItem($"{Trace(second)}/1", "what stays")], [], [], [], []);
        return (await _book.RaiseAsync(finding, _ => Task.FromResult(snapshot), default))!.Value.Case;
    }

    private static Verdict VerdictOf(ulong first, ulong second) => new(
        FailureClass.RETRIEVAL_DRIFT,
        [new Hypothesis("index_stale", "kb", "The index is stale", 0.9, "re-index", "30 min", "Low", null, [new Evidence("trace", $"{Trace(first)}/1", Prompt), new Evidence("trace", $"{Trace(second)}/1", "other")], [], "look")],
        [], [], null, [1, 2]);

    private List<string> FilesWith(string text)
    {
        List<string> found = [];
        foreach (var file in Directory.GetFiles(_folder, "*", SearchOption.AllDirectories).Where(file => Path.GetFileName(file) != "lock"))
        {
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using var copy = new MemoryStream();
            stream.CopyTo(copy);
            if (copy.ToArray().AsSpan().IndexOf(Encoding.UTF8.GetBytes(text)) >= 0)
            {
                found.Add(file);
            }
        }

        return found;
    }
}
