using Faultline.Telemetry.Spans;

namespace Faultline.Telemetry.GenAi;

/// <summary>
/// Remembers which calls were counted, so that a framework's span around a client's span of the same call is not counted
/// again when it comes in a later request. The child ends, and so is sent, first. Bounded in time and number.
/// </summary>
public sealed class CountedSpans
{
    public const int SpansMax = 200_000;
    private static readonly long KeptNanos = TimeSpan.FromMinutes(10).Ticks * 100;

    private readonly Lock _lock = new();
    private readonly Dictionary<(TraceId, SpanId), long> _parents = [];
    private readonly Queue<((TraceId, SpanId) Parent, long At)> _order = new();

    /// <summary>Notes that a child of <paramref name="parent"/> was counted.</summary>
    internal void Note(TraceId trace, SpanId parent, long atUnixNanos)
    {
        if (parent.IsNone)
        {
            return;
        }

        lock (_lock)
        {
            while (_order.TryPeek(out var oldest) && (_order.Count >= SpansMax || oldest.At < atUnixNanos - KeptNanos))
            {
                _order.Dequeue();
                _parents.Remove(oldest.Parent);
            }

            if (_parents.TryAdd((trace, parent), atUnixNanos))
            {
                _order.Enqueue(((trace, parent), atUnixNanos));
            }
        }
    }

    internal bool HasCountedChild(TraceId trace, SpanId span)
    {
        lock (_lock)
        {
            return _parents.ContainsKey((trace, span));
        }
    }
}
