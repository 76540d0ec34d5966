using Faultline.Diagnosis.Evaluators.Language;

namespace Faultline.Diagnosis.Evaluators.Groundedness;

/// <summary>What speaks for and against one claim in the passages.</summary>
/// <param name="Nearest">Index of the nearest sentence; −1 when there is none.</param>
internal sealed record ClaimEvidence(string Claim, int Nearest, double[] Features, List<string> Reasons);

/// <summary>Compares a claim with passages word by word.</summary>
/// <remarks>
/// Sources: Laban et al. 2022, "SummaC" (sentence by sentence, the best passage counts); Kryściński et al. 2020, "FactCC", and Laban et al. 2023,
/// "SummEdits" (the kinds of wrong edit that are looked for); Kamoi et al. 2023, "WiCE" (claims with several passages as evidence).
/// </remarks>
internal sealed class ClaimReader(EncoderCache? encoder, Lexicon? lexicon)
{
    private const int WindowSentences = 3;
    private const int ShortlistSentences = 12;
    private const int BesideWords = 3;
    private const double SpecificWeight = 7;
    private const double SynonymWorth = 0.8;

    /// <summary>Of two words' vectors: below, they have nothing in common; above, one may stand for the other.</summary>
    private const double UnlikeCosine = 0.4;
    private const double AlikeCosine = 0.9;

    public static readonly string[] FeatureNames =
    [
        "words", "best", "window", "document", "documentSynonyms", "cosine", "cosine3",
        "numberAbsent", "numberFar", "nameAbsent", "nounAbsent", "verbAbsent", "adjectiveAbsent", "adverbAbsent", "unknownAbsent",
        "antonymNear", "antonymAnywhere", "sibling", "synonym", "broader", "negationAdded", "negationDropped", "quantity", "hedge", "contrast",
        "far", "pairBroken", "pairShare", "inversions", "oddest", "odd", "bigrams", "nameFar", "functionOdd", "siblingAbsent", "absentAdjacent",
        "root", "specific", "specificAbsent", "windowSynonyms", "cosineWindow", "antonymFar", "verbNear",
        "negationNew", "numberAlone", "monthAbsent", "soft", "softWindow", "synonymFar", "abbreviated",
    ];

    private static readonly HashSet<string> Quantities = Set("all every each always only solely entirely completely fully totally exclusively most many few several both half majority significantly significant greatly dramatically slightly least any everyone everything extremely highly");
    private static readonly HashSet<string> Hedges = Set("may might could possibly perhaps likely potentially seems appears reportedly allegedly must should will would definitely certainly guaranteed hopefully considering plan plans planning expected");
    private static readonly HashSet<string> Contrasts = Set("before after until despite although because due while since without against over under above below outside inside more less fewer greater than but however");

    public ClaimEvidence Read(string claim, Passages passages)
    {
        var words = Words.Of(claim);
        if (words.Count > 0 && words[0] is { IsContent: true, IsNumber: false } && lexicon is not null && lexicon.Lemma(words[0].Lower) is null)
        {
            words[0] = words[0] with { IsName = true };        // a capital says nothing at the start; being in no dictionary does
        }

        var content = words.Where(word => word.IsContent).ToList();
        var f = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (var name in FeatureNames)
        {
            f[name] = 0;
        }

        List<string> reasons = [];
        f["words"] = content.Count;
        if (content.Count == 0 || passages.Texts.Count == 0)
        {
            return new ClaimEvidence(claim, -1, [.. FeatureNames.Select(name => f[name])], reasons);
        }

        var window = Nearest(claim, content, passages, f);
        var near = Near(window, passages);
        Cover(content, passages, near, f);
        Absent(content, passages, near, window, f, reasons);
        Denied(words, passages, f, reasons);
        Numbers(words, passages, f);
        Particles(words, passages, window[0], near, f, reasons);
        Pairs(content, passages, window[0], f);
        return new ClaimEvidence(claim, window[0], [.. FeatureNames.Select(name => f[name])], reasons);
    }

    // The best three sentences by shared telling words, among the best twelve by closeness of meaning.
    private List<int> Nearest(string claim, List<Word> content, Passages passages, Dictionary<string, double> f)
    {
        var overlap = new double[passages.Texts.Count];
        var total = 0.0;
        foreach (var stem in content.Select(word => word.Stem).Distinct(StringComparer.Ordinal))
        {
            var weight = passages.Weight(stem);
            total += weight;
            foreach (var sentence in passages.SentencesWith(stem))
            {
                overlap[sentence] += weight;
            }
        }

        var shortlist = Enumerable.Range(0, overlap.Length).OrderByDescending(sentence => overlap[sentence]).Take(ShortlistSentences).ToList();
        f["best"] = overlap[shortlist[0]] / total;
        if (encoder is null)
        {
            return [.. shortlist.Take(WindowSentences)];
        }

        var cosine = shortlist.ToDictionary(sentence => sentence, sentence => (double)encoder.Cosine(claim, passages.Texts[sentence]));
        f["cosine"] = cosine.Values.Max();
        f["cosine3"] = cosine.Values.OrderDescending().Take(3).Average();
        List<int> window = [.. shortlist.OrderByDescending(sentence => (overlap[sentence] / total) + (0.5 * cosine[sentence])).Take(WindowSentences)];
        f["cosineWindow"] = encoder.Cosine(claim, string.Join(' ', window.Order().Select(sentence => passages.Texts[sentence])));
        return window;
    }

    private static HashSet<string> Near(List<int> window, Passages passages)
    {
        HashSet<string> near = new(StringComparer.Ordinal);
        foreach (var sentence in window)
        {
            for (var at = Math.Max(0, sentence - 1); at <= Math.Min(passages.Texts.Count - 1, sentence + 1); at++)
            {
                near.UnionWith(passages.Stems[at]);
            }
        }

        return near;
    }

    private static void Cover(List<Word> content, Passages passages, HashSet<string> near, Dictionary<string, double> f)
    {
        double total = 0, inWindow = 0, inDocument = 0;
        foreach (var word in content)
        {
            var weight = passages.Weight(word.Stem);
            total += weight;
            inWindow += near.Contains(word.Stem) ? weight : 0;
            inDocument += passages.Has(word.Stem) ? weight : 0;
        }

        f["window"] = inWindow / total;
        f["document"] = inDocument / total;
    }

    private void Absent(List<Word> content, Passages passages, HashSet<string> near, List<int> window, Dictionary<string, double> f, List<string> reasons)
    {
        var nearWords = encoder is null ? [] : window.SelectMany(sentence => passages.Sentences[sentence]).Where(word => word.IsContent && !word.IsNumber).Select(word => word.Lower).Distinct(StringComparer.Ordinal).ToList();
        double telling = 0, soft = 0, softNear = 0;
        var meanings = lexicon is null ? null : new Meanings(lexicon, passages, near);
        double total = 0, supported = 0, supportedNear = 0;
        var previousAbsent = false;
        for (var i = 0; i < content.Count; i++)
        {
            var word = content[i];
            var weight = passages.Weight(word.Stem);
            total += weight;
            f["specific"] += word.IsNumber || word.IsName ? 1 : 0;
            var tells = Tells(word);
            telling += tells;
            if (passages.Has(word.Stem))
            {
                soft += tells;
                softNear += window.Exists(sentence => passages.Stems[sentence].Contains(word.Stem)) ? tells : 0;
                previousAbsent = false;
                supported += weight;
                supportedNear += near.Contains(word.Stem) ? weight : 0;
                if (!near.Contains(word.Stem) && !word.IsNumber && meanings?.Opposes(word) == true)
                {
                    f["antonymFar"]++;
                }

                if (!near.Contains(word.Stem))
                {
                    f[word.IsNumber ? "numberFar" : word.IsName ? "nameFar" : "far"]++;
                    if (word.IsNumber)
                    {
                        reasons.Add($"{word.Lower} stands elsewhere, not near the passage");
                    }
                }

                continue;
            }

            var relation = word.IsNumber ? Relation.None : meanings?.Of(word) ?? Relation.None;
            var abbreviated = f["abbreviated"];
            if (word.IsName && (passages.Abbreviates(word) || IsAbbreviated(content, i, passages)))
            {
                relation = Relation.Synonym;
                f["abbreviated"]++;
            }
            else if (relation == Relation.Synonym && meanings?.IsNearSynonym(word) == false)
            {
                f["synonymFar"]++;
            }

            if (relation is not (Relation.Synonym or Relation.AntonymNear) && !word.IsNumber && SharesRoot(word, passages))
            {
                relation = Relation.Root;
            }

            var share = relation is Relation.Synonym or Relation.Root ? weight : relation == Relation.Broader ? weight / 2 : 0;
            supported += share;
            supportedNear += share;
            f["specificAbsent"] += relation != Relation.Root && f["abbreviated"] == abbreviated && (word.IsNumber || word.IsName) ? 1 : 0;
            Count(word, relation, f, reasons);
            if (relation is not (Relation.Synonym or Relation.Root or Relation.Broader) && !word.IsNumber)
            {
                f["absentAdjacent"] += previousAbsent ? 1 : 0;
                previousAbsent = true;
            }

            f["monthAbsent"] += Words.IsMonth(word.Lower) ? 1 : 0;
            soft += relation == Relation.Synonym ? SynonymWorth * tells : 0;
            if (encoder is not null && !word.IsNumber && relation != Relation.Synonym)
            {
                var closest = nearWords.Select(other => encoder.Cosine(word.Lower, other)).DefaultIfEmpty(0).Max();
                soft += tells * Math.Clamp((closest - UnlikeCosine) / (AlikeCosine - UnlikeCosine), 0, 1);
                f["odd"] += 1 - closest;
                f["oddest"] = Math.Max(f["oddest"], 1 - closest);
            }
        }

        f["soft"] = soft / telling;
        f["softWindow"] = softNear / telling;
        f["documentSynonyms"] = supported / total;
        f["windowSynonyms"] = supportedNear / total;
    }

    // "United Kingdom" where the passages say "UK": the word begins, continues or ends a run of names with initials that they have.
    private static bool IsAbbreviated(List<Word> content, int at, Passages passages)
    {
        for (var from = Math.Max(0, at - 3); from <= at; from++)
        {
            var initials = "";
            for (var to = from; to < content.Count && initials.Length < 5 && (content[to].IsName || to == 0); to++)
            {
                initials += content[to].Lower[0];
                if (to >= at && initials.Length > 1 && passages.HasAbbreviation(initials))
                {
                    return true;
                }
            }
        }

        return false;
    }

    // What a word tells in any text: rare words more than common ones, names and numbers most.
    private double Tells(Word word) =>
        word.IsNumber || word.IsName ? SpecificWeight : Math.Log(2 + (2000.0 / (1 + (lexicon?.Lemma(word.Lower) is { } lemma ? lexicon.Uses(lemma) : 0))));

    // Words that the claim denies and the passages, which know them, never do.
    private static void Denied(List<Word> words, Passages passages, Dictionary<string, double> f, List<string> reasons)
    {
        for (var at = 0; at < words.Count; at++)
        {
            var word = words[at];
            if (word is { IsContent: true, Lower.Length: > 2 } && Passages.IsDenied(words, at) && passages.Has(word.Stem) && !passages.Denies(word.Stem))
            {
                f["negationNew"]++;
                reasons.Add($"the passages never deny \"{word.Lower}\"");
            }
        }
    }

    // Numbers that the passages have, but beside other words.
    private static void Numbers(List<Word> words, Passages passages, Dictionary<string, double> f)
    {
        for (var at = 0; at < words.Count; at++)
        {
            var number = words[at];
            var beside = number.IsNumber ? Beside(words, at) : [];
            f["numberAlone"] += beside.Count > 0 && passages.Has(number.Stem)
                && !passages.SentencesWith(number.Stem).Any(sentence => IsBeside(passages.Sentences[sentence], number.Stem, beside)) ? 1 : 0;
        }
    }

    private static bool IsBeside(List<Word> sentence, string number, HashSet<string> words)
    {
        for (var at = 0; at < sentence.Count; at++)
        {
            if (sentence[at].Stem == number && Beside(sentence, at).Overlaps(words))
            {
                return true;
            }
        }

        return false;
    }

    private static HashSet<string> Beside(List<Word> words, int at) =>
        [.. Enumerable.Range(at - BesideWords, (2 * BesideWords) + 1).Where(other => other >= 0 && other < words.Count && other != at && words[other].Lower.Length > 3).Select(other => words[other].Stem)];

    // "penetration", "penetrated": the first five letters and most of the word.
    private static bool SharesRoot(Word word, Passages passages) =>
        word.Stem.Length >= 5 && passages.AllStems.Any(stem => stem.Length >= 5 && stem.AsSpan().CommonPrefixLength(word.Stem) >= Math.Max(5, (int)(0.6 * Math.Max(stem.Length, word.Stem.Length))));

    private void Count(Word word, Relation relation, Dictionary<string, double> f, List<string> reasons)
    {
        var part = lexicon?.Lemma(word.Lower) is { } lemma ? lexicon.Part(lemma) : '?';
        switch (relation)
        {
            case Relation.Synonym:
                f["synonym"]++;
                break;
            case Relation.Broader:
                f["broader"]++;
                break;
            case Relation.Root:
                f["root"]++;
                break;
            case Relation.AntonymNear:
                f["antonymNear"]++;
                reasons.Add($"the passage says the opposite of \"{word.Lower}\"");
                break;
            default:
                f["sibling"] += relation == Relation.Sibling ? 1 : 0;
                f["antonymAnywhere"] += relation == Relation.Antonym ? 1 : 0;
                var kind = word.IsNumber ? "numberAbsent" : word.IsName ? "nameAbsent"
                    : part switch { 'n' => "nounAbsent", 'v' => "verbAbsent", 'a' => "adjectiveAbsent", 'r' => "adverbAbsent", _ => "unknownAbsent" };
                f[kind]++;
                f["siblingAbsent"] += relation == Relation.Sibling && !word.IsName ? 1 : 0;
                reasons.Add(word.IsNumber ? $"the number {word.Lower} is nowhere" : word.IsName ? $"the name \"{word.Lower}\" is nowhere" : $"nothing like \"{word.Lower}\"");
                break;
        }
    }

    private static void Particles(List<Word> words, Passages passages, int nearest, HashSet<string> near, Dictionary<string, double> f, List<string> reasons)
    {
        var said = words.Count(IsNegation);
        var source = passages.Sentences[nearest].Count(IsNegation);
        var anyNear = near.Any(Words.IsNegation);
        if (said > 0 && source == 0)
        {
            f["negationAdded"] = anyNear ? 0.5 : 1;
            reasons.Add("it denies what the passage does not");
        }

        f["negationDropped"] = said == 0 && source > 0 ? 1 : 0;
        foreach (var word in words.Where(word => !near.Contains(word.Stem)))
        {
            if (Quantities.Contains(word.Lower))
            {
                f["quantity"]++;
                reasons.Add($"\"{word.Lower}\" is not in the passage");
            }
            else if (Hedges.Contains(word.Lower))
            {
                f["hedge"]++;
            }
            else if (Contrasts.Contains(word.Lower))
            {
                f["contrast"]++;
            }
            else if (!word.IsContent)
            {
                f["functionOdd"]++;
            }
        }

        static bool IsNegation(Word word) => Words.IsNegation(word.Lower);
    }

    // Neighbours in the claim that the passages know, but never together; and words of the nearest sentence in another order.
    private static void Pairs(List<Word> content, Passages passages, int nearest, Dictionary<string, double> f)
    {
        int known = 0, broken = 0, adjacent = 0;
        for (var i = 1; i < content.Count; i++)
        {
            var left = passages.SentencesWith(content[i - 1].Stem);
            var right = passages.SentencesWith(content[i].Stem);
            if (left.Count > 0 && right.Count > 0)
            {
                known++;
                var together = left.Intersect(right).ToList();
                broken += together.Count == 0 ? 1 : 0;
                adjacent += together.Exists(sentence => Adjacent(passages.Sentences[sentence], content[i - 1].Stem, content[i].Stem)) ? 1 : 0;
            }
        }

        f["pairBroken"] = broken;
        f["pairShare"] = known == 0 ? 0 : (double)broken / known;
        f["bigrams"] = content.Count < 2 ? 0 : (double)adjacent / (content.Count - 1);
        var order = content.Select(word => passages.Sentences[nearest].FindIndex(other => other.Stem == word.Stem)).Where(at => at >= 0).ToList();
        var inversions = 0;
        for (var i = 1; i < order.Count; i++)
        {
            inversions += order[i] < order[i - 1] ? 1 : 0;
        }

        f["inversions"] = order.Count < 2 ? 0 : (double)inversions / (order.Count - 1);
    }

    private static bool Adjacent(List<Word> sentence, string left, string right)
    {
        var previous = "";
        foreach (var word in sentence.Where(word => word.IsContent))
        {
            if (word.Stem == right && previous == left)
            {
                return true;
            }

            previous = word.Stem;
        }

        return false;
    }

    private static HashSet<string> Set(string words) => [.. words.Split(' ')];
}
