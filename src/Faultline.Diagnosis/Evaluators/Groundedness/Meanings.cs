using Faultline.Diagnosis.Evaluators.Language;

namespace Faultline.Diagnosis.Evaluators.Groundedness;

/// <summary>What a word of a claim that is in no passage has to do with the passages' words; the closest relation counts.</summary>
internal enum Relation
{
    None,

    /// <summary>Shares a more general meaning with a word near by ("boycott", "protest"): often what a wrong word is.</summary>
    Sibling,

    /// <summary>Opposite of a word far from the passage.</summary>
    Antonym,

    /// <summary>Opposite of a word in or beside the nearest passages.</summary>
    AntonymNear,

    /// <summary>One step more general or more special.</summary>
    Broader,

    /// <summary>Same root ("penetrate", "penetration"), as the letters tell.</summary>
    Root,

    /// <summary>Same meaning, or the same word as another part of speech.</summary>
    Synonym,
}

/// <summary>Looks words up in the passages by meaning.</summary>
internal sealed class Meanings
{
    private readonly Lexicon _lexicon;
    private readonly HashSet<int> _senses = [];
    private readonly HashSet<int> _nearSenses = [];
    private readonly HashSet<int> _broader = [];
    private readonly HashSet<string> _nearLemmas = new(StringComparer.Ordinal);
    private readonly HashSet<string> _lemmas = new(StringComparer.Ordinal);

    public Meanings(Lexicon lexicon, Passages passages, HashSet<string> near)
    {
        _lexicon = lexicon;
        foreach (var word in passages.Sentences.SelectMany(sentence => sentence).Where(word => word.IsContent && !word.IsNumber).DistinctBy(word => word.Lower))
        {
            if (lexicon.Lemma(word.Lower) is { } lemma && _lemmas.Add(lemma))
            {
                var isNear = near.Contains(word.Stem);
                if (isNear)
                {
                    _nearLemmas.Add(lemma);
                }

                foreach (var sense in lexicon.Synsets(lemma))
                {
                    _senses.Add(sense);
                    if (isNear)
                    {
                        _nearSenses.Add(sense);
                        _broader.UnionWith(lexicon.Broader(sense));
                    }
                }
            }
        }
    }

    public bool Opposes(Word word) => _lexicon.Lemma(word.Lower) is { } lemma && _lexicon.Antonyms(lemma).Overlaps(_nearLemmas);

    /// <summary>Whether a word in or beside the nearest passages has the same meaning.</summary>
    public bool IsNearSynonym(Word word) =>
        _lexicon.Lemma(word.Lower) is { } lemma && _lexicon.Synsets(lemma).Any(sense => _nearSenses.Contains(sense) || _lexicon.Similar(sense).Any(_nearSenses.Contains));

    public Relation Of(Word word)
    {
        if (_lexicon.Lemma(word.Lower) is not { } lemma)
        {
            return Relation.None;
        }

        var antonyms = _lexicon.Antonyms(lemma);
        if (antonyms.Overlaps(_nearLemmas))
        {
            return Relation.AntonymNear;
        }

        var senses = _lexicon.Synsets(lemma);
        if (senses.Any(sense => _senses.Contains(sense) || _lexicon.Similar(sense).Any(_senses.Contains)))
        {
            return Relation.Synonym;
        }

        if (antonyms.Overlaps(_lemmas))
        {
            return Relation.Antonym;
        }

        return senses.Any(sense => _broader.Contains(sense) || _lexicon.Broader(sense).Any(_senses.Contains)) ? Relation.Broader
            : senses.Any(sense => _lexicon.Broader(sense).Any(_broader.Contains)) ? Relation.Sibling
            : Relation.None;
    }
}
