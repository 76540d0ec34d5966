namespace Faultline.Diagnosis.Localisation;

/// <summary>One service calls another.</summary>
public readonly record struct CallEdge(string Caller, string Callee);

/// <summary>What was noticed: a metric of a service, and when.</summary>
/// <param name="UnixSeconds">When it was noticed; 0 when that is unknown.</param>
public sealed record Symptom(string Service, string Metric, string Statistic, long UnixSeconds);

/// <summary>Names one series of a <see cref="MetricWindow"/>, e.g. <c>checkout</c>, <c>latency</c>, <c>p99</c>.</summary>
public readonly record struct SeriesName(string Service, string Metric, string Statistic);

/// <summary>Series of services over one window, all with the same times.</summary>
/// <param name="UnixSeconds">Ascending; one entry a row.</param>
/// <param name="Series">One value a row; NaN where there is none.</param>
public sealed record MetricWindow(IReadOnlyList<long> UnixSeconds, IReadOnlyDictionary<SeriesName, double[]> Series)
{
    /// <summary>A window without metrics.</summary>
    public static MetricWindow Empty { get; } = new([], new Dictionary<SeriesName, double[]>());

    internal double[]? Find(string service, string metric, string statistic) => Series.GetValueOrDefault(new SeriesName(service, metric, statistic));
}

/// <summary>A span as far as localisation reads it. Ids are those of the source; <paramref name="ParentId"/> is empty for a root.</summary>
public readonly record struct CallSpan(string TraceId, string SpanId, string ParentId, string Service, string Operation, long StartUnixNanos, long EndUnixNanos);

/// <summary>A log line: where in the code it was written, and how bad the code took it to be.</summary>
/// <param name="Statement">From <see cref="LogStatement"/>; the same for every line that one statement of the code writes.</param>
public readonly record struct LoggedEvent(string TraceId, string SpanId, long UnixNanos, string Statement, LogGravity Gravity);

/// <summary>How bad the code took an event to be.</summary>
public enum LogGravity
{
    Usual,
    Warning,
    Error,
}

/// <summary>What was recorded of the services during one window.</summary>
public sealed record RecordedWindow(MetricWindow Metrics, IReadOnlyList<CallSpan> Spans, IReadOnlyList<LoggedEvent> Logs);

/// <summary>What <see cref="ServiceLocator"/> reads: who calls whom, a window in which all was well, one in which it was not, and what was noticed.</summary>
/// <param name="Symptom">Null when nobody said what is wrong.</param>
public sealed record Incident(IReadOnlyCollection<CallEdge> Calls, RecordedWindow Normal, RecordedWindow Abnormal, Symptom? Symptom);

/// <summary>A service that may be the cause.</summary>
/// <param name="Strength">0 to 1; of use for order, not a probability.</param>
/// <param name="Cause">The metric, resource or region of code that shows it.</param>
/// <param name="Evidence">One sentence a finding, strongest first.</param>
public sealed record Suspect(string Service, double Strength, string Cause, IReadOnlyList<string> Evidence);

/// <summary>One observation that speaks for a service being the cause; kinds of evidence are independent ways of looking.</summary>
internal readonly record struct Clue(string Service, ClueKind Kind, double Strength, string Cause, string Sentence);

internal enum ClueKind
{
    SymptomFlow,
    EventPath,
    NetworkTime,
    OwnTime,
    Resource,
}
