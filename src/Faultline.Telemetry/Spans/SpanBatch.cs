using Faultline.Telemetry.Columns;

namespace Faultline.Telemetry.Spans;

/// <summary>Resources of one batch; spans, log records and metrics point at them by row.</summary>
public sealed class ResourceColumns
{
    public AttributeColumn Attributes { get; } = new();

    public FixedColumn<uint> DroppedAttributes { get; } = new();

    public ByteColumn SchemaUrl { get; } = new();

    public int Count => SchemaUrl.Count;

    /// <summary>Attribute <c>service.name</c>, or <c>unknown_service</c>.</summary>
    public string ServiceName(int row) => Attributes.Text(row, "service.name"u8) is { Length: > 0 } name ? name : "unknown_service";

    /// <summary>Attribute <c>deployment.environment.name</c>, else the older <c>deployment.environment</c>, else empty.</summary>
    public string Environment(int row) =>
        Attributes.Text(row, "deployment.environment.name"u8) ?? Attributes.Text(row, "deployment.environment"u8) ?? "";

    /// <summary>Attribute <c>service.version</c>, else empty.</summary>
    public string Release(int row) => Attributes.Text(row, "service.version"u8) ?? "";
}

/// <summary>Instrumentation scopes of one batch.</summary>
public sealed class ScopeColumns
{
    public ByteColumn Name { get; } = new();

    public ByteColumn Version { get; } = new();

    public AttributeColumn Attributes { get; } = new();

    public FixedColumn<uint> DroppedAttributes { get; } = new();

    public ByteColumn SchemaUrl { get; } = new();

    public int Count => SchemaUrl.Count;
}

/// <summary>Span events, all spans' one after the other; <see cref="Ends"/> has one entry a span.</summary>
public sealed class SpanEventColumns
{
    public FixedColumn<int> Ends { get; } = new();

    public FixedColumn<long> UnixNanos { get; } = new();

    public ByteColumn Name { get; } = new();

    public AttributeColumn Attributes { get; } = new();

    public FixedColumn<uint> DroppedAttributes { get; } = new();

    public int Start(int span) => span == 0 ? 0 : Ends[span - 1];

    public int End(int span) => Ends[span];
}

/// <summary>Span links, all spans' one after the other; <see cref="Ends"/> has one entry a span.</summary>
public sealed class SpanLinkColumns
{
    public FixedColumn<int> Ends { get; } = new();

    public FixedColumn<TraceId> TraceId { get; } = new();

    public FixedColumn<SpanId> SpanId { get; } = new();

    public ByteColumn TraceState { get; } = new();

    public FixedColumn<uint> Flags { get; } = new();

    public AttributeColumn Attributes { get; } = new();

    public FixedColumn<uint> DroppedAttributes { get; } = new();

    public int Start(int span) => span == 0 ? 0 : Ends[span - 1];

    public int End(int span) => Ends[span];
}

/// <summary>
/// Spans of one OTLP request, column by column, in the order received. Row numbers are the same in every column. The
/// pipeline fills <see cref="GenAi"/> after decoding.
/// </summary>
/// <remarks>Source: opentelemetry/proto/trace/v1/trace.proto.</remarks>
public sealed class SpanBatch
{
    public ResourceColumns Resources { get; } = new();

    public ScopeColumns Scopes { get; } = new();

    /// <summary>Row in <see cref="Resources"/>.</summary>
    public FixedColumn<int> Resource { get; } = new();

    /// <summary>Row in <see cref="Scopes"/>.</summary>
    public FixedColumn<int> Scope { get; } = new();

    public FixedColumn<TraceId> TraceId { get; } = new();

    public FixedColumn<SpanId> SpanId { get; } = new();

    public FixedColumn<SpanId> ParentSpanId { get; } = new();

    public ByteColumn TraceState { get; } = new();

    public FixedColumn<uint> Flags { get; } = new();

    public ByteColumn Name { get; } = new();

    public FixedColumn<SpanKind> Kind { get; } = new();

    public FixedColumn<long> StartUnixNanos { get; } = new();

    public FixedColumn<long> EndUnixNanos { get; } = new();

    public FixedColumn<SpanStatus> Status { get; } = new();

    public ByteColumn StatusMessage { get; } = new();

    /// <summary>Attributes as sent, but for the long ones, which are in <see cref="Bodies"/>.</summary>
    public AttributeColumn Attributes { get; } = new();

    /// <summary>Prompts, outputs, documents and anything longer than <see cref="BodyBytesMin"/>: original keys and values.</summary>
    public AttributeColumn Bodies { get; } = new();

    public FixedColumn<uint> DroppedAttributes { get; } = new();

    public FixedColumn<uint> DroppedEvents { get; } = new();

    public FixedColumn<uint> DroppedLinks { get; } = new();

    public SpanEventColumns Events { get; } = new();

    public SpanLinkColumns Links { get; } = new();

    /// <summary>What the normaliser found; as many rows as the batch once it has run.</summary>
    public GenAi.GenAiColumns GenAi { get; } = new();

    /// <summary>A value of this many bytes or more is a body, whatever its key.</summary>
    public const int BodyBytesMin = 1024;

    public int Count => Name.Count;

    public string ServiceName(int row) => Resources.ServiceName(Resource[row]);

    /// <summary>Makes room for <paramref name="spans"/> spans that take <paramref name="bytes"/> bytes on the wire: a guess, from what most spans are like.</summary>
    internal void Expect(int spans, int bytes)
    {
        foreach (var column in (ReadOnlySpan<FixedColumn<int>>)[Resource, Scope, Events.Ends, Links.Ends])
        {
            column.Expect(spans);
        }

        foreach (var column in (ReadOnlySpan<FixedColumn<uint>>)[Flags, DroppedAttributes, DroppedEvents, DroppedLinks])
        {
            column.Expect(spans);
        }

        TraceId.Expect(spans);
        SpanId.Expect(spans);
        ParentSpanId.Expect(spans);
        TraceState.Expect(spans);
        Name.Expect(spans, Math.Min(bytes, spans * 24));
        Kind.Expect(spans);
        StartUnixNanos.Expect(spans);
        EndUnixNanos.Expect(spans);
        Status.Expect(spans);
        StatusMessage.Expect(spans);

        // Spans this large are mostly bodies; others have few or none.
        var hasBodies = bytes / Math.Max(1, spans) >= BodyBytesMin;
        Attributes.Expect(spans, Math.Min(bytes / 32, spans * 16), Math.Min(bytes / 4, spans * 512), (int)Math.Min(bytes * 2L / 3, spans * (hasBodies ? 256L : 1024L)));
        Bodies.Expect(spans, 0, 0, hasBodies ? bytes : 0);
        GenAi.Expect(spans);
    }
}
