using Faultline.Ingest.Gateway;
using Faultline.Ingest.Receivers;
using Faultline.Metrics.Exposition;
using Faultline.Telemetry.Redaction;
using Faultline.Telemetry.Samples;

namespace Faultline.Ingest.Pipeline;

/// <summary>What receivers took and refused, under the names that a collector's dashboards know.</summary>
public static class IngestMetrics
{
    public static IReadOnlyList<MetricFamily> Families(IngestFigures figures, GatewayAuth auth)
    {
        var families = new List<MetricFamily>();
        foreach (var bySignal in figures.ByReceiver().GroupBy(receiver => receiver.Signal))
        {
            var items = bySignal.Key switch
            {
                Signal.Traces => "spans",
                Signal.Metrics => "metric_points",
                Signal.Logs => "log_records",
                _ => throw new System.Diagnostics.UnreachableException(bySignal.Key.ToString()),
            };
            families.Add(MetricFamily.Counter($"otelcol_receiver_accepted_{items}", "Items that were acknowledged, so are durable.", [.. bySignal.Select(receiver => Of(receiver.Accepted, receiver.Transport))]));
            families.Add(MetricFamily.Counter($"otelcol_receiver_refused_{items}", "Items answered with 'try later' or refused whole; none was stored.", [.. bySignal.Select(receiver => Of(receiver.Refused, receiver.Transport))]));
            families.Add(MetricFamily.Counter($"faultline_rejected_{items}", "Items rejected by partial success.", [.. bySignal.Select(receiver => Of(receiver.Rejected, receiver.Transport))]));
            families.Add(MetricFamily.Counter($"otelcol_exporter_sent_{items}", "Items committed to the store.", MetricFamily.Of(bySignal.Sum(receiver => receiver.Accepted), ("exporter", "clickhouse"))));
        }

        families.Add(MetricFamily.Counter(
            "faultline_refused_requests",
            "Requests that were refused whole, by reason.",
            [.. figures.Refusals().Select(refusal => MetricFamily.Of(refusal.Requests, ("signal", Name(refusal.Signal)), ("transport", refusal.Transport), ("reason", Name(refusal.Reason))))]));
        families.Add(MetricFamily.Counter("faultline_repaired_texts", "Texts that were no UTF-8, stored with U+FFFD in the place of their bad bytes.", MetricFamily.Of(figures.TextsRepaired)));
        families.Add(MetricFamily.Counter("faultline_genai_rejected_numbers", "Token counts and durations that are no number, negative or out of range, and count as not sent.", MetricFamily.Of(figures.Normaliser.NumbersRejected)));
        families.Add(MetricFamily.Counter("faultline_genai_cut_json", "GenAI contents that are cut-off or broken JSON, or larger or deeper than is parsed, and were read as far as they go.", MetricFamily.Of(figures.Normaliser.JsonCut)));
        families.Add(MetricFamily.Counter("faultline_gateway_refused_requests", "Requests without a valid key.", MetricFamily.Of(auth.Refused)));
        families.Add(Latency(figures));
        return families;
    }

    /// <summary>What requests and the whole process hold, and may.</summary>
    public static IReadOnlyList<MetricFamily> Families(BytesBudget reading) =>
    [
        MetricFamily.Gauge("faultline_reading_bytes", "Bytes of requests that are being read, decoded or committed.", MetricFamily.Of(reading.Taken)),
        MetricFamily.Gauge("faultline_reading_max_bytes", "How many that may be before senders are told to try later.", MetricFamily.Of(reading.BytesMax)),
        MetricFamily.Gauge("faultline_memory_max_bytes", "What the process may hold (memory.bytes_max); above 65 % of it requests are taken one at a time. It holds process_resident_memory_bytes.", MetricFamily.Of(reading.Ceiling.BytesMax)),
        MetricFamily.Counter("faultline_memory_refused_requests", "Requests told to try later because the process held too much.", MetricFamily.Of(reading.Ceiling.Refusals)),
    ];

    /// <summary>What was redacted, by class and mode.</summary>
    public static MetricFamily Family(RedactionFigures redacted) => MetricFamily.Counter(
        "faultline_redacted_values",
        "Values that were masked, hashed or dropped before anything was stored.",
        [.. redacted.All().Select(count => MetricFamily.Of(count.Values, ("class", count.Class), ("mode", RedactionWords.Of(count.Mode))))]);

    private static MetricFamily Latency(IngestFigures figures)
    {
        var (counts, sum) = figures.Latencies();
        var samples = new List<MetricSample>();
        long running = 0;
        for (var i = 0; i < counts.Count; i++)
        {
            running += counts[i];
            var bound = i < IngestFigures.LatencyBoundsSeconds.Count ? TextFormat.Number(IngestFigures.LatencyBoundsSeconds[i]) : "+Inf";
            samples.Add(new MetricSample("_bucket", Labels.Of(("le", bound)), running));
        }

        samples.Add(new MetricSample("_sum", Labels.Empty, sum.TotalSeconds));
        samples.Add(new MetricSample("_count", Labels.Empty, running));
        return new MetricFamily("faultline_acknowledgement_seconds", "histogram", "From a request's last byte to its acknowledgement.", "seconds", samples);
    }

    private static string Name(Signal signal) => signal switch
    {
        Signal.Traces => "traces",
        Signal.Metrics => "metrics",
        Signal.Logs => "logs",
        _ => throw new System.Diagnostics.UnreachableException(signal.ToString()),
    };

    private static string Name(RefusalReason reason) => reason switch
    {
        RefusalReason.Malformed => "malformed",
        RefusalReason.TooLarge => "too_large",
        RefusalReason.TooSlow => "too_slow",
        RefusalReason.UnsupportedType => "unsupported_type",
        RefusalReason.Overloaded => "overloaded",
        RefusalReason.Unavailable => "unavailable",
        RefusalReason.Failed => "failed",
        _ => throw new System.Diagnostics.UnreachableException(reason.ToString()),
    };

    private static MetricSample Of(long value, string transport) => MetricFamily.Of(value, ("receiver", "otlp"), ("transport", transport));
}
