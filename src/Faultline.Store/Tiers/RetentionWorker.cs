using Faultline.ClickHouse;
using Faultline.Store.Deletions;
using Microsoft.Extensions.Logging;

namespace Faultline.Store.Tiers;

/// <summary>Takes days out of the hot window as they leave it, and drops old metrics.</summary>
/// <param name="pins">Asked anew for every day.</param>
public sealed class RetentionWorker(RetentionStore days, RetentionOptions options, Func<Pins> pins, TimeProvider time, ILogger<RetentionWorker> log)
{
    /// <summary>How often it is looked whether a day has left.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMinutes(10);

    public RetentionFigures Figures { get; } = new();

    /// <summary>Works until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        while (true)
        {
            try
            {
                await StepAsync(cancel);
            }
            catch (Exception failed) when (failed is ClickHouseException or IOException)
            {
                // Nothing is half done: the day is gone through again.
                Figures.Failed();
                log.RetentionDelayed(failed.Message);
            }

            await Task.Delay(Interval, time, cancel);
        }
    }

    /// <summary>Goes through every day that is due.</summary>
    /// <exception cref="ClickHouseException">The engine could not; days before were done.</exception>
    public async Task StepAsync(CancellationToken cancel = default)
    {
        var started = time.GetTimestamp();
        var due = await days.DueAsync(options, cancel);
        foreach (var day in due)
        {
            var dropped = await days.TakeOutAsync(day, options, pins(), cancel);
            Figures.DayDone(dropped);
            log.DayLeft(day, dropped);
        }

        if (due.Count > 0)
        {
            await days.ForgetAsync(cancel);
        }

        if (await days.DropAsideAsync(options, pins().Held, cancel) is var aside and > 0)
        {
            log.AsideLeft(aside);
        }

        // A project under hold stays whole, and days are dropped for all projects.
        var isHeld = pins().Held.Any(scope => scope.Kind is ScopeKind.Project or ScopeKind.Before);
        if (!isHeld && await days.DropMetricsAsync(options, cancel) is var samples and > 0)
        {
            Figures.SamplesGone(samples);
            log.SamplesLeft(samples);
        }

        var kept = await days.KeptByRuleAsync(options, cancel);
        Figures.Ran(new RetentionRun(time.GetUtcNow(), time.GetElapsedTime(started), kept));
    }
}

internal static partial class RetentionLog
{
    [LoggerMessage(3601, LogLevel.Information, "{Day} has left the hot window: {Rows} rows were dropped")]
    public static partial void DayLeft(this ILogger log, DateOnly day, long rows);

    [LoggerMessage(3603, LogLevel.Information, "{Samples} samples of metrics were older than retention.metrics and were dropped")]
    public static partial void SamplesLeft(this ILogger log, long samples);

    [LoggerMessage(3604, LogLevel.Information, "{Requests} requests that were set aside have left the hot window and were deleted")]
    public static partial void AsideLeft(this ILogger log, int requests);

    [LoggerMessage(3602, LogLevel.Warning, "A day that has left the hot window waits and is tried again: {Reason}")]
    public static partial void RetentionDelayed(this ILogger log, string reason);
}
