using Faultline.Telemetry.Spans;

namespace Faultline.Telemetry.GenAi;

/// <summary>
/// Decides whose tokens count. One call often arrives as several spans (framework around client around gateway), each with
/// the same usage; only the innermost that has usage may be added up.
/// </summary>
internal static class LeafCounter
{
    /// <summary>Longer chains of ancestors are not followed.</summary>
    private const int AncestorsMax = 64;

    /// <summary>Sets <see cref="GenAiColumns.Counted"/> of rows from <paramref name="firstRow"/> on.</summary>
    /// <param name="isPending">Rows that are placeholders and never count.</param>
    public static void Count(SpanBatch spans, int firstRow, HashSet<int>? isPending, CountedSpans counted)
    {
        Dictionary<int, CallSignature>? calls = null;
        for (var row = firstRow; row < spans.Count; row++)
        {
            if (IsModelCall(spans.GenAi.Operation[row]) && isPending?.Contains(row) is not true)
            {
                calls ??= [];
                calls.Add(row, Signature(spans, row));
            }
        }

        if (calls is null)
        {
            return;
        }

        var rows = new Dictionary<(TraceId, SpanId), int>(spans.Count);
        for (var row = 0; row < spans.Count; row++)
        {
            rows[(spans.TraceId[row], spans.SpanId[row])] = row;
        }

        var repeated = new HashSet<int>();
        var ancestors = new Dictionary<int, SpanId>(calls.Count);
        foreach (var (row, call) in calls)
        {
            ancestors[row] = Walk(spans, row, call, rows, calls, repeated);
        }

        foreach (var (row, call) in calls)
        {
            var counts = !repeated.Contains(row) && counted.TryCount(spans.TraceId[row], spans.SpanId[row], ancestors[row], call);
            spans.GenAi.Counted[row] = counts ? (byte)1 : (byte)0;
        }
    }

    /// <summary>Follows a call's ancestors through the batch and marks what is said twice.</summary>
    /// <returns>The first ancestor that the batch does not have; none for a root.</returns>
    private static SpanId Walk(SpanBatch spans, int row, in CallSignature call, Dictionary<(TraceId, SpanId), int> rows, Dictionary<int, CallSignature> calls, HashSet<int> repeated)
    {
        var trace = spans.TraceId[row];
        var parent = spans.ParentSpanId[row];
        for (var steps = 0; steps < AncestorsMax && !parent.IsNone && rows.TryGetValue((trace, parent), out var ancestor); steps++)
        {
            if (ancestor != row && calls.TryGetValue(ancestor, out var outer) && outer.IsSameCallAs(call))
            {
                // The inner one is the call itself, unless only the outer one knows what it used.
                repeated.Add(HasUsage(spans, row) || !HasUsage(spans, ancestor) ? ancestor : row);
            }

            parent = spans.ParentSpanId[ancestor];
        }

        return parent;
    }

    private static bool HasUsage(SpanBatch spans, int row) =>
        spans.GenAi.InputTokens[row] != GenAiColumns.Absent || spans.GenAi.OutputTokens[row] != GenAiColumns.Absent;

    private static CallSignature Signature(SpanBatch spans, int row) => new(
        Hash(spans.GenAi.Operation[row]), Hash(spans.GenAi.ResponseId[row]), Hash(spans.GenAi.ModelRequested[row]), Hash(spans.GenAi.ModelResponded[row]),
        spans.StartUnixNanos[row], spans.EndUnixNanos[row]);

    /// <summary>FNV-1a, 64 bits; 0 for nothing.</summary>
    private static ulong Hash(ReadOnlySpan<byte> text)
    {
        if (text.IsEmpty)
        {
            return 0;
        }

        var hash = 14695981039346656037UL;
        foreach (var unit in text)
        {
            hash = (hash ^ unit) * 1099511628211;
        }

        return hash | 1;
    }

    private static bool IsModelCall(ReadOnlySpan<byte> operation) =>
        operation.SequenceEqual("chat"u8) || operation.SequenceEqual("completion"u8) || operation.SequenceEqual("embeddings"u8)
        || operation.SequenceEqual("rerank"u8) || operation.SequenceEqual("image"u8) || operation.SequenceEqual("speech"u8);
}
