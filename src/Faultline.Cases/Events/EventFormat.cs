using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using Faultline.Ledger;

namespace Faultline.Cases.Events;

/// <summary>Events as the ledger stores them: a name, a version and snake_case JSON.</summary>
internal static class EventFormat
{
    /// <summary>Also the form of what lies in blobs.</summary>
    public static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new JsonStringEnumConverter(), new TraceIdJson() },
    };

    private static readonly Dictionary<Type, LedgerEventAttribute> ByType = typeof(EventFormat).Assembly.GetTypes()
        .Where(type => type is { IsAbstract: false } && type.IsSubclassOf(typeof(FaultlineEvent)))
        .ToDictionary(type => type, type => type.GetCustomAttribute<LedgerEventAttribute>() ?? throw new InvalidOperationException($"{type.Name} has no stored name: give it [LedgerEvent]."));

    private static readonly Dictionary<string, Type> ByName = ByType.ToDictionary(pair => pair.Value.Name, pair => pair.Key, StringComparer.Ordinal);

    public static IEnumerable<Type> Types => ByType.Keys;

    public static string NameOf(FaultlineEvent happened) => ByType[happened.GetType()].Name;

    public static (string Type, int Version, ReadOnlyMemory<byte> Payload) Write(FaultlineEvent happened)
    {
        var name = ByType[happened.GetType()];
        return (name.Name, name.Version, JsonSerializer.SerializeToUtf8Bytes(happened, happened.GetType(), Json));
    }

    /// <summary>The event, or null when it is of a kind that this program does not know (a newer one wrote it).</summary>
    /// <exception cref="InvalidDataException">The payload is not what the name says.</exception>
    public static FaultlineEvent? Read(LedgerEntry entry)
    {
        if (!ByName.TryGetValue(entry.Type, out var type))
        {
            return null;
        }

        try
        {
            return (FaultlineEvent?)JsonSerializer.Deserialize(entry.Payload.Span, type, Json)
                ?? throw new JsonException("it is null");
        }
        catch (JsonException wrong)
        {
            throw new InvalidDataException($"Ledger entry {entry.Sequence} says it is {entry.Type} version {entry.Version}, but its payload cannot be read: {wrong.Message}. If the ledger verifies, this Faultline is older than the one that wrote it: start the newer one.", wrong);
        }
    }

    /// <summary>Trace ids as everywhere: 32 hexadecimal digits.</summary>
    private sealed class TraceIdJson : JsonConverter<Telemetry.Spans.TraceId>
    {
        public override Telemetry.Spans.TraceId Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            Telemetry.Spans.TraceId.TryParse(reader.GetString(), out var id) ? id : throw new JsonException("this is no trace id");

        public override void Write(Utf8JsonWriter writer, Telemetry.Spans.TraceId value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
    }
}
