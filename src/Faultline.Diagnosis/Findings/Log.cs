using Microsoft.Extensions.Logging;

namespace Faultline.Diagnosis.Findings;

/// <summary>What detection says in the log.</summary>
internal static partial class Log
{
    [LoggerMessage(4101, LogLevel.Information, "Detection of project {Project} continues from {Series} stored feature series, {Windows} windows, {Open} open findings.")]
    public static partial void Restored(this ILogger log, string project, int series, long windows, int open);

    [LoggerMessage(4102, LogLevel.Warning, "Feature samples of project {Project} could not be written ({Waiting} wait); trying again in {Delay}.")]
    public static partial void NotWritten(this ILogger log, Exception exception, string project, int waiting, TimeSpan delay);

    [LoggerMessage(4103, LogLevel.Warning, "Baselines of project {Project} could not be read; trying again in {Delay}.")]
    public static partial void NotRestored(this ILogger log, Exception exception, string project, TimeSpan delay);

    [LoggerMessage(4104, LogLevel.Warning, "{Dropped} feature samples of project {Project} were given up: the store has refused them for too long.")]
    public static partial void Dropped(this ILogger log, string project, int dropped);

    [LoggerMessage(4105, LogLevel.Information, "Finding {Finding}: {Title}")]
    public static partial void Raised(this ILogger log, string finding, string title);

    [LoggerMessage(4106, LogLevel.Information, "Finding {Finding} is over.")]
    public static partial void Cleared(this ILogger log, string finding);

    [LoggerMessage(4107, LogLevel.Warning, "Feature samples of project {Project} from {Day} could not be read; its baselines do without that day.")]
    public static partial void DayNotRestored(this ILogger log, Exception exception, string project, DateTimeOffset day);
}
