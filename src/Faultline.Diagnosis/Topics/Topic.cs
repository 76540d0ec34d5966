using System.Numerics.Tensors;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Topics;

/// <summary>Texts of one kind: a direction that moves with them, and what became of their calls.</summary>
internal sealed class Topic(int id, long bornNanos, long callsBefore)
{
    /// <summary>After so long a text weighs half.</summary>
    public static readonly long HalfLifeNanos = TimeSpan.FromDays(7).Ticks * 100;

    /// <summary>Words that are counted of one topic.</summary>
    private const int WordsMax = 200;

    /// <summary>Traces kept to show.</summary>
    private const int TracesMax = 10;

    /// <summary>The newest calls by which an open finding is judged.</summary>
    private const int RecentMax = 20;

    private readonly Queue<TraceId> _traces = new();
    private readonly Queue<TraceId> _failedTraces = new();
    private readonly Queue<bool> _recent = new();
    private float[] _sum = [];
    private float[] _direction = [];
    private double _weight;

    public int Id { get; } = id;

    /// <summary>Three telling words; null while it is a candidate. Does not change: it is a label of series.</summary>
    public string? Name { get; set; }

    public long BornNanos { get; } = bornNanos;

    public long NewestNanos { get; private set; } = bornNanos;

    /// <summary>Calls of its service's side that came before it.</summary>
    public long CallsBefore { get; } = callsBefore;

    public long Calls { get; private set; }

    public long Failed { get; private set; }

    public Dictionary<CallFailure, int> Failures { get; } = [];

    public WordCounts Words { get; } = new(WordsMax);

    /// <summary>Since the last tick.</summary>
    public int TickCalls { get; set; }

    public int TickFailed { get; set; }

    /// <summary>Since the last look for drift.</summary>
    public int WindowCalls { get; set; }

    /// <summary>In windows without drift; old ones fade.</summary>
    public double UsualCalls { get; set; }

    /// <summary>Of its finding, while that is open.</summary>
    public string? FindingId { get; set; }

    public IEnumerable<TraceId> Traces => _traces;

    public IEnumerable<TraceId> FailedTraces => _failedTraces;

    public bool HasRecent => _recent.Count >= RecentMax;

    /// <summary>Of the newest <see cref="RecentMax"/> calls.</summary>
    public double RecentFailedShare => _recent.Count == 0 ? 0 : _recent.Count(failed => failed) / (double)_recent.Count;

    public double WeightAt(long nanos) => _weight * Decay(nanos);

    public double Cosine(ReadOnlySpan<float> vector) => TensorPrimitives.Dot(vector, _direction);

    public double Cosine(Topic other) => TensorPrimitives.Dot<float>(other._direction, _direction);

    public void Add(TopicText text)
    {
        Move(text.Vector, 1, text.UnixNanos);
        Words.Add(text.Words);
        Calls++;
        TickCalls++;
        WindowCalls++;
        Remember(_traces, text.Trace, TracesMax);
        Remember(_recent, text.Failure != CallFailure.None, RecentMax);
        if (text.Failure != CallFailure.None)
        {
            Fail(text.Failure, text.Trace);
        }
    }

    /// <summary>A call that was counted has failed later in its trace.</summary>
    public void Fail(CallFailure failure, TraceId trace)
    {
        Failed++;
        TickFailed++;
        Failures[failure] = Failures.GetValueOrDefault(failure) + 1;
        Remember(_failedTraces, trace, TracesMax);
    }

    /// <summary>Takes in another topic that has come to lie beside it.</summary>
    public void Merge(Topic other)
    {
        var at = Math.Max(NewestNanos, other.NewestNanos);
        Move(other._direction, other.WeightAt(at), at);
        Words.Add(other.Words);
        Calls += other.Calls;
        Failed += other.Failed;
        TickCalls += other.TickCalls;
        TickFailed += other.TickFailed;
        WindowCalls += other.WindowCalls;
        UsualCalls += other.UsualCalls;
        foreach (var (failure, count) in other.Failures)
        {
            Failures[failure] = Failures.GetValueOrDefault(failure) + count;
        }

        foreach (var trace in other._traces)
        {
            Remember(_traces, trace, TracesMax);
        }

        foreach (var trace in other._failedTraces)
        {
            Remember(_failedTraces, trace, TracesMax);
        }
    }

    /// <summary>Forgets example traces, and words that only their texts may have had.</summary>
    public void Forget(IReadOnlySet<TraceId> traces)
    {
        Drop(_traces, traces);
        Drop(_failedTraces, traces);
        Words.ForgetRare(traces.Count);
    }

    private static void Drop(Queue<TraceId> kept, IReadOnlySet<TraceId> traces)
    {
        for (var left = kept.Count; left > 0; left--)
        {
            if (kept.Dequeue() is var trace && !traces.Contains(trace))
            {
                kept.Enqueue(trace);
            }
        }
    }

    public TopicState ToState(int wordsMax) => new(
        Id, Name, BornNanos, NewestNanos, CallsBefore, Calls, Failed, FindingId, _weight, UsualCalls, Packed.Pack(_direction), Words.Texts, Words.ToState(wordsMax),
        [.. _traces.Select(trace => trace.ToString())], [.. _failedTraces.Select(trace => trace.ToString())])
    { Tick = [TickCalls, TickFailed, WindowCalls], Failures = new Dictionary<CallFailure, int>(Failures) };

    public static Topic Restore(TopicState state)
    {
        var topic = new Topic(state.Id, state.BornNanos, state.CallsBefore)
        {
            Name = state.Name,
            Calls = state.Calls,
            Failed = state.Failed,
            FindingId = state.FindingId,
            UsualCalls = state.UsualCalls,
            TickCalls = state.Tick[0],
            TickFailed = state.Tick[1],
            WindowCalls = state.Tick[2],
        };
        topic.Move(Packed.Unpack(state.Direction), state.Weight, state.NewestNanos);
        topic.Words.Restore(state.Texts, state.Words);
        foreach (var (failure, count) in state.Failures)
        {
            topic.Failures[failure] = count;
        }

        foreach (var trace in Packed.Traces(state.Traces))
        {
            topic._traces.Enqueue(trace);
        }

        foreach (var trace in Packed.Traces(state.FailedTraces))
        {
            topic._failedTraces.Enqueue(trace);
        }

        return topic;
    }

    private void Move(float[] vector, double weight, long nanos)
    {
        if (_sum.Length == 0)
        {
            _sum = new float[vector.Length];
            _direction = new float[vector.Length];
        }

        var keep = Decay(nanos);
        _weight = (_weight * keep) + weight;
        for (var i = 0; i < vector.Length; i++)
        {
            _sum[i] = (float)((_sum[i] * keep) + (vector[i] * weight));
        }

        NewestNanos = Math.Max(NewestNanos, nanos);
        var length = MathF.Sqrt(TensorPrimitives.SumOfSquares<float>(_sum));
        TensorPrimitives.Divide(_sum, length > 0 ? length : 1, _direction);
    }

    private double Decay(long nanos) => nanos <= NewestNanos ? 1 : double.Exp2(-(nanos - NewestNanos) / (double)HalfLifeNanos);

    private static void Remember<T>(Queue<T> queue, T item, int max)
    {
        queue.Enqueue(item);
        if (queue.Count > max)
        {
            queue.Dequeue();
        }
    }
}
