using Faultline.Lab.Worlds.Dialects;
using Faultline.Lab.Worlds.Faults;
using Faultline.Lab.Worlds.Planning;
using Faultline.Lab.Worlds.Topologies;
using Faultline.Lab.Worlds.Words;
using Xunit;

namespace Faultline.Tests.Lab;

public sealed class WorldPlanTests
{
    private static readonly string[] Causes =
    [
        "index_stale", "embedding_model_changed", "retriever_parameters_changed", "chunking_changed", "reranker_failed", "data_source_unavailable",
        "prompt_template_regressed", "system_prompt_lost", "few_shot_lost", "variables_unfilled", "context_truncated", "history_growing",
        "model_version_changed", "model_replaced", "provider_degraded", "rate_limited", "sampling_parameters_changed", "max_tokens_lowered", "model_quantized",
        "tool_unavailable", "tool_slow", "tool_schema_changed", "tool_result_malformed", "loop_same_call", "loop_ping_pong", "plan_churn", "memory_poisoned",
        "guardrail_overblocking", "refusals_risen", "output_format_broken", "cache_lost", "gpu_saturated", "queueing", "network_or_dependency",
        "deploy_regressed", "traffic_shifted", "input_language_or_topic_shifted", "abuse_or_injection", "evaluator_changed", "telemetry_missing", "unknown",
    ];

    private static readonly string[] Classes =
    [
        "HALLUCINATION", "RETRIEVAL_DRIFT", "PROMPT_REGRESSION", "CONTEXT_OVERFLOW", "TOKEN_EXPLOSION", "LATENCY_REGRESS", "COHERENCE_DEGRADATION", "AGENT_LOOP",
    ];

    [Fact]
    public void Every_cause_that_a_diagnosis_can_name_has_a_fault_kind_and_no_kind_has_another() =>
        Assert.Equal(Causes.Order(StringComparer.Ordinal), FaultCatalogue.All.Select(kind => kind.Cause).Distinct().Order(StringComparer.Ordinal));

    [Fact]
    public void There_are_forty_kinds_and_more_over_all_eight_classes_and_each_has_a_name_of_its_own()
    {
        Assert.True(FaultCatalogue.All.Count >= 40);
        Assert.Equal(FaultCatalogue.All.Count, FaultCatalogue.All.DistinctBy(kind => kind.Name).Count());
        Assert.Equal(Classes.Order(StringComparer.Ordinal), FaultCatalogue.All.SelectMany(kind => kind.Classes).Distinct().Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData(Split.Dev)]
    [InlineData(Split.HeldOut)]
    public void A_hundred_worlds_of_a_split_have_every_kind_every_shape_and_every_dialect(Split split)
    {
        var plans = Plans(split, seed: 3, count: 100);
        Assert.Equal(FaultCatalogue.All.Select(kind => kind.Name).Order(), plans.SelectMany(plan => plan.Faults).Select(fault => fault.Kind.Name).Distinct().Order());
        Assert.Equal(Topology.All.Where(topology => topology.Split == split).Select(topology => topology.Name).Order(), plans.SelectMany(plan => plan.Systems).Select(system => system.Topology.Name).Distinct().Order());
        Assert.Equal(Dialect.All.Where(dialect => dialect.Split == split).Select(dialect => dialect.Name).Order(), plans.SelectMany(plan => plan.Systems).Select(system => system.Dialect.Name).Distinct().Order());
    }

    [Theory]
    [InlineData(Split.Dev)]
    [InlineData(Split.HeldOut)]
    public void Faults_lie_within_their_world_after_a_healthy_while_and_never_two_in_one_system(Split split)
    {
        foreach (var plan in Plans(split, seed: 11, count: 40))
        {
            Assert.True(plan.HealthyServiceDays >= 0);
            foreach (var fault in plan.Faults)
            {
                Assert.True(fault.Start > plan.Start + ((plan.End - plan.Start) / 3), plan.Name);
                Assert.True(fault.End > fault.Start && fault.End <= plan.End, plan.Name);
                Assert.Contains(fault.Target, fault.TargetsAccepted);
                Assert.Contains(fault.System, plan.Systems);
                Assert.True(fault.System.Has(fault.Kind.Needs), $"{plan.Name}: {fault.Kind.Name} on {fault.System.Topology.Name}");
                Assert.DoesNotContain(plan.Faults, other => other != fault && other.Start < fault.End && fault.Start < other.End);
            }
        }
    }

    [Theory]
    [InlineData(Split.Dev)]
    [InlineData(Split.HeldOut)]
    public void Some_worlds_are_healthy_some_changes_innocent_and_some_faults_come_without_a_recorded_one(Split split)
    {
        var plans = Plans(split, seed: 5, count: 60);
        Assert.Contains(plans, plan => plan.Faults.Count == 0);
        var faults = plans.SelectMany(plan => plan.Faults).ToList();
        Assert.Contains(faults, fault => fault.Change is null);
        Assert.Contains(faults, fault => fault.Change is { Recorded: false });
        Assert.Contains(faults, fault => fault.Change is { Recorded: true });
        Assert.Contains(plans.SelectMany(plan => plan.Changes), change => change.Innocent && change.Recorded);
        Assert.Equal(Enum.GetValues<Onset>(), faults.Select(fault => fault.Onset).Distinct().Order());
        Assert.Equal(Enum.GetValues<Share>(), faults.Select(fault => fault.Share).Distinct().Order());
    }

    [Fact]
    public void A_healthy_world_counts_all_days_of_all_services()
    {
        var healthy = Plans(Split.Dev, seed: 5, count: 60).First(plan => plan.Faults.Count == 0);
        Assert.Equal(2.0 * healthy.Systems.Sum(system => system.Services.Count), healthy.HealthyServiceDays, 6);
    }

    [Fact]
    public void The_two_splits_share_no_shape_no_dialect_and_no_word()
    {
        Assert.Empty(Topology.All.Where(topology => topology.Split == Split.Dev).Select(topology => topology.Name).Intersect(Topology.All.Where(topology => topology.Split == Split.HeldOut).Select(topology => topology.Name)));
        Assert.Empty(Dialect.All.Where(dialect => dialect.Split == Split.Dev).Select(dialect => dialect.TenantKey).Intersect(Dialect.All.Where(dialect => dialect.Split == Split.HeldOut).Select(dialect => dialect.TenantKey)));
        var (dev, held) = (WordPools.Of(Split.Dev), WordPools.Of(Split.HeldOut));
        foreach (var section in new[] { "service-stems", "tenants", "models", "embedding-models", "rerank-models", "indexes", "tools", "templates", "agents", "openers", "refusals", "inventions", "innocent-changes", "taken-back", "score-names" })
        {
            Assert.Empty(dev[section].Intersect(held[section], StringComparer.Ordinal));
        }

        Assert.Empty(dev.Domains.SelectMany(domain => domain.Entities).Intersect(held.Domains.SelectMany(domain => domain.Entities)));
    }

    [Fact]
    public void Held_out_worlds_word_every_change_that_brings_a_fault_in_their_own_way()
    {
        var worded = WordPools.Of(Split.HeldOut).Rows("fault-changes").Select(row => row[0]);
        Assert.Equal(FaultCatalogue.All.Where(kind => kind.Change is not null).Select(kind => kind.Name).Order(), worded.Order());
    }

    [Fact]
    public void The_documentation_has_a_row_for_every_kind_with_its_cause()
    {
        var page = File.ReadAllText(Path.Combine(EngineFixture.RepositoryRoot, "docs", "lab.md"));
        Assert.All(FaultCatalogue.All, kind => Assert.Contains($"| `{kind.Name}` | `{kind.Cause}` |", page, StringComparison.Ordinal));
    }

    [Fact]
    public void A_version_number_is_never_given_twice()
    {
        var line = new VersionLine("1.4.2");
        Assert.Equal("1.4.3", line.Release(10));
        line.Return(20, "1.4.2");
        Assert.Equal("1.5.0", line.Release(30, minor: true));
        Assert.Equal(["1.4.2", "1.4.3", "1.4.2", "1.5.0"], new long[] { 9, 10, 29, 30 }.Select(line.At));
    }

    private static List<WorldPlan> Plans(Split split, long seed, int count)
    {
        var planner = new WorldPlanner(new WorldOptions(seed, Days: 2, split, count));
        return [.. Enumerable.Range(0, count).Select(_ => planner.Next())];
    }
}
