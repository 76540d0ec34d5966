using System.Globalization;
using System.Text.Json;
using Faultline.Store.Traces;

namespace Faultline.Diagnosis.Facts;

/// <summary>How old retrieved documents were when they were retrieved, where their metadata says when they were indexed or written.</summary>
internal static class DocumentAges
{
    private static readonly string[] TimeKeys = ["indexed_at", "updated_at", "last_modified", "modified_at", "last_updated", "published_at", "created_at", "date"];

    private const int DepthMax = 8;

    /// <summary>Median age in days over the documents of a trace's retrieval spans; null when none says.</summary>
    public static double? MedianDays(IEnumerable<StoredSpan> spans)
    {
        List<double> days = [];
        foreach (var span in spans)
        {
            if (span.Summary.GenAi.Operation is not ("retrieval" or "rerank"))
            {
                continue;
            }

            var at = DateTimeOffset.FromUnixTimeMilliseconds(span.Summary.StartUnixNanos / 1_000_000);
            foreach (var attribute in span.Bodies.Concat(span.Summary.Attributes))
            {
                if (attribute.Key.Contains("document", StringComparison.OrdinalIgnoreCase))
                {
                    Collect(attribute.Value, at, days);
                }
            }
        }

        return days.Count == 0 ? null : Baselines.RobustStatistics.Median(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(days));
    }

    private static void Collect(string text, DateTimeOffset at, List<double> days)
    {
        if (text.Length == 0 || text[0] is not ('[' or '{'))
        {
            return;
        }

        try
        {
            using var document = JsonDocument.Parse(text);
            Collect(document.RootElement, at, days, 0);
        }
        catch (JsonException)
        {
            // Documents cut off by an attribute limit say nothing about their age, which is what an empty answer means.
            return;
        }
    }

    private static void Collect(JsonElement element, DateTimeOffset at, List<double> days, int depth)
    {
        if (depth > DepthMax)
        {
            return;
        }

        if (element.ValueKind == JsonValueKind.Array)
        {
            foreach (var item in element.EnumerateArray())
            {
                Collect(item, at, days, depth + 1);
            }
        }
        else if (element.ValueKind == JsonValueKind.Object)
        {
            // The first of the names that a document has: when it was indexed says more than when it was written.
            foreach (var key in TimeKeys)
            {
                if (element.TryGetProperty(key, out var value) && value.ValueKind == JsonValueKind.String
                    && DateTimeOffset.TryParse(value.GetString(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) && time <= at)
                {
                    days.Add((at - time).TotalDays);
                    return;
                }
            }

            foreach (var property in element.EnumerateObject())
            {
                Collect(property.Value, at, days, depth + 1);
            }
        }
    }
}
