using Faultline.Store.Traces;

namespace Faultline.Diagnosis.Facts;

/// <summary>How the input of model calls grows from turn to turn of the same session: what a history that is not capped shows by, even where no text is recorded.</summary>
/// <param name="PerTurn">Mean logarithm of a turn's input tokens over those of the turn before it.</param>
/// <param name="Turns">Turns that have one before them.</param>
/// <param name="Largest">The largest turn.</param>
internal readonly record struct SessionGrowth(double PerTurn, int Turns, SpanSummary? Largest)
{
    /// <summary>Fewer turns than this tell nothing.</summary>
    private const int TurnsMin = 6;

    /// <summary>Growth a turn, as a logarithm, that is more than a few words.</summary>
    private const double GrowthMin = 0.1;

    public static SessionGrowth Of(IReadOnlyList<TraceFacts> traces)
    {
        List<(string Session, SpanSummary Turn)> turns = [];
        foreach (var trace in traces)
        {
            if (trace.Spans.Where(static span => span.GenAi is { Operation: "chat" or "completion", InputTokens: > 0 }).MinBy(static span => span.StartUnixNanos) is { } turn)
            {
                turns.Add((SessionOf(trace, turn), turn));
            }
        }

        var growth = 0.0;
        var count = 0;
        foreach (var session in turns.Where(static one => one.Session.Length > 0).GroupBy(static one => one.Session, StringComparer.Ordinal))
        {
            var before = 0L;
            foreach (var (_, turn) in session.OrderBy(static one => one.Turn.StartUnixNanos))
            {
                var tokens = turn.GenAi.InputTokens!.Value;
                if (before > 0)
                {
                    growth += Math.Log(tokens / (double)before);
                    count++;
                }

                before = tokens;
            }
        }

        return new SessionGrowth(count == 0 ? 0 : growth / count, count, turns.Select(static one => one.Turn).MaxBy(static turn => turn.GenAi.InputTokens));
    }

    /// <summary>Grows by more a turn than in the good traces.</summary>
    public bool IsMoreThan(SessionGrowth good) => Turns >= TurnsMin && PerTurn >= GrowthMin && (good.Turns < TurnsMin || PerTurn - good.PerTurn >= GrowthMin);

    /// <summary>The session may stand on another span of the trace than the model's call.</summary>
    private static string SessionOf(TraceFacts trace, SpanSummary turn) =>
        turn.GenAi.Session.Length > 0 ? turn.GenAi.Session : trace.Spans.Find(static span => span.GenAi.Session.Length > 0)?.GenAi.Session ?? "";
}
