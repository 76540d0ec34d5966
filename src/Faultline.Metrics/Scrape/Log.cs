using Microsoft.Extensions.Logging;

namespace Faultline.Metrics.Scrape;

internal static partial class Log
{
    [LoggerMessage(3201, LogLevel.Warning, "Samples of job {Job} were not stored: {Reason}")]
    public static partial void ScrapeNotStored(this ILogger log, string job, string reason);

    [LoggerMessage(3202, LogLevel.Information, "{Series} derived series of project {Project} go on from the scrape of {At:O}")]
    public static partial void CountersContinued(this ILogger log, int series, string project, DateTimeOffset at);
}
