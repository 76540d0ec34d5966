using Microsoft.Extensions.Logging;

namespace Faultline.Diagnosis.Evaluators.Live;

/// <summary>What evaluators say in the log.</summary>
internal static partial class Log
{
    [LoggerMessage(4201, LogLevel.Information, "Evaluators are on: {Names}.")]
    public static partial void EvaluatorsOn(this ILogger log, string names);

    [LoggerMessage(4202, LogLevel.Warning, "Evaluators that need the sentence encoder are off until the next start: {Names}. {Reason}")]
    public static partial void EvaluatorsOff(this ILogger log, string names, string reason);

    [LoggerMessage(4203, LogLevel.Warning, "{Count} scores of evaluators were given up: {Reason}")]
    public static partial void ScoresNotStored(this ILogger log, int count, string reason);

    [LoggerMessage(4204, LogLevel.Error, "{Evaluator} failed on a call; the call is left unjudged. This is a bug worth reporting.")]
    public static partial void Failed(this ILogger log, Exception failure, string evaluator);
}
