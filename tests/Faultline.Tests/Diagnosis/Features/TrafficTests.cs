using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Findings;
using Xunit;

namespace Faultline.Tests.Diagnosis.Features;

/// <summary>How many calls come.</summary>
public sealed class TrafficTests
{
    private static readonly DateTimeOffset Start = new(2026, 3, 10, 2, 3, 0, TimeSpan.Zero);

    [Fact]
    public void A_piece_is_told_when_it_is_over_and_the_one_that_was_begun_in_its_middle_never()
    {
        var traffic = new Traffic(first: 17);
        Assert.Null(traffic.Note(17, 100));
        Assert.Null(traffic.Note(30, 2));
        Assert.Null(traffic.Note(59, 8));
        Assert.Null(traffic.Note(29, 50));          // late, of a piece that is over
        Assert.Equal(new TrafficMinutes(59, 2, 10), traffic.Note(60, 1));
        Assert.Equal(new TrafficMinutes(89, 0.2, 1), traffic.Note(200, 1));
    }

    [Fact]
    public void A_minute_is_told_when_it_is_over_with_those_before_it_that_had_no_calls()
    {
        var traffic = new Traffic(first: 2);
        Assert.Null(traffic.NoteMinute(2, 100));
        Assert.Null(traffic.NoteMinute(6, 3));
        Assert.Equal(new TrafficMinute(11, 3, 1), traffic.NoteMinute(12, 0));
        Assert.Null(traffic.NoteMinute(25, 0));
        Assert.Null(traffic.NoteMinute(30, 4));
        Assert.Equal(new TrafficMinute(35, 4, 4), traffic.NoteMinute(36, 1));
    }

    [Theory]
    [InlineData(5, 0.1, 10)]
    [InlineData(4, 0.2, 10)]
    [InlineData(1.5, 0.1, null)]
    public async Task Four_or_five_times_the_calls_are_told_within_minutes_and_half_as_many_again_are_not(double times, double perSecond, int? withinMinutes)
    {
        var rig = new Rig(Start);
        var bot = new SimulatedBot(3, perSecond: perSecond);
        await LiveAsync(rig, bot, null, TimeSpan.FromHours(27));
        Assert.Empty(rig.News);

        await LiveAsync(rig, bot, new SimulatedBot(4, perSecond: perSecond * (times - 1)), TimeSpan.FromMinutes(withinMinutes ?? 40));
        Assert.Equal(withinMinutes is not null, rig.Raised.Any(finding => finding.Symptoms.Any(symptom => symptom.Feature == FeatureTable.CallRate.Name)));
    }

    /// <summary>Who never saw a morning takes it for a surge.</summary>
    [Fact]
    public async Task Without_a_day_to_look_back_on_nothing_is_said_of_how_many_come()
    {
        var rig = new Rig(Start);
        await LiveAsync(rig, new SimulatedBot(3, perSecond: 0.1), null, TimeSpan.FromHours(8));
        await LiveAsync(rig, new SimulatedBot(4, perSecond: 0.5), null, TimeSpan.FromMinutes(30));
        Assert.DoesNotContain(rig.Raised, finding => finding.Symptoms.Any(symptom => symptom.Feature == FeatureTable.CallRate.Name));
    }

    private static async Task LiveAsync(Rig rig, SimulatedBot bot, SimulatedBot? more, TimeSpan length)
    {
        for (var end = rig.Clock.Now + length; rig.Clock.Now < end;)
        {
            var batch = bot.Stretch(rig.Clock.Now, TimeSpan.FromSeconds(30), new Behaviour());
            more?.Stretch(rig.Clock.Now, TimeSpan.FromSeconds(30), new Behaviour(), batch);
            rig.Clock.Now += TimeSpan.FromSeconds(30);
            await rig.CommitAsync(batch);
        }
    }
}
