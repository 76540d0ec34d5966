using System.Globalization;
using System.Text.Json;
using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Findings;
using Faultline.Diagnosis.Reasoning;

namespace Faultline.Cases.Projections;

/// <summary>A case as programs see it: the command line's <c>--json</c> and REST. Field names are promised to outsiders.</summary>
public static class CaseJson
{
    public static void Write(Utf8JsonWriter json, CaseView view)
    {
        json.WriteStartObject();
        json.WriteString("case_id", view.Id.ToString());
        json.WriteString("project", view.Project);
        json.WriteString("environment", view.Environment);
        json.WriteString("created_at", Time(view.CreatedAt));
        json.WriteString("onset_at", Time(view.OnsetAt));
        json.WriteString("title", view.Title);
        json.WriteString("trigger", view.Trigger);
        json.WriteString("severity", view.Severity);
        json.WriteString("state", view.State.ToString());
        json.WriteString("failure_class", view.FailureClass.ToString());
        json.WriteString("service", view.Service);
        json.WriteString("assignee", view.Assignee);
        WriteSnapshot(json, view.Snapshot);
        json.WriteStartArray("recent_changes");
        foreach (var change in view.RecentChanges)
        {
            json.WriteStartObject();
            json.WriteString("id", change.Id);
            json.WriteString("type", change.Type);
            json.WriteString("service", change.Service);
            json.WriteString("detail", change.Detail);
            json.WriteString("at", Time(change.At));
            json.WriteString("source", change.Source ?? Telemetry.Changes.ChangeEvent.Recorded);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        WriteSymptoms(json, "symptoms", view.Symptoms);
        WriteSuggestions(json, view.Verdict);
        WriteEvidence(json, "where", view.Verdict?.Where ?? []);
        json.WriteString("unable_because", view.Verdict?.UnableBecause);
        WriteContribution(json, view.Contribution);
        json.WriteString("verification_query", view.VerificationQuery);
        WriteResolution(json, view.Resolution);
        json.WriteStartArray("timeline");
        foreach (var line in view.Timeline)
        {
            json.WriteStartObject();
            json.WriteNumber("sequence", line.Sequence);
            json.WriteString("at", Time(line.At));
            json.WriteString("type", line.Type);
            json.WriteString("actor", line.Actor);
            json.WriteString("words", line.Words);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteSnapshot(Utf8JsonWriter json, ContextSnapshot snapshot)
    {
        json.WriteStartObject("context_snapshot");
        json.WriteStartArray("traces");
        foreach (var trace in snapshot.Traces)
        {
            json.WriteStringValue(trace);
        }

        json.WriteEndArray();
        foreach (var (name, items) in ((string, IReadOnlyList<SnapshotItem>)[])
            [("prompts", snapshot.Prompts), ("retrieved_chunks", snapshot.RetrievedChunks), ("model_outputs", snapshot.ModelOutputs), ("eval_scores", snapshot.EvalScores)])
        {
            json.WriteStartArray(name);
            foreach (var item in items)
            {
                json.WriteStartObject();
                json.WriteString("ref", item.Ref);
                json.WriteString("text", item.Text);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        WriteSymptoms(json, "infra_metrics", snapshot.InfraMetrics);
        json.WriteEndObject();
    }

    private static void WriteSymptoms(Utf8JsonWriter json, string name, IReadOnlyList<Symptom> symptoms)
    {
        json.WriteStartArray(name);
        foreach (var symptom in symptoms)
        {
            json.WriteStartObject();
            json.WriteString("feature", symptom.Feature);
            json.WriteString("words", symptom.Words);
            json.WriteString("query", symptom.Query);
            Number(json, "usual", symptom.Usual);
            Number(json, "low", symptom.Low);
            Number(json, "high", symptom.High);
            Number(json, "observed", symptom.Observed);
            json.WriteString("unit", symptom.Unit);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>The property <c>remediation_suggestions</c>: the verdict's hypotheses, best first.</summary>
    public static void WriteSuggestions(Utf8JsonWriter json, Verdict? verdict)
    {
        json.WriteStartArray("remediation_suggestions");
        foreach (var hypothesis in verdict?.Hypotheses ?? [])
        {
            json.WriteStartObject();
            json.WriteString("hypothesis", hypothesis.Words);
            json.WriteString("cause", hypothesis.Cause);
            json.WriteString("target", hypothesis.Target);
            json.WriteNumber("confidence", hypothesis.Confidence);
            json.WriteString("action", hypothesis.Action);
            json.WriteString("effort", hypothesis.Effort);
            json.WriteString("risk", hypothesis.Risk);
            json.WriteString("similar_case", hypothesis.SimilarCase);
            json.WriteString("next_check", hypothesis.NextCheck);
            WriteEvidence(json, "evidence", hypothesis.For);
            WriteEvidence(json, "evidence_against", hypothesis.Against);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>The property <c>language_model</c>: what a model added, apart from the verdict; null when none was asked.</summary>
    private static void WriteContribution(Utf8JsonWriter json, Contribution? added)
    {
        if (added is null)
        {
            json.WriteNull("language_model");
            return;
        }

        json.WriteStartObject("language_model");
        json.WriteString("model", added.Model);
        json.WriteString("outcome", added.Outcome switch { ContributionOutcome.Held => "held", ContributionOutcome.NothingHeld => "nothing_held", _ => "failed" });
        json.WriteString("words", added.Words);
        json.WriteStartArray("hypotheses");
        foreach (var hypothesis in added.Hypotheses)
        {
            json.WriteStartObject();
            json.WriteString("cause", hypothesis.Cause);
            json.WriteString("target", hypothesis.Target);
            json.WriteNumber("confidence", hypothesis.Confidence);
            json.WriteNumber("stated_confidence", hypothesis.Stated);
            json.WriteStartArray("claims");
            foreach (var claim in hypothesis.Claims)
            {
                json.WriteStartObject();
                json.WriteString("stance", claim.Supports ? "for" : "against");
                json.WriteString("words", claim.Words);
                WriteFact(json, claim.Fact);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("dropped");
        foreach (var dropped in added.Dropped)
        {
            json.WriteStartObject();
            json.WriteString("cause", dropped.Cause);
            json.WriteString("words", dropped.Words);
            json.WriteString("reason", dropped.Reason);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartObject("cost");
        json.WriteNumber("calls", added.Cost.Calls);
        json.WriteNumber("tool_calls", added.Cost.ToolCalls);
        json.WriteNumber("refused_tool_calls", added.Cost.Refused);
        json.WriteNumber("input_tokens", added.Cost.InputTokens);
        json.WriteNumber("output_tokens", added.Cost.OutputTokens);
        json.WriteBoolean("tokens_estimated", added.Cost.IsEstimated);
        json.WriteNumber("seconds", added.Cost.Seconds);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteEvidence(Utf8JsonWriter json, string name, IReadOnlyList<Evidence> evidence)
    {
        json.WriteStartArray(name);
        foreach (var fact in evidence)
        {
            json.WriteStartObject();
            WriteFact(json, fact);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteFact(Utf8JsonWriter json, Evidence fact)
    {
        json.WriteString("kind", fact.Kind);
        json.WriteString("ref", fact.Ref);
        json.WriteString("text", fact.Text);
    }

    private static void WriteResolution(Utf8JsonWriter json, CaseResolution? resolution)
    {
        if (resolution is null)
        {
            json.WriteNull("resolution");
            return;
        }

        json.WriteStartObject("resolution");
        json.WriteString("root_cause", resolution.RootCause);
        json.WriteString("fix_applied", resolution.FixApplied);
        json.WriteString("verified_at", Time(resolution.VerifiedAt));
        json.WriteString("verification_query", resolution.VerificationQuery);
        json.WriteNumber("time_to_remediate", Math.Round(resolution.TimeToRemediate.TotalSeconds, 3));
        json.WriteEndObject();
    }

    /// <summary>JSON has no NaN and no infinities: an edge that a band does not have is null.</summary>
    private static void Number(Utf8JsonWriter json, string name, double value)
    {
        if (double.IsFinite(value))
        {
            json.WriteNumber(name, value);
        }
        else
        {
            json.WriteNull(name);
        }
    }

    private static string Time(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);
}
