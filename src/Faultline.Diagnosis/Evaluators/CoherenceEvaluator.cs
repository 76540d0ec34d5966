using Faultline.Diagnosis.Evaluators.Language;

namespace Faultline.Diagnosis.Evaluators;

/// <summary>Does the answer repeat itself, or break off?</summary>
/// <remarks>
/// Sources: Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration" (repeated word sequences); Barzilay and Lapata 2008 for neighbouring
/// sentences that share nothing, which lowers the score only a little.
/// </remarks>
public sealed class CoherenceEvaluator(LanguageResources resources)
{
    public const string Name = "coherence";
    public const int Version = 1;
    public const int CharactersMax = 20_000;
    private const int SequenceWords = 4;
    private const int SentencesMax = 200;
    private const double DriftPenaltyMax = 0.3;
    private const double DriftBelowCosine = 0.1;

    public Evaluation Evaluate(EvaluatedCall call)
    {
        var answer = call.Answer.Length > CharactersMax ? call.Answer[..CharactersMax] : call.Answer;
        var sentences = Words.Sentences(answer, SentencesMax);
        var words = Words.Of(answer).Select(word => word.Lower).ToList();
        if (words.Count == 0)
        {
            return Evaluation.Skipped(Name, "no words", Version);
        }

        var repeated = RepeatedShare(words, out var example);
        var drift = Drift(sentences);
        var score = Math.Round(Math.Clamp(1 - (1.5 * repeated) - (DriftPenaltyMax * drift), 0, 1), 4);
        return repeated >= 0.2
            ? new Evaluation(Name, score, "repetitive", $"{repeated:P0} of its word sequences were said before, \"{example}\" first.", Version)
            : new Evaluation(Name, score, score >= 0.5 ? "coherent" : "disjointed", drift > 0 ? $"{drift:P0} of its sentences have nothing to do with the one before." : "It repeats nothing and keeps to its subject.", Version);
    }

    // Share of sequences of four words that stood in the answer before.
    private static double RepeatedShare(List<string> words, out string example)
    {
        HashSet<string> seen = new(StringComparer.Ordinal);
        var repeated = 0;
        example = "";
        for (var at = 0; at + SequenceWords <= words.Count; at++)
        {
            var sequence = string.Join(' ', words.Skip(at).Take(SequenceWords));
            if (!seen.Add(sequence))
            {
                example = repeated++ == 0 ? sequence : example;
            }
        }

        return (double)repeated / Math.Max(1, words.Count - SequenceWords + 1);
    }

    private double Drift(List<string> sentences)
    {
        if (resources.Encoder is not { } encoder || sentences.Count < 3)
        {
            return 0;
        }

        var breaks = sentences.Zip(sentences.Skip(1)).Count(pair => encoder.Cosine(pair.First, pair.Second) < DriftBelowCosine);
        return (double)breaks / (sentences.Count - 1);
    }
}
