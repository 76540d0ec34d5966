using Microsoft.Extensions.Logging;

namespace Faultline.Store.Disk;

internal static partial class DiskLog
{
    [LoggerMessage(3011, LogLevel.Error, "Part {Part} of {Table} is damaged, as a full disk leaves it: {Fault}. It is laid aside, and what it was made from is taken up again")]
    public static partial void PartDamaged(this ILogger log, string part, string table, string fault);

    [LoggerMessage(3012, LogLevel.Warning, "The disk is nearly full, and new parts could not be checked; it is tried again in a second")]
    public static partial void PartsNotChecked(this ILogger log, Exception exception);

    [LoggerMessage(3013, LogLevel.Error, "{Table} cannot be opened again; it is tried again")]
    public static partial void NotAttached(this ILogger log, Exception exception, string table);

    [LoggerMessage(3014, LogLevel.Critical, "Part {Part} of {Table} is damaged, but the engine keeps it: its rows cannot be read, or not all of them. Copy what can be read, then ALTER TABLE {Table} DETACH PART")]
    public static partial void PartKept(this ILogger log, string part, string table);

    [LoggerMessage(3015, LogLevel.Warning, "{Parts} damaged parts lie aside in the store's folder detached/, for example {Example}. What they were made from was taken up again where it was still there; they can be removed")]
    public static partial void PartsLieAside(this ILogger log, long parts, string example);
}
