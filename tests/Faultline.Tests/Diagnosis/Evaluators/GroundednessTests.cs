using Faultline.Diagnosis.Evaluators;
using Faultline.Diagnosis.Evaluators.Groundedness;
using Xunit;

namespace Faultline.Tests.Diagnosis.Evaluators;

public sealed class GroundednessTests(LanguageFixture language) : IClassFixture<LanguageFixture>
{
    private const string Policy = """
        Acme accepts returns within 30 days of delivery. Refunds are paid to the original card within five business days.
        Shipping costs 4.90 euros for orders below 50 euros. Customers in Norway must pay customs duties themselves.
        The warehouse in Hamburg was expanded in 2019. Premium members can return opened items, but other customers cannot.
        """;

    public static TheoryData<string, string, string> Planted => new()
    {
        { "number", "Acme accepts returns within 30 days of delivery.", "Acme accepts returns within 90 days of delivery." },
        { "date", "The warehouse in Hamburg was expanded in 2019.", "The warehouse in Hamburg was expanded in 2021." },
        { "name", "Customers in Norway must pay customs duties themselves.", "Customers in Sweden must pay customs duties themselves." },
        { "negation", "Refunds are paid to the original card.", "Refunds are not paid to the original card." },
        { "invented", "Shipping costs 4.90 euros for orders below 50 euros.", "Shipping by Zeppelin Express costs 4.90 euros for Platinum Circle orders." },
    };

    [Theory]
    [MemberData(nameof(Planted))]
    public void A_planted_contradiction_scores_below_the_true_statement_by_words_alone(string kind, string right, string wrong) =>
        AssertLower(LanguageResources.None, kind, right, wrong);

    [SkippableTheory]
    [MemberData(nameof(Planted))]
    [InlineData("opposite", "The warehouse in Hamburg was expanded in 2019.", "The warehouse in Hamburg was contracted in 2019.")]
    public void A_planted_contradiction_scores_below_the_true_statement(string kind, string right, string wrong)
    {
        Skip.If(language.Missing is not null, language.Missing);
        AssertLower(language.Resources, kind, right, wrong);
    }

    [SkippableFact]
    public void A_synonym_is_no_contradiction()
    {
        Skip.If(language.Missing is not null, language.Missing);
        var evaluator = new GroundednessEvaluator(language.Resources);
        Assert.Equal("grounded", evaluator.Evaluate(Call("Acme takes returns within 30 days of delivery.")).Label);
    }

    [Fact]
    public void Every_claim_comes_with_its_nearest_passage_and_what_speaks_against_it()
    {
        var evaluation = Evaluate("Shipping costs 4.90 euros for orders below 50 euros. Returns are accepted within 90 days.");
        Assert.Equal(2, evaluation.Claims.Count);
        Assert.StartsWith("Shipping costs", evaluation.Claims[0].Passage, StringComparison.Ordinal);
        Assert.Contains("returns", evaluation.Claims[1].Passage, StringComparison.Ordinal);
        Assert.Contains(evaluation.Claims[1].Reasons, reason => reason.Contains("90", StringComparison.Ordinal));
        Assert.True(evaluation.Claims[0].Score > evaluation.Claims[1].Score);
    }

    [Fact]
    public void The_same_call_has_the_same_answer()
    {
        var first = Evaluate("Refunds are paid within six days.");
        var second = Evaluate("Refunds are paid within six days.");
        Assert.Equal(first.Score, second.Score);
        Assert.Equal(first.Explanation, second.Explanation);
    }

    [Fact]
    public void Without_chunks_or_statements_it_is_skipped_with_the_reason()
    {
        var evaluator = new GroundednessEvaluator(LanguageResources.None);
        Assert.Equal("no retrieved text", evaluator.Evaluate(new EvaluatedCall("q", [], "a statement")).Explanation);
        Assert.Equal("the answer states nothing", evaluator.Evaluate(new EvaluatedCall("q", [Policy], "")).Explanation);
    }

    [Fact]
    public void That_words_alone_were_read_is_said() =>
        Assert.Contains("By words alone", Evaluate("Refunds are paid within six days.").Explanation, StringComparison.Ordinal);

    [Theory]
    [InlineData("3.5 million", "3,500,000")]
    [InlineData("twelve apples", "12 apples")]
    [InlineData("the 1st prize", "the first prize")]
    public void A_number_is_its_value(string left, string right) =>
        Assert.Equal(Faultline.Diagnosis.Evaluators.Language.Words.Of(left).Select(word => word.Stem), Faultline.Diagnosis.Evaluators.Language.Words.Of(right).Select(word => word.Stem));

    private static void AssertLower(LanguageResources resources, string kind, string right, string wrong)
    {
        var evaluator = new GroundednessEvaluator(resources);
        var (supported, contradicted) = (evaluator.Evaluate(Call(right)), evaluator.Evaluate(Call(wrong)));
        Assert.True(supported.Score > contradicted.Score + 0.1, $"{kind}: {supported.Score} is not above {contradicted.Score}");
        Assert.True(contradicted.Score < 0.5, $"{kind}: {contradicted.Score}");
    }

    private static Evaluation Evaluate(string answer) => new GroundednessEvaluator(LanguageResources.None).Evaluate(Call(answer));

    private static EvaluatedCall Call(string answer) => new("What is the policy?", [Policy], answer);
}
