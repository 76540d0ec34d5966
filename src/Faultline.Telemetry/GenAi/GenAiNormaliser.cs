using System.Globalization;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Otlp;
using Faultline.Telemetry.Spans;

namespace Faultline.Telemetry.GenAi;

/// <summary>
/// Fills the canonical GenAI columns of a batch from whatever the instrumentation wrote. A span that is not GenAI's costs one
/// look at each of its keys.
/// </summary>
/// <remarks>Names and values are tables, <c>Dialects/*.tsv</c>; what a table cannot say (sums, bases, who is counted) is here.</remarks>
public static class GenAiNormaliser
{
    /// <summary>More tokens than this in one call are a mistake of the sender.</summary>
    private const double CountMax = 1e15;

    private static readonly int s_fields = Enum.GetValues<GenAiField>().Length;

    /// <summary>The attribute that won a field.</summary>
    private readonly record struct Found(Meaning? Meaning, AttributeColumn? Column, int Entry, long Number)
    {
        public ReadOnlySpan<byte> Value => Column is null ? default : Meaning!.Conversion == Conversion.JsonText ? Part(Column, Entry, Meaning)!.Text.Utf8 : Column.Values[Entry];

        public string Text => Column is null ? "" : Column.Values.Text(Entry);

        /// <summary>The value as a tree.</summary>
        public ContentNode Node => Column is null ? ContentNode.Null : ContentNode.Of(Column.Values.Content(Entry), Column.Types[Entry], out _);
    }

    /// <param name="spans">Rows that have no GenAI columns yet are filled.</param>
    /// <param name="counted">What earlier requests counted.</param>
    /// <param name="figures">What could not be used is counted there.</param>
    public static void Fill(SpanBatch spans, CountedSpans counted, NormaliserFigures? figures = null)
    {
        figures ??= new NormaliserFigures();
        var firstRow = spans.GenAi.Count;
        var found = new Found[s_fields];
        var reader = new ContentReader();
        HashSet<int>? pending = null;
        var set = 0UL;
        for (var row = firstRow; row < spans.Count; row++)
        {
            for (; set != 0; set &= set - 1)
            {
                found[BitOperations.TrailingZeroCount(set)] = default;
            }

            set = Look(spans, spans.Attributes, row, found, figures) | Look(spans, spans.Bodies, row, found, figures);
            FillRow(spans, row, found, set, reader, figures);
            if (found[(int)GenAiField.Pending].Value.SequenceEqual("pending_span"u8))
            {
                pending ??= [];
                pending.Add(row);
            }
        }

        LeafCounter.Count(spans, firstRow, pending, counted);
    }

    /// <returns>A bit for each field that it set; there are fewer than 64.</returns>
    private static ulong Look(SpanBatch spans, AttributeColumn attributes, int row, Found[] found, NormaliserFigures figures)
    {
        var set = 0UL;
        var end = attributes.End(row);
        for (var entry = attributes.Start(row); entry < end; entry++)
        {
            if (Vocabulary.Find(attributes.Keys[entry]) is not { } meanings)
            {
                continue;
            }

            foreach (var meaning in meanings)
            {
                ref var best = ref found[(int)meaning.Field];
                if (best.Meaning is not null && best.Meaning.Rank <= meaning.Rank)
                {
                    continue;
                }

                if (TryConvert(attributes, entry, meaning, spans.StartUnixNanos[row], figures, out var number))
                {
                    best = new Found(meaning, attributes, entry, number);
                    set |= 1UL << (int)meaning.Field;
                }
            }
        }

        return set;
    }

    /// <summary>Whether the value can be the field's: what is empty or no such number leaves the place to the next in the table.</summary>
    private static bool TryConvert(AttributeColumn attributes, int entry, Meaning meaning, long startUnixNanos, NormaliserFigures figures, out long number)
    {
        number = 0;
        var value = attributes.Values[entry];
        if (value.IsEmpty)
        {
            return false;
        }

        switch (meaning.Conversion)
        {
            case Conversion.Text or Conversion.Operation:
                return true;
            case Conversion.Json:
                return Part(attributes, entry, meaning) is { } counted && TryNumber(counted.Text.Utf8, 1, figures, out number);
            case Conversion.JsonText:
                return Part(attributes, entry, meaning) is { Text.Utf8.IsEmpty: false };
            case Conversion.Instant:
                return TryInstant(Encoding.UTF8.GetString(value), startUnixNanos, figures, out number);
            default:
                var nanos = meaning.Conversion switch { Conversion.Seconds => 1e9, Conversion.Milliseconds => 1e6, _ => 1 };
                return TryNumber(value, nanos, figures, out number);
        }
    }

    /// <summary>What stands at the meaning's path inside a JSON value; null when there is nothing.</summary>
    private static ContentNode? Part(AttributeColumn attributes, int entry, Meaning meaning) =>
        ContentNode.Of(attributes.Values.Content(entry), attributes.Types[entry], out _).At(meaning.Argument.Split('.'));

    private static bool TryNumber(ReadOnlySpan<byte> text, double factor, NormaliserFigures figures, out long number)
    {
        number = 0;
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && double.IsFinite(value) && value >= 0 && value * factor <= CountMax * 1000)
        {
            number = (long)Math.Round(value * factor);
            return true;
        }

        figures.RejectNumber();
        return false;
    }

    /// <summary>A time, sometimes in one or two pairs of quotes more than it needs.</summary>
    private static bool TryInstant(string text, long startUnixNanos, NormaliserFigures figures, out long nanos)
    {
        nanos = 0;
        if (DateTimeOffset.TryParse(text.Trim('"', '\\', ' '), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var instant))
        {
            nanos = ((instant.UtcTicks - DateTimeOffset.UnixEpoch.Ticks) * 100) - startUnixNanos;
        }

        if (nanos > 0)
        {
            return true;
        }

        figures.RejectNumber();
        return false;
    }

    /// <param name="set">Bits of the fields that are set.</param>
    private static void FillRow(SpanBatch spans, int row, Found[] found, ulong set, ContentReader reader, NormaliserFigures figures)
    {
        var gen = spans.GenAi;
        var operation = OperationOf(spans, row, found, set);
        gen.Session.Add(found[(int)GenAiField.Session].Value);
        gen.User.Add(found[(int)GenAiField.User].Value);
        gen.Operation.Add(operation);
        gen.Counted.Add(0);
        if (operation.Length == 0)
        {
            FillEmpty(gen);
            return;
        }

        var content = ReadContent(spans, row, operation, reader);
        if (content.IsTruncated)
        {
            figures.CutJson();
        }

        var provider = ProviderOf(found);
        gen.Provider.Add(provider);
        gen.ModelRequested.Add(found[(int)GenAiField.ModelRequested].Value);
        gen.ModelResponded.Add(found[(int)GenAiField.ModelResponded].Value);
        gen.ResponseId.Add(found[(int)GenAiField.ResponseId].Value);
        gen.FinishReasons.Add(FinishReasonsOf(found[(int)GenAiField.FinishReasons], content));
        FillUsage(gen, found, spans.Scopes.Count == 0 ? default : spans.Scopes.Name[spans.Scope[row]], provider);
        gen.FirstChunkNanos.Add(found[(int)GenAiField.FirstChunk].Meaning is null ? FirstChunkEvent(spans, row) : Number(found, GenAiField.FirstChunk));
        gen.Agent.Add(operation is "agent" or "create_agent" ? NamedBy(found, GenAiField.Agent, spans.Name[row]) : found[(int)GenAiField.Agent].Value);
        gen.Tool.Add(operation is "tool" ? NamedBy(found, GenAiField.Tool, spans.Name[row]) : default);
        gen.ToolArgumentsHash.Add(operation is "tool" ? ArgumentsHash(content.ToolArgumentsUtf8) : "");
        gen.DataSource.Add(found[(int)GenAiField.DataSource] is { Meaning: { } source } given && (source.IsGenAi || operation is "retrieval" or "rerank") ? given.Value : default);
        gen.PromptName.Add(found[(int)GenAiField.PromptName].Value);
        gen.PromptVersion.Add(found[(int)GenAiField.PromptVersion].Value);
        FillDocuments(gen, found, operation, content);
        Span<byte> line = stackalloc byte[Preview.BytesMax];
        gen.InputPreview.Add(line[..content.InputPreview(operation, line)]);
        gen.OutputPreview.Add(line[..content.OutputPreview(operation, line)]);
        gen.Source.Add(SourceOf(found));
        gen.Traits.Add(operation, content, Numbers(found[(int)GenAiField.DocumentTopDistance]) is { Count: > 0 } distances ? distances.Min() : double.NaN);
    }

    private static void FillEmpty(GenAiColumns gen)
    {
        foreach (var column in (ReadOnlySpan<ByteColumn>)[
            gen.Provider, gen.ModelRequested, gen.ModelResponded, gen.ResponseId, gen.FinishReasons, gen.UsageBasis, gen.Agent, gen.Tool, gen.ToolArgumentsHash,
            gen.DataSource, gen.PromptName, gen.PromptVersion, gen.InputPreview, gen.OutputPreview, gen.Source])
        {
            column.Add(default(ReadOnlySpan<byte>));
        }

        foreach (var column in (ReadOnlySpan<FixedColumn<long>>)[
            gen.InputTokens, gen.OutputTokens, gen.CacheReadTokens, gen.CacheWriteTokens, gen.ReasoningTokens, gen.FirstChunkNanos, gen.DocumentCount])
        {
            column.Add(GenAiColumns.Absent);
        }

        gen.DocumentTopScore.Add(double.NaN);
        gen.DocumentMeanScore.Add(double.NaN);
        gen.Traits.AddNothing();
    }

    private static string OperationOf(SpanBatch spans, int row, Found[] found, ulong set)
    {
        if (found[(int)GenAiField.Operation] is { Meaning: { } meaning } given)
        {
            if (given.Value.SequenceEqual(VectorDatabase))
            {
                return LooksUp(spans, row, found) ? "retrieval" : "";
            }

            var known = Vocabulary.Operation(meaning.Argument, given.Text) ?? "unknown";
            var isCompletion = known == "chat" && meaning.Dialect == "openinference" && IndexOfPrefix(spans.Bodies, row, "llm.prompts."u8);
            return isCompletion ? "completion" : known;
        }

        if (found[(int)GenAiField.Database] is { Meaning: not null } database
            && LooksUp(spans, row, found)
            && Vocabulary.Operation("vector-database", database.Text) is { } retrieval)
        {
            return retrieval;
        }

        // A model and token counts are a call, whatever the instrumentation forgot to say.
        var hasModel = found[(int)GenAiField.ModelRequested].Meaning is not null || found[(int)GenAiField.ModelResponded].Meaning is not null;
        var hasTokens = found[(int)GenAiField.InputTokens].Meaning is not null || found[(int)GenAiField.OutputTokens].Meaning is not null;
        if (hasModel && hasTokens)
        {
            return "chat";
        }

        for (; set != 0; set &= set - 1)
        {
            if (found[BitOperations.TrailingZeroCount(set)].Meaning is { IsGenAi: true })
            {
                return "unknown";
            }
        }

        return "";
    }

    /// <summary>OpenLIT's operation for whatever is done with a vector database.</summary>
    private static ReadOnlySpan<byte> VectorDatabase => "vectordb"u8;

    /// <summary>Whether a call of a vector database looks something up: it says what it does, or its name does.</summary>
    private static bool LooksUp(SpanBatch spans, int row, Found[] found) =>
        found[(int)GenAiField.DatabaseOperation] is { Meaning: not null } said
            ? Vocabulary.Operation("database-operation", said.Text) is not null
            : spans.Name[row].IndexOf("query"u8) >= 0 || spans.Name[row].IndexOf("search"u8) >= 0;

    private static bool IndexOfPrefix(AttributeColumn attributes, int row, ReadOnlySpan<byte> prefix)
    {
        for (var entry = attributes.Start(row); entry < attributes.End(row); entry++)
        {
            if (attributes.Keys[entry].StartsWith(prefix))
            {
                return true;
            }
        }

        return false;
    }

    private static string ProviderOf(Found[] found)
    {
        var given = found[(int)GenAiField.Provider];
        var text = given.Text;
        if (given.Meaning?.Dialect == "vercel" && text.StartsWith("google.vertex", StringComparison.Ordinal))
        {
            text = "vertex_ai";
        }
        else if (given.Meaning?.Dialect == "vercel" && text.IndexOf('.', StringComparison.Ordinal) is var dot and > 0)
        {
            text = text[..dot];
        }

        // Clients of OpenAI-compatible servers say openai whoever answers; the address knows better.
        var provider = Vocabulary.Provider(text);
        return provider is "" or "openai" && found[(int)GenAiField.ServerAddress].Text is { Length: > 0 } address
            ? Vocabulary.ProviderAt(address) ?? provider
            : provider;
    }

    /// <summary>The field's text; failing that, the name OpenLLMetry gives to whatever the span is; failing that, the span's own, which is how Langfuse and LangSmith name a tool.</summary>
    private static ReadOnlySpan<byte> NamedBy(Found[] found, GenAiField field, ReadOnlySpan<byte> span)
    {
        if (found[(int)field] is { Meaning: not null } given)
        {
            return given.Value;
        }

        if (found[(int)GenAiField.Entity] is { Meaning: not null } entity)
        {
            return entity.Value;
        }

        // "execute_tool search", "tools/call search": what comes behind the operation.
        return span.StartsWith("execute_tool "u8) || span.StartsWith("invoke_agent "u8) || span.StartsWith("tools/call "u8) ? span[(span.IndexOf((byte)' ') + 1)..] : span;
    }

    /// <summary>Nanoseconds from the start to the first event that says a chunk came; <see cref="GenAiColumns.Absent"/> when none says so.</summary>
    private static long FirstChunkEvent(SpanBatch spans, int row)
    {
        var first = long.MaxValue;
        for (var item = spans.Events.Start(row); item < spans.Events.End(row); item++)
        {
            var name = spans.Events.Name[item];
            if (name.SequenceEqual("gen_ai.content.completion.chunk"u8) || name.SequenceEqual("llm.content.completion.chunk"u8) || name.SequenceEqual("ai.stream.firstChunk"u8))
            {
                first = Math.Min(first, spans.Events.UnixNanos[item] - spans.StartUnixNanos[row]);
            }
        }

        return first is > 0 and < long.MaxValue ? first : GenAiColumns.Absent;
    }

    private static long Number(Found[] found, GenAiField field) => found[(int)field] is { Meaning: not null } given ? given.Number : GenAiColumns.Absent;

    private static string FinishReasonsOf(Found given, GenAiContent content)
    {
        if (given.Column is null && content.Output is [var only])
        {
            return only.FinishReason;
        }

        IEnumerable<string> reasons = content.Output.Select(message => message.FinishReason);
        if (given.Column is not null)
        {
            var node = given.Node;
            if (node is not { Kind: ContentKind.Array })
            {
                return Vocabulary.FinishReason(node.ToText().ToString());
            }

            if (node.Items is [var one])
            {
                return Vocabulary.FinishReason(one.ToText().ToString());
            }

            reasons = node.Items.Select(item => Vocabulary.FinishReason(item.ToText().ToString()));
        }

        return string.Join(',', reasons.Where(reason => reason.Length > 0));
    }

    /// <summary>Totals that include their details, whoever sent them.</summary>
    private static void FillUsage(GenAiColumns gen, Found[] found, ReadOnlySpan<byte> scope, string provider)
    {
        var input = Number(found, GenAiField.InputTokens);
        var output = Number(found, GenAiField.OutputTokens);
        var cacheRead = Number(found, GenAiField.CacheReadTokens);
        var cacheWrite = Number(found, GenAiField.CacheWriteTokens);
        var reasoning = Number(found, GenAiField.ReasoningTokens);
        var basis = "";
        if (input != GenAiColumns.Absent || output != GenAiColumns.Absent)
        {
            basis = "inclusive";
        }

        var cached = OrZero(cacheRead) + OrZero(cacheWrite);
        if (input != GenAiColumns.Absent && cached > 0)
        {
            var winner = found[(int)GenAiField.InputTokens];

            // Details that are more than their total were never in it, whatever the table says.
            basis = cached > input ? "exclusive" : Vocabulary.UsageBasis(winner.Column!.Keys[winner.Entry], scope, provider) ?? "unknown";
            input += basis == "exclusive" ? cached : 0;
        }

        if (output != GenAiColumns.Absent && OrZero(reasoning) > output)
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

    private static long OrZero(long value) => value == GenAiColumns.Absent ? 0 : value;

    private static GenAiContent ReadContent(SpanBatch spans, int row, string operation, ContentReader reader)
    {
        reader.Clear();
        for (var entry = spans.Bodies.Start(row); entry < spans.Bodies.End(row); entry++)
        {
            Add(reader, spans.Bodies, entry);
        }

        for (var entry = spans.Attributes.Start(row); entry < spans.Attributes.End(row); entry++)
        {
            if (ContentKeys.IsPart(spans.Attributes.Keys[entry]))
            {
                Add(reader, spans.Attributes, entry);
            }
        }

        return reader.Read(OtlpSpan.EventsOf(spans, row), [], operation);
    }

    private static void Add(ContentReader reader, AttributeColumn column, int entry) =>
        reader.Add(ContentKeys.Text(column.Keys[entry]), column.Values.Content(entry), column.Types[entry]);

    private static void FillDocuments(GenAiColumns gen, Found[] found, string operation, GenAiContent content)
    {
        var sum = 0.0;
        var top = double.NaN;
        var scored = 0;
        foreach (var document in content.Documents)
        {
            if (document.Score is { } score)
            {
                top = scored == 0 ? score : Math.Max(top, score);
                sum += score;
                scored++;
            }
        }

        var count = content.Documents.Count > 0 ? content.Documents.Count : Number(found, GenAiField.DocumentCount);
        gen.DocumentCount.Add(operation is "retrieval" or "rerank" or "memory" || content.Documents.Count > 0 ? WithEmptyList(count, content) : GenAiColumns.Absent);
        var told = scored == 0 ? Numbers(found[(int)GenAiField.DocumentTopScore]) : [];
        gen.DocumentTopScore.Add(told.Count > 0 ? told.Max() : top);

        // A single number is the best one; of a list there is a mean.
        gen.DocumentMeanScore.Add(told.Count > 1 ? told.Average() : scored == 0 ? double.NaN : sum / scored);
    }

    /// <summary>A number, or a list of them.</summary>
    private static List<double> Numbers(Found given)
    {
        if (given.Column is null)
        {
            return [];
        }

        var node = given.Node;
        return [.. from item in node.Kind == ContentKind.Array ? node.Items : [node] let number = ContentReader.Number(item.Text) where number is not null select number.Value];
    }

    /// <summary>A list of documents that was sent and is empty says zero; no list says nothing.</summary>
    private static long WithEmptyList(long count, GenAiContent content) => count == GenAiColumns.Absent && content.HasDocumentList ? 0 : count;

    /// <summary>The same arguments have the same hash, whatever the order of their keys or the white space between them.</summary>
    /// <returns>First 16 hexadecimal digits of SHA-256, or empty.</returns>
    internal static string ArgumentsHash(ContentText arguments)
    {
        if (arguments.IsEmpty)
        {
            return "";
        }

        var node = ContentNode.OfJsonText(arguments, out var isCut);
        var canonical = isCut || node.Kind is ContentKind.Text ? arguments.ToString().Trim() : node.ToJson(isCanonical: true);
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(canonical)))[..16];
    }

    /// <summary>The dialect that named the operation; else the one whose attribute stands first in the table.</summary>
    private static string SourceOf(Found[] found)
    {
        var source = found[(int)GenAiField.Operation].Meaning;
        foreach (var one in source is null ? found : [])
        {
            if (one.Meaning is { IsGenAi: true } meaning && (source is null || meaning.Rank < source.Rank))
            {
                source = meaning;
            }
        }

        return (source ?? found[(int)GenAiField.Database].Meaning)?.Dialect ?? "";
    }
}
