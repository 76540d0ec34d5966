using System.Globalization;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Logs;
using Faultline.Telemetry.Scores;
using Faultline.Telemetry.Spans;

namespace Faultline.Telemetry.GenAi;

/// <summary>
/// Evaluation results that applications send: events <c>gen_ai.evaluation.result</c> of spans, log records of that name, and
/// OpenInference's annotations on a span.
/// </summary>
public static class ScoreExtractor
{
    private static ReadOnlySpan<byte> EventName => "gen_ai.evaluation.result"u8;

    public static void Extract(SpanBatch spans, ScoreBatch into)
    {
        for (var row = 0; row < spans.Count; row++)
        {
            for (var item = spans.Events.Start(row); item < spans.Events.End(row); item++)
            {
                if (spans.Events.Name[item].SequenceEqual(EventName))
                {
                    var at = spans.Events.UnixNanos[item] > 0 ? spans.Events.UnixNanos[item] : spans.EndUnixNanos[row];
                    Add(into, spans.Events.Attributes, item, spans.Resources, spans.Resource[row], spans.TraceId[row], spans.SpanId[row], at);
                }
            }

            Annotations(spans, row, into);
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
                Add(into, logs.Attributes, row, logs.Resources, logs.Resource[row], logs.TraceId[row], logs.SpanId[row], at);
            }
        }
    }

    private static void Add(ScoreBatch into, AttributeColumn attributes, int row, ResourceColumns resources, int resource, TraceId trace, SpanId span, long unixNanos)
    {
        var name = attributes.Text(row, "gen_ai.evaluation.name"u8);
        if (string.IsNullOrEmpty(name))
        {
            return;
        }

        var label = attributes.Text(row, "gen_ai.evaluation.score.label"u8) ?? "";
        var value = attributes.Find(row, "gen_ai.evaluation.score.value"u8) is var entry and >= 0 && Number(attributes.Values[entry]) is { } number ? number : double.NaN;
        into.Add(
            resources.ServiceName(resource), resources.Environment(resource), trace, span,
            attributes.Text(row, "gen_ai.response.id"u8) ?? "", name, value, label,
            attributes.Text(row, "gen_ai.evaluation.explanation"u8) ?? "", "app", unixNanos);
    }

    /// <summary><c>annotations.{i}.annotation.*</c> and <c>evaluations.{i}.evaluation.*</c>, which mean the same.</summary>
    private static void Annotations(SpanBatch spans, int row, ScoreBatch into)
    {
        SortedDictionary<string, Dictionary<string, string>>? found = null;
        var attributes = spans.Attributes;
        for (var entry = attributes.Start(row); entry < attributes.End(row); entry++)
        {
            var key = attributes.Keys[entry];
            if (!key.StartsWith("annotations."u8) && !key.StartsWith("evaluations."u8))
            {
                continue;
            }

            var parts = attributes.Keys.Text(entry).Split('.', 4);
            if (parts.Length == 4 && parts[2] is "annotation" or "evaluation")
            {
                found ??= new(StringComparer.Ordinal);
                if (!found.TryGetValue(parts[0] + parts[1], out var fields))
                {
                    found.Add(parts[0] + parts[1], fields = new(StringComparer.Ordinal));
                }

                fields[parts[3]] = attributes.Values.Text(entry);
            }
        }

        foreach (var fields in found?.Values ?? Enumerable.Empty<Dictionary<string, string>>())
        {
            if (fields.GetValueOrDefault("name") is { Length: > 0 } name)
            {
                var value = fields.TryGetValue("score", out var score) && Number(System.Text.Encoding.UTF8.GetBytes(score)) is { } number ? number : double.NaN;
                into.Add(
                    spans.ServiceName(row), spans.Resources.Environment(spans.Resource[row]), spans.TraceId[row], spans.SpanId[row],
                    spans.GenAi.Count > row ? spans.GenAi.ResponseId.Text(row) : "", name, value, fields.GetValueOrDefault("label", ""), fields.GetValueOrDefault("explanation", ""),
                    fields.GetValueOrDefault("annotator_kind", "app").ToLowerInvariant(), spans.EndUnixNanos[row]);
            }
        }
    }

    private static double? Number(ReadOnlySpan<byte> text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number) ? number : null;
}
