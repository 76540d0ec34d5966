using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using Faultline.Diagnosis.Features;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Watchers;

/// <summary>Identity of a call: the tool, and 64 bits that stand for its arguments.</summary>
internal readonly record struct ToolCall(string Tool, ulong Arguments)
{
    /// <param name="argumentsHash">Hexadecimal digits, of which the first sixteen count; empty when no arguments were recorded.</param>
    public static ToolCall Of(string tool, ReadOnlySpan<byte> argumentsHash)
    {
        if (argumentsHash.IsEmpty)
        {
            return new ToolCall(tool, 0);
        }

        var digits = argumentsHash[..Math.Min(16, argumentsHash.Length)];
        if (Utf8Parser.TryParse(digits, out ulong bits, out var used, 'x') && used == digits.Length)
        {
            return new ToolCall(tool, bits);
        }

        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(argumentsHash, hash);
        return new ToolCall(tool, BinaryPrimitives.ReadUInt64BigEndian(hash));
    }
}

/// <summary>One trace in which an agent makes the same call again and again.</summary>
/// <param name="Agent">Name of the agent, or empty.</param>
/// <param name="Repeats">Calls with the same arguments so far.</param>
/// <param name="OnsetUnixNanos">Start of the trace's first tool call seen.</param>
/// <param name="SeenUnixNanos">End of the call that passed the threshold, or of the last one since.</param>
internal sealed record LoopingTrace(
    ServiceFeatures Service, TraceId Trace, string Tool, string Agent, int Repeats, int Threshold, double UsualMax, long OnsetUnixNanos, long SeenUnixNanos);

/// <summary>Counts, trace by trace, how often one tool is called with the same arguments.</summary>
internal static class AgentLoop
{
    /// <summary>Repeats that no trace makes by chance.</summary>
    public const int RepeatsMin = 10;

    /// <summary>The same while nothing is known of the service: a poller looks like a loop to a stranger.</summary>
    public const int RepeatsMinUnknown = 20;

    /// <summary>Times the service's usual maximum.</summary>
    public const double TimesUsual = 3;

    /// <summary>Without recorded arguments, calls of one tool may well differ: so many times more are needed.</summary>
    public const int WithoutArguments = 3;

    /// <summary>Repeats from which a trace of this service loops.</summary>
    public static (int Threshold, double UsualMax) ThresholdOf(ServiceFeatures service)
    {
        var baseline = service.Find(FeatureTable.MaxToolRepeats, "")?.Detector.Baseline;
        if (baseline is not { MayAlarm: true })
        {
            return (RepeatsMinUnknown, double.NaN);
        }

        var newest = service.NewestUnixNanos / 1_000_000_000;
        var expected = baseline.Expect(newest, Math.Max(1, baseline.UsualCount));
        var usualMax = FeatureTable.MaxToolRepeats.FromScale(expected.Centre + (2 * expected.Sigma));
        return (Math.Max(RepeatsMin, (int)Math.Ceiling(TimesUsual * usualMax)), usualMax);
    }
}
