using Faultline.Diagnosis.Findings;
using Faultline.Metrics.PromQL;
using Xunit;

namespace Faultline.Tests.Diagnosis;

/// <summary>A finding's verification query, asked of the PromQL engine while the fault lasts and after it is mended.</summary>
public sealed class VerificationTests
{
    private static readonly DateTimeOffset Start = new(2026, 3, 10, 14, 3, 0, TimeSpan.Zero);

    public static TheoryData<string> Faults => ["stale index, data change", "slow provider", "failing provider", "tool down", "empty retrievals", "loop after a prompt change"];

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task It_has_an_answer_only_after_the_fault_and_within_a_minute_and_a_half(string name)
    {
        var rig = new Rig(Start);
        var bot = new SimulatedBot(33);
        await rig.HistoryAsync(bot, TimeSpan.FromDays(7), TimeSpan.FromMinutes(20));
        await rig.LiveAsync(bot, TimeSpan.FromSeconds(60), new Behaviour());
        var faulty = DiagnosticianTests.Scenarios[name].Behaviour;
        await rig.LiveAsync(bot, TimeSpan.FromSeconds(150), faulty);
        var query = rig.Raised.Last().VerificationQuery;

        await rig.LiveAsync(bot, TimeSpan.FromSeconds(120), faulty, afterEach: async () => Assert.False(await PassesAsync(rig, query), $"{query} passed while the fault lasts"));

        var mendedAt = rig.Clock.Now;
        TimeSpan? passedAfter = null;
        await rig.LiveAsync(bot, TimeSpan.FromSeconds(150), new Behaviour(), afterEach: async () =>
        {
            if (passedAfter is null && await PassesAsync(rig, query))
            {
                passedAfter = rig.Clock.Now - mendedAt;
            }
        });
        Assert.True(passedAfter <= TimeSpan.FromSeconds(95), $"{query} passed after {passedAfter}");

        // No data is no pass.
        rig.Clock.Now += TimeSpan.FromHours(2);
        await rig.AdvanceAsync();
        Assert.False(await PassesAsync(rig, query));
    }

    [Fact]
    public async Task It_stays_empty_while_a_service_has_too_little_data()
    {
        var rig = new Rig(Start);
        var bot = new SimulatedBot(34);
        await rig.HistoryAsync(bot, TimeSpan.FromDays(7), TimeSpan.FromMinutes(20));
        await rig.LiveAsync(bot, TimeSpan.FromSeconds(60), new Behaviour());
        await rig.LiveAsync(bot, TimeSpan.FromSeconds(100), new Behaviour { Relevance = 0.45, TopScore = 0.52 });
        var query = rig.Raised.Last().VerificationQuery;
        rig.Clock.Now += TimeSpan.FromMinutes(5);

        // One good answer is not a recovery.
        var one = new BatchBuilder(rig.Clock.Now);
        bot.Request(one, rig.Clock.Now, new Behaviour { ErrorShare = 0 });
        await rig.CommitAsync(one);
        rig.Clock.Now += TimeSpan.FromSeconds(20);
        await rig.AdvanceAsync();
        Assert.False(await PassesAsync(rig, query));
    }

    private static async Task<bool> PassesAsync(Rig rig, string query) =>
        await new PromQlEngine(rig.Samples.Select).InstantAsync("default", query, rig.Clock.Now.ToUnixTimeMilliseconds()) is PromQlResult.Vector { Samples.Count: > 0 };
}
