using Faultline.Telemetry.Logs;
using Faultline.Telemetry.Samples;
using Faultline.Telemetry.Scores;
using Faultline.Telemetry.Spans;

namespace Faultline.Telemetry;

/// <summary>Everything that one request brought, on its way to the store. Owned by the pipeline until it is committed.</summary>
public sealed class TelemetryBatch
{
    /// <summary>
    /// The project of our own canary spans. No key leads to it, no <see cref="IBatchReader"/> is shown it, and no rule keeps what is in it.
    /// </summary>
    public const string CanaryProject = "_canary";

    /// <summary>Decided by the key that sent it, never by an attribute.</summary>
    public required string Project { get; init; }

    /// <summary>
    /// When the request arrived. The tables' partition is the day of this. The writer moves it on by microseconds where it must, so
    /// that batches committed later have greater ones: it is also a reader's place in what is stored.
    /// </summary>
    public required long ReceivedUnixNanos { get; set; }

    /// <summary>128 bits over the request's bytes, so that a request sent twice can be told.</summary>
    public required UInt128 RequestHash { get; init; }

    public SpanBatch Spans { get; init; } = new();

    public LogBatch Logs { get; init; } = new();

    public SampleBatch Samples { get; init; } = new();

    public ScoreBatch Scores { get; init; } = new();

    public int Count => Spans.Count + Logs.Count + Samples.Count + Scores.Count;

    /// <summary>
    /// About how many bytes the batch takes as rows, where a resource's and a scope's attributes stand in every row of theirs.
    /// Cheap: lengths of buffers and one pass over the row numbers.
    /// </summary>
    public long ApproximateBytes =>
        ApproximateSize.Of(Spans) + ApproximateSize.Of(Logs) + ApproximateSize.Of(Samples) + ApproximateSize.Of(Scores);
}

/// <summary>
/// Sees every batch once, after its commit: derived metrics, trace watchers, live tail, forwarding. Batches of <see cref="TelemetryBatch.CanaryProject"/> are not shown.
/// </summary>
public interface IBatchReader
{
    /// <summary>
    /// True for one that is shown the last stored batches again after a start, since the process before may have ended between their commit
    /// and their readers. They bring no bodies, links, logs or samples, and of
    /// scopes their names and versions. A reader that must not count twice keeps its
    /// place, <see cref="TelemetryBatch.ReceivedUnixNanos"/>.
    /// </summary>
    bool SeesStored => false;

    /// <summary>Called in commit order, one batch at a time, off the acknowledgement's path. Must not block for long.</summary>
    void Committed(TelemetryBatch batch);
}
