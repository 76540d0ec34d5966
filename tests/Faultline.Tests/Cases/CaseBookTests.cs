using System.Text.Json;
using Faultline.Cases;
using Faultline.Cases.Events;
using Faultline.Cases.Projections;
using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Findings;
using Faultline.Ledger;
using Faultline.Telemetry.Changes;
using Faultline.Telemetry.Spans;
using Faultline.Tests.Diagnosis;
using Xunit;

namespace Faultline.Tests.Cases;

/// <summary>A case's life over a real ledger on disk.</summary>
public sealed class CaseBookTests : IAsyncLifetime
{
    private static readonly DateTimeOffset Now = new(2026, 11, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly ContextSnapshot NoSnapshot = new([], [], [], [], [], []);

    private readonly string _folder = Directory.CreateTempSubdirectory("faultline-cases-").FullName;
    private LedgerFile _ledger = null!;
    private CaseBook _book = null!;

    public async Task InitializeAsync() => (_ledger, _book) = await OpenAsync();

    public async Task DisposeAsync()
    {
        await _ledger.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_finding_opens_one_case_that_is_investigated_at_once()
    {
        var (opened, isNew) = await RaiseAsync(Fault());

        Assert.True(isNew);
        Assert.Equal((new CaseId(1), CaseState.INVESTIGATING, "relevance fell"), (opened.Id, opened.State, opened.Title));
        Assert.Equal(["case.opened", "case.triaged", "case.investigation_started"], opened.Timeline.Select(line => line.Type));
    }

    [Fact]
    public async Task The_same_fault_told_again_is_no_second_case_and_no_event()
    {
        await RaiseAsync(Fault());
        var events = _ledger.Count;

        var (_, isNew) = await RaiseAsync(Fault());

        Assert.False(isNew);
        Assert.Single(_book.List(null));
        Assert.Equal(events, _ledger.Count);
    }

    [Fact]
    public async Task Another_finding_of_the_same_service_and_class_folds_into_the_open_case()
    {
        await RaiseAsync(Fault());

        var (folded, isNew) = await RaiseAsync(Fault(id: "fnd-2", feature: "retrieval_top_score"));

        Assert.False(isNew);
        Assert.Equal(["score:relevance", "retrieval_top_score"], folded.Symptoms.Select(symptom => symptom.Feature));
    }

    [Theory]
    [InlineData(20, false)]
    [InlineData(180, true)]
    public async Task A_fault_that_flaps_is_one_case_and_one_that_comes_back_hours_later_is_another(int minutesAway, bool isNew)
    {
        var first = Fault();
        await RaiseAsync(first);
        var cleared = first.OnsetAt.AddMinutes(40);
        await _book.ClearedAsync(first.Id, cleared, default);

        var again = await RaiseAsync(Fault(id: "fnd-2") with { OnsetAt = cleared.AddMinutes(minutesAway), DetectedAt = cleared.AddMinutes(minutesAway + 1) });

        Assert.Equal(isNew, again.IsNew);
        Assert.Null(again.Case.SymptomsClearedAt);
    }

    [Fact]
    public async Task What_is_said_holds_no_case_open_that_something_else_opened()
    {
        var first = Fault();
        await RaiseAsync(first);
        var said = Fault(id: "fnd-2", feature: "prompt_drift") with { Trigger = Finding.OfTopics, OnsetAt = first.OnsetAt.AddMinutes(20) };
        await RaiseAsync(said);
        var cleared = first.OnsetAt.AddMinutes(40);
        await _book.ClearedAsync(first.Id, cleared, default);
        Assert.Equal(cleared, View().SymptomsClearedAt);

        // What was said is usual again a day later; that is no end of what ended long before.
        await _book.ClearedAsync(said.Id, cleared.AddDays(1), default);
        Assert.Equal(cleared, View().SymptomsClearedAt);

        var next = Fault(id: "fnd-3") with { OnsetAt = cleared.AddDays(1), DetectedAt = cleared.AddDays(1).AddMinutes(1) };
        Assert.True((await RaiseAsync(next)).IsNew);
    }

    [Fact]
    public async Task A_case_that_what_is_said_opened_is_over_when_that_is()
    {
        var said = Fault(feature: "prompt_drift") with { Trigger = Finding.OfTopics };
        await RaiseAsync(said);
        await RaiseAsync(said with { Symptoms = [.. said.Symptoms, new Symptom("topic_failure_share", "a topic fails", "q", 0, 0, 0.1, 0.8, "1")] });
        Assert.Null(View().SymptomsClearedAt);

        await _book.ClearedAsync(said.Id, Now.AddHours(1), default);
        Assert.Equal(Now.AddHours(1), View().SymptomsClearedAt);
    }

    [Fact]
    public async Task A_finding_of_another_service_is_another_case()
    {
        await RaiseAsync(Fault());

        var (second, isNew) = await RaiseAsync(Fault(id: "fnd-2", service: "other"));

        Assert.True(isNew);
        Assert.Equal(2, second.Id.Number);
    }

    [Fact]
    public async Task From_suggestion_over_fix_and_verification_to_resolved_with_its_time()
    {
        var (opened, _) = await RaiseAsync(Fault());
        await _book.DiagnosedAsync(opened, Verdict(0.9), default);
        Assert.Equal(CaseState.REMEDIATION_SUGGESTED, View().State);

        Assert.IsType<CaseAnswer.Done>(await _book.FixAppliedAsync("default", opened.Id, null, "ann"));
        Assert.Equal((CaseState.VERIFYING, "re-index"), (View().State, View().FixApplied));

        await _book.VerifiedAsync(opened.Id, null, Now.AddMinutes(2), default);
        await _book.VerifiedAsync(opened.Id, false, Now.AddMinutes(3), default);
        Assert.Equal((CaseState.VERIFYING, false), (View().State, View().Verification!.Passed));

        await _book.VerifiedAsync(opened.Id, true, Now.AddMinutes(5), default);

        Assert.Equal(CaseState.RESOLVED, View().State);
        Assert.Equal((TimeSpan.FromMinutes(5), "index_stale of help-centre"), (View().Resolution!.TimeToRemediate, View().Resolution!.RootCause));
        Assert.Equal("CASE-1", Assert.Single(_book.Past("default")).CaseId);
    }

    [Fact]
    public async Task An_outcome_that_does_not_change_is_one_event()
    {
        var (opened, _) = await RaiseAsync(Fault());
        await _book.FixAppliedAsync(null, opened.Id, "restarted it", "ann");
        await _book.VerifiedAsync(opened.Id, false, Now, default);
        var events = _ledger.Count;

        await _book.VerifiedAsync(opened.Id, false, Now.AddSeconds(2), default);

        Assert.Equal(events, _ledger.Count);
    }

    [Fact]
    public async Task Below_half_sure_no_fix_is_suggested()
    {
        var (opened, _) = await RaiseAsync(Fault());

        await _book.DiagnosedAsync(opened, Verdict(0.4) with { UnableBecause = "no retrieval spans" }, default);

        Assert.Equal(CaseState.INVESTIGATING, View().State);
        Assert.Equal("no retrieval spans", View().Verdict!.UnableBecause);
    }

    [Fact]
    public async Task What_a_state_does_not_allow_is_refused_in_words_and_leaves_no_event()
    {
        var (opened, _) = await RaiseAsync(Fault());
        await _book.ResolveAsync(null, opened.Id, "false alarm", "ann");
        var events = _ledger.Count;

        Assert.IsType<CaseAnswer.NotNow>(await _book.FixAppliedAsync(null, opened.Id, null, "ann"));
        Assert.IsType<CaseAnswer.NotNow>(await _book.TriageAsync(null, opened.Id, "ann"));
        Assert.IsType<CaseAnswer.NotNow>(await _book.FeedbackAsync(null, opened.Id, 7, true, "ann"));
        Assert.IsType<CaseAnswer.NotFound>(await _book.CommentAsync("another-project", opened.Id, "hello", "ann"));
        Assert.Equal(events, _ledger.Count);
    }

    [Fact]
    public async Task A_reopened_case_is_investigated_again()
    {
        var (opened, _) = await RaiseAsync(Fault());
        await _book.ResolveAsync(null, opened.Id, "looked fine", "ann");

        await _book.ReopenAsync(null, opened.Id, "it was not", "bob");

        Assert.Equal(CaseState.INVESTIGATING, View().State);
        Assert.Null(View().Resolution);
    }

    [Fact]
    public async Task A_finding_whose_case_is_over_opens_nothing_and_a_new_one_opens_a_new_case()
    {
        var (opened, _) = await RaiseAsync(Fault());
        await _book.ResolveAsync(null, opened.Id, "done", "ann");

        Assert.Null(await _book.RaiseAsync(Fault(), _ => Task.FromResult(NoSnapshot), default));
        Assert.True((await RaiseAsync(Fault(id: "fnd-9"))).IsNew);
        Assert.Equal(2, _book.List(null).Count);
    }

    [Fact]
    public async Task Replaying_the_ledger_gives_what_was_there()
    {
        var change = await _book.RecordChangeAsync("default", "prompt", "bot", "12 to 13", Now.AddMinutes(-5), new Dictionary<string, string>(StringComparer.Ordinal) { ["who"] = "ann" }, "ann");
        var (opened, _) = await RaiseAsync(Fault());
        await _book.DiagnosedAsync(opened, Verdict(0.9), default);
        await _book.CommentAsync(null, opened.Id, "looking \"into\" it\n", "ann");
        await _book.AssignAsync(null, opened.Id, "bob", "ann");
        await _book.FeedbackAsync(null, opened.Id, 0, helpful: false, "ann");
        await _book.FixAppliedAsync(null, opened.Id, "rebuilt", "bob");
        await _book.VerifiedAsync(opened.Id, true, Now.AddMinutes(4), default);
        var before = Json(View());

        await _ledger.DisposeAsync();
        (_ledger, _book) = await OpenAsync();

        Assert.Equal(before, Json(View()));
        Assert.Equal(change.Id, Assert.Single(View().RecentChanges).Id);
        Assert.Equal("12 to 13", Assert.Single(_book.Changes("default", Now.AddHours(-1), Now)).Detail);
        Assert.Equal(-1, Assert.Single(_book.Past("default")).Helpful);
    }

    [Theory]
    [InlineData("deploy", "release 2.5.0", -4, true)]
    [InlineData("deploy", "release 2.5.0", 9, true)]
    [InlineData("config", "image tag 2.5.0 rolled out", 2, true)]
    [InlineData("deploy", "release of last week", -60, false)]
    [InlineData("prompt", "wording", 0, false)]
    public async Task What_somebody_recorded_is_not_doubled_by_what_telemetry_shows_whichever_comes_first(string type, string detail, int minutes, bool same)
    {
        var seen = Seen("chg-0000000000000001");
        foreach (var recordedFirst in (bool[])[true, false])
        {
            await _ledger.DisposeAsync();
            Directory.Delete(_folder, recursive: true);
            (_ledger, _book) = await OpenAsync();
            Task RecordAsync() => _book.RecordChangeAsync("default", type, "bot", detail, seen.At.AddMinutes(minutes), new Dictionary<string, string>(StringComparer.Ordinal), "ci");
            if (recordedFirst)
            {
                await RecordAsync();
            }

            await _book.NoteSeenAsync(seen);
            if (!recordedFirst)
            {
                await RecordAsync();
                Assert.NotNull(_book.FindChange("default", seen.Id));
            }

            Assert.Equal(same ? 1 : 2, _book.Changes("default", Now.AddHours(-3), Now.AddHours(3)).Count);
        }
    }

    [Fact]
    public async Task A_change_seen_in_telemetry_is_told_once_and_stays_one_after_a_restart()
    {
        await _book.NoteSeenAsync(Seen("chg-0000000000000001"));
        await _book.NoteSeenAsync(Seen("chg-0000000000000001"));
        await _book.NoteSeenAsync(Seen("chg-0000000000000002"));
        await _ledger.DisposeAsync();
        (_ledger, _book) = await OpenAsync();

        Assert.Equal(ChangeEvent.Telemetry, Assert.Single(_book.Changes("default", Now.AddHours(-1), Now)).Source);
    }

    [Fact]
    public async Task A_change_seen_in_another_environment_is_none_of_the_cases()
    {
        await _book.NoteSeenAsync(Seen("chg-0000000000000001"));
        var (opened, _) = await RaiseAsync(Fault(service: "bot") with { Environment = "production" });
        var (elsewhere, _) = await RaiseAsync(Fault(id: "fnd-2", service: "bot") with { Environment = "staging" });

        Assert.Equal(ChangeEvent.Telemetry, Assert.Single(opened.RecentChanges).Source);
        Assert.Empty(elsewhere.RecentChanges);
    }

    /// <summary>Three later cases cite the first one; each time somebody says that it was not that.</summary>
    [Fact]
    public async Task A_rejected_suggestion_counts_for_the_case_that_it_cited_and_three_of_them_outweigh_the_likeness()
    {
        await ResolveAsync(Fault(), Verdict(0.9));
        for (var i = 2; i <= 4; i++)
        {
            var verdict = Verdict(0.9);
            var (opened, _) = await RaiseAsync(Fault(id: $"fnd-{i}") with { OnsetAt = Now.AddHours(i), DetectedAt = Now.AddHours(i) });
            await _book.DiagnosedAsync(opened, verdict with { Hypotheses = [verdict.Hypotheses[0] with { SimilarCase = "CASE-1" }] }, default);
            Assert.IsType<CaseAnswer.Done>(await _book.FeedbackAsync(null, opened.Id, 0, helpful: false, "ann"));
            Assert.Equal(-(i - 1), _book.Past("default").Single(past => past.CaseId == "CASE-1").Helpful);
            await _book.ResolveAsync(null, opened.Id, "it was the network", "ann");
        }
    }

    [Fact]
    public async Task A_case_is_remembered_for_the_suggestion_that_was_found_helpful()
    {
        var verdict = Verdict(0.6);
        var second = verdict.Hypotheses[0] with { Cause = "tool_slow", Target = "search", Confidence = 0.3 };
        var view = await ResolveAsync(Fault(), verdict with { Hypotheses = [verdict.Hypotheses[0], second] });

        await _book.FeedbackAsync(null, view.Id, 0, helpful: false, "ann");
        await _book.FeedbackAsync(null, view.Id, 1, helpful: true, "ann");

        var past = Assert.Single(_book.Past("default"));
        Assert.Equal(("tool_slow", "search", 1), (past.Cause, past.Target, past.Helpful));
    }

    [Fact]
    public async Task What_the_analysis_did_not_stand_by_is_remembered_only_once_somebody_found_it_helpful()
    {
        var view = await ResolveAsync(Fault(), Verdict(0.4) with { UnableBecause = "no retrieval spans" });
        Assert.Empty(_book.Past("default"));

        await _book.FeedbackAsync(null, view.Id, 0, helpful: true, "ann");
        Assert.Single(_book.Past("default"));
    }

    [Fact]
    public async Task Imported_cases_are_remembered_after_a_restart_and_a_second_import_replaces_them()
    {
        var one = new PastCase("berlin/CASE-3", "bot", FailureClass.AGENT_LOOP, "tool_slow", "search", "more workers", [1, 0.5], 1, Now);
        await _book.ImportAsync("default", [one, one with { CaseId = "berlin/CASE-4" }], "ann");
        await _book.ImportAsync("default", [one with { FixApplied = "fewer calls" }], "ann");
        await _ledger.DisposeAsync();
        (_ledger, _book) = await OpenAsync();

        Assert.Equal(["fewer calls", "more workers"], _book.Past("default").OrderBy(past => past.CaseId).Select(past => past.FixApplied));
        Assert.Empty(_book.Past("another"));
    }

    private async Task<CaseView> ResolveAsync(Finding finding, Verdict verdict)
    {
        var (opened, _) = await RaiseAsync(finding);
        await _book.DiagnosedAsync(opened, verdict, default);
        await _book.ResolveAsync(null, opened.Id, "done", "ann");
        return _book.Find(null, opened.Id)!;
    }

    [Fact]
    public async Task The_severity_of_a_rule_that_joins_a_case_is_the_cases()
    {
        await RaiseAsync(Fault());
        var (view, isNew) = await RaiseAsync(Fault(id: "fnd-2", feature: "latency_p50") with { Trigger = "rule", Severity = "High" });
        await RaiseAsync(Fault(id: "fnd-3", feature: "error_rate") with { Trigger = "rule", Severity = "Low" });

        Assert.False(isNew);
        Assert.Equal(("High", "High"), (view.Severity, View().Severity));
    }

    private static ChangeEvent Seen(string id) => new(
        id, "default", "deploy", "bot", "service.version 2.5.0 first seen, 2.4.0 before", Now.AddMinutes(-6),
        new Dictionary<string, string>(StringComparer.Ordinal) { ["aspect"] = "service.version", ["value"] = "2.5.0", ["environment"] = "production" })
    { Source = ChangeEvent.Telemetry };

    [Fact]
    public async Task Words_of_people_and_telemetry_are_in_blobs_and_not_in_the_ledger()
    {
        var (opened, _) = await RaiseAsync(Fault());
        await _book.CommentAsync(null, opened.Id, "the customer is Jane Roe", "ann");

        var ledger = string.Concat(Directory.EnumerateFiles(Path.Combine(_folder, "ledger"), "*.seg").Select(file =>
        {
            // The ledger holds its files open for writing.
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            using var reader = new StreamReader(stream);
            return reader.ReadToEnd();
        }));

        Assert.Contains("case.commented", ledger, StringComparison.Ordinal);
        Assert.DoesNotContain("Jane Roe", ledger, StringComparison.Ordinal);
        Assert.DoesNotContain("relevance fell", ledger, StringComparison.Ordinal);

        foreach (var blob in Directory.EnumerateFiles(Path.Combine(_folder, "blobs"), "*", SearchOption.AllDirectories))
        {
            File.Delete(blob);
        }

        await _ledger.DisposeAsync();
        (_ledger, _book) = await OpenAsync();
        Assert.Equal("(deleted)", View().Timeline[^1].Words);
    }

    [Fact]
    public async Task Concurrent_appends_are_all_there_and_in_one_order()
    {
        var (opened, _) = await RaiseAsync(Fault());

        await Task.WhenAll(Enumerable.Range(0, 40).Select(i => _book.CommentAsync(null, opened.Id, $"comment {i}", "ann")));

        var sequences = View().Timeline.Select(line => line.Sequence).ToList();
        Assert.Equal(sequences.Order(), sequences);
        Assert.Equal(40, View().Timeline.Count(line => line.Type == "case.commented"));
    }

    [Fact]
    public void Every_event_has_a_stored_name_of_its_own_and_its_JSON_reads_back()
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var type in EventFormat.Types)
        {
            var constructor = type.GetConstructors().Single(one => one.GetParameters().Length > 1);
            var made = (FaultlineEvent)constructor.Invoke([.. constructor.GetParameters().Select(parameter => Sample(parameter.ParameterType))]);
            var (name, version, payload) = EventFormat.Write(made);

            Assert.True(names.Add(name), name);
            var read = EventFormat.Read(new LedgerEntry(0, Now, name, version, payload, default))!;
            Assert.Equal(made.GetType(), read.GetType());
            Assert.Equal(payload.ToArray(), EventFormat.Write(read).Payload.ToArray());
        }
    }

    private static object? Sample(Type type) =>
        type == typeof(string) ? "text" : type == typeof(int) ? 3 : type == typeof(long) ? 7L : type == typeof(double) ? 0.25 : type == typeof(bool) ? true
        : type == typeof(DateTimeOffset) || type == typeof(DateTimeOffset?) ? Now
        : type == typeof(IReadOnlyDictionary<string, long>) ? new Dictionary<string, long>(StringComparer.Ordinal) { ["spans"] = 3 }
        : type == typeof(IReadOnlyDictionary<string, string>) ? new Dictionary<string, string>(StringComparer.Ordinal) { ["old"] = "new" }
        : type.IsEnum ? Enum.GetValues(type).GetValue(1) : throw new NotSupportedException(type.Name);

    private static string Json(CaseView view)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            CaseJson.Write(json, view);
        }

        return System.Text.Encoding.UTF8.GetString(stream.ToArray());
    }

    private static Finding Fault(string id = "fnd-1", string service = "bot", string feature = "score:relevance") => new()
    {
        Id = id,
        Project = "default",
        Environment = "production",
        Service = service,
        Trigger = "baseline",
        Title = "relevance fell",
        FailureClass = FailureClass.RETRIEVAL_DRIFT,
        OnsetAt = Now.AddMinutes(-1),
        DetectedAt = Now,
        Symptoms = [new Symptom(feature, "relevance fell from 0.9 to 0.4", "q", 0.9, 0.8, double.PositiveInfinity, 0.4, "1")],
        BadTraces = [new TraceId(1)],
        GoodTraces = [new TraceId(2)],
        VerificationQuery = "vector(1)",
    };

    private static Verdict Verdict(double confidence) => new(
        FailureClass.RETRIEVAL_DRIFT,
        [new Hypothesis("index_stale", "help-centre", "the index is old", confidence, "re-index", "30 min", "Low", null, [new Evidence("series", "q@a..b", "fell")], [], "look")],
        [], [], null, [1, 0, 0.5]);

    private CaseView View() => _book.Find(null, new CaseId(1))!;

    private async Task<(CaseView Case, bool IsNew)> RaiseAsync(Finding finding) =>
        await _book.RaiseAsync(finding, _ => Task.FromResult(NoSnapshot), default) ?? throw new InvalidOperationException("The finding's case is over.");

    private async Task<(LedgerFile Ledger, CaseBook Book)> OpenAsync()
    {
        var time = new TestClock(Now);
        var ledger = await LedgerFile.OpenAsync(Path.Combine(_folder, "ledger"), time);
        return (ledger, await CaseBook.OpenAsync(ledger, Path.Combine(_folder, "blobs"), time));
    }
}
