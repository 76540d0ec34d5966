namespace Faultline.Diagnosis.Evaluators.Groundedness;

/// <summary>Does every statement of the answer stand in what was retrieved, or returned by tools?</summary>
/// <remarks>Method, sources and measured accuracy: docs/evaluators.md.</remarks>
public sealed class GroundednessEvaluator
{
    public const string Name = "groundedness";
    /// <summary>2: what tools returned is evidence, too.</summary>
    public const int Version = 2;

    /// <summary>Claims beyond are not read; the explanation says so.</summary>
    public const int ClaimsMax = 60;

    /// <summary>Words of a claim beyond are not read: no sentence has as many.</summary>
    public const int ClaimCharactersMax = 2_000;
    public const int ChunkCharactersMax = 400_000;
    private const int PassagesKept = 16;

    private readonly ClaimReader _reader;
    private readonly SupportModel _model;
    private readonly string? _missing;
    private readonly Dictionary<string, Passages> _passages = new(StringComparer.Ordinal);

    public GroundednessEvaluator(LanguageResources resources)
    {
        var full = resources.Encoder is not null && resources.Lexicon is not null;
        _reader = full ? new ClaimReader(resources.Encoder, resources.Lexicon) : new ClaimReader(null, null);
        _model = full ? SupportModel.Full : SupportModel.Lexical;
        _missing = resources.Missing;
    }

    /// <summary>Skipped when there are no chunks or the answer states nothing. Safe for many threads; the same call has the same answer.</summary>
    public Evaluation Evaluate(EvaluatedCall call)
    {
        var passages = PassagesOf(call.Chunks);
        if (passages.Texts.Count == 0)
        {
            return Evaluation.Skipped(Name, "no retrieved text", Version);
        }

        var sentences = Language.Words.Sentences(call.Answer, ClaimsMax + 1);
        var evidence = sentences.Take(ClaimsMax)
            .Select(sentence => _reader.Read(sentence.Length > ClaimCharactersMax ? sentence[..ClaimCharactersMax] : sentence, passages))
            .Where(claim => claim.Nearest >= 0)
            .ToList();
        if (evidence.Count == 0)
        {
            return Evaluation.Skipped(Name, "the answer states nothing", Version);
        }

        var score = Math.Round(_model.Score(evidence), 4);
        var claims = evidence.Select(claim => new ClaimEvaluation(claim.Claim, Math.Round(_model.Score([claim]), 4), passages.Texts[claim.Nearest], claim.Reasons)).ToList();
        return new Evaluation(Name, score, score >= 0.5 ? "grounded" : "not grounded", Explain(score, claims, sentences.Count > ClaimsMax), Version) { Claims = claims };
    }

    private string Explain(double score, List<ClaimEvaluation> claims, bool cut)
    {
        var worst = claims.MinBy(claim => claim.Score)!;
        var why = worst.Reasons.Count > 0 ? string.Join("; ", worst.Reasons.Take(3)) : "little of it stands near any passage";
        return (score >= 0.5 ? "Every statement finds support in the retrieved text" : $"\"{Shorten(worst.Claim)}\": {why}")
            + "." + (cut ? $" Only the first {ClaimsMax} statements were read." : "") + (_missing is null ? "" : " By words alone: " + _missing);
    }

    private static string Shorten(string text) => text.Length <= 160 ? text : text[..160] + "…";

    // Several answers to the same chunks come one after another; making sentences ready costs more than reading a claim.
    private Passages PassagesOf(IReadOnlyList<string> chunks)
    {
        var left = ChunkCharactersMax;
        List<string> bounded = [];
        foreach (var chunk in chunks.TakeWhile(_ => left > 0))
        {
            bounded.Add(chunk.Length > left ? chunk[..left] : chunk);
            left -= bounded[^1].Length;
        }

        var key = string.Join('\0', bounded);
        lock (_passages)
        {
            if (_passages.TryGetValue(key, out var known))
            {
                return known;
            }
        }

        var made = new Passages(bounded);
        lock (_passages)
        {
            if (_passages.Count >= PassagesKept)
            {
                _passages.Clear();
            }

            return _passages[key] = made;
        }
    }
}
