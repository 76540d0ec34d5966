using Faultline.Store.Scores;
using Faultline.Telemetry.Spans;

namespace Faultline.Store.Traces;

/// <summary>What decides whether a score is a span's.</summary>
internal sealed record ScorePlace(SpanId Span, SpanId Parent, string ResponseId, bool Counted)
{
    /// <summary>A score belongs to the span it names; else to the model call with its response id; else, of the whole trace, to the root.</summary>
    /// <param name="spans">Of one trace, by start time.</param>
    /// <returns>Scores by their span's place in <paramref name="spans"/>.</returns>
    public static ILookup<int, StoredScore> Assign(IEnumerable<StoredScore> scores, List<ScorePlace> spans)
    {
        var bySpan = new Dictionary<SpanId, int>();
        var byResponse = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var row = 0; row < spans.Count; row++)
        {
            bySpan.TryAdd(spans[row].Span, row);
            if (spans[row] is { ResponseId: { Length: > 0 } response, Counted: var counted })
            {
                // Wrappers repeat the id of the call they wrap; the call whose tokens count is the one that was judged.
                if (counted)
                {
                    byResponse[response] = row;
                }
                else
                {
                    byResponse.TryAdd(response, row);
                }
            }
        }

        var root = Math.Max(0, spans.FindIndex(span => span.Parent.IsNone));
        return scores.ToLookup(score =>
            !score.SpanId.IsNone && bySpan.TryGetValue(score.SpanId, out var row) ? row
            : byResponse.TryGetValue(score.ResponseId, out row) ? row
            : root);
    }
}
