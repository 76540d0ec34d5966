using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Facts;
using Faultline.Diagnosis.Features;
using Faultline.Store.Traces;
using Faultline.Tests.Diagnosis.Causes;
using Xunit;

namespace Faultline.Tests.Diagnosis.Facts;

/// <summary>What requests between a change and the onset say of the change.</summary>
public sealed class RanWellTests
{
    private static readonly Distinction s_eight = new(AttributeNames.Prompt, "greeting@8", 1, 0);

    [Theory]
    [InlineData(4, 0, 0.9, 2.28)]       // 4 ln(0.98/0.1) / 4
    [InlineData(30, 0, 0.9, 3.5)]       // the most
    [InlineData(30, 0, 0.3, 2.52)]      // 30 ln(0.98/0.7) / 4
    [InlineData(30, 10, 0.3, 0)]        // as many as since the onset: it began with the change
    [InlineData(3, 0, 0.9, 0)]          // too few
    public void Requests_that_had_the_change_and_were_well_speak_against_it_by_their_likelihood(int requests, int bad, double since, double weight)
    {
        var traces = Between("8")[..requests];
        var found = new RanWell([.. traces.Select((trace, at) => (trace, at < bad))], usual: 0, since).With(s_eight);
        Assert.Equal(weight, found.Weight, 0.01);
        Assert.Equal(weight > 0, found.Evidence is not null);
        Assert.Equal(0, new RanWell([.. traces.Select(static trace => (trace, false))], usual: 0, since).With(s_eight with { Value = "greeting@9" }).Weight);
    }

    [Fact]
    public void A_symptom_that_no_single_request_can_show_proves_nothing() =>
        Assert.Equal(0, new RanWell([.. Between("8").Select(static trace => (trace, true))], usual: 1, since: 1).With(s_eight).Weight);

    [Fact]
    public void A_template_that_did_no_harm_for_half_an_hour_is_not_what_all_of_it_is_laid_to()
    {
        static Verdict Of(RanWell ranWell) => new KnownFacts { Spans = static (_, bad) => [Call(bad ? "8" : "7")], RanWell = ranWell }
            .Changed("prompt", "greeting version 8", 30).Moved(FeatureTable.Score("relevance"), 0.87, 0.6).Conclude();
        var laid = Of(RanWell.Unknown).Hypotheses[0];
        Assert.Equal("prompt_template_regressed", laid.Cause);

        var well = Of(new RanWell([.. Between("8").Select(static trace => (trace, false))], usual: 0.02, since: 0.95));
        var after = well.Hypotheses.Single(static one => one.Cause == "prompt_template_regressed");
        Assert.True(after.Confidence < laid.Confidence - 0.2, KnownFacts.Said(well));
        Assert.Equal("Of 30 requests with prompt greeting@8 before the onset none shows it; since then 95 % do.", after.Against[0].Text);
    }

    private static SpanSummary Call(string version) =>
        KnownFacts.Span("chat", KnownFacts.Nothing with { Operation = "chat", ModelRequested = "gpt-4o", PromptName = "greeting", PromptVersion = version });

    private static List<TraceFacts> Between(string version) => KnownFacts.Side(5000, KnownFacts.Onset.AddMinutes(-20), _ => [Call(version)]);
}
