using Faultline.ClickHouse;
using Faultline.Metrics.Exposition;
using Faultline.Metrics.PromQL;
using Faultline.Store;
using Faultline.Store.Samples;
using Faultline.Telemetry;
using Faultline.Telemetry.Changes;
using Faultline.Telemetry.Samples;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Faultline.Diagnosis.Changes;

/// <summary>Makes a change that was seen durable; does nothing when it is known.</summary>
public delegate Task TellChange(ChangeEvent change, CancellationToken cancel);

/// <summary>
/// Sees from committed telemetry what nobody recorded: a new service.version, model, prompt template, embedding model, index or evaluator,
/// and the return to an earlier one. Event time throughout.
/// </summary>
/// <remarks>
/// What was seen is stored as the series <see cref="ValueMetric"/>, renewed while it is seen, so a restart knows it and what is not seen for
/// <see cref="RememberedDays"/> is forgotten.
/// </remarks>
public sealed class SeenChanges : IBatchReader
{
    /// <summary>Unix seconds at which a value of an aspect was first seen, by service, environment, aspect, subject and value.</summary>
    public const string ValueMetric = "faultline_seen_value";

    /// <summary>A value that was not seen for so long counts as never seen.</summary>
    public const int RememberedDays = 30;

    /// <summary>How long an aspect must have been known before another value of it is a change.</summary>
    public static readonly TimeSpan LearnsFor = TimeSpan.FromMinutes(30);

    /// <summary>Aspects of one project, over all services.</summary>
    internal const int AspectsMax = 20_000;

    internal const long StoreEveryNanos = 6L * 3_600_000_000_000;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    /// <summary>Clocks that run ahead by more are not believed.</summary>
    private static readonly TimeSpan AheadMax = TimeSpan.FromMinutes(10);

    private const int RestoreTriesMax = 10;

    private readonly WriteSamples _write;
    private readonly SelectSeries _select;
    private readonly TellChange _tell;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, ProjectSeen> _projects = new(StringComparer.Ordinal);
    private long _told;
    private long _muted;

    public SeenChanges(WriteSamples write, SelectSeries select, TellChange tell, TimeProvider time, ILogger? log = null)
    {
        _write = write;
        _select = select;
        _tell = tell;
        _time = time;
        _log = log ?? NullLogger.Instance;
    }

    /// <summary>Forgets every value that was seen in a project.</summary>
    public void Forget(string project)
    {
        lock (_lock)
        {
            _projects.Remove(project);
        }
    }

    public bool SeesStored => true;

    public void Committed(TelemetryBatch batch)
    {
        if (batch.Spans.Count == 0 && batch.Scores.Count == 0)
        {
            return;
        }

        lock (_lock)
        {
            if (!_projects.TryGetValue(batch.Project, out var project))
            {
                _projects.Add(batch.Project, project = new ProjectSeen(batch.Project));
            }

            var latest = (_time.GetUtcNow() + AheadMax).ToUnixTimeMilliseconds() * 1_000_000;
            project.Fold(batch.Spans, latest);
            project.Fold(batch.Scores, latest);
        }
    }

    /// <summary>Works until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        using var timer = new PeriodicTimer(Interval, _time);
        while (await timer.WaitForNextTickAsync(cancel))
        {
            await AdvanceAsync(cancel);
        }
    }

    /// <summary>One round: read what is stored of projects that are new, tell what is new, store what was seen.</summary>
    public async Task AdvanceAsync(CancellationToken cancel = default)
    {
        List<ProjectSeen> projects;
        lock (_lock)
        {
            projects = [.. _projects.Values];
        }

        foreach (var project in projects)
        {
            try
            {
                if (!project.IsRestored)
                {
                    await RestoreAsync(project, cancel);
                }

                lock (_lock)
                {
                    _muted += project.Judge((long)LearnsFor.TotalSeconds * 1_000_000_000);
                }

                await TellAsync(project, cancel);
            }
            catch (Exception failed) when (failed is ClickHouseException or StoreUnavailableException or IOException)
            {
                // What was not told or stored waits for the next round.
                _log.SeenNotDone(failed, project.Project);
            }
        }
    }

    /// <summary>For the exposition on :8888.</summary>
    public IReadOnlyList<MetricFamily> Families()
    {
        lock (_lock)
        {
            return
            [
                MetricFamily.Counter("faultline_seen_changes", "Changes seen in telemetry; muted are those of an aspect that had too many.",
                    MetricFamily.Of(Interlocked.Read(ref _told), ("outcome", "told")), MetricFamily.Of(_muted, ("outcome", "muted"))),
                MetricFamily.Counter("faultline_seen_observations_dropped", "Observations that could not be followed for changes, because there are too many aspects.",
                    MetricFamily.Of(_projects.Values.Sum(project => project.OverBound))),
                MetricFamily.Gauge("faultline_seen_aspects_full", "Aspects with so many values that they tell nothing.",
                    MetricFamily.Of(_projects.Values.Sum(project => project.FullAspects))),
            ];
        }
    }

    private async Task TellAsync(ProjectSeen project, CancellationToken cancel)
    {
        // Told before it is stored as known: a crash between the two tells it again, and the book knows it by its id.
        while (project.Changes.TryPeek(out var change))
        {
            await _tell(change, cancel);
            project.Changes.Dequeue();
            Interlocked.Increment(ref _told);
            _log.Seen(change.Service, change.Detail);
        }

        SampleBatch? samples;
        lock (_lock)
        {
            samples = project.TakeSamples();
        }

        if (samples is null)
        {
            return;
        }

        try
        {
            await _write(project.Project, samples, cancel);
        }
        catch
        {
            int dropped;
            lock (_lock)
            {
                dropped = project.PutBack(samples);
            }

            if (dropped > 0)
            {
                _log.SeenDropped(dropped, project.Project);
            }

            throw;
        }
    }

    private async Task RestoreAsync(ProjectSeen project, CancellationToken cancel)
    {
        IReadOnlyList<SeriesData> stored = [];
        try
        {
            var now = _time.GetUtcNow();
            stored = await _select(
                project.Project, [new LabelMatcher(Labels.MetricName, MatchKind.Equal, ValueMetric)],
                now.AddDays(-RememberedDays).ToUnixTimeMilliseconds(), now.AddHours(1).ToUnixTimeMilliseconds(), cancel);
        }
        catch (ClickHouseException failed) when (!failed.IsTransient && ++project.RestoreTries >= RestoreTriesMax)
        {
            // It learns anew: that tells nothing wrong, only less for half an hour.
            _log.SeenNotDone(failed, project.Project);
        }

        lock (_lock)
        {
            project.Restore(stored);
        }
    }
}

/// <summary>What the watch for changes says in the log.</summary>
internal static partial class Log
{
    [LoggerMessage(4401, LogLevel.Information, "Seen in telemetry of {Service}: {Detail}")]
    public static partial void Seen(this ILogger log, string service, string detail);

    [LoggerMessage(4402, LogLevel.Warning, "Changes seen in telemetry of project {Project} could not be told or stored; trying again.")]
    public static partial void SeenNotDone(this ILogger log, Exception exception, string project);

    [LoggerMessage(4403, LogLevel.Warning, "{Dropped} values seen in telemetry of project {Project} were given up: the store has refused them for too long. After a restart they may be told as new.")]
    public static partial void SeenDropped(this ILogger log, int dropped, string project);
}
