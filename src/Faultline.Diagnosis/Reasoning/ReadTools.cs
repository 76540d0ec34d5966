using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Faultline.ClickHouse;
using Faultline.Diagnosis.Facts;
using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Knowledge;
using Faultline.Diagnosis.Reasoning.Chat;
using Faultline.Metrics.PromQL;
using Faultline.Store.Samples;
using Faultline.Store.Traces;
using Faultline.Telemetry.Samples;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Reasoning;

/// <summary>What a tool answered.</summary>
/// <param name="Json">For the model, never more than <see cref="ReadTools.ResultBytesMax"/> characters or so.</param>
/// <param name="Refused">It was not carried out; the text says why.</param>
internal sealed record ToolAnswer(string Json, bool Refused);

/// <summary>The tools a model may call: six ways to read what is stored about one case. None writes, none leaves the project, all are bounded.</summary>
internal sealed class ReadTools(Library library, Shown shown)
{
    public const int ResultBytesMax = 12 << 10;
    public const int SpansMax = 20;
    public const int TraceSpansMax = 60;
    public const int SeriesMax = 10;
    public const int PointsShownMax = 20;
    public const int FeaturesMax = 40;
    public const int ChangesMax = 20;
    public const int CasesMax = 5;
    private const int ArgumentMax = 300;
    private const int QueryMax = 1_000;

    private static readonly JsonSerializerOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly TimeSpan NearBefore = TimeSpan.FromHours(1);
    private static readonly TimeSpan NearAfter = TimeSpan.FromMinutes(20);

    public static IReadOnlyList<ToolSpec> Specs { get; } =
    [
        new("query_spans", $"Spans that match all that is given, newest first, at most {SpansMax}. Times are RFC 3339; without them from ten minutes before the onset until twenty after.", """
            {"type":"object","properties":{"service":{"type":"string"},"operation":{"type":"string","enum":["chat","completion","embeddings","retrieval","rerank","tool","agent","step","plan","memory","workflow"]},"name":{"type":"string"},"text":{"type":"string","description":"any text in names, values, prompts or outputs"},"attribute":{"type":"string"},"value":{"type":"string","description":"of the attribute"},"errors_only":{"type":"boolean"},"seconds_min":{"type":"number"},"from":{"type":"string"},"to":{"type":"string"}},"additionalProperties":false}
            """),
        new("read_trace", $"All spans of one trace with what was said in them, at most {TraceSpansMax}; with span_id only that span, at more length.", """
            {"type":"object","properties":{"trace_id":{"type":"string"},"span_id":{"type":"string"}},"required":["trace_id"],"additionalProperties":false}
            """),
        new("list_features", "Every measured feature of a service (latency, tokens, scores, retrieval, tools …) before and after the onset, those that moved most first. Each ref can be cited.", """
            {"type":"object","properties":{"service":{"type":"string"}},"additionalProperties":false}
            """),
        new("query_series", $"A PromQL query over time, at most {SeriesMax} series. Says of each whether it rose, fell or stayed at the onset. The ref can be cited.", """
            {"type":"object","properties":{"query":{"type":"string"},"from":{"type":"string"},"to":{"type":"string"}},"required":["query"],"additionalProperties":false}
            """),
        new("list_changes", "Recorded changes (deploys, prompts, models, configuration, data), nearest to the onset first.", """
            {"type":"object","properties":{"service":{"type":"string"}},"additionalProperties":false}
            """),
        new("similar_cases", "Resolved cases that looked like this one: their cause and what fixed them.", """
            {"type":"object","properties":{},"additionalProperties":false}
            """),
    ];

    /// <summary>Carries one call out. Whatever the arguments are, the answer is words, never an exception.</summary>
    public async Task<ToolAnswer> RunAsync(string name, string arguments, CancellationToken cancel)
    {
        if (JsonText.Parse(string.IsNullOrWhiteSpace(arguments) ? "{}" : arguments) is not { ValueKind: JsonValueKind.Object } given)
        {
            return Refuse("the arguments are no JSON object");
        }

        try
        {
            return name switch
            {
                "query_spans" => await SpansAsync(given, cancel),
                "read_trace" => await TraceAsync(given, cancel),
                "list_features" => await FeaturesAsync(given, cancel),
                "query_series" => await SeriesAsync(given, cancel),
                "list_changes" => Changes(given),
                "similar_cases" => SimilarCases(),
                _ => Refuse($"there is no such tool; there are {string.Join(", ", Specs.Select(tool => tool.Name))}"),
            };
        }
        catch (PromQlException wrong) when (!cancel.IsCancellationRequested)
        {
            return Refuse($"the query failed: {Untrusted.OneLine(wrong.Message, ArgumentMax)}");
        }
        catch (Exception failed) when (failed is ClickHouseException or StoreUnavailableException && !cancel.IsCancellationRequested)
        {
            return Refuse("the store did not answer");
        }
    }

    private async Task<ToolAnswer> SpansAsync(JsonElement given, CancellationToken cancel)
    {
        if (!TryRange(given, library.About.Finding.OnsetAt - TimeSpan.FromMinutes(10), library.About.Finding.OnsetAt + NearAfter, out var from, out var to))
        {
            return Refuse("from and to are not RFC 3339 times, from before to");
        }

        var filter = new TraceFilter
        {
            FromUnixNanos = Library.Nanos(from),
            ToUnixNanos = Library.Nanos(to),
            Service = Text(given, "service"),
            Operation = Text(given, "operation"),
            Name = Text(given, "name"),
            Text = Text(given, "text"),
            Status = given.TryGetProperty("errors_only", out var errors) && errors.ValueKind == JsonValueKind.True ? SpanStatus.Error : null,
            DurationNanosMin = given.TryGetProperty("seconds_min", out var seconds) && seconds.ValueKind == JsonValueKind.Number && seconds.GetDouble() is >= 0 and < 1e6 and var min ? (long)(min * 1e9) : null,
            Attributes = Text(given, "attribute") is { } attribute && Text(given, "value") is { } value ? [new(attribute, value)] : [],
            Limit = SpansMax + 1,
        };
        var spans = await library.SpansAsync(filter, cancel);
        return Answer(new JsonObject { ["from"] = Shift.Rfc3339(from), ["to"] = Shift.Rfc3339(to) }, "spans", spans.Take(SpansMax).Select(SpanWords.Row), spans.Count > SpansMax);
    }

    private async Task<ToolAnswer> TraceAsync(JsonElement given, CancellationToken cancel)
    {
        var named = Text(given, "trace_id")?.Split('/') ?? [];
        if (named.Length == 0 || !TraceId.TryParse(named[0], out var trace))
        {
            return Refuse("trace_id is not 32 hexadecimal digits");
        }

        var one = Text(given, "span_id")?.Split('/')[^1] ?? (named.Length > 1 ? named[1] : null);
        var spans = (await library.TracesAsync([trace], cancel))
            .Where(span => one is null || string.Equals(span.Summary.SpanId.ToString(), one, StringComparison.OrdinalIgnoreCase))
            .OrderBy(span => span.Summary.StartUnixNanos)
            .ToList();
        return spans.Count == 0
            ? Refuse("no such trace or span is stored in the time that can be read")
            : Answer(new JsonObject { ["trace_id"] = trace.ToString(), ["spans_in_all"] = spans.Count }, "spans", spans.Take(TraceSpansMax).Select(span => SpanWords.Whole(span, one is not null)), spans.Count > TraceSpansMax);
    }

    private async Task<ToolAnswer> FeaturesAsync(JsonElement given, CancellationToken cancel)
    {
        var service = Text(given, "service") ?? library.About.Finding.Service;
        var (from, to) = Near();
        var series = await library.FeaturesAsync(service, from, to, cancel);
        var rows = series
            .Select(one => (one.Labels, Move: SeriesMove.Of(one, library.OnsetMillis)))
            .OrderByDescending(one => one.Move.Moved is Moved.Rose or Moved.Fell).ThenByDescending(one => Math.Abs(one.Move.Z)).ThenBy(one => one.Labels["feature"], StringComparer.Ordinal)
            .Select(one => Row(one.Labels, one.Move, Library.SeriesRef(Selector(one.Labels), from, to)));
        return Answer(new JsonObject { ["service"] = service }, "features", rows.Take(FeaturesMax), series.Count > FeaturesMax);

        static JsonObject Row(Labels labels, SeriesMove move, string reference)
        {
            var row = new JsonObject { ["feature"] = labels["feature"] };
            foreach (var pair in labels.Pairs)
            {
                if (pair.Key is not (Labels.MetricName or "service_name" or "environment" or "feature"))
                {
                    row["dimension"] = Untrusted.Text(pair.Value, ArgumentMax);
                }
            }

            Put(row, move);
            row["ref"] = reference;
            return row;
        }
    }

    private async Task<ToolAnswer> SeriesAsync(JsonElement given, CancellationToken cancel)
    {
        var query = Text(given, "query", QueryMax);
        var (near, until) = Near();
        if (query is null || !TryRange(given, near, until, out var from, out var to))
        {
            return Refuse(query is null ? $"the query is missing, or longer than {QueryMax} characters" : "from and to are not RFC 3339 times, from before to");
        }

        if (await library.SeriesAsync(query, from, to, cancel) is not PromQlResult.Matrix matrix || matrix.Series.Count == 0)
        {
            return Refuse("the query has no series in that time");
        }

        var reference = Library.SeriesRef(query, from, to);
        var rows = matrix.Series
            .Select(series => (Series: series, Move: SeriesMove.Of(series, library.OnsetMillis)))
            .OrderByDescending(one => Math.Abs(one.Move.Z))
            .Take(SeriesMax)
            .Select(one => Row(one.Series, one.Move));
        return Answer(new JsonObject { ["ref"] = reference, ["onset"] = Shift.Rfc3339(library.About.Finding.OnsetAt) }, "series", rows, matrix.Series.Count > SeriesMax);

        static JsonObject Row(SeriesData series, SeriesMove move)
        {
            var labels = new JsonObject();
            foreach (var pair in series.Labels.Pairs)
            {
                labels[pair.Key] = Untrusted.Text(pair.Value, ArgumentMax);
            }

            var row = new JsonObject { ["labels"] = labels };
            Put(row, move);
            var every = Math.Max(1, (series.Values.Length + PointsShownMax - 1) / PointsShownMax);
            row["points"] = new JsonArray([.. Enumerable.Range(0, series.Values.Length).Where(i => i % every == 0)
                .Select(i => (JsonNode)new JsonArray(Shift.Rfc3339(DateTimeOffset.FromUnixTimeMilliseconds(series.UnixMillis[i])), Number(series.Values[i])))]);
            return row;
        }
    }

    private ToolAnswer Changes(JsonElement given)
    {
        var service = Text(given, "service");
        var onset = library.About.Finding.OnsetAt;
        var changes = library.About.Changes.Where(change => service is null || change.Service == service).OrderBy(change => (change.At - onset).Duration()).ToList();
        return Answer([], "changes", changes.Take(ChangesMax).Select(change => Row(change, onset)), changes.Count > ChangesMax);
    }

    private ToolAnswer SimilarCases()
    {
        var about = library.About;
        var rows = about.Past
            .Select(past => (Past: past, Similarity: Signature.Cosine(about.Verdict.Signature, past.Signature)))
            .OrderByDescending(one => one.Similarity).ThenByDescending(one => one.Past.ResolvedAt)
            .Select(one => new JsonObject
            {
                ["id"] = one.Past.CaseId,
                ["similarity"] = Math.Round(one.Similarity, 3),
                ["service"] = one.Past.Service,
                ["class"] = one.Past.FailureClass.ToString(),
                ["cause"] = one.Past.Cause,
                ["target"] = Untrusted.Text(one.Past.Target, ArgumentMax),
                ["fixed_by"] = Untrusted.Text(one.Past.FixApplied, ArgumentMax),
                ["found_helpful"] = one.Past.Helpful,
            });
        return Answer([], "cases", rows.Take(CasesMax), about.Past.Count > CasesMax);
    }

    public static JsonObject Row(Telemetry.Changes.ChangeEvent change, DateTimeOffset onset) => new()
    {
        ["id"] = change.Id,
        ["type"] = change.Type,
        ["service"] = Untrusted.Text(change.Service, ArgumentMax),
        ["at"] = Shift.Rfc3339(change.At),
        ["minutes_before_onset"] = Math.Round((onset - change.At).TotalMinutes, 1),
        ["detail"] = Untrusted.Text(change.Detail, ArgumentMax),
    };

    // Rows until the answer is full; what is left out is said.
    private ToolAnswer Answer(JsonObject head, string name, IEnumerable<JsonObject> rows, bool more)
    {
        var list = new JsonArray();
        var length = 0;
        foreach (var row in rows)
        {
            length += row.ToJsonString(Relaxed).Length + 1;
            if (length > ResultBytesMax && list.Count > 0)
            {
                more = true;
                break;
            }

            list.Add(row);
        }

        head[name] = list;
        if (more)
        {
            head["more"] = "there are more, not shown";
        }

        shown.Note(head);
        return new ToolAnswer(Untrusted.Text(head.ToJsonString(Relaxed), 2 * ResultBytesMax), Refused: false);
    }

    private static ToolAnswer Refuse(string why) => new(new JsonObject { ["error"] = why }.ToJsonString(Relaxed), Refused: true);

    private (DateTimeOffset From, DateTimeOffset To) Near() => (library.Clamp(library.About.Finding.OnsetAt - NearBefore), library.Clamp(library.About.Finding.OnsetAt + NearAfter));

    private bool TryRange(JsonElement given, DateTimeOffset usualFrom, DateTimeOffset usualTo, out DateTimeOffset from, out DateTimeOffset to)
    {
        (from, to) = (usualFrom, usualTo);
        if ((Text(given, "from") is { } begin && !Library.TryParseTime(begin, out from)) || (Text(given, "to") is { } end && !Library.TryParseTime(end, out to)))
        {
            return false;
        }

        (from, to) = (library.Clamp(from), library.Clamp(to));
        return from < to;
    }

    private static string? Text(JsonElement given, string name, int max = ArgumentMax) =>
        given.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text && text.Length <= max ? text : null;

    private static void Put(JsonObject row, SeriesMove move)
    {
        row["before"] = Number(move.Before);
        row["after"] = Number(move.After);
        row["moved"] = move.Moved switch { Moved.Rose => "rose", Moved.Fell => "fell", Moved.Steady => "steady", _ => "too few values to say" };
    }

    private static JsonValue? Number(double value) => double.IsFinite(value) ? JsonValue.Create(double.Parse(value.ToString("G5", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture)) : null;

    /// <summary>The selector of exactly this series.</summary>
    private static string Selector(Labels labels)
    {
        List<string> matchers = [];
        foreach (var pair in labels.Pairs)
        {
            if (pair.Key != Labels.MetricName)
            {
                matchers.Add($"{pair.Key}={JsonSerializer.Serialize(pair.Value, Relaxed)}");
            }
        }

        return $"{labels.Name}{{{string.Join(',', matchers)}}}";
    }
}
