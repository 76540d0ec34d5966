using Microsoft.Extensions.Logging;

namespace Faultline.Ingest.Forwarding;

internal static partial class ForwardLog
{
    [LoggerMessage(2301, LogLevel.Warning, "{Exporter}: {Signal} cannot be sent ({Why}); they wait on disk and are tried again. Queued since {Since:u}")]
    public static partial void ForwardWaits(this ILogger log, string exporter, string signal, string why, DateTimeOffset since);

    [LoggerMessage(2302, LogLevel.Information, "{Exporter}: {Signal} are sent again, after {Failures} attempts that failed")]
    public static partial void ForwardGoesOn(this ILogger log, string exporter, string signal, int failures);

    [LoggerMessage(2303, LogLevel.Error, "{Exporter} does not take {Items} items of {Signal} ({Why}); they are dropped here and stay in the store ({Unsaid} more requests since the last such line)")]
    public static partial void ForwardRefused(this ILogger log, string exporter, long items, string signal, string why, long unsaid);

    [LoggerMessage(2304, LogLevel.Warning, "{Exporter} took a request of {Signal} but for {Rejected} items: {Why} ({Unsaid} more requests since the last such line)")]
    public static partial void ForwardRejected(this ILogger log, string exporter, string signal, long rejected, string why, long unsaid);

    [LoggerMessage(2305, LogLevel.Warning, "{Directory} is full ({BytesMax} bytes, sending_queue.queue_size): its oldest {Items} items are dropped")]
    public static partial void QueueFull(this ILogger log, string directory, long items, long bytesMax);

    [LoggerMessage(2306, LogLevel.Error, "{Directory} cannot be written: {Why}. What should have been forwarded is dropped there and stays in the store ({Unsaid} more requests since the last such line)")]
    public static partial void QueueNotWritten(this ILogger log, string directory, string why, long unsaid);

    [LoggerMessage(2307, LogLevel.Warning, "{Path}: the last {TornBytes} bytes, behind byte {Length}, are no whole request: the process ended while it wrote. They were not acknowledged and are cut off")]
    public static partial void QueueTailCut(this ILogger log, string path, long tornBytes, long length);

    [LoggerMessage(2308, LogLevel.Error, "{Path}: {Length} bytes at {Offset} are damaged and were set aside as {Aside}")]
    public static partial void QueueSetAside(this ILogger log, string path, long length, long offset, string aside);

    [LoggerMessage(2309, LogLevel.Error, "{Path} cannot be opened and is left where it is: {Why}")]
    public static partial void QueueSegmentUnreadable(this ILogger log, string path, string why);

    [LoggerMessage(2310, LogLevel.Warning, "{Directory} holds {Bytes} bytes for an exporter that is no longer in the settings. Remove the folder, or put the exporter back to have it sent")]
    public static partial void QueueOfNobody(this ILogger log, string directory, long bytes);

    [LoggerMessage(2311, LogLevel.Information, "{Exporter}: copies of {Signals} go to {Endpoint}")]
    public static partial void Forwarding(this ILogger log, string exporter, string signals, string endpoint);

    [LoggerMessage(2312, LogLevel.Error, "{Exporter}: the queue of {Signal} failed ({Why}); tried again in {Delay}")]
    public static partial void QueueFailed(this ILogger log, string exporter, string signal, string why, TimeSpan delay);
}
