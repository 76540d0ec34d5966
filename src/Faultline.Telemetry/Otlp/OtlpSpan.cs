using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Spans;

namespace Faultline.Telemetry.Otlp;

/// <summary>An attribute as text with its OTLP type beside it; see <see cref="AttributeType"/> for the text's form.</summary>
public sealed record OtlpAttribute(string Key, string Value, AttributeType Type)
{
    /// <summary>The attributes of one row.</summary>
    public static List<OtlpAttribute> Of(AttributeColumn column, int row)
    {
        var attributes = new List<OtlpAttribute>(column.End(row) - column.Start(row));
        for (var entry = column.Start(row); entry < column.End(row); entry++)
        {
            attributes.Add(new OtlpAttribute(column.Keys.Text(entry), column.Values.Text(entry), column.Types[entry]));
        }

        return attributes;
    }
}

public sealed record OtlpEvent(long UnixNanos, string Name, IReadOnlyList<OtlpAttribute> Attributes, uint DroppedAttributes);

public sealed record OtlpLink(TraceId TraceId, SpanId SpanId, string TraceState, uint Flags, IReadOnlyList<OtlpAttribute> Attributes, uint DroppedAttributes);

public sealed record OtlpResource(IReadOnlyList<OtlpAttribute> Attributes, uint DroppedAttributes, string SchemaUrl);

public sealed record OtlpScope(string Name, string Version, IReadOnlyList<OtlpAttribute> Attributes, uint DroppedAttributes, string SchemaUrl);

/// <summary>A whole span as a row for reading: what is stored is mapped to it, and it is written as OTLP/JSON.</summary>
/// <param name="Attributes">Attributes and bodies together, as they were sent.</param>
public sealed record OtlpSpan(
    OtlpResource Resource, OtlpScope Scope, TraceId TraceId, SpanId SpanId, SpanId ParentSpanId, string TraceState, uint Flags, string Name, SpanKind Kind,
    long StartUnixNanos, long EndUnixNanos, SpanStatus Status, string StatusMessage, IReadOnlyList<OtlpAttribute> Attributes,
    IReadOnlyList<OtlpEvent> Events, IReadOnlyList<OtlpLink> Links, uint DroppedAttributes, uint DroppedEvents, uint DroppedLinks)
{
    /// <summary>One span of a batch.</summary>
    public static OtlpSpan Of(SpanBatch spans, int row)
    {
        var resource = spans.Resource[row];
        var scope = spans.Scope[row];
        return new OtlpSpan(
            new OtlpResource(OtlpAttribute.Of(spans.Resources.Attributes, resource), spans.Resources.DroppedAttributes[resource], spans.Resources.SchemaUrl.Text(resource)),
            new OtlpScope(
                spans.Scopes.Name.Text(scope), spans.Scopes.Version.Text(scope), OtlpAttribute.Of(spans.Scopes.Attributes, scope),
                spans.Scopes.DroppedAttributes[scope], spans.Scopes.SchemaUrl.Text(scope)),
            spans.TraceId[row], spans.SpanId[row], spans.ParentSpanId[row], spans.TraceState.Text(row), spans.Flags[row], spans.Name.Text(row), spans.Kind[row],
            spans.StartUnixNanos[row], spans.EndUnixNanos[row], spans.Status[row], spans.StatusMessage.Text(row),
            [.. OtlpAttribute.Of(spans.Attributes, row), .. OtlpAttribute.Of(spans.Bodies, row)],
            EventsOf(spans, row), LinksOf(spans, row), spans.DroppedAttributes[row], spans.DroppedEvents[row], spans.DroppedLinks[row]);
    }

    internal static List<OtlpEvent> EventsOf(SpanBatch spans, int row)
    {
        var events = new List<OtlpEvent>();
        for (var item = spans.Events.Start(row); item < spans.Events.End(row); item++)
        {
            events.Add(new OtlpEvent(spans.Events.UnixNanos[item], spans.Events.Name.Text(item), OtlpAttribute.Of(spans.Events.Attributes, item), spans.Events.DroppedAttributes[item]));
        }

        return events;
    }

    private static List<OtlpLink> LinksOf(SpanBatch spans, int row)
    {
        var links = new List<OtlpLink>();
        for (var item = spans.Links.Start(row); item < spans.Links.End(row); item++)
        {
            links.Add(new OtlpLink(
                spans.Links.TraceId[item], spans.Links.SpanId[item], spans.Links.TraceState.Text(item), spans.Links.Flags[item],
                OtlpAttribute.Of(spans.Links.Attributes, item), spans.Links.DroppedAttributes[item]));
        }

        return links;
    }
}
