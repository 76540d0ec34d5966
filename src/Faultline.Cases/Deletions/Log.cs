using Microsoft.Extensions.Logging;

namespace Faultline.Cases.Deletions;

internal static partial class Log
{
    [LoggerMessage(7121, LogLevel.Information, "{Deletion} is done: {Rows} rows")]
    public static partial void Deleted(this ILogger log, string deletion, long rows);

    [LoggerMessage(7122, LogLevel.Warning, "Deletions wait and are tried again: {Reason}")]
    public static partial void DeletionDelayed(this ILogger log, string reason);

    [LoggerMessage(7123, LogLevel.Warning, "{Deletion} is not done yet: {Left} came while it ran; it is tried again")]
    public static partial void DeletionUnproven(this ILogger log, string deletion, string left);
}
