using Faultline.Diagnosis.Features;
using Xunit;

namespace Faultline.Tests.Diagnosis.Features;

public sealed class AnswerWordsTests
{
    [Theory]
    [InlineData("I'm sorry, but I can't help with that.", true)]
    [InlineData("I cannot provide medical advice.", true)]
    [InlineData("As an AI language model, I do not have access to it.", true)]
    [InlineData("We are not able to answer questions about this.", true)]
    [InlineData("You can return shoes within 30 days.", false)]
    [InlineData("I'm sorry to hear that your parcel is late. It arrives tomorrow.", false)]
    [InlineData("", false)]
    public void A_refusal_is_told_from_an_answer(string answer, bool refuses) => Assert.Equal(refuses, AnswerWords.Refuses(answer));

    [Theory]
    [InlineData("block", true)]
    [InlineData("{\"action\": \"GUARDRAIL_INTERVENED\"}", true)]
    [InlineData("{\"passed\": false, \"score\": 0.2}", true)]
    [InlineData("{\"flagged\": true}", true)]
    [InlineData("{\"flagged\": false}", false)]
    [InlineData("pass", false)]
    [InlineData("{\"passed\": true}", false)]
    [InlineData("verdict=block", true)]
    [InlineData("denied=false", false)]
    [InlineData("denied=true", true)]
    [InlineData("", false)]
    public void A_guardrail_that_blocks_is_told_from_one_that_lets_pass(string result, bool blocks) => Assert.Equal(blocks, AnswerWords.Blocks(result));

    [Theory]
    [InlineData("The cafÃ© opens at nine.", true)]
    [InlineData("Itâ€™s done.", true)]
    [InlineData("grÃ¶ÃŸer", true)]
    [InlineData("a \uFFFD in the middle", true)]
    [InlineData("Ça va, château, âge, São Paulo, naïve, größer.", false)]
    [InlineData("It’s done.", false)]
    [InlineData("", false)]
    public void Characters_that_were_decoded_wrongly_are_seen(string text, bool isGarbled) => Assert.Equal(isGarbled, AnswerWords.IsGarbled(text));
}
