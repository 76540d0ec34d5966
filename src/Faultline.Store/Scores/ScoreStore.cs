using Faultline.Telemetry.Spans;

namespace Faultline.Store.Scores;

public sealed record StoredScore(string Service, TraceId TraceId, SpanId SpanId, string ResponseId, string Name, double Value, string Label, string Explanation, string Evaluator, long UnixNanos);

/// <summary>Questions asked of stored evaluation scores.</summary>
public sealed class ScoreStore
{
    private ScoreStore()
    {
    }

    /// <summary>Scores in a time range, newest first; lowest first when <paramref name="worstFirst"/>.</summary>
    public Task<IReadOnlyList<StoredScore>> ScoresAsync(string project, string? service, string? name, long fromUnixNanos, long toUnixNanos, int limit, bool worstFirst = false, CancellationToken cancel = default) => throw new NotImplementedException();
}
