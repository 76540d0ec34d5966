using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Spans;

namespace Faultline.Telemetry.GenAi;

/// <summary>
/// Fills the canonical GenAI columns of a batch from whatever the instrumentation wrote. A span that is not GenAI's costs one
/// look at each of its keys.
/// </summary>
/// <remarks>The table is <c>vocabulary.tsv</c>; what a table cannot say (values, sums, who is counted) is here.</remarks>
public static class GenAiNormaliser
{
    private const int ArgumentsBytesMax = 1 << 20;
    private const int DocumentsMax = 10_000;
    private static readonly int FieldCount = Enum.GetValues<GenAiField>().Length;
    private static readonly byte[] EmptyBytes = [];

    /// <summary>Where the winning value of a field lies.</summary>
    private readonly record struct Found(Meaning Meaning, AttributeColumn Column, int Entry)
    {
        public ReadOnlySpan<byte> Value => Column.Values[Entry];

        public AttributeType Type => Column.Types[Entry];

        public string Text => Column.Values.Text(Entry);
    }

    /// <param name="counted">What earlier requests counted.</param>
    public static void Fill(SpanBatch spans, CountedSpans counted)
    {
        var found = new Found?[FieldCount];
        for (var row = spans.GenAi.Count; row < spans.Count; row++)
        {
            Array.Clear(found);
            Look(spans.Attributes, row, found);
            Look(spans.Bodies, row, found);
            FillRow(spans, row, found);
        }

        Count(spans, counted);
    }

    private static void Look(AttributeColumn attributes, int row, Found?[] found)
    {
        var end = attributes.End(row);
        for (var entry = attributes.Start(row); entry < end; entry++)
        {
            if (Vocabulary.Find(attributes.Keys[entry]) is { } meaning && !attributes.Values[entry].IsEmpty
                && (found[(int)meaning.Field] is not { } other || meaning.Rank < other.Meaning.Rank))
            {
                found[(int)meaning.Field] = new Found(meaning, attributes, entry);
            }
        }
    }

    private static void FillRow(SpanBatch spans, int row, Found?[] found)
    {
        var gen = spans.GenAi;
        var operation = OperationOf(found);
        var isGenAi = operation.Length > 0;
        gen.Operation.Add(operation);
        gen.Provider.Add(isGenAi ? ProviderOf(found) : "");
        gen.ModelRequested.Add(isGenAi ? TextOf(found, GenAiField.ModelRequested) : EmptyBytes);
        gen.ModelResponded.Add(isGenAi ? TextOf(found, GenAiField.ModelResponded) : EmptyBytes);
        gen.ResponseId.Add(TextOf(found, GenAiField.ResponseId));
        gen.FinishReasons.Add(FinishReasonsOf(found));
        FillUsage(gen, found, isGenAi);
        gen.Counted.Add(0);
        gen.FirstChunkNanos.Add(NanosOf(found));
        gen.Agent.Add(TextOf(found, GenAiField.Agent));
        gen.Tool.Add(operation is "tool" ? TextOf(found, GenAiField.Tool) : EmptyBytes);
        gen.ToolArgumentsHash.Add(operation is "tool" ? ArgumentsHashOf(found) : "");
        gen.DataSource.Add(operation is "retrieval" or "rerank" ? TextOf(found, GenAiField.DataSource) : EmptyBytes);
        gen.PromptName.Add(TextOf(found, GenAiField.PromptName));
        gen.PromptVersion.Add(TextOf(found, GenAiField.PromptVersion));
        gen.Session.Add(TextOf(found, GenAiField.Session));
        gen.User.Add(TextOf(found, GenAiField.User));
        FillDocuments(spans, row, found, operation);
        FillPreviews(spans, row, found, operation);
        gen.Source.Add(isGenAi ? Source(found) : "");
    }

    private static string OperationOf(Found?[] found)
    {
        if (found[(int)GenAiField.Operation] is { } given)
        {
            return Words.Operation(given.Meaning.Dialect, given.Text);
        }

        // A model and token counts are a call, whatever the instrumentation forgot to say.
        var hasModel = found[(int)GenAiField.ModelRequested] is not null || found[(int)GenAiField.ModelResponded] is not null;
        var hasTokens = found[(int)GenAiField.InputTokens] is not null || found[(int)GenAiField.OutputTokens] is not null;
        return hasModel && hasTokens ? "chat" : "";
    }

    private static string ProviderOf(Found?[] found)
    {
        var server = found[(int)GenAiField.Server] is { } address ? Words.ProviderAt(address.Text) : null;
        if (found[(int)GenAiField.Provider] is not { } given)
        {
            return server ?? "";
        }

        var text = given.Text;
        if (given.Meaning.Dialect is "vercel" && text.IndexOf('.', StringComparison.Ordinal) is var dot and > 0)
        {
            text = text[..dot];
        }

        // Clients of OpenAI-compatible servers say openai whoever answers; the address knows better.
        var provider = Words.Provider(text);
        return provider is "openai" && server is not null ? server : provider;
    }

    private static ReadOnlySpan<byte> TextOf(Found?[] found, GenAiField field) => found[(int)field] is { } given ? given.Value : default;

    private static string FinishReasonsOf(Found?[] found)
    {
        if (found[(int)GenAiField.FinishReasons] is not { } given)
        {
            return "";
        }

        if (given.Value[0] is not ((byte)'[' or (byte)'{'))
        {
            return Words.FinishReason(given.Text);
        }

        var reasons = new List<string>();
        try
        {
            // An OTLP array arrives as {"values":[{"stringValue":…}]}, a JSON string as […].
            var reader = new Utf8JsonReader(given.Value);
            while (reader.Read())
            {
                if (reader.TokenType == JsonTokenType.String)
                {
                    reasons.Add(Words.FinishReason(reader.GetString()!));
                }
            }
        }
        catch (JsonException)
        {
            return Words.FinishReason(given.Text);
        }

        return string.Join(',', reasons);
    }

    private static void FillUsage(GenAiColumns gen, Found?[] found, bool isGenAi)
    {
        var input = isGenAi ? NumberOf(found, GenAiField.InputTokens) : GenAiColumns.Absent;
        var output = isGenAi ? NumberOf(found, GenAiField.OutputTokens) : GenAiColumns.Absent;
        var cacheRead = isGenAi ? NumberOf(found, GenAiField.CacheReadTokens) : GenAiColumns.Absent;
        var cacheWrite = isGenAi ? NumberOf(found, GenAiField.CacheWriteTokens) : GenAiColumns.Absent;
        var reasoning = isGenAi ? NumberOf(found, GenAiField.ReasoningTokens) : GenAiColumns.Absent;
        var basis = input == GenAiColumns.Absent && output == GenAiColumns.Absent ? "" : "inclusive";

        // Details that are more than their total were not in it: the sender counts exclusively, so they are added.
        var details = Positive(cacheRead) + Positive(cacheWrite);
        if (input != GenAiColumns.Absent && details > input)
        {
            input += details;
            basis = "exclusive";
        }

        if (output != GenAiColumns.Absent && Positive(reasoning) > output)
        {
            output += reasoning;
            basis = "exclusive";
        }

        gen.InputTokens.Add(input);
        gen.OutputTokens.Add(output);
        gen.CacheReadTokens.Add(cacheRead);
        gen.CacheWriteTokens.Add(cacheWrite);
        gen.ReasoningTokens.Add(reasoning);
        gen.UsageBasis.Add(basis);
    }

    private static long Positive(long value) => value == GenAiColumns.Absent ? 0 : value;

    /// <summary>Numbers come as numbers and as text; what is negative, no number or no whole number is as good as not sent.</summary>
    private static long NumberOf(Found?[] found, GenAiField field)
    {
        if (found[(int)field] is not { } given
            || !double.TryParse(given.Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            || !double.IsFinite(number) || number < 0 || number > long.MaxValue / 2)
        {
            return GenAiColumns.Absent;
        }

        return (long)number;
    }

    private static long NanosOf(Found?[] found) =>
        found[(int)GenAiField.FirstChunk] is { } given
        && double.TryParse(given.Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
        && double.IsFinite(number) && number >= 0 && number * given.Meaning.NanosPerUnit < long.MaxValue
            ? (long)(number * given.Meaning.NanosPerUnit)
            : GenAiColumns.Absent;

    /// <summary>The same arguments have the same hash, whatever the order of their keys or the white space between them.</summary>
    private static string ArgumentsHashOf(Found?[] found)
    {
        if (found[(int)GenAiField.ToolArguments] is not { } given)
        {
            return "";
        }

        var bytes = given.Value;
        if (bytes.Length <= ArgumentsBytesMax && bytes[0] is (byte)'{' or (byte)'[')
        {
            try
            {
                var reader = new Utf8JsonReader(bytes);
                using var document = JsonDocument.ParseValue(ref reader);
                var canonical = new StringBuilder();
                Canonical(document.RootElement, canonical);
                bytes = Encoding.UTF8.GetBytes(canonical.ToString());
            }
            catch (JsonException)
            {
                bytes = given.Value;
            }
        }

        return Convert.ToHexStringLower(SHA256.HashData(bytes))[..16];
    }

    private static void Canonical(JsonElement element, StringBuilder into)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                into.Append('{');
                foreach (var member in element.EnumerateObject().OrderBy(member => member.Name, StringComparer.Ordinal))
                {
                    into.Append(JsonSerializer.Serialize(member.Name)).Append(':');
                    Canonical(member.Value, into);
                    into.Append(',');
                }

                into.Append('}');
                break;
            case JsonValueKind.Array:
                into.Append('[');
                foreach (var item in element.EnumerateArray())
                {
                    Canonical(item, into);
                    into.Append(',');
                }

                into.Append(']');
                break;
            case JsonValueKind.String:
                into.Append(JsonSerializer.Serialize(element.GetString()));
                break;
            default:
                into.Append(element.GetRawText());
                break;
        }
    }

    private static void FillDocuments(SpanBatch spans, int row, Found?[] found, string operation)
    {
        var count = GenAiColumns.Absent;
        double top = double.NaN, sum = 0;
        var scored = 0;
        void Take(double score)
        {
            if (double.IsFinite(score))
            {
                top = double.IsNaN(top) ? score : Math.Max(top, score);
                sum += score;
                scored++;
            }
        }

        if (found[(int)GenAiField.Documents] is { } given)
        {
            try
            {
                var reader = new Utf8JsonReader(given.Value, new JsonReaderOptions { MaxDepth = 64 });
                using var document = JsonDocument.ParseValue(ref reader);
                var items = Items(document.RootElement).Take(DocumentsMax).ToList();
                count = items.Count;
                foreach (var item in items)
                {
                    Take(ScoreOf(item));
                }
            }
            catch (JsonException)
            {
                // Cut by the sender's limit: how many there were is not known.
                count = GenAiColumns.Absent;
            }
        }
        else if (operation is "retrieval" or "rerank")
        {
            count = IndexedDocuments(spans.Attributes, row, Take) + IndexedDocuments(spans.Bodies, row, Take);
        }

        spans.GenAi.DocumentCount.Add(count);
        spans.GenAi.DocumentTopScore.Add(top);
        spans.GenAi.DocumentMeanScore.Add(scored == 0 ? double.NaN : sum / scored);
    }

    /// <summary>Documents as JSON, or as an OTLP array of key-value lists.</summary>
    private static JsonElement.ArrayEnumerator Items(JsonElement root) => root.ValueKind switch
    {
        JsonValueKind.Array => root.EnumerateArray(),
        JsonValueKind.Object when root.TryGetProperty("values", out var values) && values.ValueKind == JsonValueKind.Array => values.EnumerateArray(),
        _ => default,
    };

    private static double ScoreOf(JsonElement item)
    {
        if (item.ValueKind != JsonValueKind.Object)
        {
            return double.NaN;
        }

        if (item.TryGetProperty("score", out var score))
        {
            return score.ValueKind == JsonValueKind.Number ? score.GetDouble() : double.NaN;
        }

        if (item.TryGetProperty("kvlistValue", out var list) && list.TryGetProperty("values", out var values))
        {
            foreach (var pair in values.EnumerateArray())
            {
                if (pair.TryGetProperty("key", out var key) && key.ValueEquals("score") && pair.TryGetProperty("value", out var any))
                {
                    return any.TryGetProperty("doubleValue", out var number) && number.ValueKind == JsonValueKind.Number ? number.GetDouble()
                        : any.TryGetProperty("intValue", out var whole) && long.TryParse(whole.ToString(), out var integer) ? integer
                        : double.NaN;
                }
            }
        }

        return double.NaN;
    }

    /// <summary>OpenInference: <c>retrieval.documents.{N}.document.score</c>, numbers with gaps and in any order.</summary>
    private static int IndexedDocuments(AttributeColumn attributes, int row, Action<double> take)
    {
        var seen = new HashSet<int>();
        for (var entry = attributes.Start(row); entry < attributes.End(row); entry++)
        {
            var key = attributes.Keys[entry];
            var prefix = key.StartsWith("retrieval.documents."u8) ? 20 : key.StartsWith("reranker.output_documents."u8) ? 26 : 0;
            if (prefix == 0 || !System.Buffers.Text.Utf8Parser.TryParse(key[prefix..], out int index, out var digits))
            {
                continue;
            }

            seen.Add(index);
            if (key[(prefix + digits)..].SequenceEqual(".document.score"u8) && double.TryParse(attributes.Values[entry], NumberStyles.Float, CultureInfo.InvariantCulture, out var score))
            {
                take(score);
            }
        }

        return seen.Count;
    }

    private static void FillPreviews(SpanBatch spans, int row, Found?[] found, string operation)
    {
        var input = operation is "retrieval" && found[(int)GenAiField.Query] is { } query ? query
            : operation is "tool" && found[(int)GenAiField.ToolArguments] is { } arguments ? arguments
            : found[(int)GenAiField.Input];
        spans.GenAi.InputPreview.Add(
            input is { } given ? MessageText.Preview(given.Value, "user")
            : operation.Length > 0 ? IndexedContent(spans, row, "llm.input_messages."u8, "gen_ai.prompt."u8) : "");
        spans.GenAi.OutputPreview.Add(
            found[(int)GenAiField.Output] is { } output ? MessageText.Preview(output.Value, null)
            : operation.Length > 0 ? IndexedContent(spans, row, "llm.output_messages."u8, "gen_ai.completion."u8) : "");
    }

    /// <summary>Words of the last message of a form that has one attribute a message, e.g. <c>llm.input_messages.3.message.content</c>.</summary>
    private static string IndexedContent(SpanBatch spans, int row, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        var last = -1;
        var words = "";
        foreach (var column in (ReadOnlySpan<AttributeColumn>)[spans.Attributes, spans.Bodies])
        {
            for (var entry = column.Start(row); entry < column.End(row); entry++)
            {
                var key = column.Keys[entry];
                var prefix = key.StartsWith(first) ? first.Length : key.StartsWith(second) ? second.Length : 0;
                if (prefix > 0 && key.EndsWith("content"u8) && System.Buffers.Text.Utf8Parser.TryParse(key[prefix..], out int index, out _) && index > last)
                {
                    last = index;
                    words = MessageText.Preview(column.Values[entry], null);
                }
            }
        }

        return words;
    }

    private static string Source(Found?[] found) =>
        found[(int)GenAiField.Operation]?.Meaning.Dialect
        ?? found.Where(given => given is not null).MinBy(given => given!.Value.Meaning.Rank)?.Meaning.Dialect
        ?? "";

    /// <summary>
    /// Tokens count at the leaf: a span around a call says the same tokens again. A model span is a leaf when no model span of
    /// the same response, or of the same operation and model, lies under it, in this batch or in an earlier one.
    /// </summary>
    private static void Count(SpanBatch spans, CountedSpans counted)
    {
        var gen = spans.GenAi;
        var children = new HashSet<(TraceId, SpanId)>();
        for (var row = 0; row < spans.Count; row++)
        {
            if (IsModelCall(gen.Operation[row]))
            {
                children.Add((spans.TraceId[row], spans.ParentSpanId[row]));
            }
        }

        for (var row = 0; row < spans.Count; row++)
        {
            if (!IsModelCall(gen.Operation[row]))
            {
                continue;
            }

            var self = (spans.TraceId[row], spans.SpanId[row]);
            if (!children.Contains(self) && !counted.HasCountedChild(self.Item1, self.Item2))
            {
                gen.Counted[row] = 1;
                counted.Note(spans.TraceId[row], spans.ParentSpanId[row], spans.EndUnixNanos[row]);
            }
        }
    }

    private static bool IsModelCall(ReadOnlySpan<byte> operation) =>
        operation.SequenceEqual("chat"u8) || operation.SequenceEqual("completion"u8) || operation.SequenceEqual("embeddings"u8)
        || operation.SequenceEqual("rerank"u8) || operation.SequenceEqual("image"u8) || operation.SequenceEqual("speech"u8);
}
