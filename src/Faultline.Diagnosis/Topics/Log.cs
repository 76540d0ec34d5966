using Microsoft.Extensions.Logging;

namespace Faultline.Diagnosis.Topics;

/// <summary>What topic watching says in the log.</summary>
internal static partial class Log
{
    [LoggerMessage(4801, LogLevel.Warning, "Topics of project {Project} could not be read; they are learnt anew.")]
    public static partial void TopicsNotRead(this ILogger log, Exception exception, string project);

    [LoggerMessage(4802, LogLevel.Warning, "Topics of project {Project} could not be stored; a restart would go on from the hour before.")]
    public static partial void TopicsNotWritten(this ILogger log, Exception exception, string project);
}
