using Faultline.Diagnosis.Evaluators.Language;

namespace Faultline.Diagnosis.Evaluators;

/// <summary>Closeness of two texts: meaning when there is an encoder, shared words always.</summary>
internal sealed class Closeness(LanguageResources resources)
{
    /// <summary>Below, two texts of one domain are about different things; see docs/evaluators.md for how the scale was set.</summary>
    private const double UnrelatedCosine = 0.15;
    private const double SameCosine = 0.65;
    private const int CharactersMax = 20_000;
    private const int SentencesMax = 60;

    /// <summary>0 to 1: the nearest sentence of <paramref name="text"/> counts, as an answer may say more than was asked.</summary>
    public double Of(string question, string text)
    {
        var bounded = text.Length > CharactersMax ? text[..CharactersMax] : text;
        var words = Math.Max(SharedWords(question, bounded), 0);
        if (resources.Encoder is not { } encoder)
        {
            return words;
        }

        var cosine = Words.Sentences(bounded, SentencesMax).Select(sentence => (double)encoder.Cosine(question, sentence)).DefaultIfEmpty(0).Max();
        var meaning = Math.Clamp((cosine - UnrelatedCosine) / (SameCosine - UnrelatedCosine), 0, 1);
        return Math.Max(meaning, (meaning + words) / 2);
    }

    // Share of the question's content words that the text has.
    private static double SharedWords(string question, string text)
    {
        var asked = Words.Of(question).Where(word => word.IsContent).Select(word => word.Stem).ToHashSet(StringComparer.Ordinal);
        return asked.Count == 0 ? 0 : (double)Words.Of(text).Select(word => word.Stem).Distinct(StringComparer.Ordinal).Count(asked.Contains) / asked.Count;
    }
}

/// <summary>Is the answer about what was asked?</summary>
/// <remarks>Source: the answer relevance of Es et al. 2024, "RAGAS", without its model: the question is compared with the answer's sentences.</remarks>
public sealed class AnswerRelevanceEvaluator(LanguageResources resources)
{
    public const string Name = "answer_relevance";
    public const int Version = 1;
    private readonly Closeness _closeness = new(resources);

    public Evaluation Evaluate(EvaluatedCall call)
    {
        if (string.IsNullOrWhiteSpace(call.Question) || string.IsNullOrWhiteSpace(call.Answer))
        {
            return Evaluation.Skipped(Name, string.IsNullOrWhiteSpace(call.Question) ? "no question" : "no answer", Version);
        }

        var score = Math.Round(_closeness.Of(call.Question, call.Answer), 4);
        return new Evaluation(Name, score, score >= 0.5 ? "relevant" : "off topic", score >= 0.5 ? "The answer is about what was asked." : "No sentence of the answer is close to the question.", Version);
    }
}

/// <summary>Are the retrieved chunks about what was asked? The mean over chunks, each weighed by its place.</summary>
/// <remarks>Source: discounted cumulative gain, Järvelin and Kekäläinen 2002, with closeness to the question in the place of judgements.</remarks>
public sealed class RetrievalRelevanceEvaluator(LanguageResources resources)
{
    public const string Name = "retrieval_relevance";
    public const int Version = 1;

    /// <summary>Chunks beyond are not read.</summary>
    public const int ChunksMax = 20;
    private const double RelevantFrom = 0.4;
    private readonly Closeness _closeness = new(resources);

    public Evaluation Evaluate(EvaluatedCall call)
    {
        var chunks = call.Chunks.Where(chunk => !string.IsNullOrWhiteSpace(chunk)).Take(ChunksMax).ToList();
        if (string.IsNullOrWhiteSpace(call.Question) || chunks.Count == 0)
        {
            return Evaluation.Skipped(Name, chunks.Count == 0 ? "no retrieved text" : "no question", Version);
        }

        double gain = 0, ideal = 0;
        var relevant = 0;
        for (var place = 0; place < chunks.Count; place++)
        {
            var closeness = _closeness.Of(call.Question, chunks[place]);
            relevant += closeness >= RelevantFrom ? 1 : 0;
            gain += closeness / Math.Log2(place + 2);
            ideal += 1 / Math.Log2(place + 2);
        }

        var score = Math.Round(gain / ideal, 4);
        return new Evaluation(Name, score, relevant > 0 ? "relevant" : "irrelevant", $"{relevant} of {chunks.Count} chunks are close to the question.", Version);
    }
}
