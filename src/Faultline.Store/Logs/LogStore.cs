using Faultline.Store.Traces;
using Faultline.Telemetry.Spans;

namespace Faultline.Store.Logs;

public sealed record StoredLog(long UnixNanos, long ObservedUnixNanos, int SeverityNumber, string SeverityText, string Service, string Body, string EventName, TraceId TraceId, SpanId SpanId, IReadOnlyList<StoredAttribute> Attributes, IReadOnlyList<StoredAttribute> Resource);

/// <summary>Questions asked of stored log records.</summary>
public sealed class LogStore
{
    private LogStore()
    {
    }

    public Task<IReadOnlyList<StoredLog>> OfTraceAsync(string project, TraceId trace, int limit, CancellationToken cancel = default) => throw new NotImplementedException();

    public Task<IReadOnlyList<StoredLog>> SearchAsync(string project, string? service, string? text, int severityMin, long fromUnixNanos, long toUnixNanos, int limit, CancellationToken cancel = default) => throw new NotImplementedException();
}
