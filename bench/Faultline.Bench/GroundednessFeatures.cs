using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Faultline.Diagnosis.Evaluators;
using Faultline.Diagnosis.Evaluators.Groundedness;
using Faultline.Diagnosis.Evaluators.Language;

namespace Faultline.Bench;

/// <summary>The evidence of cases of <c>faultline bench groundedness</c>, one JSON object a line, for <c>bench/fit_groundedness.py</c>.</summary>
internal static class GroundednessFeatures
{
    private const int CasesAtOnce = 64;

    public static async Task<int> RunAsync(string folder)
    {
        var resources = LanguageResources.Load(await LanguagePackage.EnsureAsync(Path.Combine(AppContext.BaseDirectory, "native", "language"), Console.Error.WriteLine));
        if (resources.Missing is { } missing)
        {
            Console.Error.WriteLine(missing);
            return 1;
        }

        var full = new ClaimReader(resources.Encoder, resources.Lexicon);
        var words = new ClaimReader(null, null);
        foreach (var lines in File.ReadLines(Path.Combine(folder, "cases.jsonl")).Chunk(CasesAtOnce))
        {
            foreach (var line in lines.AsParallel().AsOrdered().Select(line => Line(line, full, words)))
            {
                Console.WriteLine(line);
            }
        }

        return 0;
    }

    private static string Line(string line, ClaimReader full, ClaimReader words)
    {
        using var document = JsonDocument.Parse(line);
        var context = document.RootElement.GetProperty("context").GetString()!;
        var passages = new Passages([context]);
        var claims = Words.Sentences(document.RootElement.GetProperty("answer").GetString()!, GroundednessEvaluator.ClaimsMax);
        return JsonSerializer.Serialize(new
        {
            id = document.RootElement.GetProperty("id").GetString(),
            group = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(context)))[..12],
            full = Features(full, claims, passages),
            words = Features(words, claims, passages),
        });
    }

    private static Dictionary<string, double> Features(ClaimReader reader, List<string> claims, Passages passages)
    {
        var evidence = claims.Select(claim => reader.Read(claim, passages)).Where(claim => claim.Nearest >= 0).ToList();
        return evidence.Count == 0 ? [] : SupportModel.Features(evidence).ToDictionary(feature => feature.Key, feature => Math.Round(feature.Value, 5));
    }
}
