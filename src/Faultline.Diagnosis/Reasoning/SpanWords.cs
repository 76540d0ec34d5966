using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Faultline.Diagnosis.Reasoning.Chat;
using Faultline.Store.Traces;
using Faultline.Telemetry.GenAi;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Reasoning;

/// <summary>A span as a model reads it, and its whole text to look a quotation up in.</summary>
internal static class SpanWords
{
    private const int NameMax = 120;
    private const int ValueMax = 200;
    private const int SaidMax = 400;

    /// <summary>Of each text of a span that is read alone.</summary>
    public const int SaidAloneMax = 2_500;

    private const int AttributesMax = 16;
    private const int DocumentsMax = 6;

    public static string Ref(SpanSummary span) => $"{span.TraceId}/{span.SpanId}";

    /// <summary>What a list shows of a span; empty fields are left out.</summary>
    public static JsonObject Row(SpanSummary span)
    {
        var gen = span.GenAi;
        var row = new JsonObject
        {
            ["ref"] = Ref(span),
            ["at"] = Facts.Shift.Rfc3339(Library.At(span.StartUnixNanos)),
            ["service"] = Clean(span.Service, NameMax),
            ["name"] = Clean(span.Name, NameMax),
            ["seconds"] = Math.Round(span.DurationNanos / 1e9, 3),
        };
        Put(row, "status", span.Status == SpanStatus.Error ? "error" : "");
        Put(row, "status_message", Clean(span.StatusMessage, ValueMax));
        Put(row, "release", Clean(span.Release, NameMax));
        Put(row, "operation", gen.Operation);
        Put(row, "model_requested", Clean(gen.ModelRequested, NameMax));
        Put(row, "model_responded", Clean(gen.ModelResponded, NameMax));
        Put(row, "prompt", Clean(gen.PromptVersion.Length > 0 ? $"{gen.PromptName}@{gen.PromptVersion}" : gen.PromptName, NameMax));
        Put(row, "agent", Clean(gen.Agent, NameMax));
        Put(row, "tool", Clean(gen.Tool, NameMax));
        Put(row, "data_source", Clean(gen.DataSource, NameMax));
        Put(row, "finish", Clean(string.Join(',', gen.FinishReasons), NameMax));
        Put(row, "input_tokens", gen.InputTokens);
        Put(row, "output_tokens", gen.OutputTokens);
        Put(row, "documents", gen.DocumentCount);
        if (gen.DocumentTopScore is { } top && double.IsFinite(top))
        {
            row["top_score"] = Math.Round(top, 4);
        }

        return row;
    }

    /// <summary>The same with attributes, scores and what was said.</summary>
    public static JsonObject Whole(StoredSpan span, bool isAlone)
    {
        var row = Row(span.Summary);
        row["parent"] = span.Summary.ParentSpanId.IsNone ? null : span.Summary.ParentSpanId.ToString();
        var attributes = new JsonObject();
        foreach (var attribute in span.Summary.Attributes.Where(one => one.Value.Length is > 0 and <= ValueMax && !Facts.AttributeNames.IsCovered(one.Key)).Take(AttributesMax))
        {
            attributes[Clean(attribute.Key, NameMax)] = Clean(attribute.Value, ValueMax);
        }

        if (attributes.Count > 0)
        {
            row["attributes"] = attributes;
        }

        if (span.Scores.Count > 0)
        {
            row["scores"] = new JsonArray([.. span.Scores.Take(AttributesMax).Select(score => (JsonNode)string.Create(CultureInfo.InvariantCulture, $"{Clean(score.Name, NameMax)} {score.Value:0.###} {Clean(score.Label, NameMax)}").TrimEnd())]);
        }

        Say(row, span.ReadContent(), isAlone ? SaidAloneMax : SaidMax);
        return row;
    }

    /// <summary>Every text of a span, to look a quotation up in: values as stored, and what was said in them.</summary>
    public static string All(StoredSpan span)
    {
        var text = new StringBuilder();
        var content = span.ReadContent();
        text.AppendJoin('\n', [span.Summary.Name, span.Summary.Service, span.Summary.Release, span.Summary.StatusMessage]);
        foreach (var attribute in span.Summary.Attributes.Concat(span.Bodies).Concat(span.Resource))
        {
            text.Append('\n').Append(attribute.Key).Append('=').Append(attribute.Value);
        }

        foreach (var value in Row(span.Summary).Where(field => field.Value is not null))
        {
            text.Append('\n').Append(value.Key).Append('=').Append(value.Value);
        }

        foreach (var score in span.Scores)
        {
            text.Append('\n').Append(score.Name).Append(' ').Append(score.Label).Append(' ').Append(score.Explanation);
        }

        text.Append('\n').AppendJoin('\n', content.System.Select(part => part.Text));
        text.Append('\n').AppendJoin('\n', content.Input.Concat(content.Output).SelectMany(message => message.Parts).Select(part => $"{part.Name} {part.Text}"));
        text.Append('\n').AppendJoin('\n', content.Documents.Select(document => $"{document.Id} {document.Content} {document.Metadata}"));
        text.Append('\n').AppendJoin('\n', [content.RetrievalQuery, content.ToolArguments, content.ToolResult, content.InputText, content.OutputText]);
        return text.ToString();
    }

    /// <summary>Blanks and letters' case make no difference to a quotation.</summary>
    public static string Plain(string text) => string.Join(' ', Untrusted.Text(text, int.MaxValue - 64).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)).ToLowerInvariant();

    private static void Say(JsonObject row, GenAiContent content, int max)
    {
        Put(row, "system", Clean(string.Join('\n', content.System.Select(part => part.Text)), max));
        Put(row, "said_in", Clean(string.Join('\n', content.Input.TakeLast(3).Select(Line)), max));
        Put(row, "said_out", Clean(string.Join('\n', content.Output.Select(Line)), max));
        Put(row, "tool_arguments", Clean(content.ToolArguments, max));
        Put(row, "tool_result", Clean(content.ToolResult, max));
        Put(row, "query", Clean(content.RetrievalQuery, max));
        if (content.Documents.Count > 0)
        {
            row["retrieved"] = new JsonArray([.. content.Documents.Take(DocumentsMax).Select(document => (JsonNode)Clean(string.Create(CultureInfo.InvariantCulture, $"{document.Id} {document.Score:0.###} {document.Content}"), Math.Min(max, 2 * ValueMax)))]);
        }
    }

    private static string Line(ContentMessage message) =>
        $"{message.Role}: {string.Join(' ', message.Parts.Select(part => part.Name.Length > 0 ? $"[{part.Type} {part.Name}] {part.Text}" : part.Text))}";

    private static string Clean(string text, int max) => Untrusted.Text(text, max);

    private static void Put(JsonObject row, string name, string text)
    {
        if (text.Length > 0)
        {
            row[name] = text;
        }
    }

    private static void Put(JsonObject row, string name, long? number)
    {
        if (number is { } value)
        {
            row[name] = value;
        }
    }
}
