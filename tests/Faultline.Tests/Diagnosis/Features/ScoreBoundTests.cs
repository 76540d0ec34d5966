using Faultline.Diagnosis.Features;
using Faultline.Tests.Diagnosis.Series;
using Xunit;

namespace Faultline.Tests.Diagnosis.Features;

public sealed class ScoreBoundTests
{
    [Theory]
    [InlineData(1.0)]
    [InlineData(100.0)]
    public void Wrong_answers_are_far_off_and_good_ones_are_not_on_any_scale(double scale)
    {
        var (poor, ofPoor, good, ofGood) = (0, 0, 0, 0);
        var bound = new ScoreBound(FeatureTable.Score("relevance"));
        var random = new Random(7);
        for (var i = 0; i < 5000; i++)
        {
            var isWrong = random.NextDouble() < 0.1;
            if (bound.Note(scale * Score(random, isWrong ? 0.45 : 0.87)) is not { } isPoor)
            {
                Assert.InRange(i, 0, 99);
                continue;
            }

            (ofPoor, poor) = isWrong ? (ofPoor + 1, poor + (isPoor ? 1 : 0)) : (ofPoor, poor);
            (ofGood, good) = isWrong ? (ofGood, good) : (ofGood + 1, good + (isPoor ? 1 : 0));
        }

        Assert.True(poor > 0.98 * ofPoor, $"{poor} of {ofPoor} wrong ones");
        Assert.True(good < 0.001 * ofGood, $"{good} of {ofGood} good ones");
    }

    [Fact]
    public void Of_what_is_bad_when_high_the_high_are_poor_and_the_low_are_not()
    {
        var bound = new ScoreBound(FeatureTable.Score("hallucination"));
        var random = new Random(8);
        for (var i = 0; i < 200; i++)
        {
            bound.Note(Score(random, 0.2));
        }

        Assert.Equal((true, false, false), (bound.Note(0.9), bound.Note(0.2), bound.Note(0)));
    }

    /// <summary>A judge that gives 1 to nearly all has no spread; a tenth of it is far.</summary>
    [Fact]
    public void A_score_that_is_always_the_same_is_far_off_from_a_tenth_on()
    {
        var bound = new ScoreBound(FeatureTable.Score("relevance"));
        for (var i = 0; i < 1000; i++)
        {
            bound.Note(1);
        }

        Assert.Equal((false, true, false), (bound.Note(0.95), bound.Note(0.85), bound.Note(1)));
    }

    /// <summary>Nothing is toxic: what is a little so is not yet far off.</summary>
    [Fact]
    public void Of_a_score_that_is_always_nought_a_small_one_is_not_poor()
    {
        var bound = new ScoreBound(FeatureTable.Score("toxicity"));
        for (var i = 0; i < 500; i++)
        {
            bound.Note(0);
        }

        Assert.Equal((false, true, false), (bound.Note(0.02), bound.Note(0.3), bound.Note(0)));
        for (var i = 0; i < 5000; i++)
        {
            bound.Note(0.3);
        }

        Assert.Equal(false, bound.Note(0.3));
    }

    [Fact]
    public void An_hour_in_which_every_third_answer_is_wrong_does_not_make_wrong_usual_and_a_new_level_is_learnt()
    {
        var bound = new ScoreBound(FeatureTable.Score("relevance"));
        var random = new Random(9);
        var poor = 0;
        for (var i = 0; i < 1000; i++)
        {
            poor += bound.Note(Score(random, i >= 700 && i % 3 == 0 ? 0.45 : 0.87)) == true ? 1 : 0;
        }

        Assert.InRange(poor, 97, 101);
        for (var i = 0; i < 5000; i++)
        {
            bound.Note(Score(random, 0.6));
        }

        Assert.Equal((false, true), (bound.Note(0.55), bound.Note(0.2)));
    }

    private static double Score(Random random, double mean) => Math.Clamp(mean + (0.04 * SeriesDetectorTests.Gauss(random)), 0, 1);
}
