using Faultline.Diagnosis.Evaluators.Language;

namespace Faultline.Diagnosis.Topics;

/// <summary>A word of a text: what inflections share, and how it stood there.</summary>
internal readonly record struct SaidWord(string Stem, string Shown);

/// <summary>In how many texts each word stands. Bounded: the rarest words are forgotten first, and old texts weigh less and less.</summary>
internal sealed class WordCounts(int wordsMax)
{
    /// <summary>Above, everything counts half: a topic is named by what is said of it lately.</summary>
    public const double TextsMax = 4_096;

    private const int WordsOfText = 64;
    private const int CharactersMax = 2_000;
    private const int LettersMin = 3;

    /// <summary>What the prior weighs, in texts.</summary>
    private const double PriorTexts = 10;

    /// <summary>A word that tells stands in this share of the texts at least, and in so many.</summary>
    private const double ShareMin = 0.08;
    private const double TextsMin = 2;

    private readonly Dictionary<string, (string Shown, double Texts)> _words = new(StringComparer.Ordinal);

    public double Texts { get; private set; }

    public int Count => _words.Count;

    /// <summary>The content words of a text, each once: no numbers, no function words.</summary>
    public static IReadOnlyList<SaidWord> Of(string text)
    {
        HashSet<string> seen = new(StringComparer.Ordinal);
        List<SaidWord> words = [];
        foreach (var word in Words.Of(text.Length > CharactersMax ? text[..CharactersMax] : text))
        {
            if (words.Count < WordsOfText && word is { IsContent: true, IsNumber: false } && word.Lower.Length >= LettersMin && !word.Lower.Any(char.IsDigit) && seen.Add(word.Stem))
            {
                words.Add(new SaidWord(word.Stem, word.Lower));
            }
        }

        return words;
    }

    public void Add(IReadOnlyList<SaidWord> words)
    {
        Texts++;
        foreach (var word in words)
        {
            var (shown, texts) = _words.GetValueOrDefault(word.Stem, (word.Shown, 0));
            _words[word.Stem] = (shown, texts + 1);
        }

        if (Texts > TextsMax)
        {
            Scale(0.5);
        }

        if (_words.Count > wordsMax)
        {
            foreach (var (stem, _) in _words.OrderBy(one => one.Value.Texts).ThenBy(one => one.Key, StringComparer.Ordinal).Take(_words.Count - (wordsMax / 2)).ToList())
            {
                _words.Remove(stem);
            }
        }
    }

    /// <summary>Takes in another topic's.</summary>
    public void Add(WordCounts other)
    {
        Texts += other.Texts;
        foreach (var (stem, (shown, texts)) in other._words)
        {
            _words[stem] = (_words.GetValueOrDefault(stem, (shown, 0)).Item1, _words.GetValueOrDefault(stem).Texts + texts);
        }
    }

    /// <summary>Words that stand here far more often than in the rest, the most telling first.</summary>
    /// <param name="all">Of all texts, these among them.</param>
    /// <remarks>
    /// Source: Monroe, Colaresi and Quinn 2008, "Fightin' Words": the log-odds ratio with an informative Dirichlet prior, here what is said everywhere, divided by
    /// its standard error; over texts, not occurrences, so that one text that repeats itself names nothing.
    /// </remarks>
    public IReadOnlyList<string> Telling(WordCounts all, int max)
    {
        var rest = Math.Max(0, all.Texts - Texts);
        List<(string Shown, double Score)> scored = [];
        foreach (var (stem, (shown, here)) in _words)
        {
            if (here < TextsMin || here < ShareMin * Texts)
            {
                continue;
            }

            var everywhere = Math.Max(here, all._words.GetValueOrDefault(stem).Texts);
            var elsewhere = Math.Min(everywhere - here, rest);
            var prior = Math.Clamp(everywhere / Math.Max(1, all.Texts), 1e-4, 0.99) * PriorTexts;
            var difference = LogOdds(here + prior, Texts + PriorTexts) - LogOdds(elsewhere + prior, rest + PriorTexts);
            scored.Add((shown, difference / Math.Sqrt((1 / (here + prior)) + (1 / (elsewhere + prior)))));
        }

        return [.. scored.OrderByDescending(one => one.Score).ThenBy(one => one.Shown, StringComparer.Ordinal).Take(max).Select(one => one.Shown)];
    }

    /// <summary>What a restart needs of it: the most frequent words.</summary>
    public IReadOnlyList<WordState> ToState(int max) =>
        [.. _words.OrderByDescending(one => one.Value.Texts).ThenBy(one => one.Key, StringComparer.Ordinal).Take(max).Select(one => new WordState(one.Key, one.Value.Shown, one.Value.Texts))];

    public void Restore(double texts, IReadOnlyList<WordState> words)
    {
        Texts = texts;
        foreach (var word in words)
        {
            _words[word.Stem] = (word.Shown, word.Texts);
        }
    }

    /// <summary>Forgets words that stand in so few texts that these could be the only ones.</summary>
    public void ForgetRare(int texts)
    {
        foreach (var (stem, _) in _words.Where(one => one.Value.Texts <= texts).ToList())
        {
            _words.Remove(stem);
        }
    }

    private static double LogOdds(double has, double of) => Math.Log(has / Math.Max(1e-9, of - has));

    private void Scale(double factor)
    {
        Texts *= factor;
        foreach (var (stem, (shown, texts)) in _words.ToList())
        {
            _words[stem] = (shown, texts * factor);
        }
    }
}
