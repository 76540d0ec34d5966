using Faultline.Telemetry.GenAi;
using Xunit;

namespace Faultline.Tests.GenAi;

public sealed class ContentTraitsTests
{
    [Theory]
    [InlineData("", ContentForm.Empty)]
    [InlineData(" null ", ContentForm.Empty)]
    [InlineData("{}", ContentForm.Empty)]
    [InlineData("[]", ContentForm.Empty)]
    [InlineData("{\"a\": [1, 2]}", ContentForm.Json)]
    [InlineData("```json\n{\"a\": 1}\n```", ContentForm.Json)]
    [InlineData("[{\"id\": 7}]", ContentForm.Json)]
    [InlineData("{\"a\": [1, 2", ContentForm.BrokenJson)]
    [InlineData("{'a': 1}", ContentForm.BrokenJson)]
    [InlineData("{\"a\": 1} and that is all", ContentForm.BrokenJson)]
    [InlineData("Parcels take three days.", ContentForm.Text)]
    [InlineData("[1] says that parcels take three days.", ContentForm.Text)]
    [InlineData("{customer} was not filled in", ContentForm.Text)]
    public void The_form_of_a_text_is_what_a_reader_would_say(string text, ContentForm form) => Assert.Equal(form, ContentTraits.FormOf(text));

    [Theory]
    [InlineData("Dear {{customer_name}}, thank you.", true)]
    [InlineData("Answer {question} in German.", true)]
    [InlineData("Use ${language} only.", true)]
    [InlineData("Hello %(name)s", true)]
    [InlineData("Answer as JSON: {\"answer\": \"…\"}", false)]
    [InlineData("Set {1, 2, 3} has three elements, 100 % of them numbers.", false)]
    [InlineData("", false)]
    public void A_placeholder_is_told_from_braces_that_mean_something_else(string text, bool isLeft) => Assert.Equal(isLeft, ContentTraits.HasPlaceholder(text));
}
