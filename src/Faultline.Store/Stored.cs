using System.Text;
using Faultline.ClickHouse;
using Faultline.Store.Traces;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Spans;

namespace Faultline.Store;

/// <summary>Reads our ways of storing things back out of answers: ids, and maps with the types beside them.</summary>
internal static class Stored
{
    public static TraceId Trace(byte[] bytes) => TraceId.FromBytes(bytes);

    public static SpanId Span(byte[] bytes) => SpanId.FromBytes(bytes);

    public static string Text(byte[] bytes) => bytes.Length == 0 ? "" : Encoding.UTF8.GetString(bytes);

    /// <param name="map">Entries in the order sent.</param>
    /// <param name="types">One letter an entry.</param>
    public static IReadOnlyList<StoredAttribute> Attributes(KeyValuePair<byte[], byte[]>[] map, byte[] types)
    {
        if (map.Length == 0)
        {
            return [];
        }

        var attributes = new StoredAttribute[map.Length];
        for (var entry = 0; entry < map.Length; entry++)
        {
            var type = entry < types.Length ? (AttributeType)types[entry] : AttributeType.String;
            attributes[entry] = new StoredAttribute(Text(map[entry].Key), Text(map[entry].Value), type);
        }

        return attributes;
    }

    /// <summary>Values of one column, typed once, so that a loop over rows looks up no names.</summary>
    public static T[] Column<T>(this QueryResult result, string name) => (T[])result[name].Values;
}
