using Faultline.Diagnosis.Features;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Watchers;

/// <summary>Stages whose absence from a trace says something.</summary>
[Flags]
internal enum TraceStages
{
    None = 0,
    Retrieval = 1,
    Rerank = 2,
    Model = 4,
    Tool = 8,
    Guardrail = 16,
    Embedding = 32,
}

/// <summary>What the watchers remember of one trace while its spans come in, in any order and over several batches.</summary>
internal sealed class TraceMemory
{
    /// <summary>Different calls remembered of one trace; a trace with more is no loop of one call.</summary>
    internal const int CallsMax = 512;

    private Dictionary<ToolCall, int>? _calls;

    /// <summary>Services that took part; most traces have one.</summary>
    public List<ServiceFeatures> Services { get; } = new(1);

    public int ToolCalls { get; set; }

    public int ModelCalls { get; set; }

    public int AgentTurns { get; set; }

    public int Plans { get; set; }

    /// <summary>Stages of the chain that left a span so far.</summary>
    public TraceStages Stages { get; private set; }

    /// <summary>When they were open, up to one more than <see cref="StageTimes.IntervalsMax"/>; null before the first.</summary>
    public List<StageInterval>? StageIntervals { get; private set; }

    public void Tells(StageInterval interval)
    {
        Stages |= interval.Stage;
        if ((StageIntervals ??= new List<StageInterval>(4)).Count <= StageTimes.IntervalsMax)
        {
            StageIntervals.Add(interval);
        }
    }

    /// <summary>Whose request it is; null while that is not known.</summary>
    public Segment? Segment { get; set; }

    /// <summary>What was observed of it while its segment was not known; null when nothing is kept.</summary>
    public List<WaitingObservation>? Waiting { get; set; }

    /// <summary>It is over, and nothing said whose it was.</summary>
    public bool HasNoSegment { get; set; }

    /// <summary>Start of the earliest span with a parent that was seen.</summary>
    public long FirstChildStartUnixNanos { get; set; } = long.MaxValue;

    /// <summary>Start of the earliest tool call seen.</summary>
    public long FirstToolStartUnixNanos { get; set; } = long.MaxValue;

    /// <summary>Counts one more call of a tool with these arguments.</summary>
    /// <returns>How many there were in this trace so far.</returns>
    public int Repeat(ToolCall call)
    {
        _calls ??= [];
        if (_calls.TryGetValue(call, out var count))
        {
            return _calls[call] = count + 1;
        }

        if (_calls.Count < CallsMax)
        {
            _calls.Add(call, 1);
        }

        return 1;
    }
}

/// <summary>Recent traces of a project, the oldest forgotten first.</summary>
internal sealed class TraceTable
{
    /// <summary>Traces remembered: at 100 new ones a second, more than three minutes.</summary>
    internal const int TracesMax = 20_000;

    private readonly Dictionary<TraceId, TraceMemory> _traces = [];
    private readonly Queue<TraceId> _order = new();
    private (TraceId Trace, TraceMemory? Memory) _last;

    /// <summary>Called with what is forgotten.</summary>
    public Action<TraceMemory>? Forgotten { get; init; }

    public TraceMemory? Find(TraceId trace) => _traces.GetValueOrDefault(trace);

    public TraceMemory GetOrAdd(TraceId trace)
    {
        // Spans of a trace come one after the other, so the last is nearly always the one; what is forgotten is never the last.
        if (_last is { Memory: { } last } && _last.Trace == trace)
        {
            return last;
        }

        if (_traces.TryGetValue(trace, out var memory))
        {
            _last = (trace, memory);
            return memory;
        }

        if (_order.Count >= TracesMax && _traces.Remove(_order.Dequeue(), out var oldest))
        {
            Forgotten?.Invoke(oldest);
        }

        memory = new TraceMemory();
        _traces.Add(trace, memory);
        _order.Enqueue(trace);
        _last = (trace, memory);
        return memory;
    }
}
