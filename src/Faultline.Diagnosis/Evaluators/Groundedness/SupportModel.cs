using System.Globalization;

namespace Faultline.Diagnosis.Evaluators.Groundedness;

/// <summary>From the evidence on claims to one score: a logistic model over named features, so that a score can be read.</summary>
/// <remarks>Weights, what they were fitted on and how: <c>weights.tsv</c> beside this file.</remarks>
internal sealed class SupportModel
{
    private const double CoverKnee = 0.7;

    private static readonly HashSet<string> Lowest = ["best", "window", "document", "documentSynonyms", "cosine", "cosine3", "bigrams", "windowSynonyms", "cosineWindow", "soft", "softWindow"];
    private static readonly HashSet<string> Highest = ["oddest", "pairShare", "inversions", "negationDropped"];

    private readonly List<(string Feature, double Weight)> _weights = [];
    private readonly double _intercept;

    private SupportModel(int column)
    {
        using var stream = typeof(SupportModel).Assembly.GetManifestResourceStream("Faultline.Diagnosis.Groundedness.weights.tsv")!;
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            var cells = line.Split('\t');
            if (line.StartsWith('#') || cells.Length <= column || cells[column].Length == 0)
            {
                continue;
            }

            var weight = double.Parse(cells[column], CultureInfo.InvariantCulture);
            if (cells[0] == "intercept")
            {
                _intercept = weight;
            }
            else
            {
                _weights.Add((cells[0], weight));
            }
        }
    }

    /// <summary>With encoder and lexicon.</summary>
    public static SupportModel Full { get; } = new(column: 1);

    /// <summary>For words alone; also when only one of encoder and lexicon is there.</summary>
    public static SupportModel Lexical { get; } = new(column: 2);

    /// <param name="claims">At least one.</param>
    /// <returns>0 to 1; 0.5 is where as much speaks for as against.</returns>
    public double Score(IReadOnlyList<ClaimEvidence> claims)
    {
        var features = Features(claims);
        var sum = _intercept;
        foreach (var (feature, weight) in _weights)
        {
            sum += weight * features[feature];
        }

        return 1 / (1 + Math.Exp(-sum));
    }

    /// <summary>Counts are summed over claims on a log scale; of coverage the worst claim counts.</summary>
    internal static Dictionary<string, double> Features(IReadOnlyList<ClaimEvidence> claims)
    {
        Dictionary<string, double> features = new(StringComparer.Ordinal);
        for (var i = 0; i < ClaimReader.FeatureNames.Length; i++)
        {
            var name = ClaimReader.FeatureNames[i];
            var values = claims.Select(claim => claim.Features[i]);
            if (Lowest.Contains(name))
            {
                features[name + "Min"] = values.Min();
            }
            else
            {
                features[name] = Highest.Contains(name) ? values.Max() : Math.Log(1 + values.Sum());
            }
        }

        var words = Math.Max(1, Total("words"));
        features["claims"] = Math.Log(claims.Count);
        features["absentShare"] = (Total("nounAbsent") + Total("verbAbsent") + Total("adjectiveAbsent") + Total("adverbAbsent") + Total("unknownAbsent") + Total("nameAbsent") + Total("numberAbsent")) / words;
        features["synonymShare"] = Total("synonym") / words;
        features["farShare"] = Total("far") / words;
        features["specificShare"] = Total("specificAbsent") / (1 + Total("specific"));

        // A denial or an opposite contradicts the more, the more of the claim the passage says.
        features["negationNewCovered"] = features["negationNew"] * features["windowMin"];
        features["antonymNearCovered"] = features["antonymNear"] * features["windowMin"];
        features["covLow"] = Math.Min(features["documentSynonymsMin"], CoverKnee);
        features["covHigh"] = Math.Max(features["documentSynonymsMin"], CoverKnee);
        return features;

        double Total(string name) => claims.Sum(claim => claim.Features[Array.IndexOf(ClaimReader.FeatureNames, name)]);
    }
}
