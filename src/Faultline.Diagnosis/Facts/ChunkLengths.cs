using Faultline.Store.Traces;

namespace Faultline.Diagnosis.Facts;

/// <summary>How long retrieved documents are, by the source they came from: of several indexes one is cut anew.</summary>
internal static class ChunkLengths
{
    /// <returns>Mean characters a document by data source; sources whose documents were not recorded are not in it.</returns>
    public static IReadOnlyDictionary<string, double> Of(IEnumerable<StoredSpan> spans)
    {
        Dictionary<string, (double Characters, int Documents)> sums = new(StringComparer.Ordinal);
        foreach (var span in spans.Where(static span => span.Summary.GenAi is { Operation: "retrieval", DataSource.Length: > 0 }))
        {
            foreach (var document in span.ReadContent().Documents.Where(static document => document.Content.Length > 0))
            {
                var (characters, documents) = sums.GetValueOrDefault(span.Summary.GenAi.DataSource);
                sums[span.Summary.GenAi.DataSource] = (characters + document.Content.Length, documents + 1);
            }
        }

        return sums.ToDictionary(static one => one.Key, static one => one.Value.Characters / one.Value.Documents, StringComparer.Ordinal);
    }
}
