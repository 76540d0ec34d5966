using Faultline.Diagnosis.Features;
using Xunit;

namespace Faultline.Tests.Diagnosis.Features;

public sealed class KnownWordsTests
{
    private const long Start = 1_780_000_000;

    [Fact]
    public void Texts_of_words_that_were_not_met_are_new_until_the_words_are_some_hours_old()
    {
        var words = new KnownWords();
        Assert.Null(words.IsNew("How long does shipping to Austria take?", Start));
        var later = Start + (2 * KnownWords.SecondsKnown);
        Assert.False(words.IsNew("How long does shipping from Austria take?", later));
        Assert.True(words.IsNew("Wie lange dauert eine Lieferung nach Graz, bitte?", later + 1));
        Assert.True(words.IsNew("Wie lange dauert eine Lieferung nach Graz, bitte?", later + KnownWords.SecondsKnown - 1));
        Assert.False(words.IsNew("Wie lange dauert eine Lieferung nach Graz, bitte?", later + KnownWords.SecondsKnown + 2));
    }

    [Theory]
    [InlineData("")]
    [InlineData("ok")]
    [InlineData("a b c d e f g")]
    [InlineData("4711 0815 1234 5678 9999")]
    public void A_text_of_few_words_says_nothing(string text)
    {
        var words = new KnownWords();
        words.IsNew("", Start);
        Assert.Null(words.IsNew(text, Start + (3 * KnownWords.SecondsKnown)));
    }

    [Fact]
    public void What_comes_when_its_memory_is_full_stays_new()
    {
        var words = new KnownWords();
        words.IsNew(string.Join(' ', Enumerable.Range(0, KnownWords.WordsMax).Select(Word)) + ".", Start);
        var later = Start + (4 * KnownWords.SecondsKnown);
        Assert.False(words.IsNew(string.Join(' ', Enumerable.Range(0, 9).Select(Word)) + ".", later));
        Assert.True(words.IsNew("Something else entirely comes later.", later));
        Assert.True(words.IsNew("Something else entirely comes later.", later + (2 * KnownWords.SecondsKnown)));
    }

    private static string Word(int number) => string.Concat(Enumerable.Range(0, 6).Select(place => (char)('a' + ((number >> (3 * place)) & 7))));
}
