using Faultline.Store.Traces;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Localisation;

/// <summary>
/// Makes what <see cref="ServiceLocator"/> reads from the spans of good and bad requests: how many requests every service gets in one of them, how long they
/// take, how many go well, and who calls whom.
/// </summary>
/// <remarks>
/// A service's requests are the spans by which it is entered. What is called but sends no telemetry (a database, a model's provider) is a
/// service too, seen from its callers' client spans: otherwise they would be blamed for it. Each side is one row, and volumes are for one whole request:
/// the sides are chosen, by no clock and rarely alike in number, and how many there are says nothing. Spans say nothing of resources and logs, so those
/// two ways of looking find nothing here.
/// </remarks>
internal static class IncidentReader
{
    /// <summary>Requests of a service in one whole request.</summary>
    public const string Requests = "requests";

    /// <summary>Seconds; NaN without requests.</summary>
    public const string Latency = "latency";

    /// <summary>Share of requests without an error, 0 to 1; NaN without requests.</summary>
    public const string Availability = "availability";

    public const string Mean = "mean";

    /// <summary>The row of the bad requests; that of the good ones is before it.</summary>
    public const int BadRow = 1;

    /// <summary>Where a client's span says whom it called, best first.</summary>
    private static readonly string[] PeerKeys = ["peer.service", "db.system.name", "db.system", "messaging.system", "server.address"];

    /// <param name="good">Spans of requests that went well. Whole traces on both sides: an entry is told by the span that called it.</param>
    /// <param name="bad">Spans of requests that did not.</param>
    /// <param name="service">Which was seen to suffer.</param>
    /// <param name="metric"><see cref="Latency"/> or <see cref="Availability"/>; null when it was neither that was noticed.</param>
    public static Incident Read(IReadOnlyList<SpanSummary> good, IReadOnlyList<SpanSummary> bad, string service, string? metric)
    {
        ArgumentNullException.ThrowIfNull(good);
        ArgumentNullException.ThrowIfNull(bad);
        HashSet<CallEdge> calls = [];
        var (then, now) = (Read(good, calls), Read(bad, calls));
        return new Incident(
            [.. calls.OrderBy(call => call.Caller, StringComparer.Ordinal).ThenBy(call => call.Callee, StringComparer.Ordinal)],
            new RecordedWindow(MetricsOf(then), then.Spans, []),
            new RecordedWindow(MetricsOf(then, now), now.Spans, []),
            metric is null ? null : new Symptom(service, metric, Mean, BadRow));
    }

    /// <summary>By which service a span is entered or, for want of telemetry of the other side, called; null when it is neither.</summary>
    /// <param name="parent">The span that encloses it; null when there is none.</param>
    /// <param name="isLeaf">It encloses no other.</param>
    public static string? Serves(SpanSummary span, SpanSummary? parent, bool isLeaf) =>
        isLeaf && PeerOf(span) is { } peer ? peer : IsEntry(span, parent) ? span.Service : null;

    private readonly record struct Side(List<CallSpan> Spans, List<(CallSpan Span, bool Failed)> Entries, int Requests);

    private static Side Read(IReadOnlyList<SpanSummary> spans, HashSet<CallEdge> calls)
    {
        Dictionary<(TraceId, SpanId), SpanSummary> index = new(spans.Count);
        HashSet<(TraceId, SpanId)> parents = [];
        HashSet<TraceId> requests = [];
        foreach (var span in spans)
        {
            index.TryAdd((span.TraceId, span.SpanId), span);
            parents.Add((span.TraceId, span.ParentSpanId));
            requests.Add(span.TraceId);
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

            if (IsEntry(span, parent))
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

        return new Side(recorded, entries, requests.Count);
    }

    private static bool IsEntry(SpanSummary span, SpanSummary? parent) =>
        span.Kind is SpanKind.Server or SpanKind.Consumer || span.ParentSpanId.IsNone || (parent is not null && parent.Service != span.Service);

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

    /// <summary>A row a side.</summary>
    private static MetricWindow MetricsOf(params ReadOnlySpan<Side> sides)
    {
        Dictionary<SeriesName, double[]> series = [];
        for (var row = 0; row < sides.Length; row++)
        {
            var side = sides[row];
            foreach (var service in side.Entries.GroupBy(entry => entry.Span.Service, StringComparer.Ordinal))
            {
                var count = service.Count();
                Set(service.Key, Requests, 0, row, sides.Length, count / (double)side.Requests);
                Set(service.Key, Latency, double.NaN, row, sides.Length, service.Average(entry => (entry.Span.EndUnixNanos - entry.Span.StartUnixNanos) / 1e9));
                Set(service.Key, Availability, double.NaN, row, sides.Length, 1 - ((double)service.Count(entry => entry.Failed) / count));
            }
        }

        return new MetricWindow([.. Enumerable.Range(0, sides.Length).Select(row => (long)row)], series);

        void Set(string service, string metric, double without, int row, int rows, double value)
        {
            var name = new SeriesName(service, metric, Mean);
            if (!series.TryGetValue(name, out var values))
            {
                series[name] = values = new double[rows];
                Array.Fill(values, without);
            }

            values[row] = value;
        }
    }
}
