using System.Globalization;
using System.Text;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Logs;
using Faultline.Telemetry.Scores;
using Faultline.Telemetry.Spans;

namespace Faultline.Telemetry.GenAi;

/// <summary>
/// Evaluation results that applications send: events <c>gen_ai.evaluation.result</c> of spans, log records of that name,
/// OpenInference's annotations and OpenLIT's inline evaluations on a span.
/// </summary>
public static class ScoreExtractor
{
    /// <summary>Annotations of one span that are taken.</summary>
    private const int AnnotationsMax = 1_000;

    private static ReadOnlySpan<byte> EventName => "gen_ai.evaluation.result"u8;

    private static ReadOnlySpan<byte> OpenLitPrefix => "gen_ai.eval."u8;

    public static void Extract(SpanBatch spans, ScoreBatch into)
    {
        for (var row = 0; row < spans.Count; row++)
        {
            for (var item = spans.Events.Start(row); item < spans.Events.End(row); item++)
            {
                if (spans.Events.Name[item].SequenceEqual(EventName))
                {
                    var at = spans.Events.UnixNanos[item] > 0 ? spans.Events.UnixNanos[item] : EndOf(spans, row);
                    AddResult(into, spans.Events.Attributes, item, spans.Resources, spans.Resource[row], spans.TraceId[row], spans.SpanId[row], ResponseId(spans, row), at);
                }
            }

            SortedDictionary<string, Dictionary<string, string>>? annotations = null;
            Look(spans, spans.Attributes, row, into, ref annotations);
            Look(spans, spans.Bodies, row, into, ref annotations);
            AddAnnotations(spans, row, annotations, into);
        }
    }

    public static void Extract(LogBatch logs, ScoreBatch into)
    {
        for (var row = 0; row < logs.Count; row++)
        {
            if (logs.EventName[row].SequenceEqual(EventName)
                || (logs.Attributes.Find(row, "event.name"u8) is var entry and >= 0 && logs.Attributes.Values[entry].SequenceEqual(EventName)))
            {
                var at = logs.UnixNanos[row] > 0 ? logs.UnixNanos[row] : logs.ObservedUnixNanos[row];
                AddResult(into, logs.Attributes, row, logs.Resources, logs.Resource[row], logs.TraceId[row], logs.SpanId[row], "", at);
            }
        }
    }

    private static void AddResult(
        ScoreBatch into, AttributeColumn attributes, int row, ResourceColumns resources, int resource, TraceId trace, SpanId span, string responseId, long unixNanos)
    {
        var name = attributes.Text(row, "gen_ai.evaluation.name"u8);
        var label = attributes.Text(row, "gen_ai.evaluation.score.label"u8) ?? "";
        var value = Number(attributes.Text(row, "gen_ai.evaluation.score.value"u8));

        // A result that is neither a number nor a label is a failed evaluation, not a score.
        if (string.IsNullOrEmpty(name) || (double.IsNaN(value) && label.Length == 0))
        {
            return;
        }

        var evaluator = attributes.Text(row, "gen_ai.evaluation.evaluator"u8) ?? attributes.Text(row, "gen_ai.evaluation.evaluator.name"u8) ?? attributes.Text(row, "annotator_kind"u8);
        into.Add(
            resources.ServiceName(resource), resources.Environment(resource), trace, span, attributes.Text(row, "gen_ai.response.id"u8) ?? responseId, name, value, label,
            attributes.Text(row, "gen_ai.evaluation.explanation"u8) ?? "", Evaluator(evaluator), unixNanos);
    }

    /// <summary>Gathers <c>annotations.{i}.annotation.*</c> and <c>evaluations.{i}.evaluation.*</c>, which mean the same, also
    /// behind <c>trace.</c> and <c>session.</c>; adds <c>gen_ai.eval.{name}</c> at once.</summary>
    private static void Look(SpanBatch spans, AttributeColumn attributes, int row, ScoreBatch into, ref SortedDictionary<string, Dictionary<string, string>>? annotations)
    {
        for (var entry = attributes.Start(row); entry < attributes.End(row); entry++)
        {
            var key = attributes.Keys[entry];
            if (key.StartsWith(OpenLitPrefix) && Number(attributes.Values.Text(entry)) is var score && !double.IsNaN(score))
            {
                AddScore(spans, row, into, Encoding.UTF8.GetString(key[OpenLitPrefix.Length..]), score, "", "", "app", isOfSpan: true);
            }
            else if (IsNumbered(key) || (key.StartsWith("trace."u8) && IsNumbered(key[6..])) || (key.StartsWith("session."u8) && IsNumbered(key[8..])))
            {
                var parts = attributes.Keys.Text(entry).Split('.');
                var scope = parts[0] is "trace" or "session" ? 1 : 0;
                if (parts.Length != scope + 4 || parts[scope] is not ("annotations" or "evaluations") || parts[scope + 2] is not ("annotation" or "evaluation"))
                {
                    continue;
                }

                annotations ??= new(StringComparer.Ordinal);
                var number = string.Join('.', parts[..(scope + 2)]);
                if (!annotations.TryGetValue(number, out var fields) && annotations.Count < AnnotationsMax)
                {
                    annotations.Add(number, fields = new(StringComparer.Ordinal));
                }

                fields?.TryAdd(parts[^1], attributes.Values.Text(entry));
            }
        }
    }

    private static bool IsNumbered(ReadOnlySpan<byte> key) => key.StartsWith("annotations."u8) || key.StartsWith("evaluations."u8);

    private static void AddAnnotations(SpanBatch spans, int row, SortedDictionary<string, Dictionary<string, string>>? annotations, ScoreBatch into)
    {
        foreach (var (number, fields) in annotations ?? [])
        {
            var label = fields.GetValueOrDefault("label", "");
            var value = Number(fields.GetValueOrDefault("score"));
            if (fields.GetValueOrDefault("name") is { Length: > 0 } name && (!double.IsNaN(value) || label.Length > 0))
            {
                var isOfSpan = number.StartsWith("annotations", StringComparison.Ordinal) || number.StartsWith("evaluations", StringComparison.Ordinal);
                AddScore(spans, row, into, name, value, label, fields.GetValueOrDefault("explanation", ""), Evaluator(fields.GetValueOrDefault("annotator_kind")), isOfSpan);
            }
        }
    }

    /// <param name="isOfSpan">Else it judges the whole trace.</param>
    private static void AddScore(SpanBatch spans, int row, ScoreBatch into, string name, double value, string label, string explanation, string evaluator, bool isOfSpan) => into.Add(
        spans.ServiceName(row), spans.Resources.Environment(spans.Resource[row]), spans.TraceId[row], isOfSpan ? spans.SpanId[row] : default,
        isOfSpan ? ResponseId(spans, row) : "", name, value, label, explanation, evaluator, EndOf(spans, row));

    private static string Evaluator(string? given) => string.IsNullOrEmpty(given) ? "app" : given.ToLowerInvariant();

    private static string ResponseId(SpanBatch spans, int row) => spans.GenAi.Count > row ? spans.GenAi.ResponseId.Text(row) : "";

    private static long EndOf(SpanBatch spans, int row) => Math.Max(spans.StartUnixNanos[row], spans.EndUnixNanos[row]);

    private static double Number(string? text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number) ? number : double.NaN;
}
