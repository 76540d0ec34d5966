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

    [Theory]
    [InlineData(4, true)]
    [InlineData(1.5, false)]
    public async Task Four_times_the_calls_are_told_and_half_as_many_again_are_not(double times, bool isTold)
    {
        var rig = new Rig(Start);
        var bot = new SimulatedBot(3, perSecond: 0.2);
        await LiveAsync(rig, bot, null, TimeSpan.FromHours(10));
        Assert.Empty(rig.News);

        await LiveAsync(rig, bot, new SimulatedBot(4, perSecond: 0.2 * (times - 1)), TimeSpan.FromMinutes(40));
        Assert.Equal(isTold, rig.Raised.Any(finding => finding.Symptoms.Any(symptom => symptom.Feature == FeatureTable.CallRate.Name)));
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
