using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Faultline.ClickHouse;
using Faultline.Ingest.Gateway;
using Faultline.Store.Traces;
using Faultline.Telemetry;
using Faultline.Telemetry.Spans;
using Microsoft.Extensions.Logging;

namespace Faultline.Ingest.Pipeline;

/// <summary>How often the way of a span is tried.</summary>
public sealed record CanaryOptions
{
    /// <summary>Zero: never.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A span that is not acknowledged, or not found, within so long has failed.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(10);

    public IEnumerable<string> Problems()
    {
        if (Interval > TimeSpan.Zero && Interval < TimeSpan.FromSeconds(1))
        {
            yield return "canary.interval: is at least 1s, or 0s for no canary.";
        }
    }
}

/// <summary>
/// Sends one span the way of all spans, from its bytes on, and reads it back by the query behind a trace's page; how long both take is
/// a metric all the time, also when nobody sends anything.
/// </summary>
/// <param name="pipeline">One of its own on the same writer, so that what users sent is counted, redacted and forwarded without it.</param>
/// <remarks>
/// It begins behind the doors: those have TLS, client certificates and keys of the operator's, who can change them at any time, and
/// what they let in is counted by user. Its project is <see cref="TelemetryBatch.CanaryProject"/>.
/// </remarks>
public sealed class Canary(IngestPipeline pipeline, TraceStore traces, CanaryOptions options, TimeProvider time, ILogger<Canary> log)
{
    private static readonly GatewayIdentity Identity = new(TelemetryBatch.CanaryProject);
    private static readonly TimeSpan LookAgainAfter = TimeSpan.FromMilliseconds(100);

    private bool _failing;

    public CanaryFigures Figures { get; } = new();

    /// <summary>Works until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        using var timer = new PeriodicTimer(options.Interval, time);
        do
        {
            await FlyAsync(cancel);
        }
        while (await timer.WaitForNextTickAsync(cancel));
    }

    /// <summary>One span there and back. What goes wrong is counted and, the first time in a row, said in the log.</summary>
    public async Task FlyAsync(CancellationToken cancel = default)
    {
        var started = time.GetTimestamp();
        var trace = TraceId.FromBytes(RandomNumberGenerator.GetBytes(16));
        Figures.Sent();
        if (await WriteAsync(trace, cancel) is { } unwritten)
        {
            Fail(CanaryStage.Write, unwritten);
            return;
        }

        Figures.Durable(time.GetElapsedTime(started));
        if (await ReadAsync(trace, cancel) is { } unread)
        {
            Fail(CanaryStage.Read, unread);
            return;
        }

        Figures.Readable(time.GetElapsedTime(started), time.GetUtcNow());
        if (_failing)
        {
            _failing = false;
            log.CanaryBack();
        }
    }

    /// <returns>Why it is not durable, or null.</returns>
    private async Task<string?> WriteAsync(TraceId trace, CancellationToken cancel)
    {
        using var patience = new CancellationTokenSource(options.Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, patience.Token);
        try
        {
            return await pipeline.AcceptAsync(Identity, Signal.Traces, Body(trace), json: true, "http", either.Token) switch
            {
                Admission.Durable { Accepted: 1 } => null,
                Admission.TryLater later => later.Reason,
                Admission.Unavailable unavailable => unavailable.Reason,
                var other => other.ToString(),
            };
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return TooLong;
        }
    }

    /// <returns>Why it is not found, or null.</returns>
    private async Task<string?> ReadAsync(TraceId trace, CancellationToken cancel)
    {
        using var patience = new CancellationTokenSource(options.Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, patience.Token);
        try
        {
            while ((await traces.SpansOfAsync(TelemetryBatch.CanaryProject, trace, either.Token)).Count == 0)
            {
                await Task.Delay(LookAgainAfter, time, either.Token);
            }

            return null;
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return TooLong;
        }
        catch (ClickHouseException failed)
        {
            return failed.Message;
        }
    }

    private string TooLong => $"it took longer than {options.Patience.TotalSeconds:F0} s";

    private void Fail(CanaryStage stage, string reason)
    {
        Figures.Failed(stage);
        if (!_failing)
        {
            _failing = true;
            log.CanaryFailed(stage is CanaryStage.Write ? "written" : "read back", reason);
        }
    }

    private byte[] Body(TraceId trace)
    {
        var nanos = ((time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100).ToString(CultureInfo.InvariantCulture);
        return Encoding.UTF8.GetBytes($$$"""
            {"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"faultline"}}]},
             "scopeSpans":[{"spans":[{"traceId":"{{{trace}}}","spanId":"00000000ca9a2900","name":"canary","kind":1,"startTimeUnixNano":"{{{nanos}}}","endTimeUnixNano":"{{{nanos}}}"}]}]}]}
            """);
    }
}

internal static partial class CanaryLog
{
    [LoggerMessage(2401, LogLevel.Warning, "The canary span could not be {Done}: {Reason}. It is tried again; faultline_canary_failures_total counts.")]
    public static partial void CanaryFailed(this ILogger log, string done, string reason);

    [LoggerMessage(2402, LogLevel.Information, "The canary span is written and read back again.")]
    public static partial void CanaryBack(this ILogger log);
}
