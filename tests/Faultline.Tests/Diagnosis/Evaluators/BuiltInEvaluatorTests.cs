using Faultline.Diagnosis.Evaluators;
using Xunit;

namespace Faultline.Tests.Diagnosis.Evaluators;

public sealed class BuiltInEvaluatorTests
{
    public static TheoryData<string> Hostile => new()
    {
        "", " ", "\0", "\ud800", "a\udc00b\ud83d", "```", "```json\n", "{", "[[[[", new string('[', 5_000), new string('a', 300_000), string.Join(' ', Enumerable.Repeat("word.", 50_000)),
        "1.5.2.3,,,4 million k", "\u202e\u200b\ufeff", "....!!!???", "{\"a\": 1e999}", "'''s's's n't",
    };

    [Theory]
    [MemberData(nameof(Hostile))]
    public void Hostile_text_is_scored_or_skipped_with_a_reason(string text)
    {
        foreach (var call in new[] { new EvaluatedCall(text, [text], text, text), new EvaluatedCall("Is it fine?", ["It is fine."], text), new EvaluatedCall(text, [text], "It is fine.", "{\"type\":5,\"required\":[1],\"enum\":2}") })
        {
            foreach (var evaluator in BuiltInEvaluators.All(LanguageResources.None))
            {
                var evaluation = evaluator.Evaluate(call);
                Assert.Equal(evaluator.Name, evaluation.Name);
                Assert.True(evaluation.IsSkipped || evaluation.Score is >= 0 and <= 1, $"{evaluator.Name}: {evaluation.Score}");
                Assert.NotEmpty(evaluation.Explanation);
            }
        }
    }

    [Theory]
    [InlineData("I'm sorry, but I can't help with that.", "refused")]
    [InlineData("I cannot assist with this request.", "refused")]
    [InlineData("The context does not contain information on this.", "no information")]
    [InlineData("This content was blocked by our safety filters.", "filtered")]
    [InlineData("You can cancel at any time; we are sorry to see you go.", "answered")]
    [InlineData("If you cannot help yourself, call us.", "answered")]
    public void A_refusal_is_told_from_an_answer(string answer, string label) =>
        Assert.Equal(label, RefusalEvaluator.Evaluate(new EvaluatedCall("q", [], answer)).Label);

    [Theory]
    [InlineData("How can I return the shoes that I bought?", "You can return the shoes and get your money back.", "kept")]
    [InlineData("How can I return the shoes that I bought?", "Sie können die Schuhe zurückgeben und Ihr Geld ist nicht verloren.", "changed")]
    [InlineData("Wie kann ich die Schuhe zurückgeben?", "このシューズは返品できます。", "changed")]
    [InlineData("Ok?", "Yes.", "skipped")]
    [InlineData("I deleted a project by mistake", "You can restore it for 30 days from the list of deleted projects.", "skipped")]
    public void A_change_of_language_is_seen(string question, string answer, string label) =>
        Assert.Equal(label, LanguageEvaluator.Evaluate(new EvaluatedCall(question, [], answer)).Label);

    [Theory]
    [InlineData("""{"city":"Oslo","days":3}""", "valid")]
    [InlineData("```json\n{\"city\":\"Oslo\",\"days\":3}\n```", "valid, fenced")]
    [InlineData("""{"city":"Oslo"}""", "against its schema")]
    [InlineData("""{"city":"Oslo","days":3.5}""", "against its schema")]
    [InlineData("""{"city":"Rome","days":3}""", "against its schema")]
    [InlineData("""{"city":"Oslo","days":3,"extra":1}""", "against its schema")]
    [InlineData("""{"city":"Oslo","days":3""", "broken")]
    [InlineData("Three days in Oslo.", "broken")]
    public void An_answer_is_held_against_its_schema(string answer, string label)
    {
        const string Schema = """{"type":"object","required":["city","days"],"additionalProperties":false,"properties":{"city":{"enum":["Oslo","Bergen"]},"days":{"type":"integer","minimum":1}}}""";
        Assert.Equal(label, FormatEvaluator.Evaluate(new EvaluatedCall("q", [], answer, Schema)).Label);
    }

    [Fact]
    public void Repetition_is_seen_and_shown()
    {
        var evaluation = new CoherenceEvaluator(LanguageResources.None).Evaluate(new EvaluatedCall("q", [], string.Concat(Enumerable.Repeat("Please try to restart the router now. ", 8))));
        Assert.Equal("repetitive", evaluation.Label);
        Assert.Contains("please try to restart", evaluation.Explanation, StringComparison.Ordinal);
        Assert.Equal("coherent", new CoherenceEvaluator(LanguageResources.None).Evaluate(new EvaluatedCall("q", [], "Restart the router. Then wait a minute.")).Label);
    }

    [Fact]
    public void An_answer_and_chunks_on_the_subject_score_above_others()
    {
        const string Question = "How long does a refund take?";
        var answer = new AnswerRelevanceEvaluator(LanguageResources.None);
        Assert.True(answer.Evaluate(new EvaluatedCall(Question, [], "A refund takes five days.")).Score > answer.Evaluate(new EvaluatedCall(Question, [], "Our office is in Oslo.")).Score);
        var retrieval = new RetrievalRelevanceEvaluator(LanguageResources.None);
        var first = retrieval.Evaluate(new EvaluatedCall(Question, ["A refund takes five days.", "Our office is in Oslo."], ""));
        var second = retrieval.Evaluate(new EvaluatedCall(Question, ["Our office is in Oslo.", "A refund takes five days."], ""));
        Assert.True(first.Score > second.Score, "a good chunk counts more at the top");
    }
}
