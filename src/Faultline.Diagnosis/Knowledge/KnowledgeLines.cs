using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Findings;
using Faultline.Store.Signatures;

namespace Faultline.Diagnosis.Knowledge;

/// <summary>Resolved cases as JSON lines, to carry from one Faultline to another. The form is in docs/knowledge.md.</summary>
public static class KnowledgeLines
{
    /// <summary>Lines of one import.</summary>
    public const int LinesMax = 1000;

    private const int TextMax = 2000;
    private const int HelpfulMax = 3;
    private const string Format = "faultline-signature/1";

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Converters = { new JsonStringEnumConverter() },
        // Lines of a file, never part of a page.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static string Write(PastCase one) => JsonSerializer.Serialize(
        new Line(Format, one.CaseId, one.Service, one.FailureClass, one.Cause, one.Target, one.FixApplied, one.Helpful, one.ResolvedAt, one.Signature), Json);

    /// <summary>Reads lines; what is wrong is said in words, with the line's number, and then nothing is taken.</summary>
    /// <param name="from">Where they come from: put before their ids, so that a case of another Faultline is not taken for one of ours.</param>
    public static (IReadOnlyList<PastCase> Cases, IReadOnlyList<string> Problems) Read(IEnumerable<string> lines, string from)
    {
        List<PastCase> cases = [];
        List<string> problems = [];
        var number = 0;
        foreach (var text in lines)
        {
            number++;
            if (string.IsNullOrWhiteSpace(text))
            {
                continue;
            }

            if (cases.Count >= LinesMax)
            {
                problems.Add($"line {number}: at most {LinesMax} cases at a time; import the rest in further files.");
                break;
            }

            try
            {
                var line = JsonSerializer.Deserialize<Line>(text, Json)!;
                if (ProblemOf(line) is { } problem)
                {
                    problems.Add($"line {number}: {problem}");
                    continue;
                }

                // A case that went through several Faultlines keeps its number, not the whole way.
                var id = $"{from}/{line.Id[(line.Id.LastIndexOf('/') + 1)..]}";
                cases.Add(new PastCase(id, line.Service, line.FailureClass, line.Cause, line.Target, line.FixApplied ?? "", line.Signature, Math.Clamp(line.Helpful, -HelpfulMax, HelpfulMax), line.ResolvedAt));
            }
            catch (JsonException wrong)
            {
                problems.Add($"line {number}: this is not a case as JSON: {wrong.Message}");
            }
        }

        if (cases.Count == 0 && problems.Count == 0)
        {
            problems.Add("there is no line in it.");
        }

        return (cases, problems);
    }

    private static string? ProblemOf(Line? line) =>
        line?.Format != Format ? $"format is “{line?.Format}”, this version reads {Format}."
        : string.IsNullOrEmpty(line.Id) || line.Id.Length > 200 ? "id is empty or too long."
        : string.IsNullOrEmpty(line.Service) || string.IsNullOrEmpty(line.Cause) || line.Target is null ? "service, cause and target are needed."
        : !Vocabulary.Contains(line.Cause) ? $"cause “{line.Cause}” is none that this version knows (docs/causes.md)."
        : (line.FixApplied ?? "").Length > TextMax || line.Service.Length > TextMax || line.Target.Length > TextMax ? $"a text has more than {TextMax} characters."
        : line.Signature is not { Count: > 0 and <= SignatureStore.Dimensions } || line.Signature.Any(value => !double.IsFinite(value) || Math.Abs(value) > 1) ? $"signature must be 1 to {SignatureStore.Dimensions} numbers from -1 to 1."
        : null;

    private sealed record Line(
        string? Format, string Id, string Service, FailureClass FailureClass, string Cause, string Target, string? FixApplied, int Helpful, DateTimeOffset ResolvedAt, IReadOnlyList<double> Signature);
}
