using Faultline.Telemetry.Columns;
using Faultline.Telemetry.GenAi;
using Faultline.Telemetry.Otlp;
using Faultline.Telemetry.Spans;

namespace Faultline.Store.Traces;

/// <summary>What to look for. Null matches everything. Times are span start times, telemetry's own clock.</summary>
public sealed record TraceFilter
{
    public required long FromUnixNanos { get; init; }

    public required long ToUnixNanos { get; init; }

    public string? Service { get; init; }

    public string? Environment { get; init; }

    /// <summary>Exact span name.</summary>
    public string? Name { get; init; }

    /// <summary>Canonical GenAI operation.</summary>
    public string? Operation { get; init; }

    public string? Model { get; init; }

    public SpanStatus? Status { get; init; }

    public long? DurationNanosMin { get; init; }

    public long? DurationNanosMax { get; init; }

    /// <summary>Attributes (span's, body's or resource's, any key) that must have exactly this text; several must all hold.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Attributes { get; init; } = [];

    /// <summary>Text, any case, in prompts, outputs, names, attribute values.</summary>
    public string? Text { get; init; }

    public string? Session { get; init; }

    public string? User { get; init; }

    public int Limit { get; init; } = 100;

    public int Offset { get; init; }
}

/// <param name="Traces">At most the filter's limit.</param>
/// <param name="Total">How many traces match; never cut silently.</param>
public sealed record TraceList(IReadOnlyList<TraceSummary> Traces, long Total);

/// <summary>One trace in a list.</summary>
public sealed record TraceSummary(
    TraceId TraceId, string Service, string RootName, long StartUnixNanos, long DurationNanos, int SpanCount, int ErrorCount,
    IReadOnlyList<string> Services, string Model, long? InputTokens, long? OutputTokens, string InputPreview, string OutputPreview,
    double? WorstScore, string WorstScoreName, bool RootMissing);

public sealed record TraceBucket(long StartUnixNanos, long Count, long Errors, double P50Seconds, double P95Seconds);

public sealed record ServiceSummary(
    string Service, long Spans, long Requests, long Errors, double P50Seconds, double P95Seconds, double? FirstChunkP50Seconds, long InputTokens, long OutputTokens,
    IReadOnlyList<string> Models, long LastSeenUnixNanos);

/// <summary>A span without its bodies.</summary>
public sealed record SpanSummary(
    TraceId TraceId, SpanId SpanId, SpanId ParentSpanId, string Service, string Environment, string Release, string Name, SpanKind Kind, long StartUnixNanos, long DurationNanos,
    SpanStatus Status, string StatusMessage, GenAiFields GenAi, IReadOnlyList<StoredAttribute> Attributes);

/// <summary>The canonical GenAI columns of one span; empty or null where not sent.</summary>
public sealed record GenAiFields(
    string Operation, string Provider, string ModelRequested, string ModelResponded, string ResponseId, IReadOnlyList<string> FinishReasons,
    long? InputTokens, long? OutputTokens, long? CacheReadTokens, long? CacheWriteTokens, long? ReasoningTokens, string UsageBasis, bool Counted, long? FirstChunkNanos,
    string Agent, string Tool, string ToolArgumentsHash, string DataSource, string PromptName, string PromptVersion, string Session, string User,
    long? DocumentCount, double? DocumentTopScore, double? DocumentMeanScore, string InputPreview, string OutputPreview, string Source);

/// <summary>An attribute as stored: text, and the OTLP type it came with.</summary>
public sealed record StoredAttribute(string Key, string Value, AttributeType Type);

public sealed record StoredEvent(long UnixNanos, string Name, IReadOnlyList<StoredAttribute> Attributes, uint DroppedAttributes);

public sealed record StoredLink(TraceId TraceId, SpanId SpanId, string TraceState, uint Flags, IReadOnlyList<StoredAttribute> Attributes, uint DroppedAttributes);

/// <summary>A whole span: everything that was sent, the canonical columns, and the scores that arrived for it.</summary>
public sealed record StoredSpan(
    SpanSummary Summary, string TraceState, uint Flags, long EndUnixNanos, long ReceivedUnixNanos,
    IReadOnlyList<StoredAttribute> Bodies, IReadOnlyList<StoredEvent> Events, IReadOnlyList<StoredLink> Links,
    IReadOnlyList<StoredAttribute> Resource, string ResourceSchemaUrl, uint ResourceDroppedAttributes,
    string ScopeName, string ScopeVersion, IReadOnlyList<StoredAttribute> ScopeAttributes, uint ScopeDroppedAttributes, string ScopeSchemaUrl,
    uint DroppedAttributes, uint DroppedEvents, uint DroppedLinks, IReadOnlyList<Scores.StoredScore> Scores)
{
    /// <summary>Log records of this span that say what was said (<see cref="GenAiContent.LogEventNames"/>), oldest first; whenever they came.</summary>
    public IReadOnlyList<OtlpEvent> LogEvents { get; init; } = [];

    /// <summary>What was said in the span: from its attributes, else from its events, else from log records.</summary>
    public GenAiContent ReadContent() => GenAiContent.Read(
        [.. Bodies.Select(Otlp), .. Summary.Attributes.Select(Otlp)],
        [.. Events.Select(one => new OtlpEvent(one.UnixNanos, one.Name, [.. one.Attributes.Select(Otlp)], one.DroppedAttributes))],
        Summary.GenAi.Operation,
        LogEvents);

    private static OtlpAttribute Otlp(StoredAttribute one) => new(one.Key, one.Value, one.Type);
}
