using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Findings;
using Faultline.Telemetry.Changes;
using Xunit;

namespace Faultline.Tests.Diagnosis;

/// <summary>From simulated telemetry over detection to the verdict: look-alikes must be told apart.</summary>
public sealed class DiagnosticianTests
{
    private static readonly DateTimeOffset Start = new(2026, 3, 10, 14, 3, 0, TimeSpan.Zero);

    /// <summary>A fault: what it does, the change that is recorded with it (or none), and what must be said.</summary>
    internal sealed record Scenario(Behaviour Behaviour, (string Type, string Detail)? Change, string Cause, string Target, FailureClass Class);

    internal static readonly Dictionary<string, Scenario> Scenarios = new(StringComparer.Ordinal)
    {
        ["stale index, data change"] = new(new() { Relevance = 0.45, TopScore = 0.52 }, ("data", "412 articles replaced"), "index_stale", "help-centre", FailureClass.RETRIEVAL_DRIFT),
        ["stale index, nothing recorded"] = new(new() { Relevance = 0.45, TopScore = 0.52 }, null, "index_stale", "help-centre", FailureClass.RETRIEVAL_DRIFT),
        ["other embedding model"] = new(new() { Relevance = 0.4, TopScore = 0.45, EmbeddingModel = "text-embedding-3-large" }, ("config", "Embedding model of queries changed"), "embedding_model_changed", "text-embedding-3-large", FailureClass.RETRIEVAL_DRIFT),
        ["other embedding model, nothing recorded"] = new(new() { Relevance = 0.4, TopScore = 0.45, EmbeddingModel = "text-embedding-3-large" }, null, "embedding_model_changed", "text-embedding-3-large", FailureClass.RETRIEVAL_DRIFT),
        ["fewer documents"] = new(new() { Relevance = 0.6, Documents = 1 }, null, "retriever_parameters_changed", "help-centre", FailureClass.RETRIEVAL_DRIFT),
        ["empty retrievals"] = new(new() { Relevance = 0.5, EmptyShare = 0.8 }, null, "data_source_unavailable", "help-centre", FailureClass.RETRIEVAL_DRIFT),
        ["worse prompt"] = new(new() { Relevance = 0.55, PromptVersion = "13" }, ("prompt", "support-answer from 12 to 13"), "prompt_template_regressed", "support-answer", FailureClass.PROMPT_REGRESSION),
        ["worse prompt, nothing recorded"] = new(new() { Relevance = 0.55, PromptVersion = "13" }, null, "prompt_template_regressed", "support-answer", FailureClass.PROMPT_REGRESSION),
        ["stale index after an innocent deploy"] = new(new() { Relevance = 0.45, TopScore = 0.52, Release = "2.4.1" }, ("deploy", "support-bot 2.4.1"), "index_stale", "help-centre", FailureClass.RETRIEVAL_DRIFT),
        ["other model version answers"] = new(new() { Relevance = 0.6, ModelResponded = "gpt-4o-mini-2026-03-01" }, null, "model_version_changed", "gpt-4o-mini-2026-03-01", FailureClass.COHERENCE_DEGRADATION),
        ["other model asked"] = new(new() { Relevance = 0.6, ModelRequested = "tiny-1", ModelResponded = "tiny-1" }, ("deploy", "cheaper model"), "model_replaced", "tiny-1", FailureClass.COHERENCE_DEGRADATION),
        ["slow provider"] = new(new() { ModelSeconds = 4, FirstChunkSeconds = 2.5 }, null, "provider_degraded", "openai", FailureClass.LATENCY_REGRESS),
        ["failing provider"] = new(new() { ErrorShare = 0.5 }, null, "provider_degraded", "openai", FailureClass.LATENCY_REGRESS),
        ["tool down"] = new(new() { ToolErrorShare = 0.9 }, null, "tool_unavailable", "account", FailureClass.AGENT_LOOP),
        ["tool slow"] = new(new() { ToolSeconds = 5 }, null, "tool_slow", "account", FailureClass.LATENCY_REGRESS),
        ["answers cut off"] = new(new() { Relevance = 0.6, LengthShare = 0.7, MaxTokens = "60", OutputTokens = 55 }, null, "max_tokens_lowered", "gpt-4o-mini", FailureClass.COHERENCE_DEGRADATION),
        ["bad release"] = new(new() { Relevance = 0.55, Release = "2.5.0" }, ("deploy", "support-bot 2.5.0"), "deploy_regressed", "support-bot", FailureClass.COHERENCE_DEGRADATION),
        ["longer questions"] = new(new() { InputTokens = 2100 }, null, "traffic_shifted", "support-bot", FailureClass.TOKEN_EXPLOSION),
        ["failing provider after an innocent prompt change"] = new(new() { ErrorShare = 0.5, PromptVersion = "13" }, ("prompt", "support-answer from 12 to 13"), "provider_degraded", "openai", FailureClass.LATENCY_REGRESS),
        ["loop after a prompt change"] = new(new() { SameCalls = 50, PromptVersion = "13" }, ("prompt", "support-answer from 12 to 13"), "loop_same_call", "account", FailureClass.AGENT_LOOP),
    };

    public static TheoryData<string> Names => [.. Scenarios.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Each_fault_is_named_with_evidence_that_is_stored(string name)
    {
        var scenario = Scenarios[name];
        var (rig, finding, changes) = await PlayAsync(scenario, seed: 11);
        var verdict = await new Diagnostician(rig.Telemetry.Source, rig.Clock).DiagnoseAsync(finding, changes, []);

        var said = string.Join("; ", verdict.Hypotheses.Select(hypothesis => $"{hypothesis.Cause}({hypothesis.Target}) {hypothesis.Confidence}"));
        Assert.True(string.Equals(scenario.Cause, verdict.Hypotheses[0].Cause, StringComparison.Ordinal), $"{name}: {said}");
        Assert.Equal(scenario.Target, verdict.Hypotheses[0].Target);
        Assert.True(verdict.Hypotheses[0].Confidence >= 0.5, said);
        Assert.Null(verdict.UnableBecause);
        Assert.Equal(scenario.Class, verdict.FailureClass);
        Assert.NotEmpty(verdict.Hypotheses[0].For);
        foreach (var evidence in verdict.Hypotheses.SelectMany(hypothesis => hypothesis.For.Concat(hypothesis.Against)))
        {
            switch (evidence.Kind)
            {
                case "span":
                    Assert.True(rig.Telemetry.HasSpan(evidence.Ref), evidence.Ref);
                    break;
                case "change":
                    Assert.Contains(evidence.Ref, changes.Select(change => change.Id), StringComparer.Ordinal);
                    break;
                default:
                    Assert.Equal("series", evidence.Kind);
                    Assert.Matches(@"^faultline_feature\{.*\}@\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\.\.\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", evidence.Ref);
                    break;
            }
        }

        if (scenario.Change is not null && scenario.Cause is not ("embedding_model_changed" or "index_stale" or "provider_degraded"))
        {
            Assert.Contains(verdict.Hypotheses[0].For, evidence => evidence.Kind is "change");
        }
    }

    /// <summary>The first answer is given when the finding is raised, from the few windows that there are by then.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public async Task Each_fault_is_named_at_once(string name)
    {
        var scenario = Scenarios[name];
        var (rig, finding, changes) = await PlayAsync(scenario, seed: 21, untilRaised: true);
        var verdict = await new Diagnostician(rig.Telemetry.Source, rig.Clock).DiagnoseAsync(finding, changes, []);
        Assert.True(
            string.Equals(scenario.Cause, verdict.Hypotheses[0].Cause, StringComparison.Ordinal),
            $"{name}, {finding.Title}: {string.Join("; ", verdict.Hypotheses.Select(hypothesis => $"{hypothesis.Cause}({hypothesis.Target}) {hypothesis.Confidence}"))}");
    }

    [Fact]
    public async Task A_loop_after_a_prompt_change_names_the_prompt_as_the_competing_cause()
    {
        var (rig, finding, changes) = await PlayAsync(Scenarios["loop after a prompt change"], seed: 12);
        var verdict = await new Diagnostician(rig.Telemetry.Source, rig.Clock).DiagnoseAsync(finding, changes, []);
        Assert.Equal("loop_same_call", verdict.Hypotheses[0].Cause);
        Assert.Contains(verdict.Hypotheses[0].For, evidence => evidence.Kind is "change");
        Assert.Equal("prompt_template_regressed", verdict.Hypotheses[1].Cause);
        Assert.Equal("15 min", verdict.Hypotheses[0].Effort);
    }

    [Fact]
    public async Task The_chain_lights_the_earliest_abnormal_stage()
    {
        var (rig, finding, changes) = await PlayAsync(Scenarios["stale index, data change"], seed: 13);
        var verdict = await new Diagnostician(rig.Telemetry.Source, rig.Clock).DiagnoseAsync(finding, changes, []);
        Assert.Equal("retrieve prompt model tools output", string.Join(' ', verdict.Chain.Select(stage => stage.Stage)));
        Assert.Equal("retrieve output", string.Join(' ', verdict.Chain.Where(stage => stage.Abnormal).Select(stage => stage.Stage)));
    }

    [Fact]
    public async Task The_second_occurrence_cites_the_first_and_rejections_sink_it()
    {
        var scenario = Scenarios["stale index, nothing recorded"];
        var (rig, finding, changes) = await PlayAsync(scenario, seed: 14);
        var diagnostician = new Diagnostician(rig.Telemetry.Source, rig.Clock);
        var first = await diagnostician.DiagnoseAsync(finding, changes, []);
        PastCase Past(int helpful) => new("CASE-1", "support-bot", first.FailureClass, "index_stale", "help-centre", "re-indexed", first.Signature, helpful, Start.AddDays(-1));

        var second = await diagnostician.DiagnoseAsync(finding, changes, [Past(1)]);
        Assert.Equal("CASE-1", second.Hypotheses[0].SimilarCase);
        Assert.Contains(second.Hypotheses[0].For, evidence => evidence is { Kind: "case", Ref: "CASE-1" });
        Assert.True(second.Hypotheses[0].Confidence > first.Hypotheses[0].Confidence);

        var rejected = await diagnostician.DiagnoseAsync(finding, changes, [Past(-3)]);
        Assert.True(rejected.Hypotheses[0].Confidence < first.Hypotheses[0].Confidence);
        Assert.Contains(rejected.Hypotheses.Single(hypothesis => hypothesis.Cause is "index_stale").Against, evidence => evidence.Kind is "case");
    }

    [Fact]
    public async Task A_fault_that_nothing_explains_is_not_guessed_at()
    {
        // Answers get worse and nothing else differs: no stage, no attribute, no change.
        var (rig, finding, changes) = await PlayAsync(new Scenario(new() { Relevance = 0.5 }, null, "unknown", "support-bot", FailureClass.COHERENCE_DEGRADATION), seed: 15);
        var verdict = await new Diagnostician(rig.Telemetry.Source, rig.Clock).DiagnoseAsync(finding, changes, []);
        Assert.StartsWith("Unable to determine root cause.", verdict.UnableBecause, StringComparison.Ordinal);
        Assert.Contains("No change was recorded", verdict.UnableBecause, StringComparison.Ordinal);
        Assert.All(verdict.Hypotheses, static hypothesis => Assert.True(hypothesis.Confidence < 0.2));
    }

    /// <summary>A fault that grows stands out late: what telemetry began to carry shortly before the onset is then in good traces, too.</summary>
    [Fact]
    public async Task A_model_first_seen_shortly_before_the_onset_sets_the_bad_traces_apart()
    {
        var rig = new Rig(Start) { KeepsTelemetry = true };
        var bot = new SimulatedBot(17);
        await rig.HistoryAsync(bot, TimeSpan.FromDays(2), TimeSpan.FromMinutes(20));
        await rig.LiveAsync(bot, TimeSpan.FromSeconds(90), new Behaviour());
        ChangeEvent seen = new(
            "chg-0123456789abcdef", "default", "model", "support-bot", "model tiny-1 first seen, gpt-4o-mini before", rig.Clock.Now, new Dictionary<string, string>(StringComparer.Ordinal))
        { Source = ChangeEvent.Telemetry };

        // Somebody said so, or the other model itself would be the finding.
        rig.Detection.Changed(seen with { Source = ChangeEvent.Recorded });
        await rig.LiveAsync(bot, TimeSpan.FromSeconds(600), new Behaviour { ModelRequested = "tiny-1", ModelResponded = "tiny-1" });
        Assert.Empty(rig.News);
        await rig.LiveAsync(bot, TimeSpan.FromSeconds(120), new Behaviour { ModelRequested = "tiny-1", ModelResponded = "tiny-1", Relevance = 0.55 });
        var finding = rig.Raised.Last();
        Assert.True(finding.OnsetAt > seen.At.AddMinutes(5), $"{finding.OnsetAt} is too near to {seen.At} to show it.");

        var verdict = await new Diagnostician(rig.Telemetry.Source, rig.Clock).DiagnoseAsync(finding, [seen], []);
        Assert.Equal("model_replaced", verdict.Hypotheses[0].Cause);
        Assert.Contains(verdict.Distinctions, distinction => distinction is { Attribute: "model.requested", Value: "tiny-1", ShareOfGood: < 0.05 });

        var unseen = await new Diagnostician(rig.Telemetry.Source, rig.Clock).DiagnoseAsync(finding, [], []);
        Assert.DoesNotContain(unseen.Distinctions, distinction => distinction.Attribute is "model.requested");
    }

    /// <summary>All bad traces have the newest template; so had those of the ten minutes before, and they were well.</summary>
    [Fact]
    public async Task A_template_that_ran_well_before_the_onset_is_told_so_with_how_many_requests_said_it()
    {
        var rig = new Rig(Start) { KeepsTelemetry = true };
        var bot = new SimulatedBot(18);
        await rig.HistoryAsync(bot, TimeSpan.FromDays(2), TimeSpan.FromMinutes(20));
        await rig.LiveAsync(bot, TimeSpan.FromSeconds(90), new Behaviour());
        ChangeEvent edited = new(
            "chg-0123456789abcdef", "default", "prompt", "support-bot", "typo corrected", rig.Clock.Now, new Dictionary<string, string>(StringComparer.Ordinal));
        await rig.LiveAsync(bot, TimeSpan.FromMinutes(10), new Behaviour { PromptVersion = "13" });
        Assert.Empty(rig.News);
        await rig.LiveAsync(bot, TimeSpan.FromSeconds(120), new Behaviour { PromptVersion = "13", Relevance = 0.5 });

        var verdict = await new Diagnostician(rig.Telemetry.Source, rig.Clock).DiagnoseAsync(rig.Raised.Last(), [edited], []);
        var blamed = verdict.Hypotheses.Single(static one => one.Cause == "prompt_template_regressed");
        var against = Assert.Single(blamed.Against, static evidence => evidence.Text.Contains("before the onset", StringComparison.Ordinal));
        Assert.Matches(@"^Of \d+ requests with prompt [a-z-]+@13 before the onset (none shows|[1-9] % show) it; since then (9\d|100) % do\.$", against.Text);
        Assert.True(blamed.Confidence < 0.5, $"{blamed.Confidence}");
    }

    internal static async Task<(Rig Rig, Finding Finding, IReadOnlyList<ChangeEvent> Changes)> PlayAsync(Scenario scenario, int seed, bool untilRaised = false)
    {
        var rig = new Rig(Start) { KeepsTelemetry = true };
        var bot = new SimulatedBot(seed);
        await rig.HistoryAsync(bot, TimeSpan.FromDays(2), TimeSpan.FromMinutes(20));
        await rig.LiveAsync(bot, TimeSpan.FromSeconds(90), new Behaviour());
        Assert.Empty(rig.News);
        IReadOnlyList<ChangeEvent> changes = scenario.Change is { } change
            ? [new ChangeEvent("chg-0123456789abcdef", "default", change.Type, "support-bot", change.Detail, rig.Clock.Now, new Dictionary<string, string>(StringComparer.Ordinal))]
            : [];
        await rig.LiveAsync(bot, TimeSpan.FromSeconds(120), scenario.Behaviour, untilRaised);
        Assert.NotEmpty(rig.News);
        Assert.Single(rig.Raised.Select(finding => finding.Id).Distinct(StringComparer.Ordinal));
        return (rig, rig.Raised.Last(), changes);
    }
}
