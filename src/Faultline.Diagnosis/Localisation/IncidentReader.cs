using Faultline.Store.Traces;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Localisation;

/// <summary>
/// Makes what <see cref="ServiceLocator"/> reads from spans alone: requests, latency and availability of every service a minute, and who calls whom.
/// </summary>
/// <remarks>
/// A service's requests are the spans by which it is entered. What is called but sends no telemetry (a database, a model's provider) is a
/// service too, seen from its callers' client spans: otherwise they would be blamed for it. Spans say nothing of resources and logs, so those
/// two ways of looking find nothing here.
/// </remarks>
public static class IncidentReader
{
    /// <summary>Metrics of a service, one value a minute; NaN in a minute without requests.</summary>
    public const string Requests = "requests";

    /// <summary>Seconds, <see cref="Mean"/> and <see cref="P95"/>.</summary>
    public const string Latency = "latency";

    /// <summary>Share of requests without an error, 0 to 1.</summary>
    public const string Availability = "availability";

    public const string Count = "count";
    public const string Mean = "mean";
    public const string P95 = "p95";

    /// <summary>Minutes of a window that are read, its last ones.</summary>
    public const int MinutesMax = 24 * 60;

    private const long NanosPerMinute = 60_000_000_000;

    /// <summary>Where a client's span says whom it called, best first.</summary>
    private static readonly string[] PeerKeys = ["peer.service", "db.system.name", "db.system", "messaging.system", "server.address"];

    /// <param name="normal">Spans of a window in which all was well.</param>
    /// <param name="abnormal">Spans of the window in question. Whole traces in both: an entry is told by the span that called it.</param>
    /// <param name="symptom">One of the metrics above, or null when nobody said what is wrong.</param>
    public static Incident Read(IReadOnlyList<SpanSummary> normal, IReadOnlyList<SpanSummary> abnormal, Symptom? symptom)
    {
        ArgumentNullException.ThrowIfNull(normal);
        ArgumentNullException.ThrowIfNull(abnormal);
        HashSet<CallEdge> calls = [];
        var (then, now) = (ReadWindow(normal, calls), ReadWindow(abnormal, calls));
        return new Incident([.. calls.OrderBy(call => call.Caller, StringComparer.Ordinal).ThenBy(call => call.Callee, StringComparer.Ordinal)], then, now, symptom);
    }

    private static RecordedWindow ReadWindow(IReadOnlyList<SpanSummary> spans, HashSet<CallEdge> calls)
    {
        Dictionary<(TraceId, SpanId), SpanSummary> index = new(spans.Count);
        HashSet<(TraceId, SpanId)> parents = [];
        foreach (var span in spans)
        {
            index.TryAdd((span.TraceId, span.SpanId), span);
            parents.Add((span.TraceId, span.ParentSpanId));
        }

        List<CallSpan> recorded = new(spans.Count);
        List<(CallSpan Span, bool Failed)> entries = [];
        foreach (var span in spans)
        {
            var call = CallOf(span);
            var failed = span.Status == SpanStatus.Error;
            var parent = index.GetValueOrDefault((span.TraceId, span.ParentSpanId));
            recorded.Add(call);
            if (parent is not null && parent.Service != span.Service)
            {
                calls.Add(new CallEdge(parent.Service, span.Service));
            }

            if (span.Kind is SpanKind.Server or SpanKind.Consumer || span.ParentSpanId.IsNone || (parent is not null && parent.Service != span.Service))
            {
                entries.Add((call, failed));
            }

            if (!parents.Contains((span.TraceId, span.SpanId)) && PeerOf(span) is { } peer)
            {
                var called = call with { SpanId = $"{call.SpanId}>{peer}", ParentId = call.SpanId, Service = peer };
                calls.Add(new CallEdge(span.Service, peer));
                recorded.Add(called);
                entries.Add((called, failed));
            }
        }

        return new RecordedWindow(MetricsOf(entries), recorded, []);
    }

    private static CallSpan CallOf(SpanSummary span) => new(
        span.TraceId.ToString(), span.SpanId.ToString(), span.ParentSpanId.IsNone ? "" : span.ParentSpanId.ToString(),
        span.Service, span.Name, span.StartUnixNanos, span.StartUnixNanos + span.DurationNanos);

    /// <summary>Whom a span without a child called; null when it called nobody, or does not say whom.</summary>
    private static string? PeerOf(SpanSummary span)
    {
        if (span.GenAi.Operation is "chat" or "completion" or "embeddings" && span.GenAi.Provider.Length > 0)
        {
            return span.GenAi.Provider;
        }

        return span.Kind is SpanKind.Client or SpanKind.Producer
            ? PeerKeys.Select(key => span.Attributes.FirstOrDefault(attribute => attribute.Key == key)?.Value)
                .FirstOrDefault(peer => peer is { Length: > 0 } && peer != span.Service)
            : null;
    }

    private static MetricWindow MetricsOf(List<(CallSpan Span, bool Failed)> entries)
    {
        if (entries.Count == 0)
        {
            return MetricWindow.Empty;
        }

        var last = entries.Max(entry => MinuteOf(entry.Span));
        var first = Math.Max(entries.Min(entry => MinuteOf(entry.Span)), last - MinutesMax + 1);
        long[] rows = [.. Enumerable.Range(0, (int)(last - first + 1)).Select(row => (first + row) * 60)];
        Dictionary<SeriesName, double[]> series = [];
        foreach (var service in entries.Where(entry => MinuteOf(entry.Span) >= first).GroupBy(entry => entry.Span.Service, StringComparer.Ordinal))
        {
            var count = Series(Requests, Count, 0);
            var mean = Series(Latency, Mean, double.NaN);
            var p95 = Series(Latency, P95, double.NaN);
            var availability = Series(Availability, Mean, double.NaN);
            foreach (var minute in service.GroupBy(entry => MinuteOf(entry.Span)))
            {
                double[] seconds = [.. minute.Select(entry => (entry.Span.EndUnixNanos - entry.Span.StartUnixNanos) / 1e9).Order()];
                var row = (int)(minute.Key - first);
                count[row] = seconds.Length;
                mean[row] = seconds.Average();
                p95[row] = seconds[(int)Math.Ceiling(0.95 * seconds.Length) - 1];
                availability[row] = 1 - ((double)minute.Count(entry => entry.Failed) / seconds.Length);
            }

            double[] Series(string metric, string statistic, double empty)
            {
                var values = new double[rows.Length];
                Array.Fill(values, empty);
                return series[new SeriesName(service.Key, metric, statistic)] = values;
            }
        }

        return new MetricWindow(rows, series);
    }

    private static long MinuteOf(in CallSpan span) => span.StartUnixNanos / NanosPerMinute;
}
