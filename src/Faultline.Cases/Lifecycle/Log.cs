using Microsoft.Extensions.Logging;

namespace Faultline.Cases.Lifecycle;

internal static partial class Log
{
    [LoggerMessage(7101, LogLevel.Information, "{CaseId} opened: {Title}")]
    public static partial void CaseOpened(this ILogger log, string caseId, string title);

    [LoggerMessage(7102, LogLevel.Warning, "Could not {What} now; it will be tried again: {Reason}")]
    public static partial void NotDone(this ILogger log, string what, string reason);
}
