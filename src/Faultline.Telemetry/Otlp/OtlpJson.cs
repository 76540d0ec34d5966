using System.Text.Json;

namespace Faultline.Telemetry.Otlp;

/// <summary>Stored spans back to OTLP/JSON.</summary>
public static class OtlpJson
{
    /// <summary>A double as ProtoJSON writes it: what is no number is a string.</summary>
    internal static void WriteDouble(Utf8JsonWriter json, ReadOnlySpan<byte> name, double value)
    {
        if (double.IsFinite(value))
        {
            json.WriteNumber(name, value);
        }
        else
        {
            json.WriteString(name, double.IsNaN(value) ? "NaN"u8 : value > 0 ? "Infinity"u8 : "-Infinity"u8);
        }
    }
}
