using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Facts;
using Faultline.Diagnosis.Reasoning.Chat;

namespace Faultline.Diagnosis.Reasoning;

/// <summary>What a model is told before it begins: its task in words of ours, and the case as data.</summary>
internal static class Brief
{
    private const int TextMax = 300;
    private const int ListMax = 12;
    private static readonly JsonSerializerOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Nothing of it comes from telemetry.</summary>
    public static string Instructions(Untrusted fence) => $"""
        You help an engineer to find the root cause of a fault in a system that uses language models. A deterministic analysis of the stored telemetry has been made; you read the same store through tools, and say which causes you hold likely, in your order. The engineer sees your answer beside that analysis. You cannot change anything and suggest no actions.

        {fence.Rule}

        How to work: read the case; look at what moved (list_features, query_series), at a bad and a good trace (read_trace), at changes and similar cases. Prefer the earliest abnormal stage of the chain retrieve, prompt, model, tools, output. Look for what contradicts a cause, too. Stop when you know enough; you have few calls.

        Every claim is checked by a program against the store, and dropped when it does not hold:
        - kind "span": ref is TRACE/SPAN of a span that you were shown; quote is a short text that stands in that span word for word, best one that most bad traces have and good ones do not.
        - kind "series": ref is a ref that you were shown, unchanged; moved is rose, fell or steady at the onset, as the tool says.
        - kind "change": ref is the id of a change that came before the onset.
        - kind "case": ref is the id of a similar resolved case of the same cause.
        Leave quote and moved empty ("") where they do not apply. words is your claim in one sentence. target is the service, model, prompt, tool, index … the cause is about, by its name in the data. confidence is from 0 to 1; it is lowered to what your checked claims bear. Give an empty list of hypotheses when nothing is supported, and say in missing what would settle it.

        Causes (stage): {string.Join(", ", Vocabulary.Rows.Where(row => row.Name != "unknown").Select(row => $"{row.Name} ({row.Stage})"))}.
        """;

    /// <summary>The case as data; what is in it counts as shown.</summary>
    public static string Of(ReasoningCase about, Shown shown)
    {
        var finding = about.Finding;
        shown.Name(finding.Service);
        var json = new JsonObject
        {
            ["case"] = about.CaseId,
            ["finding"] = Clean(finding.Title),
            ["class"] = finding.FailureClass.ToString(),
            ["service"] = Clean(finding.Service),
            ["environment"] = Clean(finding.Environment),
            ["onset"] = Shift.Rfc3339(finding.OnsetAt),
            ["detected"] = Shift.Rfc3339(finding.DetectedAt),
            ["symptoms"] = List(finding.Symptoms, symptom => new JsonObject { ["feature"] = symptom.Feature, ["says"] = Clean(symptom.Words), ["query"] = symptom.Query }),
            ["bad_traces"] = List(finding.BadTraces, trace => JsonValue.Create(trace.ToString())),
            ["good_traces"] = List(finding.GoodTraces, trace => JsonValue.Create(trace.ToString())),
            ["chain"] = List(about.Verdict.Chain, stage => new JsonObject { ["stage"] = stage.Stage, ["abnormal"] = stage.Abnormal, ["says"] = Clean(stage.Words) }),
            ["where"] = List(about.Verdict.Where, Fact),
            ["sets_bad_traces_apart"] = List(about.Verdict.Distinctions, one => new JsonObject { ["attribute"] = Clean(one.Attribute), ["value"] = Clean(one.Value), ["share_of_bad"] = Math.Round(one.ShareOfBad, 2), ["share_of_good"] = Math.Round(one.ShareOfGood, 2) }),
            ["deterministic_answer"] = List(about.Verdict.Hypotheses, Hypothesis),
            ["unable_because"] = about.Verdict.UnableBecause is { } unable ? Clean(unable) : null,
            ["changes"] = List(about.Changes.OrderBy(change => (change.At - finding.OnsetAt).Duration()).ToList(), change => ReadTools.Row(change, finding.OnsetAt)),
        };
        shown.Note(json);
        return json.ToJsonString(Relaxed);
    }

    private static JsonObject Hypothesis(Hypothesis one) => new()
    {
        ["cause"] = one.Cause,
        ["target"] = Clean(one.Target),
        ["confidence"] = one.Confidence,
        ["says"] = Clean(one.Words),
        ["for"] = List(one.For, Fact),
        ["against"] = List(one.Against, Fact),
        ["next_check"] = one.NextCheck,
    };

    private static JsonObject Fact(Evidence evidence) => new() { ["kind"] = evidence.Kind, ["ref"] = evidence.Ref, ["says"] = Clean(evidence.Text) };

    private static JsonArray List<T>(IReadOnlyList<T> items, Func<T, JsonNode?> of) => new([.. items.Take(ListMax).Select(of)]);

    private static string Clean(string text) => Untrusted.Text(text, TextMax);
}
