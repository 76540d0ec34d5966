using System.Collections.Frozen;
using System.Globalization;
using System.Text.Json;

namespace Faultline.Diagnosis.Facts;

/// <summary>What models and retrievers are asked with, under one name whatever the instrumentation calls it.</summary>
/// <remarks>
/// Instrumentations agree on the last word of a name (<c>gen_ai.request.temperature</c>, <c>ai.settings.temperature</c>) or put the whole
/// set into one JSON value (<c>llm.invocation_parameters</c>), so the last word decides and not a list of names that ends with the
/// dialects known today.
/// </remarks>
internal static class RequestParameters
{
    public const string Temperature = "request.temperature";
    public const string TopP = "request.top_p";
    public const string Seed = "request.seed";
    public const string MaxTokens = "request.max_tokens";
    public const string TopK = "retrieval.top_k";
    public const string ScoreThreshold = "retrieval.score_threshold";
    public const string EmbeddingDimension = "embedding.dimension";

    private static readonly FrozenDictionary<string, string> OfModels = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["temperature"] = Temperature,
        ["lstemperature"] = Temperature,
        ["topp"] = TopP,
        ["seed"] = Seed,
        ["maxtokens"] = MaxTokens,
        ["lsmaxtokens"] = MaxTokens,
        ["maxoutputtokens"] = MaxTokens,
        ["maxcompletiontokens"] = MaxTokens,
        ["maxnewtokens"] = MaxTokens,
        ["maxtokenstosample"] = MaxTokens,
        ["numpredict"] = MaxTokens,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    private static readonly FrozenDictionary<string, string> OfRetrieval = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["topk"] = TopK,
        ["k"] = TopK,
        ["limit"] = TopK,
        ["nresults"] = TopK,
        ["numcandidates"] = TopK,
        ["scorethreshold"] = ScoreThreshold,
        ["similaritythreshold"] = ScoreThreshold,
        ["relevancethreshold"] = ScoreThreshold,
        ["threshold"] = ScoreThreshold,
        ["minscore"] = ScoreThreshold,
        ["scorecutoff"] = ScoreThreshold,
        ["similaritycutoff"] = ScoreThreshold,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    private static readonly FrozenDictionary<string, string> OfEmbeddings = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["dimension"] = EmbeddingDimension,
        ["dimensions"] = EmbeddingDimension,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>Longer values of parameters are something else.</summary>
    private const int SetCharactersMax = 4096;

    /// <summary>The parameters that an attribute of a span holds: none, one, or those of a whole set in JSON.</summary>
    public static IEnumerable<(string Name, string Value)> Of(string operation, string key, string value)
    {
        if (value.Length is > 1 and <= SetCharactersMax && value[0] == '{' && IsSet(key))
        {
            return OfSet(operation, value);
        }

        return Name(operation, key) is { } name && Plain(value) is { } plain ? [(name, plain)] : [];
    }

    private static bool IsSet(string key) =>
        key.EndsWith("parameters", StringComparison.OrdinalIgnoreCase) || key.EndsWith("settings", StringComparison.OrdinalIgnoreCase)
        || key.EndsWith("options", StringComparison.OrdinalIgnoreCase) || key.EndsWith("config", StringComparison.OrdinalIgnoreCase) || key.EndsWith("kwargs", StringComparison.OrdinalIgnoreCase);

    private static List<(string, string)> OfSet(string operation, string json)
    {
        List<(string, string)> found = [];
        try
        {
            using var document = JsonDocument.Parse(json);
            foreach (var property in document.RootElement.EnumerateObject())
            {
                if (Name(operation, property.Name) is { } name && Plain(property.Value.ToString()) is { } plain)
                {
                    found.Add((name, plain));
                }
            }
        }
        catch (JsonException)
        {
            // A set that was cut off on its way tells nothing, like one that was not sent.
        }

        return found;
    }

    private static string? Name(string operation, string key)
    {
        var table = operation switch
        {
            "chat" or "completion" => OfModels,
            "retrieval" or "rerank" => OfRetrieval,
            "embeddings" => OfEmbeddings,
            _ => null,
        };
        return table?.GetValueOrDefault(LastWord(key));
    }

    /// <summary>What follows the last dot, in lower case, without separators.</summary>
    private static string LastWord(string key)
    {
        const string Count = ".count";      // gen_ai.embeddings.dimension.count
        var name = key.EndsWith(Count, StringComparison.Ordinal) ? key.AsSpan(0, key.Length - Count.Length) : key;
        var word = name[(name.LastIndexOf('.') + 1)..];
        Span<char> plain = stackalloc char[Math.Min(word.Length, 32)];
        var length = 0;
        foreach (var letter in word[..plain.Length])
        {
            if (letter is not ('_' or '-'))
            {
                plain[length++] = char.ToLowerInvariant(letter);
            }
        }

        return new string(plain[..length]);
    }

    /// <summary>A number as it is written shortest, so that 0.70 is 0.7; null for what is none.</summary>
    private static string? Plain(string value) =>
        double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number.ToString("R", CultureInfo.InvariantCulture) : null;
}
