using Faultline.Diagnosis.Evaluators.Language;

namespace Faultline.Diagnosis.Evaluators.Groundedness;

/// <summary>Retrieved chunks, made ready for comparing claims with: sentences, their words, how telling each word is here.</summary>
internal sealed class Passages
{
    public const int SentencesMax = 1_500;

    /// <summary>So many words before one may deny it, or belong to a number.</summary>
    public const int ReachWords = 4;

    private readonly Dictionary<string, List<int>> _sentencesOfStem = new(StringComparer.Ordinal);
    private readonly HashSet<string> _denied = new(StringComparer.Ordinal);
    private readonly HashSet<string> _initials = new(StringComparer.Ordinal);
    private readonly HashSet<string> _capitals = new(StringComparer.Ordinal);

    public Passages(IReadOnlyList<string> chunks)
    {
        foreach (var chunk in chunks)
        {
            Texts.AddRange(Words.Sentences(chunk, SentencesMax - Texts.Count));
        }

        for (var sentence = 0; sentence < Texts.Count; sentence++)
        {
            var words = Words.Of(Texts[sentence]);
            Sentences.Add(words);
            Stems.Add([.. words.Select(word => word.Stem)]);
            for (var at = 0; at < words.Count; at++)
            {
                AddInitials(words, at);
                if (words[at].IsCapitals)
                {
                    _capitals.Add(words[at].Lower);
                }

                if (IsDenied(words, at))
                {
                    _denied.Add(words[at].Stem);
                }
            }

            foreach (var stem in Stems[sentence])
            {
                if (!_sentencesOfStem.TryGetValue(stem, out var places))
                {
                    _sentencesOfStem[stem] = places = [];
                }

                places.Add(sentence);
            }
        }
    }

    public List<string> Texts { get; } = [];

    public List<List<Word>> Sentences { get; } = [];

    public List<HashSet<string>> Stems { get; } = [];

    public bool Has(string stem) => _sentencesOfStem.ContainsKey(stem);

    /// <summary>Whether names that stand together have these initials: "European Union" has "eu".</summary>
    public bool Abbreviates(Word word) => word.IsCapitals && word.Lower.Length <= InitialsMax && _initials.Contains(word.Lower);

    /// <summary>Whether an abbreviation in capitals reads so: "eu".</summary>
    public bool HasAbbreviation(string initials) => _capitals.Contains(initials);

    /// <summary>Whether the word is somewhere behind a negation.</summary>
    public bool Denies(string stem) => _denied.Contains(stem);

    /// <summary>Whether a negation stands shortly before the word.</summary>
    public static bool IsDenied(List<Word> words, int at)
    {
        for (var before = Math.Max(0, at - ReachWords); before < at; before++)
        {
            if (Words.IsNegation(words[before].Lower))
            {
                return true;
            }
        }

        return false;
    }

    private const int InitialsMax = 5;

    private void AddInitials(List<Word> words, int at)
    {
        var initials = "";
        for (var next = at; next < words.Count && initials.Length < InitialsMax && (words[next].IsName || (next == 0 && words[next].IsContent && !words[next].IsNumber)); next++)
        {
            initials += words[next].Lower[0];
            if (initials.Length > 1)
            {
                _initials.Add(initials);
            }
        }
    }

    public IReadOnlyList<int> SentencesWith(string stem) => _sentencesOfStem.TryGetValue(stem, out var places) ? places : [];

    public IEnumerable<string> AllStems => _sentencesOfStem.Keys;

    /// <summary>Inverse document frequency over these sentences; the highest for a word that is in none.</summary>
    public double Weight(string stem) => Math.Log((Texts.Count + 1.0) / (SentencesWith(stem).Count + 0.5));
}
