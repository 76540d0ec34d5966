using Microsoft.Extensions.Logging;

namespace Faultline.Store.Writes;

internal static partial class WriterLog
{
    [LoggerMessage(3001, LogLevel.Warning, "Insert of {Rows} rows of {Batches} batches into {Table} failed; each batch is tried alone")]
    public static partial void GroupFailed(this ILogger log, Exception exception, int rows, int batches, string table);

    [LoggerMessage(3002, LogLevel.Warning, "Insert of {Rows} rows of one batch into {Table} failed; its sender is told to try later")]
    public static partial void BatchDelayed(this ILogger log, Exception exception, int rows, string table);

    [LoggerMessage(3003, LogLevel.Error, "Insert of {Rows} rows of one batch into {Table} failed and cannot succeed; the batch is refused")]
    public static partial void BatchRefused(this ILogger log, Exception exception, int rows, string table);

    [LoggerMessage(3004, LogLevel.Error, "Reader {Reader} failed on a committed batch of {Rows} rows; the other readers have seen it")]
    public static partial void ReaderFailed(this ILogger log, Exception exception, string reader, int rows);

    [LoggerMessage(3005, LogLevel.Critical, "The commit of a group of {Batches} batches failed in a way that should not be; their senders are told to try later")]
    public static partial void GroupBroken(this ILogger log, Exception exception, int batches);

    [LoggerMessage(3006, LogLevel.Information, "Remembering {Requests} requests that were committed in the last minute before the start")]
    public static partial void Remembered(this ILogger log, int requests);

    [LoggerMessage(3007, LogLevel.Information, "Showed the readers {Rows} rows of {Batches} batches again that were stored just before the last end")]
    public static partial void StoredShown(this ILogger log, long rows, int batches);

    [LoggerMessage(3008, LogLevel.Error, "What was stored just before the last end could be read only in part, {Batches} batches; metrics derived from the rest count too low")]
    public static partial void StoredNotShown(this ILogger log, Exception exception, int batches);
}
