using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Spans;

namespace Faultline.Telemetry.Logs;

/// <summary>Log records of one OTLP request, column by column.</summary>
/// <remarks>Source: opentelemetry/proto/logs/v1/logs.proto.</remarks>
public sealed class LogBatch
{
    public ResourceColumns Resources { get; } = new();

    public ScopeColumns Scopes { get; } = new();

    public FixedColumn<int> Resource { get; } = new();

    public FixedColumn<int> Scope { get; } = new();

    /// <summary>Time of the event, or 0 when not sent.</summary>
    public FixedColumn<long> UnixNanos { get; } = new();

    public FixedColumn<long> ObservedUnixNanos { get; } = new();

    public FixedColumn<int> SeverityNumber { get; } = new();

    public ByteColumn SeverityText { get; } = new();

    /// <summary>The body as text; its type is in <see cref="BodyType"/>, encoded as an attribute's value is.</summary>
    public ByteColumn Body { get; } = new();

    public FixedColumn<AttributeType> BodyType { get; } = new();

    public ByteColumn EventName { get; } = new();

    public AttributeColumn Attributes { get; } = new();

    public FixedColumn<uint> DroppedAttributes { get; } = new();

    public FixedColumn<uint> Flags { get; } = new();

    public FixedColumn<TraceId> TraceId { get; } = new();

    public FixedColumn<SpanId> SpanId { get; } = new();

    public int Count => Body.Count;

    public string ServiceName(int row) => Resources.ServiceName(Resource[row]);
}
