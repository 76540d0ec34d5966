using Faultline.Ingest.Pipeline;
using Faultline.Metrics.Exposition;
using Faultline.Telemetry;
using Faultline.Telemetry.Otlp;
using Faultline.Telemetry.Redaction;
using Microsoft.Extensions.Logging;

namespace Faultline.Ingest.Forwarding;

/// <summary>
/// Copies of what came in over OTLP to other backends: redacted, filtered, queued on disk after the commit and before the acknowledgement.
/// The queue is all that stands between the two: a slow backend slows no sender.
/// </summary>
public sealed class Forwarder : IAsyncDisposable
{
    private readonly List<ForwardLane> _lanes = [];
    private readonly List<OtlpSender> _senders = [];

    private Forwarder()
    {
    }

    /// <param name="directory">Has a folder for each exporter and signal.</param>
    /// <exception cref="IOException">The directory cannot be used.</exception>
    public static Forwarder Open(IReadOnlyList<ExporterOptions> exporters, string directory, TimeProvider time, ILogger log)
    {
        var forwarder = new Forwarder();
        foreach (var exporter in exporters)
        {
            var sender = new OtlpSender(exporter, time);
            forwarder._senders.Add(sender);
            foreach (var signal in exporter.Signals)
            {
                var queue = ForwardQueue.Open(Path.Combine(directory, Folder(exporter.Name), SignalWords.Of(signal)), exporter.QueueBytesMax, time, log);
                forwarder._lanes.Add(new ForwardLane(exporter, signal, queue, sender, time, log));
            }

            log.Forwarding(exporter.Name, string.Join(", ", exporter.Signals.Select(SignalWords.Of)), exporter.Endpoint.GetLeftPart(UriPartial.Authority));
        }

        TellOfNobodys(directory, exporters, log);
        return forwarder;
    }

    /// <summary>Copies of a metrics request; made before the commit, since the request's memory is the receiver's.</summary>
    public IReadOnlyList<ForwardCopy> CopiesOfMetrics(string project, ReadOnlySpan<byte> body, bool json, Redactor redactor)
    {
        List<ForwardCopy> copies = [];
        foreach (var lane in _lanes)
        {
            if (lane.Signal == Signal.Metrics && lane.Options.Filter is var filter && filter.Takes(project))
            {
                var (request, points) = json ? MetricCopy.MakeOfJson(body, redactor, filter.OfMetrics()) : MetricCopy.Make(body, redactor, filter.OfMetrics());
                copies.Add(new ForwardCopy(lane, request, points));
            }
        }

        return copies;
    }

    /// <summary>Queues what a committed batch holds.</summary>
    /// <param name="metrics">Of <see cref="CopiesOfMetrics"/>.</param>
    /// <param name="isRepeat">Whether the store had it already.</param>
    public void Queue(TelemetryBatch batch, IReadOnlyList<ForwardCopy> metrics, bool isRepeat)
    {
        foreach (var copy in metrics)
        {
            Append(copy.Lane, batch, (copy.Request, copy.Items), isRepeat);
        }

        foreach (var lane in _lanes)
        {
            var filter = lane.Options.Filter;
            if (lane.Signal == Signal.Traces && batch.Spans.Count > 0 && filter.Takes(batch.Project))
            {
                Append(lane, batch, OtlpEncoder.EncodeTraces(batch.Spans, filter.Of(batch.Spans)), isRepeat);
            }
            else if (lane.Signal == Signal.Logs && batch.Logs.Count > 0 && filter.Takes(batch.Project))
            {
                Append(lane, batch, OtlpEncoder.EncodeLogs(batch.Logs, filter.Of(batch.Logs)), isRepeat);
            }
        }
    }

    /// <summary>Puts the headers of changed settings in use, from the next attempt on; the rest of them needs a restart.</summary>
    public void UseHeaders(IReadOnlyList<ExporterOptions> exporters)
    {
        foreach (var sender in _senders)
        {
            if (exporters.FirstOrDefault(exporter => exporter.Name == sender.Name) is { } changed)
            {
                sender.UseHeaders(changed.Headers);
            }
        }
    }

    /// <inheritdoc cref="ForwardQueue.DropAside"/>
    public void DropAside() => _lanes.ForEach(lane => lane.Queue.DropAside());

    /// <summary>Until cancelled.</summary>
    public Task RunAsync(CancellationToken cancel) => Task.WhenAll(_lanes.Select(lane => lane.RunAsync(cancel)));

    public IEnumerable<MetricFamily> Families()
    {
        var lanes = _lanes.Select(lane => (Lane: lane, Queue: lane.Queue.Figures())).ToList();
        MetricSample Of(ForwardLane lane, double value, params ReadOnlySpan<(string, string)> more) =>
            MetricFamily.Of(value, [("exporter", lane.Options.Name), ("signal", SignalWords.Of(lane.Signal)), .. more]);

        yield return MetricFamily.Gauge("faultline_forward_queue_bytes", "Bytes on disk that wait to be forwarded.", [.. lanes.Select(one => Of(one.Lane, one.Queue.Bytes))]);
        yield return MetricFamily.Gauge("faultline_forward_queue_max_bytes", "What the queue may take (sending_queue.queue_size).", [.. lanes.Select(one => Of(one.Lane, one.Lane.Options.QueueBytesMax))]);
        yield return MetricFamily.Gauge("faultline_forward_queue_items", "Spans, data points or log records that wait to be forwarded.", [.. lanes.Select(one => Of(one.Lane, one.Queue.Items))]);
        yield return MetricFamily.Gauge("faultline_forward_queue_oldest_timestamp_seconds", "When the oldest that waits was queued; no sample when none waits.", [.. lanes.Where(one => one.Queue.OldestUnixMillis is not null).Select(one => Of(one.Lane, one.Queue.OldestUnixMillis!.Value / 1000.0))]);
        yield return MetricFamily.Counter("faultline_forward_sent_items", "Items that the backend took.", [.. lanes.Select(one => Of(one.Lane, one.Lane.SentItems - one.Lane.RejectedItems))]);
        yield return MetricFamily.Counter("faultline_forward_sent_requests", "Requests that the backend took.", [.. lanes.Select(one => Of(one.Lane, one.Lane.SentRequests))]);
        yield return MetricFamily.Counter("faultline_forward_rejected_items", "Items that the backend rejected by partial success.", [.. lanes.Select(one => Of(one.Lane, one.Lane.RejectedItems))]);
        yield return MetricFamily.Counter("faultline_forward_failed_requests", "Attempts that failed, by reason; what may be taken later is tried again.", [.. lanes.SelectMany(one => one.Lane.Failed.Select(failed => Of(one.Lane, failed.Value, ("reason", failed.Key))))]);
        yield return MetricFamily.Counter("faultline_forward_dropped_items", "Items that never reach the backend, by reason. The store has them.", [.. lanes.SelectMany(one => one.Queue.Dropped.Select(drop => Of(one.Lane, drop.Value, ("reason", Word(drop.Key)))))]);
        yield return MetricFamily.Counter("faultline_forward_torn_bytes", "Bytes that an end of the process left half written; nothing acknowledged was in them.", [.. lanes.Select(one => Of(one.Lane, one.Queue.TornBytes))]);
        yield return MetricFamily.Counter("faultline_forward_set_aside", "Damaged parts of the queue's files that were set aside.", [.. lanes.Select(one => Of(one.Lane, one.Queue.SetAside))]);
    }

    public ValueTask DisposeAsync()
    {
        _lanes.ForEach(lane => lane.Dispose());
        _senders.ForEach(sender => sender.Dispose());
        return ValueTask.CompletedTask;
    }

    private static void Append(ForwardLane lane, TelemetryBatch batch, (byte[] Request, int Items) copy, bool isRepeat)
    {
        if (copy.Items > 0)
        {
            lane.Queue.Append(batch.RequestHash, copy.Request, copy.Items, isRepeat);
        }
    }

    private static void TellOfNobodys(string directory, IReadOnlyList<ExporterOptions> exporters, ILogger log)
    {
        foreach (var folder in Directory.Exists(directory) ? Directory.GetDirectories(directory) : [])
        {
            var waiting = new DirectoryInfo(folder).EnumerateFiles("*.seg", SearchOption.AllDirectories).Sum(file => file.Length);
            if (waiting > 0 && !exporters.Any(exporter => Folder(exporter.Name) == Path.GetFileName(folder)))
            {
                log.QueueOfNobody(folder, waiting);
            }
        }
    }

    private static string Folder(string name) => name.Replace('/', '+');

    private static string Word(ForwardDrop reason) => reason switch
    {
        ForwardDrop.QueueFull => "queue_full",
        ForwardDrop.TooLarge => "too_large",
        ForwardDrop.Disk => "disk",
        ForwardDrop.Unreadable => "unreadable",
        ForwardDrop.Refused => "refused",
        ForwardDrop.Expired => "expired",
        _ => throw new System.Diagnostics.UnreachableException(reason.ToString()),
    };
}

/// <summary>A request as it goes to one backend.</summary>
public sealed class ForwardCopy
{
    internal ForwardCopy(ForwardLane lane, byte[] request, int items) => (Lane, Request, Items) = (lane, request, items);

    internal ForwardLane Lane { get; }

    internal byte[] Request { get; }

    internal int Items { get; }
}
