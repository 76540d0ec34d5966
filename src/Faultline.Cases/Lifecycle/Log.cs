using Microsoft.Extensions.Logging;

namespace Faultline.Cases.Lifecycle;

internal static partial class Log
{
    [LoggerMessage(7101, LogLevel.Information, "{CaseId} opened: {Title}")]
    public static partial void CaseOpened(this ILogger log, string caseId, string title);

    [LoggerMessage(7102, LogLevel.Warning, "Could not {What} now; it will be tried again: {Reason}")]
    public static partial void NotDone(this ILogger log, string what, string reason);

    [LoggerMessage(7103, LogLevel.Warning, "{CaseId} is not put to the language model: {Reason}")]
    public static partial void NotReasoned(this ILogger log, string caseId, string reason);

    [LoggerMessage(7104, LogLevel.Error, "Asking the language model about {CaseId} failed; the case goes on without. This is a bug worth reporting.")]
    public static partial void ReasoningFailed(this ILogger log, Exception failure, string caseId);
}
