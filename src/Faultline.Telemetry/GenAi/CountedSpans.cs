using Faultline.Telemetry.Spans;

namespace Faultline.Telemetry.GenAi;

/// <summary>What tells two spans of one call: operation, response, models, time.</summary>
/// <param name="ResponseId">A hash; 0 when none was sent. So are the models.</param>
internal readonly record struct CallSignature(ulong Operation, ulong ResponseId, ulong ModelRequested, ulong ModelResponded, long StartUnixNanos, long EndUnixNanos)
{
    /// <summary>Whether <paramref name="inner"/>, a descendant, says this call again.</summary>
    public bool IsSameCallAs(in CallSignature inner)
    {
        if (Operation != inner.Operation)
        {
            return false;
        }

        if (ResponseId != 0 && inner.ResponseId != 0)
        {
            return ResponseId == inner.ResponseId;
        }

        return IsSameModelAs(inner) && inner.StartUnixNanos >= StartUnixNanos && inner.StartUnixNanos <= Math.Max(StartUnixNanos, EndUnixNanos);
    }

    // Either side may know the requested model only, or the responded one only: what is missing contradicts nothing.
    private bool IsSameModelAs(in CallSignature inner) =>
        (ModelRequested != 0 && ModelRequested == inner.ModelRequested)
        || (ModelResponded != 0 && ModelResponded == inner.ModelResponded)
        || ((ModelRequested == 0 || inner.ModelRequested == 0) && (ModelResponded == 0 || inner.ModelResponded == 0));
}

/// <summary>
/// Remembers which calls were counted, so that a framework's span around a client's span of the same call is not counted
/// again when it comes in another request. Of two copies the later to arrive is not counted; pages and sums decide again
/// when they are asked, with the whole trace in view.
/// </summary>
public sealed class CountedSpans(TimeProvider? time = null)
{
    /// <summary>Two generations of this many: about 40 MiB at worst.</summary>
    public const int SpansMax = 100_000;

    /// <summary>An entry is kept for this long, and at most twice as long.</summary>
    public static readonly TimeSpan Kept = TimeSpan.FromMinutes(10);

    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private readonly Lock _lock = new();
    private Dictionary<(TraceId, SpanId), CallSignature> _under = [];
    private Dictionary<(TraceId, SpanId), CallSignature> _underBefore = [];
    private Dictionary<(TraceId, SpanId), CallSignature> _counted = [];
    private Dictionary<(TraceId, SpanId), CallSignature> _countedBefore = [];
    private long _since = -1;

    /// <summary>How often memory was given up early because <see cref="SpansMax"/> was reached.</summary>
    public long Overflows { get; private set; }

    /// <summary>Counts a call unless an earlier request counted the same under it or around it.</summary>
    /// <param name="ancestor">The nearest ancestor that is not in the call's own batch; none for a root.</param>
    /// <returns>Whether it counts.</returns>
    internal bool TryCount(TraceId trace, SpanId span, SpanId ancestor, in CallSignature call)
    {
        lock (_lock)
        {
            Forget();
            if (TryFind(_under, _underBefore, trace, span, out var inner) && call.IsSameCallAs(inner))
            {
                return false;
            }

            if (!ancestor.IsNone && TryFind(_counted, _countedBefore, trace, ancestor, out var outer) && outer.IsSameCallAs(call))
            {
                return false;
            }

            _counted[(trace, span)] = call;
            if (!ancestor.IsNone)
            {
                _under[(trace, ancestor)] = call;
            }

            return true;
        }
    }

    private static bool TryFind(Dictionary<(TraceId, SpanId), CallSignature> now, Dictionary<(TraceId, SpanId), CallSignature> before, TraceId trace, SpanId span, out CallSignature call) =>
        now.TryGetValue((trace, span), out call) || before.TryGetValue((trace, span), out call);

    private void Forget()
    {
        var isFull = _counted.Count >= SpansMax || _under.Count >= SpansMax;
        if (_since >= 0 && !isFull && _time.GetElapsedTime(_since) < Kept)
        {
            return;
        }

        Overflows += isFull ? 1 : 0;
        (_under, _underBefore) = (_underBefore, _under);
        (_counted, _countedBefore) = (_countedBefore, _counted);
        _under.Clear();
        _counted.Clear();
        _since = _time.GetTimestamp();
    }
}
