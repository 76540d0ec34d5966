using System.Globalization;
using System.Text.Json;

namespace Faultline.Lab.Scoring;

/// <param name="Confidence">0 to 1.</param>
public sealed record PredictedCause(string Cause, string Target, double Confidence);

/// <summary>One line of predictions.</summary>
/// <param name="UnixNanos">When the case opened; null: the line does not say.</param>
/// <param name="Causes">The surest first.</param>
public sealed record PredictedCase(string World, string Service, string Class, long? UnixNanos, IReadOnlyList<PredictedCause> Causes)
{
    /// <returns>Null: the line is no JSON object.</returns>
    public static PredictedCase? Read(string line)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            return document.RootElement.ValueKind == JsonValueKind.Object ? Read(document.RootElement) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static PredictedCase Read(JsonElement line)
    {
        string Text(JsonElement of, string name) => of.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()!.Trim() : "";
        var causes = line.TryGetProperty("remediation_suggestions", out var given) && given.ValueKind == JsonValueKind.Array
            ? given.EnumerateArray().Where(item => item.ValueKind == JsonValueKind.Object)
                .Select(item => new PredictedCause(Text(item, "cause").ToLowerInvariant(), Text(item, "target").ToLowerInvariant(), Confidence(item)))
                .Where(cause => cause.Cause.Length > 0)
                .OrderByDescending(cause => cause.Confidence)
            : Enumerable.Empty<PredictedCause>();
        return new PredictedCase(Text(line, "world"), Text(line, "service").ToLowerInvariant(), Text(line, "failure_class").ToUpperInvariant(), Time(line), [.. causes]);
    }

    private static double Confidence(JsonElement item) =>
        item.TryGetProperty("confidence", out var value) && value.ValueKind == JsonValueKind.Number ? Math.Clamp(value.GetDouble(), 0, 1) : 0;

    /// <summary>ISO 8601, or Unix time in nanoseconds.</summary>
    private static long? Time(JsonElement line)
    {
        if (!line.TryGetProperty("detected_at", out var value))
        {
            return null;
        }

        return value.ValueKind switch
        {
            JsonValueKind.Number when value.TryGetInt64(out var nanos) => nanos,
            JsonValueKind.String when DateTimeOffset.TryParse(value.GetString(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) => (time - DateTimeOffset.UnixEpoch).Ticks * 100,
            _ => null,
        };
    }
}
