using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Topics;

/// <summary>Which text of a call.</summary>
public enum TopicSide
{
    Prompt,
    Output,
}

/// <summary>How a call went wrong, as far as it shows by itself; the worst that is known.</summary>
internal enum CallFailure
{
    None,
    Error,

    /// <summary>Declined, filtered, or without the information.</summary>
    Refused,
    Empty,
    BrokenFormat,

    /// <summary>Much of the answer stands nowhere in what was retrieved.</summary>
    Ungrounded,
}

/// <summary>What was said on one side of a call.</summary>
/// <param name="Unit">Its session, or its trace where no session is told: texts of one are not independent.</param>
/// <param name="Vector">Length 1, <see cref="Evaluators.Encoder.SentenceEncoder.Dimensions"/> numbers.</param>
internal sealed record TopicText(TraceId Trace, UInt128 Unit, long UnixNanos, float[] Vector, IReadOnlyList<SaidWord> Words, CallFailure Failure);

/// <summary>A word as a restart finds it.</summary>
internal sealed record WordState(string Stem, string Shown, double Texts);

/// <summary>A named topic as a restart finds it.</summary>
internal sealed record TopicState(
    int Id, string? Name, long BornNanos, long NewestNanos, long CallsBefore, long Calls, long Failed, string? FindingId, double Weight, double UsualCalls, string Direction,
    double Texts, IReadOnlyList<WordState> Words, IReadOnlyList<string> Traces, IReadOnlyList<string> FailedTraces)
{
    /// <summary>Calls and failed calls of the open tick, calls of the open window.</summary>
    public IReadOnlyList<int> Tick { get; init; } = [0, 0, 0];

    public IReadOnlyDictionary<CallFailure, int> Failures { get; init; } = new Dictionary<CallFailure, int>();
}

/// <summary>Vectors as text, in half precision and base64; and traces.</summary>
internal static class Packed
{
    public static IEnumerable<TraceId> Traces(IEnumerable<string> texts) => texts.Select(static text => TraceId.TryParse(text, out var id) ? id : default);

    public static string Pack(ReadOnlySpan<float> vector)
    {
        var halves = new Half[vector.Length];
        TensorPrimitives.ConvertToHalf(vector, halves);
        return Convert.ToBase64String(MemoryMarshal.AsBytes<Half>(halves));
    }

    /// <exception cref="FormatException">It is not base64.</exception>
    public static float[] Unpack(string text)
    {
        var halves = MemoryMarshal.Cast<byte, Half>(Convert.FromBase64String(text));
        var vector = new float[halves.Length];
        TensorPrimitives.ConvertToSingle(halves, vector);
        return vector;
    }
}
