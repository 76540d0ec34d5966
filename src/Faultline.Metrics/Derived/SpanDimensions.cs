using System.Text;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.GenAi;
using Faultline.Telemetry.Spans;

namespace Faultline.Metrics.Derived;

/// <summary>
/// Finds the values of dimensions: the span's attribute, else (for an event) the event's, else the resource's, else the default. Each batch,
/// span and event is looked through once for all of them.
/// </summary>
internal sealed class SpanDimensions
{
    private readonly List<Item> _items = [];
    private int[] _own = [];
    private int[] _event = [];
    private int[] _shared = [];

    /// <summary>Their number, each with another name or default.</summary>
    public int Count => _items.Count;

    public string Label(int dimension) => _items[dimension].Label;

    /// <summary>Adds dimensions, of one name the last, and says which they are.</summary>
    public int[] Add(params IEnumerable<SpanDimension> dimensions)
    {
        var places = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var dimension in dimensions)
        {
            var item = _items.FindIndex(known => known.Dimension == dimension);
            if (item < 0)
            {
                item = _items.Count;
                _items.Add(new Item(dimension));
            }

            places[_items[item].Label] = item;
        }

        (_own, _event) = (new int[_items.Count], new int[_items.Count]);
        return [.. places.Values];
    }

    /// <summary>Notes what a batch's resources say of the service's name and of each dimension: their entries, or -1.</summary>
    public void ReadResources(ResourceColumns resources)
    {
        var each = _items.Count + 1;
        if (_shared.Length < resources.Count * each)
        {
            _shared = new int[Math.Max(resources.Count * each, _shared.Length * 2)];
        }

        for (var resource = 0; resource < resources.Count; resource++)
        {
            var shared = _shared.AsSpan(resource * each, each);
            shared[0] = resources.Attributes.Find(resource, "service.name"u8);
            for (var dimension = 0; dimension < _items.Count; dimension++)
            {
                shared[dimension + 1] = Shared(resources.Attributes, resource, _items[dimension]);
            }
        }
    }

    /// <summary>Notes the entry of each dimension that a span itself has; else -1.</summary>
    public void ReadSpan(SpanBatch spans, int row)
    {
        Find(spans.Attributes, row, _own);
        _event.AsSpan().Fill(-1);
    }

    /// <summary>The same for one of its events, after <see cref="ReadSpan"/>.</summary>
    public void ReadEvent(SpanEventColumns events, int row) => Find(events.Attributes, row, _event);

    /// <summary>The value of a dimension as text, after the three above; empty where there is none.</summary>
    public ReadOnlySpan<byte> Value(SpanBatch spans, int row, int dimension)
    {
        if (_own[dimension] is var own and >= 0)
        {
            return Text(spans.Attributes, own);
        }

        if (_event[dimension] is var ofEvent and >= 0)
        {
            return Text(spans.Events.Attributes, ofEvent);
        }

        if (_shared[(spans.Resource[row] * (_items.Count + 1)) + dimension + 1] is var shared and >= 0)
        {
            return Text(spans.Resources.Attributes, shared);
        }

        var item = _items[dimension];
        return item.IsModel && spans.GenAi.Count > row && Model(spans.GenAi, row) is { IsEmpty: false } model ? model : item.Default;
    }

    public ReadOnlySpan<byte> ServiceName(SpanBatch spans, int resource) =>
        _shared[resource * (_items.Count + 1)] is var entry and >= 0 && spans.Resources.Attributes.Values[entry] is { IsEmpty: false } name ? name : "unknown_service"u8;

    public static ReadOnlySpan<byte> Model(GenAiColumns gen, int row) => gen.ModelRequested[row] is { IsEmpty: false } requested ? requested : gen.ModelResponded[row];

    private static ReadOnlySpan<byte> Text(AttributeColumn attributes, int entry) => AttributeText.Of(attributes.Values[entry], attributes.Types[entry]);

    private void Find(AttributeColumn attributes, int row, int[] found)
    {
        found.AsSpan().Fill(-1);
        var end = attributes.End(row);
        for (var entry = attributes.Start(row); entry < end; entry++)
        {
            var key = attributes.Keys[entry];
            for (var dimension = 0; dimension < found.Length; dimension++)
            {
                if (found[dimension] < 0 && key.SequenceEqual(_items[dimension].Attribute))
                {
                    found[dimension] = entry;
                }
            }
        }
    }

    private static int Shared(AttributeColumn attributes, int resource, Item item)
    {
        if (attributes.Find(resource, item.Attribute) is var entry and >= 0)
        {
            return entry;
        }

        return !item.IsEnvironment ? -1
            : attributes.Find(resource, "deployment.environment.name"u8) is var named and >= 0 ? named
            : attributes.Find(resource, "deployment.environment"u8);
    }

    /// <summary>A dimension and what is made of its name once.</summary>
    private sealed class Item(SpanDimension dimension)
    {
        public SpanDimension Dimension { get; } = dimension;

        public string Label { get; } = ExporterName.OfLabel(dimension.Name);

        public byte[] Attribute { get; } = Encoding.UTF8.GetBytes(dimension.Name);

        public byte[] Default { get; } = Encoding.UTF8.GetBytes(dimension.Default ?? "");

        public bool IsEnvironment { get; } = dimension.Name is "env";

        public bool IsModel { get; } = dimension.Name is "model";
    }
}
