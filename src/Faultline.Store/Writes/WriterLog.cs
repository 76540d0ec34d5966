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

    [LoggerMessage(3009, LogLevel.Information, "Replayed {Requests} requests with {Rows} rows that were acknowledged before the last end: {Path}")]
    public static partial void Replayed(this ILogger log, int requests, long rows, string path);

    [LoggerMessage(3010, LogLevel.Error, "The journal of an earlier process has {Bytes} bytes that are no request; what stood before them is stored, the file is kept as {Path}")]
    public static partial void JournalDamaged(this ILogger log, long bytes, string path);

    [LoggerMessage(3011, LogLevel.Error, "An acknowledged request of project {Project} cannot be stored in {Table} and is set aside as {Path}; moved up one directory as 0.journal, it is tried again at the next start")]
    public static partial void RequestSetAside(this ILogger log, Exception exception, string project, string table, string path);

    [LoggerMessage(3017, LogLevel.Error, "The journal's file {Path} could not be deleted, or what is in it not be set aside; the next start does it")]
    public static partial void JournalFileKept(this ILogger log, Exception exception, string path);

    [LoggerMessage(3018, LogLevel.Error, "The journal's file {Path} of an earlier process cannot be read; it is left where it is, and the next start tries again")]
    public static partial void JournalUnreadable(this ILogger log, Exception exception, string path);

    [LoggerMessage(3016, LogLevel.Warning, "{Batches} requests could not be written to the journal; their senders are told to try later")]
    public static partial void NotJournaled(this ILogger log, Exception exception, int batches);

    [LoggerMessage(3012, LogLevel.Warning, "{Batches} acknowledged requests wait in the journal until the store can write again: {Reason}")]
    public static partial void WaitsInJournal(this ILogger log, int batches, string reason);

    [LoggerMessage(3013, LogLevel.Warning, "What earlier processes left in the journal cannot be stored yet; it is tried again until it can")]
    public static partial void ReplayDelayed(this ILogger log, Exception exception);

    [LoggerMessage(3014, LogLevel.Error, "An acknowledged request of {Rows} rows of project {Project} cannot be stored and is set aside as {Path}: {Reason}")]
    public static partial void BatchSetAside(this ILogger log, int rows, string project, string path, string reason);

    [LoggerMessage(3015, LogLevel.Warning, "{Requests} requests were set aside in {Path} because the store did not take them")]
    public static partial void RequestsLieAside(this ILogger log, long requests, string path);
}
