using Microsoft.Extensions.Logging;

namespace Faultline.Metrics.Derived;

internal static partial class Log
{
    [LoggerMessage(3101, LogLevel.Warning, "Derived metric {Metric} reached {SeriesMax} series; new ones now go into one overflow series. Label {Label} has {Values} values, for example '{Sample}': take it out of metrics.derived.dimensions, or make the span names less distinct.")]
    public static partial void CardinalityReached(this ILogger log, string metric, int seriesMax, string label, int values, string sample);
}
