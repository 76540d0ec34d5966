using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Findings;
using Faultline.Diagnosis.Watchers.AgentRuns;
using Faultline.Store.Traces;
using Faultline.Telemetry.Spans;
using Xunit;
using static Faultline.Tests.Diagnosis.Causes.KnownFacts;

namespace Faultline.Tests.Diagnosis.Causes;

/// <summary>What single facts do to causes.</summary>
public sealed class CauseTests
{
    private static readonly Feature Relevance = FeatureTable.Score("relevance");

    [Fact]
    public void Of_two_causes_that_fit_alike_the_one_a_past_case_had_comes_first_and_three_rejections_sink_it()
    {
        static Verdict Of(params PastCase[] past) => new KnownFacts { Spans = static (_, bad) => [Retrieval("guides", bad ? 0.5 : 0.8, 4), Call()] }
            .Moved(FeatureTable.RetrievalTopScore, 0.8, 0.5).Conclude(past);
        var alone = Of();
        var (first, second) = (alone.Hypotheses[0], alone.Hypotheses[1]);
        PastCase Past(int helpful) => new("CASE-7", KnownFacts.Service, alone.FailureClass, second.Cause, second.Target, "mended", alone.Signature, helpful, KnownFacts.Onset.AddDays(-3));

        var remembered = Of(Past(1)).Hypotheses[0];
        Assert.True(remembered.Cause == second.Cause && remembered.SimilarCase == "CASE-7" && remembered.Confidence > second.Confidence, Said(alone) + " / " + Said(Of(Past(1))));
        Assert.Contains(remembered.For, static evidence => evidence is { Kind: "case", Ref: "CASE-7" });

        var rejected = Of(Past(-3));
        Assert.Equal(first.Cause, rejected.Hypotheses[0].Cause);
        Assert.True(rejected.Hypotheses.Single(one => one.Cause == second.Cause).Confidence < second.Confidence / 2, Said(rejected));
    }

    [Fact]
    public void Who_goes_wrong_first_in_the_runs_speaks_for_what_is_about_them_and_nothing_else()
    {
        static Verdict Of(string agent, string tool) => new KnownFacts
        {
            Spans = static (_, bad) => [Call(), KnownFacts.Span("look up", KnownFacts.Nothing with { Operation = "tool", Tool = "look_up" }) with { Status = bad ? SpanStatus.Error : SpanStatus.Unset, StatusMessage = bad ? "down" : "" }],
            Runs = [new RunFault(new TraceId(1000), new SpanId(1), [tool], 4, new RunCritique(agent, 1, 0.4, [], ["it is the first step whose result is an error"]))],
        }.Moved(FeatureTable.ToolErrorRate, 0, 0.9, "look_up").Conclude();

        var about = Of("clerk", "look_up");
        Assert.Equal("In 1 of 1 failed runs that were read, clerk seems to go wrong first; here in message 2 of 4: it is the first step whose result is an error.", Assert.Single(about.Where).Text);
        Assert.True(about.Hypotheses[0] is { Cause: "tool_unavailable", Target: "look_up" }, Said(about));
        Assert.Contains(about.Where[0], about.Hypotheses[0].For);
        var other = Of("clerk", "write_down");
        Assert.DoesNotContain(other.Where[0], other.Hypotheses[0].For);
        Assert.True(other.Hypotheses[0].Confidence <= about.Hypotheses[0].Confidence);
    }

    [Fact]
    public void A_model_that_was_in_use_before_is_where_it_fails_not_what_changed()
    {
        static SpanSummary Failed(bool bad) => Call() with { Status = bad ? SpanStatus.Error : SpanStatus.Unset, StatusMessage = bad ? "overloaded" : "" };
        static KnownFacts Failing(Func<int, IEnumerable<SpanSummary>>? well) => new KnownFacts
        {
            FailureClass = FailureClass.LATENCY_REGRESS,
            Spans = static (i, bad) => [bad || i % 2 == 0 ? Failed(bad) : Call(model: "claude-sonnet-4")],
            Well = well,
        }.Moved(FeatureTable.ModelErrorRate, 0.002, 0.5, "gpt-4o");

        // As many requests as before go to the other model, and are well.
        var verdict = Failing(static _ => [Call(model: "claude-sonnet-4")]).Conclude();
        Assert.True(verdict.Hypotheses[0] is { Cause: "provider_degraded", Target: "openai" }, Said(verdict));
        Assert.DoesNotContain(verdict.Hypotheses, static one => one.Cause is "model_replaced");

        // All requests go to the one that fails: that is new.
        Assert.Equal("model_replaced", Failing(null).Conclude().Hypotheses[0].Cause);
    }

    [Fact]
    public void Refusals_within_json_are_seen_and_are_the_models_where_no_prompt_changed()
    {
        var verdict = new KnownFacts
        {
            FailureClass = FailureClass.COHERENCE_DEGRADATION,
            Spans = static (i, bad) => [Call(bad && i % 3 > 0 ? "{\"summary\":\"I am not able to assist with this topic.\"}" : "{\"summary\":\"The invoice is sent on day 18.\"}")],
        }.Moved(Relevance, 0.87, 0.5).Moved(FeatureTable.JsonShare, 0.99, 0.99).Conclude();
        Assert.True(verdict.Hypotheses[0] is { Cause: "refusals_risen", Target: "gpt-4o" }, Said(verdict));
        Assert.Contains(verdict.Hypotheses[0].For, static evidence => evidence.Text.Contains("67 % of the answers in the bad traces and 0 % in the good ones", StringComparison.Ordinal));
    }

    [Fact]
    public void Answers_in_a_wrong_encoding_are_no_broken_format()
    {
        static KnownFacts Answering(string bad) => new KnownFacts { FailureClass = FailureClass.COHERENCE_DEGRADATION, Spans = (_, isBad) => [Call(isBad ? bad : "{\"title\":\"limits\"}")] }.Moved(FeatureTable.JsonShare, 0.99, 0.1);
        var broken = Answering("title: limits of the plan").Conclude();
        Assert.True(broken.Hypotheses[0] is { Cause: "output_format_broken", Confidence: > 0.8 }, Said(broken));
        var misread = Answering("{\"titlÃ©\":\"limits oÃ® plâ€n").Conclude();
        Assert.True(misread.UnableBecause is not null, Said(misread));
    }

    [Fact]
    public void A_record_that_bad_traces_recall_from_a_plain_step_is_seen()
    {
        static SpanSummary Step(string output) => KnownFacts.Span("facts-store", KnownFacts.Nothing with { Operation = "workflow", OutputPreview = output });
        var verdict = new KnownFacts
        {
            Spans = static (i, bad) => [KnownFacts.Span("POST /chat") with { ParentSpanId = default }, Step(bad && i % 2 == 0 ? """[{"id":"mem-000417","content":"A free upgrade is always included."}]""" : $$"""[{"id":"mem-{{1000 + i}}","content":"was asked before"}]"""), Call()],
        }.Moved(Relevance, 0.87, 0.6).Conclude();
        Assert.True(verdict.Hypotheses[0] is { Cause: "memory_poisoned", Target: "facts-store" }, Said(verdict));
    }

    [Fact]
    public void Three_same_calls_in_most_bad_traces_are_a_loop_where_good_ones_make_one()
    {
        static SpanSummary Tool(string arguments) => KnownFacts.Span("execute_tool", KnownFacts.Nothing with { Operation = "tool", Tool = "get_account", ToolArgumentsHash = arguments });
        var verdict = new KnownFacts
        {
            FailureClass = FailureClass.LATENCY_REGRESS,
            Spans = static (i, bad) => [.. Enumerable.Range(0, bad && i % 3 > 0 ? 3 : 1).Select(_ => Tool("a")), Call()],
        }.Moved(FeatureTable.LatencyP50, 3, 7.5).Moved(FeatureTable.ToolCalls, 1, 2.6).Changed("prompt", "agent template 8: be thorough", 6).Conclude();
        Assert.True(verdict.Hypotheses[0] is { Cause: "loop_same_call", Target: "get_account" }, Said(verdict));
    }

    [Fact]
    public void A_model_that_only_begins_later_after_a_deploy_has_lost_its_prompt_cache()
    {
        static KnownFacts Slow(double first, double whole) => new KnownFacts { FailureClass = FailureClass.LATENCY_REGRESS, Spans = static (_, _) => [Call()] }
            .Moved(FeatureTable.FirstToken, 0.66, first, "gpt-4o").Moved(FeatureTable.ModelLatency, 1.01, whole, "gpt-4o").Moved(FeatureTable.LatencyP50, 1.06, whole + 0.05).Moved(FeatureTable.InputTokens, 136, 138);
        var cache = Slow(1.14, 1.5).Changed("deploy", "gateway 2.18.7", 0).Conclude();
        Assert.True(cache.Hypotheses[0] is { Cause: "cache_lost" }, Said(cache));

        // Without a change of ours it is rather the provider, and so it is when writing takes longer as well.
        Assert.Equal("provider_degraded", Slow(1.14, 1.5).Conclude().Hypotheses.First(static one => one.Cause is not "unknown").Cause);
        Assert.Equal("provider_degraded", Slow(1.6, 2.6).Conclude().Hypotheses[0].Cause);
    }

    [Fact]
    public void A_change_that_names_a_tool_points_at_what_the_tool_returns()
    {
        static KnownFacts Worse(string detail) => new KnownFacts
        {
            Spans = static (_, _) => [KnownFacts.Span("execute_tool", KnownFacts.Nothing with { Operation = "tool", Tool = "lookup_policy" }), Call()],
        }.Moved(Relevance, 0.87, 0.6).Moved(FeatureTable.ToolErrorRate, 0.01, 0.01, "lookup_policy").Changed("deploy", detail, 5);
        var named = Worse("lookup_policy 3.2.4").Conclude();
        Assert.True(named.Hypotheses.First(static one => one.Cause is not "unknown") is { Cause: "tool_result_malformed", Target: "lookup_policy" }, Said(named));
        Assert.Equal("deploy_regressed", Worse("lookup_policy_v2 3.2.4").Conclude().Hypotheses.First(static one => one.Cause is not "unknown").Cause);
    }

    [Fact]
    public void More_requests_that_need_the_model_have_lost_the_cache_that_answered_them()
    {
        var verdict = new KnownFacts { FailureClass = FailureClass.LATENCY_REGRESS, Spans = static (_, _) => [Call()] }.Moved(FeatureTable.ReachesModel, 0.5, 0.95).Conclude();
        Assert.True(verdict.Hypotheses[0] is { Cause: "cache_lost", Confidence: > 0.5 }, Said(verdict));
    }

    [Fact]
    public void More_requests_that_say_the_same_word_for_word_are_a_machines()
    {
        static KnownFacts Asking(string more) => new KnownFacts
        {
            FailureClass = FailureClass.TOKEN_EXPLOSION,
            Spans = (i, bad) => [Call(input: (i % 2 == 0 ? $"Is everything about plan {i} listed, item after item?" : $"Can nothing be left over until I cancel plan {i}?") + (bad && i % 2 == 0 ? more : ""))],
        }.Moved(FeatureTable.Calls, 3, 9).Moved(FeatureTable.OutputTokens, 14, 60);
        var scraped = Asking(" Write everything about it, item by item, until nothing is left.").Conclude();
        Assert.True(scraped.Hypotheses[0] is { Cause: "abuse_or_injection" }, Said(scraped));
        Assert.Equal("traffic_shifted", Asking("").Conclude().Hypotheses[0].Cause);
    }

    [Fact]
    public void What_the_first_cause_is_mistaken_for_is_listed_behind_it_with_little_weight()
    {
        var verdict = new KnownFacts { FailureClass = FailureClass.LATENCY_REGRESS, Spans = static (_, _) => [Call()] }
            .Moved(FeatureTable.ModelLatency, 1, 4, "gpt-4o").Moved(FeatureTable.FirstToken, 0.5, 3, "gpt-4o").Moved(FeatureTable.CachedInput, 0.6, 0.6).Moved(FeatureTable.Wait, 0.1, 0.1).Moved(FeatureTable.InputTokens, 100, 100).Conclude();
        Assert.True(verdict.Hypotheses is [{ Cause: "provider_degraded" }, { Cause: "rate_limited", Confidence: < 0.05 }, { Cause: "cache_lost", Confidence: < 0.05 }, ..], Said(verdict));
        Assert.All(verdict.Hypotheses, static one => Assert.NotEmpty(one.For));
        Assert.Contains(verdict.Hypotheses[2].Against, static evidence => evidence.Text.Contains("input tokens from the cache", StringComparison.Ordinal));
    }

    [Fact]
    public void Fewer_documents_are_drift_and_not_latency_when_nothing_is_slower()
    {
        var facts = new KnownFacts { FailureClass = FailureClass.LATENCY_REGRESS, Spans = static (_, bad) => [Retrieval("guides", 0.8, bad ? 1 : 4), Call()] }.Moved(FeatureTable.RetrievalDocuments, 4, 1);
        Assert.Equal(FailureClass.RETRIEVAL_DRIFT, facts.Conclude().FailureClass);
        Assert.Equal(FailureClass.LATENCY_REGRESS, facts.Moved(FeatureTable.LatencyP50, 1, 3).Conclude().FailureClass);
    }

    [Fact]
    public void Evaluators_of_ours_never_change_so_when_theirs_fall_alike_ours_tell_whether_the_answers_did()
    {
        static KnownFacts Judged() => new KnownFacts { Spans = static (_, _) => [Call()] }
            .Moved(FeatureTable.Score("faithfulness"), 0.9, 0.63).Moved(FeatureTable.Score("helpfulness"), 0.8, 0.58).Moved(Relevance, 0.85, 0.6);

        var steady = Judged().Moved(FeatureTable.Score("coherence"), 0.95, 0.95, isOurs: true).Conclude();
        Assert.True(steady.Hypotheses[0] is { Cause: "evaluator_changed", Confidence: > 0.5 }, Said(steady));

        var fell = Judged().Moved(FeatureTable.Score("coherence"), 0.95, 0.6, isOurs: true).Conclude();
        var doubted = fell.Hypotheses.Single(static one => one.Cause is "evaluator_changed");
        Assert.True(doubted.Confidence < 0.5 && doubted.Against.Any(static one => one.Text.Contains("oherence", StringComparison.Ordinal)), Said(fell));

        var onlyOurs = new KnownFacts { Spans = static (_, _) => [Call()] }.Moved(FeatureTable.Score("coherence"), 0.95, 0.6, isOurs: true).Conclude();
        Assert.DoesNotContain(onlyOurs.Hypotheses, static one => one.Cause is "evaluator_changed");
    }

    [Fact]
    public void Empty_retrievals_after_a_higher_cut_off_are_its_doing_and_not_a_source_that_is_gone()
    {
        // Of the bad traces every third found nothing, the others less than usual.
        static KnownFacts Cut() => new KnownFacts { Spans = static (i, bad) => [Retrieval("guides", 0.8, bad ? (i % 3 == 0 ? 0 : 2) : 5), Call()] }
            .Moved(FeatureTable.RetrievalEmpty, 0, 0.33);
        var told = Cut().Changed("config", "minimum score raised").Conclude();
        Assert.True(told.Hypotheses[0] is { Cause: "retriever_parameters_changed", Target: "guides" }, Said(told));

        // All or nothing, and nobody touched a setting: the source is gone.
        var gone = new KnownFacts { Spans = static (i, bad) => [Retrieval("guides", 0.8, bad && i % 2 == 0 ? 0 : 5), Call()] }.Moved(FeatureTable.RetrievalEmpty, 0, 0.5).Conclude();
        Assert.True(gone.Hypotheses[0] is { Cause: "data_source_unavailable", Target: "guides" }, Said(gone));
    }

    [Fact]
    public void Waiting_that_comes_with_many_times_the_requests_is_the_loads_doing()
    {
        static KnownFacts Waiting(double calls) => new KnownFacts { FailureClass = FailureClass.LATENCY_REGRESS, Spans = static (_, _) => [Call()] }
            .Moved(FeatureTable.Wait, 0.01, 0.5).Moved(FeatureTable.Calls, 1, calls);
        var flooded = Waiting(5).Conclude();
        Assert.True(flooded.Hypotheses[0].Cause is "traffic_shifted", Said(flooded));

        var busier = Waiting(1.8).Conclude();
        Assert.True(busier.Hypotheses[0].Cause is "queueing", Said(busier));
    }

    [Fact]
    public void A_service_that_fails_by_itself_after_a_deploy_was_broken_by_it()
    {
        static KnownFacts Failing() => new KnownFacts { FailureClass = FailureClass.LATENCY_REGRESS, Spans = static (_, _) => [Call()] }
            .Moved(FeatureTable.ErrorRate, 0, 0.6).Changed("deploy", "bot 3.9.0", minutesBefore: 3);
        var alone = Failing().Conclude();
        Assert.True(alone.Hypotheses[0] is { Cause: "deploy_regressed", Confidence: > 0.5 }, Said(alone));

        var called = Failing().Moved(FeatureTable.DependencyErrorRate, 0, 0.6, "crm.internal").Conclude();
        Assert.True(called.Hypotheses[0] is { Cause: "network_or_dependency", Target: "crm.internal" }, Said(called));
    }

    [Fact]
    public void Time_that_is_spent_in_the_model_is_not_the_releases()
    {
        static Verdict Of(double model) => new KnownFacts
        {
            FailureClass = FailureClass.LATENCY_REGRESS,
            Spans = static (_, bad) => [Call() with { Release = bad ? "1.1.1" : "1.1.0" }],
        }
            .Moved(FeatureTable.LatencyP50, 1.25, 1.72).Moved(FeatureTable.ModelLatency, 1.15, model, "gpt-4o").Conclude();
        Assert.True(Of(1.15).Hypotheses[0] is { Cause: "deploy_regressed", Confidence: > 0.5 }, Said(Of(1.15)));
        Assert.False(Of(1.5).Hypotheses[0] is { Cause: "deploy_regressed", Confidence: > 0.5 }, Said(Of(1.5)));
    }

    [Fact]
    public void A_search_that_is_no_longer_told_makes_no_question_new()
    {
        // The model is given what was found as well; while searches are told, they say what was asked.
        static IEnumerable<SpanSummary> Of(int i, bool bad) => bad
            ? [Call(input: $"[results-{i}] Results of clinic number {i} are ready within seven days and kept in the portal. When are results ready")]
            : [Retrieval("guides", 0.8, 5) with { GenAi = KnownFacts.Nothing with { Operation = "retrieval", DataSource = "guides", DocumentTopScore = 0.8, DocumentCount = 5, InputPreview = "When are results ready" } },
               Call(input: $"[results-{i}] Results of clinic number {i} are ready within seven days and kept in the portal. When are results ready")];
        var verdict = new KnownFacts { Spans = Of }.Moved(FeatureTable.StageMissing, 0, 0.95, "retrieval").Conclude();
        Assert.True(verdict.Hypotheses[0].Cause is "telemetry_missing", Said(verdict));
        Assert.DoesNotContain(verdict.Hypotheses, static one => one is { Cause: "input_language_or_topic_shifted", For.Count: > 1 } or { Cause: "input_language_or_topic_shifted", Confidence: > 0.1 });
    }

    /// <summary>Requests that take the time of reranking were reranked; shorter ones were not.</summary>
    [Fact]
    public void Whether_requests_take_a_stages_time_says_whether_it_or_its_telemetry_is_gone()
    {
        static KnownFacts Facts() => new() { Spans = static (_, bad) => bad ? [Call()] : [KnownFacts.Span("rerank", KnownFacts.Nothing with { Operation = "rerank" }), Call()] };
        var untold = Facts().Moved(FeatureTable.StageUntold, 0, 0.97, "rerank").Conclude();
        Assert.True(untold.Hypotheses[0] is { Cause: "telemetry_missing", Confidence: > 0.8 }, Said(untold));
        Assert.DoesNotContain(untold.Hypotheses, static one => one.Cause is "reranker_failed");
        var skipped = Facts().Moved(FeatureTable.StageMissing, 0, 0.97, "rerank").Conclude();
        Assert.True(skipped.Hypotheses[0] is { Cause: "reranker_failed", Confidence: > 0.8 }, Said(skipped));
    }

    [Fact]
    public void A_release_that_brings_waiting_with_it_is_no_queue_unless_more_requests_or_fewer_workers_do()
    {
        static KnownFacts Waiting() => new KnownFacts { FailureClass = FailureClass.LATENCY_REGRESS, Spans = static (_, bad) => [Call() with { Release = bad ? "1.30.0" : "1.29.6" }] }
            .Moved(FeatureTable.Wait, 0.01, 0.7).Moved(FeatureTable.LatencyP50, 1.5, 5.5);
        var released = Waiting().Conclude();
        Assert.True(released.Hypotheses[0] is { Cause: "deploy_regressed", Confidence: > 0.5 }, Said(released));

        var scaled = Waiting().Changed("config", "fewer workers to save cost").Conclude();
        Assert.True(scaled.Hypotheses[0].Cause is "queueing", Said(scaled));
    }

    [Fact]
    public void Prompts_that_end_at_one_length_and_are_as_long_as_ever_are_not_cut()
    {
        static SpanSummary Sized(long tokens) => KnownFacts.Span("chat", KnownFacts.Nothing with { Operation = "chat", ModelRequested = "gpt-4o", InputTokens = tokens });
        static KnownFacts Of() => new() { FailureClass = FailureClass.CONTEXT_OVERFLOW, Spans = static (i, bad) => [Sized(bad ? (i % 2 == 0 ? 323 : 300 + i % 5) : 300 + (4 * i))] };
        var cut = Of().Moved(FeatureTable.InputTokens, 420, 315).Conclude();
        Assert.Contains(cut.Hypotheses, static one => one is { Cause: "context_truncated", Confidence: > 0.5 });

        var asEver = Of().Moved(FeatureTable.InputTokens, 320, 318).Conclude();
        Assert.DoesNotContain(asEver.Hypotheses, static one => one is { Cause: "context_truncated", Confidence: > 0.5 });
    }

    [Fact]
    public void Longer_prompts_are_the_users_only_where_somebody_saw_that_they_wrote_more()
    {
        static Verdict Of(Func<int, bool, string> input) => new KnownFacts { FailureClass = FailureClass.TOKEN_EXPLOSION, Spans = (i, bad) => [Call(input: input(i, bad))] }
            .Moved(FeatureTable.InputTokens, 150, 600).Conclude();
        var written = Of(static (i, bad) => bad ? $"Which vaccines does clinic number {i} offer to travellers who go to the coast, and which of them are paid for by the insurance of number {i}" : $"Which vaccines does clinic {i} offer");
        Assert.True(written.Hypotheses[0] is { Cause: "traffic_shifted", Confidence: > 0.5 }, Said(written));

        var asEver = Of(static (i, _) => $"Which vaccines does clinic {i} offer");
        Assert.False(asEver.Hypotheses[0] is { Cause: "traffic_shifted", Confidence: > 0.5 }, Said(asEver));
    }

    [Fact]
    public void New_words_that_were_counted_as_they_came_tell_another_topic_where_no_text_is_left()
    {
        var verdict = new KnownFacts { Spans = static (_, _) => [Call()] }.Moved(FeatureTable.NewInput, 0, 0.87).Moved(Relevance, 0.8, 0.55).Conclude();
        Assert.True(verdict.Hypotheses[0] is { Cause: "input_language_or_topic_shifted", Confidence: > 0.5 }, Said(verdict));
    }

    /// <summary>Place among the causes that are named, from 0 on.</summary>
    private static int Rank(Verdict verdict, string cause) =>
        verdict.Hypotheses.Where(static one => one.Cause is not "unknown").Select(static one => one.Cause).ToList().IndexOf(cause) is >= 0 and var rank ? rank : int.MaxValue;

    [Fact]
    public void A_tool_that_fails_in_words_nobody_knows_may_refuse_what_another_prompt_sends()
    {
        static KnownFacts Failing(string words) => new KnownFacts
        {
            FailureClass = FailureClass.AGENT_LOOP,
            Spans = (_, bad) => [Call(), KnownFacts.Span("look up", KnownFacts.Nothing with { Operation = "tool", Tool = "look_up" }) with { Status = bad ? SpanStatus.Error : SpanStatus.Unset, StatusMessage = bad ? words : "" }],
        }.Moved(FeatureTable.ToolErrorRate, 0, 0.9, "look_up").Changed("prompt", "shorter wording");

        var unsaid = Failing("Kunde inte tolkas").Conclude();
        Assert.True(Rank(unsaid, "tool_schema_changed") < 2 && Rank(unsaid, "tool_unavailable") < 2 && unsaid.Hypotheses[0].Confidence < 0.9, Said(unsaid));
        var down = Failing("504 upstream timed out").Conclude();
        Assert.True(down.Hypotheses[0] is { Cause: "tool_unavailable", Confidence: > 0.9 }, Said(down));
    }

    [Fact]
    public void Empty_retrievals_and_a_setting_that_was_changed_in_other_words_may_be_a_cut_off()
    {
        static KnownFacts Empty(double share) => new KnownFacts { Spans = (i, bad) => [Retrieval("guides", 0.8, bad && i % 2 == 0 ? 0 : 5), Call()] }
            .Moved(FeatureTable.RetrievalEmpty, 0, share).Changed("config", "stricter answers for guests");
        var some = Empty(0.5).Conclude();
        Assert.True(Rank(some, "retriever_parameters_changed") < 2 && Rank(some, "data_source_unavailable") < 2 && some.Hypotheses[0].Confidence < 0.9, Said(some));

        // Nothing is found any more: no cut-off does that.
        Assert.True(Empty(1).Conclude().Hypotheses[0] is { Cause: "data_source_unavailable", Confidence: > 0.9 });
    }

    [Fact]
    public void Scores_that_fall_with_a_setting_rather_than_with_documents_may_be_of_another_embedding()
    {
        static Verdict After(string type) => new KnownFacts { Spans = static (_, bad) => [Retrieval("guides", bad ? 0.6 : 0.8, 4), Call()] }
            .Moved(FeatureTable.RetrievalTopScore, 0.8, 0.6).Changed(type, "as agreed on Monday").Conclude();
        static double Of(Verdict verdict, string cause) => verdict.Hypotheses.Single(one => one.Cause == cause).Confidence;
        Assert.True(Of(After("config"), "embedding_model_changed") > 0.3, Said(After("config")));
        Assert.True(Of(After("data"), "embedding_model_changed") < 0.1, Said(After("data")));
    }

    [Fact]
    public void Answers_in_set_words_may_refuse_in_a_language_nobody_reads()
    {
        static KnownFacts Answering(Func<int, string> bad) => new KnownFacts
        {
            FailureClass = FailureClass.COHERENCE_DEGRADATION,
            Spans = (i, isBad) => [Call(isBad && i % 2 == 0 ? bad(i) : $"Kliniken i stad {i} har öppet till klockan {i}")],
        }.Moved(Relevance, 0.87, 0.6);
        var refusing = Answering(static _ => "Tyvärr kan jag inte hjälpa till med den frågan").Conclude();
        Assert.True(Rank(refusing, "refusals_risen") == 0 && refusing.Hypotheses.Single(static one => one.Cause is "refusals_risen").Target is "gpt-4o", Said(refusing));
        Assert.Contains(refusing.Hypotheses.Single(static one => one.Cause is "refusals_risen").For, static evidence => evidence.Text.Contains("“inte hjälpa till med den frågan”", StringComparison.Ordinal));
        var other = Answering(static i => $"{(char)('a' + (i % 26))}lpha {i}").Conclude();
        Assert.DoesNotContain(other.Hypotheses, static one => one.Cause is "refusals_risen" && one.Confidence > 0.1);
    }

    [Fact]
    public void Three_causes_are_told_behind_any_that_leads_those_first_that_explain_what_got_worse()
    {
        // Refusals lead; what leaves a model nothing to answer with is behind them, though no list names it.
        var verdict = new KnownFacts { FailureClass = FailureClass.COHERENCE_DEGRADATION, Spans = static (i, bad) => [Retrieval("guides", 0, 4), Call(bad && i % 2 == 0 ? "I am sorry, but I can't help with that." : "It opens at nine.")] }
            .Moved(FeatureTable.Refusals, 0, 0.5).Moved(Relevance, 0.87, 0.5, isOurs: true).Changed("data", "spring catalogue is out").Conclude();
        Assert.Equal("refusals_risen", verdict.Hypotheses[0].Cause);
        Assert.True(verdict.Hypotheses.Count >= 3 && Rank(verdict, "index_stale") < 3, Said(verdict));
    }

    [Fact]
    public void What_the_finding_tells_is_enough_to_say_what_it_may_be()
    {
        // Everything is as before over all windows since the onset; the detector saw it all the same.
        var verdict = new KnownFacts { FailureClass = FailureClass.LATENCY_REGRESS, Spans = static (_, _) => [Call()], Noticed = [KnownFacts.Symptom(FeatureTable.ModelLatency, 1, 4, "gpt-4o")] }
            .Moved(FeatureTable.Wait, 0.1, 0.1).Conclude();
        Assert.True(verdict.UnableBecause is not null && Rank(verdict, "provider_degraded") < 3 && verdict.Hypotheses.All(static one => one is { Cause: not "unknown", Confidence: < 0.5 }), Said(verdict));
    }

    [Fact]
    public void Calls_of_a_model_that_fail_and_do_not_say_why_may_be_refused_for_their_rate()
    {
        static Verdict Failing(string words) => new KnownFacts
        {
            FailureClass = FailureClass.LATENCY_REGRESS,
            Spans = (_, bad) => [Call() with { Status = bad ? SpanStatus.Error : SpanStatus.Unset, StatusMessage = bad ? words : "" }],
        }.Moved(FeatureTable.ModelErrorRate, 0, 0.5, "gpt-4o").Changed("config", "budget plan of the quarter").Conclude();
        var unsaid = Failing("");
        Assert.True(Rank(unsaid, "rate_limited") < 2 && unsaid.Hypotheses[0].Confidence < 0.9 && unsaid.Hypotheses.Single(static one => one.Cause is "rate_limited").Confidence > 0.1, Said(unsaid));
        var said = Failing("overloaded_error");
        Assert.True(said.Hypotheses[0] is { Cause: "provider_degraded", Confidence: > 0.85 }, Said(said));
    }

    [Fact]
    public void A_record_that_many_recall_is_no_fault_where_answers_are_as_good_as_ever()
    {
        static KnownFacts Recalling() => new KnownFacts
        {
            FailureClass = FailureClass.TOKEN_EXPLOSION,
            Spans = static (i, bad) => [Call(), KnownFacts.Span("recall", KnownFacts.Nothing with { Operation = "memory", DataSource = "facts", OutputPreview = bad ? """[{"id":"m-1"}]""" : $$"""[{"id":"m-{{i + 10}}"}]""" })],
        }.Moved(FeatureTable.InputTokens, 100, 300);
        Assert.DoesNotContain(Recalling().Moved(Relevance, 0.87, 0.87).Conclude().Hypotheses, static one => one is { Cause: "memory_poisoned", Confidence: > 0.8 });
        Assert.True(Recalling().Moved(Relevance, 0.87, 0.5).Conclude().Hypotheses[0] is { Cause: "memory_poisoned", Confidence: > 0.8 });
    }

    [Fact]
    public void Every_query_that_finds_less_speaks_for_another_embedding_though_no_document_says_how_old_it_is()
    {
        static double Of(Func<int, bool> isWorse)
        {
            var verdict = new KnownFacts { Spans = (i, bad) => [Retrieval("guides", bad && isWorse(i) ? 0.6 : 0.8 + (0.001 * i), 4), Call()] }.Moved(FeatureTable.RetrievalTopScore, 0.81, 0.68).Conclude();
            return verdict.Hypotheses.Single(static one => one.Cause is "embedding_model_changed").Confidence;
        }

        Assert.True(Of(static _ => true) > 2 * Of(static i => i % 3 > 0));
    }

    [Fact]
    public void What_somebody_must_have_done_is_told_behind_what_comes_by_itself_where_nobody_is_known_to_have_done_anything()
    {
        static KnownFacts Worse() => new KnownFacts { Spans = static (_, _) => [KnownFacts.Span("search", KnownFacts.Nothing with { Operation = "retrieval", DataSource = "guides", DocumentCount = 4 }), Call()] }.Moved(Relevance, 0.87, 0.6).Moved(FeatureTable.RetrievalEmpty, 0, 0);
        var alone = Worse().Conclude();
        Assert.True(Rank(alone, "index_stale") < Rank(alone, "chunking_changed") && Rank(alone, "index_stale") < Rank(alone, "embedding_model_changed"), Said(alone));
        var indexed = Worse().Changed("index", "built anew on Sunday").Conclude();
        Assert.True(Rank(indexed, "chunking_changed") < 4, Said(indexed));
    }

    [Fact]
    public void A_release_that_no_span_names_may_be_behind_a_service_that_fails()
    {
        var verdict = new KnownFacts { FailureClass = FailureClass.LATENCY_REGRESS, Spans = static (_, bad) => [KnownFacts.Span("POST /chat") with { Status = bad ? SpanStatus.Error : SpanStatus.Unset }, Call()] }.Moved(FeatureTable.ErrorRate, 0, 0.7)
            .Moved(FeatureTable.ModelErrorRate, 0.001, 0.001, "gpt-4o").Moved(FeatureTable.JsonShare, 0.9, 0.9).Conclude();
        Assert.True(verdict.UnableBecause is not null && Rank(verdict, "deploy_regressed") < 3, Said(verdict));
    }

    [Fact]
    public void Prompts_of_another_length_with_as_many_documents_may_be_of_an_index_that_was_cut_anew()
    {
        static KnownFacts Longer() => new KnownFacts { FailureClass = FailureClass.TOKEN_EXPLOSION, Spans = static (_, bad) => [Retrieval("guides", bad ? 0.75 : 0.8, 4), Call()] }
            .Moved(FeatureTable.RetrievalTopScore, 0.8, 0.72).Moved(FeatureTable.RetrievalDocuments, 4, 4).Moved(FeatureTable.InputTokens, 240, 1100);
        var told = Longer().Changed("index", "guides rebuilt, chunk size changed").Conclude();
        Assert.True(told.Hypotheses[0] is { Cause: "chunking_changed", Target: "guides", Confidence: > 0.7 }, Said(told));
        Assert.True(Rank(Longer().Conclude(), "chunking_changed") < 3, Said(Longer().Conclude()));

        // How long a document is, is told, and is as ever.
        var measured = Longer().Moved(FeatureTable.ChunkLength, 300, 300).Conclude();
        Assert.DoesNotContain(measured.Hypotheses, static one => one is { Cause: "chunking_changed", Confidence: > 0.05 });
    }

    [Fact]
    public void A_release_that_fails_by_itself_has_lost_no_cache()
    {
        static SpanSummary Root(bool bad) => KnownFacts.Span("POST /chat") with { ParentSpanId = default, Release = bad ? "1.5.2" : "1.5.1", Status = bad ? SpanStatus.Error : SpanStatus.Unset, StatusMessage = bad ? "Object reference not set" : "" };
        static KnownFacts Of(bool fails) => new KnownFacts { FailureClass = FailureClass.LATENCY_REGRESS, Spans = (_, bad) => [Root(bad && fails) with { Release = bad ? "1.5.2" : "1.5.1" }, Call() with { ParentSpanId = new SpanId(1) }] }
            .Moved(FeatureTable.ErrorRate, 0, fails ? 0.6 : 0).Moved(FeatureTable.CachedInput, 0.43, 0).Changed("deploy", "1.5.2");
        var crashes = Of(true).Conclude();
        Assert.True(crashes.Hypotheses[0].Cause is "deploy_regressed", Said(crashes));
        Assert.Contains(crashes.Hypotheses[0].For, static evidence => evidence.Text.Contains("nothing that was called for them does", StringComparison.Ordinal));
        Assert.Equal("cache_lost", Of(false).Conclude().Hypotheses[0].Cause);
    }

    [Fact]
    public void Requests_that_take_longer_than_they_wait_after_a_deploy_are_the_releases_where_no_span_names_it()
    {
        static KnownFacts Waiting(double latency) => new KnownFacts { FailureClass = FailureClass.LATENCY_REGRESS, Spans = static (_, _) => [Call()] }
            .Moved(FeatureTable.Wait, 0.004, 1).Moved(FeatureTable.LatencyP50, 0.85, latency).Moved(FeatureTable.Calls, 1, 1);
        var works = Waiting(4.7).Changed("deploy", "bot 1.23.0").Conclude();
        Assert.True(works.Hypotheses[0].Cause is "deploy_regressed", Said(works));
        Assert.Equal("queueing", Waiting(1.85).Changed("deploy", "bot 1.23.0", 50).Conclude().Hypotheses[0].Cause);
        Assert.Equal("queueing", Waiting(4.7).Conclude().Hypotheses[0].Cause);
    }

    [Fact]
    public void What_is_blocked_is_not_reranked_and_its_reranker_has_not_failed()
    {
        var verdict = new KnownFacts { FailureClass = FailureClass.COHERENCE_DEGRADATION, Spans = static (_, _) => [KnownFacts.Span("rerank", KnownFacts.Nothing with { Operation = "rerank" }), Call()] }
            .Moved(FeatureTable.Blocked, 0, 0.55, "content-safety").Moved(FeatureTable.StageMissing, 0, 0.58, "rerank").Conclude();
        Assert.True(verdict.Hypotheses[0] is { Cause: "guardrail_overblocking", Confidence: > 0.8 }, Said(verdict));
    }

    [Fact]
    public void What_a_filter_blocks_is_the_filters_though_a_prompt_was_changed_before()
    {
        var verdict = new KnownFacts
        {
            FailureClass = FailureClass.COHERENCE_DEGRADATION,
            Spans = static (i, bad) => [Call() with { Attributes = [KnownFacts.Attribute("prompt.version", bad || i % 6 == 0 ? "8" : "7")] }],
        }.Moved(FeatureTable.Blocked, 0, 0.55, "content-safety").Changed("prompt", "answers version 8: typo corrected", 19).Conclude();
        Assert.True(verdict.Hypotheses is [{ Cause: "guardrail_overblocking", Confidence: > 0.6 }, { Cause: "prompt_template_regressed", Against.Count: > 0 }, ..], Said(verdict));
    }

    [Fact]
    public void A_prompt_that_makes_the_model_say_as_much_and_as_well_does_not_make_it_slow()
    {
        static KnownFacts Slow(double tokens) => new KnownFacts
        {
            FailureClass = FailureClass.LATENCY_REGRESS,
            Spans = static (i, bad) => [Call() with { Attributes = [KnownFacts.Attribute("prompt.version", bad || i % 6 == 0 ? "8" : "7")] }],
        }.Moved(FeatureTable.LatencyP50, 1.1, 4.6).Moved(FeatureTable.FirstToken, 0.3, 2.8).Moved(FeatureTable.OutputTokens, 120, tokens).Changed("prompt", "answers version 8: typo corrected", 19);

        double Confidence(double tokens) => Slow(tokens).Conclude().Hypotheses.Where(static one => one.Cause is "prompt_template_regressed").Select(static one => one.Confidence).FirstOrDefault();
        Assert.True(Confidence(300) > 0.9 && Confidence(120) < 0.6, $"{Said(Slow(120).Conclude())} / {Said(Slow(300).Conclude())}");
    }

    [Fact]
    public void A_request_that_fails_on_an_answer_it_cannot_read_does_not_fail_by_its_release()
    {
        static KnownFacts Failing(string words) => new KnownFacts
        {
            FailureClass = FailureClass.COHERENCE_DEGRADATION,
            Spans = (_, bad) => [KnownFacts.Span("extract item") with { ParentSpanId = default, Status = bad ? SpanStatus.Error : SpanStatus.Unset, StatusMessage = bad ? words : "" }, Call() with { ParentSpanId = new SpanId(1) }],
        }.Moved(FeatureTable.ErrorRate, 0, 0.6).Changed("deploy", "bot 4.25.5", 13);

        Assert.Equal("output_format_broken", Failing("the answer is no JSON").Conclude().Hypotheses[0].Cause);
        Assert.Equal("deploy_regressed", Failing("Object reference not set").Conclude().Hypotheses[0].Cause);
    }

    [Fact]
    public void More_requests_that_reach_the_model_do_not_make_it_another_model()
    {
        // Of the requests that need the model all ask the same one, before and since; more of them need it.
        static IEnumerable<SpanSummary> Spans(int i, bool bad) => bad || i % 2 == 0 ? [KnownFacts.Span("POST /chat"), Call()] : [KnownFacts.Span("POST /chat")];
        var verdict = new KnownFacts { FailureClass = FailureClass.LATENCY_REGRESS, Spans = Spans }.Moved(FeatureTable.ReachesModel, 0.5, 0.95).Changed("config", "cache cluster 563").Conclude();
        Assert.True(verdict.Hypotheses[0].Cause is "cache_lost", Said(verdict));
        Assert.DoesNotContain(verdict.Hypotheses, static one => one is { Cause: "model_replaced", Confidence: > 0.05 });
    }

    [Fact]
    public void Answers_that_cannot_be_read_follow_from_prompts_that_lack_their_examples()
    {
        static SpanSummary Step(bool bad) => KnownFacts.Span("parse") with { Status = bad ? SpanStatus.Error : SpanStatus.Unset, StatusMessage = bad ? "the output is not the JSON that was asked for" : "" };
        static KnownFacts Unread() => new KnownFacts { FailureClass = FailureClass.COHERENCE_DEGRADATION, Spans = static (_, bad) => [Call(), Step(bad)] }.Moved(FeatureTable.ErrorRate, 0, 0.5);
        Assert.True(Unread().Conclude().Hypotheses[0] is { Cause: "output_format_broken", Confidence: > 0.8 });
        var shorter = Unread().Moved(FeatureTable.InputTokens, 200, 130).Conclude();
        Assert.True(Rank(shorter, "few_shot_lost") < 2 && shorter.Hypotheses.Single(static one => one.Cause is "few_shot_lost").Confidence > 0.2, Said(shorter));
    }

    [Fact]
    public void Prompts_about_something_new_are_another_topic_and_no_old_index()
    {
        var drifted = KnownFacts.Symptom(FeatureTable.NewInput, 0, 1) with { Feature = "prompt_drift", Words = "prompts of bot are 0.16 from the usual ones" };
        static KnownFacts Asked(params Symptom[] also) => new KnownFacts { Spans = static (_, bad) => [Retrieval("guides", bad ? 0.6 : 0.8, 4), Call()], Noticed = [KnownFacts.Symptom(FeatureTable.RetrievalTopScore, 0.8, 0.6), .. also] }
            .Moved(FeatureTable.RetrievalTopScore, 0.8, 0.6);
        Assert.Equal("index_stale", Asked().Conclude().Hypotheses[0].Cause);
        var other = Asked(drifted).Conclude();
        Assert.True(other.Hypotheses[0].Cause is "input_language_or_topic_shifted", Said(other));
    }
}
