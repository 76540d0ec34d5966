using Faultline.Diagnosis.Findings;
using Faultline.Metrics.PromQL;
using Xunit;

namespace Faultline.Tests.Diagnosis;

/// <summary>What only all features of a service together show, through the whole of detection.</summary>
public sealed class JointFindingTests
{
    private static readonly DateTimeOffset Start = new(2026, 3, 10, 14, 3, 0, TimeSpan.Zero);

    /// <summary>Each less than the smallest change that counts for it.</summary>
    private static readonly Behaviour AllAlittle = new() { ModelSeconds = 1.28, OutputTokens = 150, InputTokens = 1030 };

    [Fact]
    public async Task What_each_feature_hides_is_one_finding_that_names_them_and_ends_with_the_fault()
    {
        var rig = new Rig(Start);
        var bot = new SimulatedBot(61, perSecond: 2);
        await rig.HistoryAsync(bot, TimeSpan.FromDays(7), TimeSpan.FromMinutes(20));
        await rig.LiveAsync(bot, TimeSpan.FromMinutes(45), new Behaviour());
        Assert.Empty(rig.News);

        var faultAt = rig.Clock.Now;
        await rig.LiveAsync(bot, TimeSpan.FromMinutes(15), AllAlittle, untilRaised: true);
        var finding = Assert.Single(rig.Raised);
        Assert.Equal("joint", finding.Trigger);
        Assert.InRange(finding.OnsetAt, faultAt.AddMinutes(-2), faultAt.AddMinutes(10));
        Assert.InRange(finding.Symptoms.Count, 2, 3);
        Assert.Contains(finding.Symptoms, symptom => symptom.Feature is "input_tokens" or "output_tokens");
        Assert.All(finding.Symptoms, symptom =>
        {
            Assert.InRange(symptom.Observed, symptom.Low, symptom.High);
            Assert.Contains("faultline_feature{", symptom.Query, StringComparison.Ordinal);
        });
        Assert.Contains("of support-bot moved at once, each little: ", finding.Title, StringComparison.Ordinal);
        Assert.Contains("(usually ", finding.Title, StringComparison.Ordinal);
        Assert.NotEmpty(finding.BadTraces);

        await rig.LiveAsync(bot, TimeSpan.FromMinutes(5), AllAlittle);
        Assert.False(await PassesAsync(rig, finding.VerificationQuery));
        await rig.LiveAsync(bot, TimeSpan.FromMinutes(20), new Behaviour());
        Assert.Equal(finding.Id, Assert.Single(rig.News.OfType<FindingNews.Cleared>()).FindingId);
        Assert.True(await PassesAsync(rig, finding.VerificationQuery));
    }

    /// <summary>What single features find is theirs to tell: one finding, with their words.</summary>
    [Fact]
    public async Task A_fault_that_single_features_show_is_told_by_them_alone()
    {
        var rig = new Rig(Start);
        var bot = new SimulatedBot(62, perSecond: 2);
        await rig.HistoryAsync(bot, TimeSpan.FromDays(7), TimeSpan.FromMinutes(20));
        await rig.LiveAsync(bot, TimeSpan.FromMinutes(45), new Behaviour());
        await rig.LiveAsync(bot, TimeSpan.FromMinutes(10), new Behaviour { ModelSeconds = 3, OutputTokens = 160, InputTokens = 1000 });
        Assert.Single(rig.Raised.DistinctBy(finding => finding.Id));
        Assert.Equal("baseline", rig.Raised.First().Trigger);
        Assert.Contains("rose from", rig.Raised.Last().Title, StringComparison.Ordinal);
    }

    /// <summary>What is usual together is learnt again from the stored series, so a start costs none of the 43 minutes that it first takes.</summary>
    [Fact]
    public async Task A_restart_knows_what_is_usual_together_and_goes_on_with_what_was_open()
    {
        var rig = new Rig(Start);
        var bot = new SimulatedBot(63, perSecond: 2);
        await rig.HistoryAsync(bot, TimeSpan.FromDays(7), TimeSpan.FromMinutes(20));
        await rig.LiveAsync(bot, TimeSpan.FromMinutes(45), new Behaviour());
        var again = new Rig(rig.Clock.Now, rig.Samples);
        await again.LiveAsync(bot, TimeSpan.FromMinutes(2), new Behaviour());
        Assert.Empty(again.News);
        await again.LiveAsync(bot, TimeSpan.FromMinutes(15), AllAlittle, untilRaised: true);
        var finding = Assert.Single(again.Raised);
        Assert.Equal("joint", finding.Trigger);

        // Open at a second start, and still so: the same finding, told again with what it shows.
        var third = new Rig(again.Clock.Now, again.Samples);
        await third.LiveAsync(bot, TimeSpan.FromMinutes(10), AllAlittle, untilRaised: true);
        Assert.All(third.Raised, raised => Assert.Equal(finding.Id, raised.Id));
        await third.LiveAsync(bot, TimeSpan.FromMinutes(20), new Behaviour());
        Assert.Equal(finding.Id, Assert.Single(third.News.OfType<FindingNews.Cleared>()).FindingId);
    }

    private static async Task<bool> PassesAsync(Rig rig, string query) =>
        await new PromQlEngine(rig.Samples.Select).InstantAsync("default", query, rig.Clock.Now.ToUnixTimeMilliseconds()) is PromQlResult.Vector { Samples.Count: > 0 };
}
