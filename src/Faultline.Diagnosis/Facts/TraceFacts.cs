using System.Globalization;
using System.Text.Json;
using Faultline.Diagnosis.Findings;
using Faultline.Store.Traces;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Facts;

/// <summary>One trace's spans, as far as they were read, and the attribute values it has.</summary>
internal sealed class TraceFacts(TraceId id)
{
    public TraceId Id { get; } = id;

    public List<SpanSummary> Spans { get; } = [];

    public long StartUnixNanos => Spans.Min(span => span.StartUnixNanos);

    /// <summary>The span of the trace that the finding's service answers with, if it was read.</summary>
    public SpanSummary? Root => Spans.Find(span => span.ParentSpanId.IsNone) ?? Spans.Find(span => span.Kind == SpanKind.Server);

    /// <summary>From the root's start to that of the first span below it; null when either was not read.</summary>
    public double? WaitSeconds =>
        Spans.Find(span => span.ParentSpanId.IsNone) is { } root && Spans.Where(span => !span.ParentSpanId.IsNone).Select(span => span.StartUnixNanos).DefaultIfEmpty(-1).Min() is var first && first >= root.StartUnixNanos
            ? (first - root.StartUnixNanos) / 1e9
            : null;

    public bool HasError => Spans.Exists(span => span.Status == SpanStatus.Error);

    /// <summary>Most calls of one tool with the same arguments.</summary>
    public int MaxToolRepeats()
    {
        Dictionary<(string, string), int> calls = [];
        var most = 0;
        foreach (var span in Spans)
        {
            if (span.GenAi is { Operation: "tool", ToolArgumentsHash.Length: > 0 })
            {
                var key = (span.GenAi.Tool, span.GenAi.ToolArgumentsHash);
                most = Math.Max(most, calls[key] = calls.GetValueOrDefault(key) + 1);
            }
        }

        return most;
    }

    /// <summary>Every (attribute, value) that some span of the trace has, each once; asked when all spans are there.</summary>
    public HashSet<(string Attribute, string Value)> Values() => _values ??= Collect();

    private HashSet<(string Attribute, string Value)>? _values;

    private HashSet<(string Attribute, string Value)> Collect()
    {
        HashSet<(string, string)> values = [];
        foreach (var span in Spans)
        {
            Collect(span, values);
        }

        return values;
    }

    /// <summary>Whether it is one of the requests that a symptom is about.</summary>
    public bool IsOf(SymptomPart part) => Values().Contains((part.Attribute, part.Value));

    /// <summary>Whether the span itself has the value.</summary>
    public static bool Carries(SpanSummary span, string attribute, string value)
    {
        HashSet<(string, string)> values = [];
        Collect(span, values);
        return values.Contains((attribute, value));
    }

    private static void Collect(SpanSummary span, HashSet<(string, string)> values)
    {
        var genAi = span.GenAi;
        Add(values, AttributeNames.Release, span.Release);
        Add(values, AttributeNames.Environment, span.Environment);
        Add(values, "provider", genAi.Provider);
        Add(values, "agent", genAi.Agent);
        Add(values, "tool", genAi.Tool);
        Add(values, "data_source", genAi.DataSource);
        if (genAi.PromptName.Length > 0 || genAi.PromptVersion.Length > 0)
        {
            Add(values, AttributeNames.Prompt, genAi.PromptVersion.Length == 0 ? genAi.PromptName : $"{genAi.PromptName}@{genAi.PromptVersion}");
        }

        foreach (var reason in genAi.FinishReasons)
        {
            Add(values, "finish_reason", reason);
        }

        switch (genAi.Operation)
        {
            case "chat" or "completion":
                Add(values, AttributeNames.ModelRequested, genAi.ModelRequested);
                Add(values, AttributeNames.ModelResponded, genAi.ModelResponded);
                break;
            case "embeddings" or "retrieval":
                // On a retrieval span the model is the one that embedded the query.
                Add(values, AttributeNames.EmbeddingModel, genAi.ModelRequested);
                break;
        }

        foreach (var attribute in span.Attributes)
        {
            var isParameter = false;
            foreach (var (name, value) in RequestParameters.Of(genAi.Operation, attribute.Key, attribute.Value))
            {
                isParameter = true;
                Add(values, name, value);
            }

            if (isParameter || AttributeNames.IsCovered(attribute.Key))
            {
                continue;
            }

            if (attribute.Value is ['{', ..] && attribute.Key.EndsWith("metadata", StringComparison.Ordinal))
            {
                foreach (var (name, value) in MembersOf(attribute.Value))
                {
                    Add(values, $"{attribute.Key}.{name}", value);
                }
            }
            else if (attribute.Value.Length is > 0 and <= ValueCharactersMax)
            {
                Add(values, attribute.Key, attribute.Value);
            }
        }

        if (span.StatusMessage.Length is > 0 and <= ValueCharactersMax)
        {
            Add(values, "status_message", span.StatusMessage);
        }
    }

    /// <summary>Text members of what an application tells of its own about a request; none where it is no JSON object.</summary>
    private static IEnumerable<(string Name, string Value)> MembersOf(string json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            return [.. document.RootElement.EnumerateObject()
                .Where(static member => member.Value.ValueKind == JsonValueKind.String)
                .Select(static member => (member.Name, member.Value.GetString()!))
                .Where(static member => member.Item2.Length is > 0 and <= ValueCharactersMax)];
        }
        catch (JsonException)
        {
            return [];      // cut off by a limit on attributes: it says nothing
        }
    }

    /// <summary>Longer values are texts, and no two texts are alike.</summary>
    private const int ValueCharactersMax = 120;

    private static void Add(HashSet<(string, string)> values, string attribute, string value)
    {
        if (value.Length > 0)
        {
            values.Add((attribute, value));
        }
    }
}

/// <summary>Names that distinctions use for what every instrumentation calls differently.</summary>
internal static class AttributeNames
{
    public const string Release = "service.version";
    public const string Environment = "deployment.environment.name";
    public const string Prompt = "prompt";
    public const string ModelRequested = "model.requested";
    public const string ModelResponded = "model.responded";
    public const string EmbeddingModel = "embedding.model";

    /// <summary>Attributes that are in a column already, or that are different in every trace.</summary>
    private static readonly HashSet<string> Covered = new(StringComparer.Ordinal)
    {
        "gen_ai.request.model", "gen_ai.response.model", "gen_ai.response.id", "gen_ai.prompt.name", "gen_ai.prompt.version", "gen_ai.agent.name", "gen_ai.tool.name",
        "gen_ai.tool.call.id", "gen_ai.conversation.id", "gen_ai.data_source.id", "gen_ai.provider.name", "gen_ai.system", "gen_ai.operation.name", "gen_ai.response.finish_reasons",
        "session.id", "user.id", "enduser.id", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.response.time_to_first_chunk",
    };

    public static bool IsCovered(string key) => Covered.Contains(key);

    /// <summary>Names whose requests these are: a tenant's, a customer's.</summary>
    public static bool IsTenant(string attribute)
    {
        var name = attribute.AsSpan();
        foreach (var end in (ReadOnlySpan<string>)["id", "name", "slug"])
        {
            if (name.EndsWith(end, StringComparison.OrdinalIgnoreCase) && name.Length > end.Length + 2)
            {
                name = name[..^end.Length].TrimEnd("._-");
            }
        }

        return name[(name.LastIndexOfAny("._-") + 1)..].ToString().ContainsAny("tenant", "customer", "organization", "organisation", "workspace", "company");
    }

    /// <summary>A version that no dialect says to be the prompt's, and whose name does.</summary>
    public static bool IsPromptVersion(string attribute) => attribute.ContainsAny("prompt") && attribute.EndsWith("version", StringComparison.OrdinalIgnoreCase);

    /// <summary>How many traces out of how many, in words.</summary>
    public static string Percent(double share) => (share * 100).ToString("0", CultureInfo.InvariantCulture) + " %";
}
