using Faultline.Diagnosis.Findings;
using Faultline.Diagnosis.Rules;
using Faultline.Metrics.PromQL;
using Xunit;

namespace Faultline.Tests.Diagnosis;

public sealed class UserRuleTests
{
    private static readonly DateTimeOffset Start = new(2026, 3, 10, 14, 3, 0, TimeSpan.Zero);

    private static readonly UserRule LowRelevance = new()
    {
        Name = "Answers miss the question",
        Feature = "score:relevance",
        Service = "support-*",
        Above = false,
        Limit = new RuleLimit(0.7),
        Severity = Severity.High,
        FailureClass = FailureClass.HALLUCINATION,
    };

    [Fact]
    public async Task A_rule_fires_when_its_limit_is_passed_for_long_enough_of_telemetry_time_and_clears_by_itself()
    {
        var rig = new Rig(Start, rules: [LowRelevance]);
        var bot = new SimulatedBot(1);
        await rig.LiveAsync(bot, TimeSpan.FromMinutes(3), new Behaviour());
        Assert.Empty(rig.News);

        var faultAt = rig.Clock.Now;
        await rig.LiveAsync(bot, TimeSpan.FromMinutes(5), new Behaviour { Relevance = 0.5 });

        var finding = Assert.Single(rig.Raised);
        Assert.Equal(("rule", "High", FailureClass.HALLUCINATION), (finding.Trigger, finding.Severity, finding.FailureClass));
        Assert.StartsWith("Answers miss the question: relevance of support-bot is 0.", finding.Title, StringComparison.Ordinal);
        Assert.Contains("below 0.7, for 2 min", finding.Title, StringComparison.Ordinal);
        Assert.InRange((finding.OnsetAt - faultAt).TotalSeconds, -20, 60);
        Assert.InRange((finding.DetectedAt - faultAt).TotalSeconds, 110, 190);
        Assert.NotEmpty(finding.BadTraces);

        await rig.LiveAsync(bot, TimeSpan.FromMinutes(5), new Behaviour());
        Assert.Equal(finding.Id, Assert.Single(rig.News.OfType<FindingNews.Cleared>()).FindingId);
    }

    [Fact]
    public async Task Its_verification_query_has_an_answer_only_when_the_limit_holds_again()
    {
        var rig = new Rig(Start, rules: [LowRelevance]);
        var bot = new SimulatedBot(2);
        await rig.LiveAsync(bot, TimeSpan.FromMinutes(5), new Behaviour { Relevance = 0.5 });
        var query = Assert.Single(rig.Raised).VerificationQuery;
        var engine = new PromQlEngine(rig.Samples.Select);
        async Task<int> AnswersAsync() => Assert.IsType<PromQlResult.Vector>(await engine.InstantAsync("default", query, rig.Clock.Now.AddSeconds(-10).ToUnixTimeMilliseconds())).Samples.Count;
        Assert.Equal(0, await AnswersAsync());

        await rig.LiveAsync(bot, TimeSpan.FromMinutes(5), new Behaviour());
        Assert.Equal(1, await AnswersAsync());
    }

    [Theory]
    [InlineData("other-*", "*", 0.7)]
    [InlineData("*", "staging", 0.7)]
    [InlineData("*", "*", 0.3)]
    public async Task Other_services_other_environments_and_what_holds_are_left_alone(string service, string environment, double limit)
    {
        var rig = new Rig(Start, rules: [LowRelevance with { Service = service, Environment = environment, Limit = new RuleLimit(limit) }]);
        await rig.LiveAsync(new SimulatedBot(3), TimeSpan.FromMinutes(8), new Behaviour { Relevance = 0.5 });

        Assert.Empty(rig.News);
    }

    [Fact]
    public async Task A_breach_that_is_shorter_than_asked_for_is_none()
    {
        var rig = new Rig(Start, rules: [LowRelevance with { For = TimeSpan.FromMinutes(4) }]);
        var bot = new SimulatedBot(4);
        for (var i = 0; i < 3; i++)
        {
            await rig.LiveAsync(bot, TimeSpan.FromMinutes(2), new Behaviour { Relevance = 0.5 });
            await rig.LiveAsync(bot, TimeSpan.FromMinutes(3), new Behaviour());
        }

        Assert.Empty(rig.News);
    }

    [Fact]
    public async Task Relative_to_what_is_usual_it_waits_for_a_baseline_and_is_not_learnt_away()
    {
        var rule = new UserRule { Name = "slow", Feature = "latency_p50", Above = true, Limit = new RuleLimit(0.15, FromUsual: true, IsPart: true), For = TimeSpan.FromMinutes(3) };
        var rig = new Rig(Start, rules: [rule]);
        var bot = new SimulatedBot(5);
        await rig.LiveAsync(bot, TimeSpan.FromMinutes(8), new Behaviour { ModelSeconds = 4 });
        Assert.DoesNotContain(rig.Raised, finding => finding.Trigger is "rule");

        rig = new Rig(Start, rules: [rule]);
        await rig.HistoryAsync(bot, TimeSpan.FromDays(2), TimeSpan.FromMinutes(20));
        await rig.LiveAsync(bot, TimeSpan.FromMinutes(8), new Behaviour { ModelSeconds = 1.6 });

        var finding = Assert.Single(rig.Raised, finding => finding.Trigger is "rule");
        Assert.Contains("more than 15 % above the usual", finding.Title, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_rule_that_fires_on_a_fault_that_is_found_already_is_of_its_class_so_that_it_is_one_case()
    {
        var rig = new Rig(Start, rules: [LowRelevance with { FailureClass = FailureClass.TOKEN_EXPLOSION, For = TimeSpan.FromMinutes(4) }]);
        var bot = new SimulatedBot(6);
        await rig.HistoryAsync(bot, TimeSpan.FromDays(2), TimeSpan.FromMinutes(20));
        await rig.LiveAsync(bot, TimeSpan.FromMinutes(1), new Behaviour());
        await rig.LiveAsync(bot, TimeSpan.FromMinutes(7), new Behaviour { Relevance = 0.5, TopScore = 0.5 });

        var fired = Assert.Single(rig.Raised, finding => finding.Trigger is "rule");
        Assert.Equal(FailureClass.RETRIEVAL_DRIFT, fired.FailureClass);
    }

    [Fact]
    public async Task A_restart_goes_on_with_an_open_rule_and_ends_what_no_rule_asks_for_any_more()
    {
        var samples = new MemorySamples();
        var rig = new Rig(Start, samples, [LowRelevance]);
        var bot = new SimulatedBot(7);
        await rig.LiveAsync(bot, TimeSpan.FromMinutes(5), new Behaviour { Relevance = 0.5 });
        var id = Assert.Single(rig.Raised).Id;

        var again = new Rig(rig.Clock.Now, samples, [LowRelevance]);
        await again.LiveAsync(bot, TimeSpan.FromMinutes(3), new Behaviour { Relevance = 0.5 });
        Assert.Empty(again.News);
        await again.LiveAsync(bot, TimeSpan.FromMinutes(4), new Behaviour());
        Assert.Equal(id, Assert.Single(again.News.OfType<FindingNews.Cleared>()).FindingId);

        var third = new Rig(Start, new MemorySamples(), [LowRelevance]);
        await third.LiveAsync(bot, TimeSpan.FromMinutes(5), new Behaviour { Relevance = 0.5 });
        var without = new Rig(third.Clock.Now, third.Samples, []);
        await without.LiveAsync(bot, TimeSpan.FromSeconds(20), new Behaviour { Relevance = 0.5 });
        Assert.Single(without.News.OfType<FindingNews.Cleared>());
    }
}
