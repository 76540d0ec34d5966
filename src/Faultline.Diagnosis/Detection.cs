using System.Threading.Channels;
using Faultline.ClickHouse;
using Faultline.Diagnosis.Findings;
using Faultline.Diagnosis.Rules;
using Faultline.Diagnosis.Topics;
using Faultline.Metrics.PromQL;
using Faultline.Store;
using Faultline.Store.Samples;
using Faultline.Telemetry;
using Faultline.Telemetry.Changes;
using Faultline.Telemetry.Samples;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Faultline.Diagnosis;

/// <summary>Makes samples durable: <see cref="SampleStore.WriteAsync"/>, or a caller's own.</summary>
public delegate Task WriteSamples(string project, SampleBatch batch, CancellationToken cancel);

/// <summary>What detection counted since the process began.</summary>
/// <param name="Services">Services with features.</param>
/// <param name="Series">Feature series.</param>
/// <param name="OpenWindows">Windows of event time that wait for more.</param>
/// <param name="TooLate">Observations that came after their window was stored and forgotten.</param>
/// <param name="OverBound">Observations not taken because a bound on services or series was reached.</param>
/// <param name="SamplesDropped">Feature samples given up because the store took none for too long.</param>
/// <param name="OpenFindings">Findings not over.</param>
public sealed record DetectionFigures(int Services, int Series, int OpenWindows, long TooLate, long OverBound, long SamplesDropped, int OpenFindings);

/// <summary>
/// Folds committed batches into features by event time, keeps baselines, runs detectors and watchers, and says what it
/// found. Event time throughout: a day replayed in a minute gives the findings of the day lived.
/// </summary>
/// <remarks>
/// A batch is folded when it is committed, which is cheap; windows are closed, judged and written by the loop of
/// <see cref="RunAsync"/>. What earlier processes stored of a project is read when its first batch comes.
/// </remarks>
public sealed class Detection : IBatchReader
{
    /// <summary>How often windows are looked at.</summary>
    internal static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);

    /// <summary>A window is stored this long after its first observation came, at the latest; younger ones are shown again after a start.</summary>
    public static readonly TimeSpan OpenWindowsMax = TimeSpan.FromMinutes(1);

    /// <summary>News waiting for their reader. They are few; a reader that is gone must not stop detection.</summary>
    private const int NewsMax = 10_000;

    /// <summary>Refusals of the stored findings' query after which it is an error of ours and ends the process.</summary>
    private const int RestoreTriesMax = 10;

    private static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(2);

    private readonly WriteSamples _write;
    private readonly SelectSeries _select;
    private readonly TimeProvider _time;
    private readonly IReadOnlyList<UserRule> _rules;
    private readonly ILogger _log;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, ProjectDetection> _projects = new(StringComparer.Ordinal);
    private readonly Channel<FindingNews> _news = Channel.CreateBounded<FindingNews>(new BoundedChannelOptions(NewsMax) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });

    public Detection(TelemetryStore store, TimeProvider time, ILogger<Detection>? log = null, IReadOnlyList<UserRule>? rules = null)
        : this(
            (project, batch, cancel) => store.Samples.WriteAsync(project, batch, cancel),
            (project, matchers, from, to, cancel) => store.Samples.SelectAsync(project, matchers, from, to, cancel),
            time,
            log,
            rules)
    {
    }

    /// <summary>On samples of the caller's own: a replay that writes in larger pieces, or a test.</summary>
    public Detection(WriteSamples write, SelectSeries select, TimeProvider time, ILogger? log = null, IReadOnlyList<UserRule>? rules = null)
    {
        _rules = rules ?? [];
        _write = write;
        _select = select;
        _time = time;
        _log = log ?? NullLogger.Instance;
    }

    /// <summary>Findings as they are raised and cleared; one reader. What they cite is stored by then.</summary>
    public ChannelReader<FindingNews> News => _news.Reader;

    /// <summary>What was counted so far.</summary>
    public DetectionFigures Figures
    {
        get
        {
            lock (_lock)
            {
                var services = _projects.Values.SelectMany(project => project.Features.Services).ToList();
                return new DetectionFigures(
                    services.Count,
                    services.Sum(service => service.Series.Count),
                    services.Sum(service => service.OpenWindows),
                    services.Sum(service => service.TooLate),
                    services.Sum(service => service.Unseries) + _projects.Values.Sum(project => project.Features.Unserviced),
                    _projects.Values.Sum(project => project.SamplesDropped),
                    _projects.Values.Sum(project => project.OpenFindings));
            }
        }
    }

    /// <summary>Forgets all that was learnt of a project; what comes of it from now on is seen for the first time.</summary>
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
            ProjectOf(batch.Project).Fold(batch, _time.GetUtcNow());
        }
    }

    private ProjectDetection ProjectOf(string name)
    {
        if (!_projects.TryGetValue(name, out var project))
        {
            _projects.Add(name, project = new ProjectDetection(name, _rules));
        }

        return project;
    }

    /// <summary>Notes a recorded change; a project or service that sent nothing yet has nothing to compare.</summary>
    public void Changed(ChangeEvent change)
    {
        lock (_lock)
        {
            if (_projects.TryGetValue(change.Project, out var project))
            {
                project.Changed(change);
            }
        }
    }

    /// <summary>Takes in what topic watching found: series, and findings that join those that are open.</summary>
    internal void Take(string project, TopicReport report)
    {
        lock (_lock)
        {
            ProjectOf(project).Take(report);
        }
    }

    /// <summary>Works until cancelled; then closes and writes what is open, so that a clean stop loses nothing.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        using var timer = new PeriodicTimer(Interval, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancel))
            {
                await AdvanceAsync(cancel: cancel);
            }
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            await AdvanceAsync(everything: true, CancellationToken.None);
        }
    }

    /// <summary>One round: read the history of projects that are new, close what is due, write, tell.</summary>
    public async Task AdvanceAsync(bool everything = false, CancellationToken cancel = default)
    {
        List<ProjectDetection> projects;
        lock (_lock)
        {
            projects = [.. _projects.Values];
        }

        foreach (var project in projects)
        {
            if (!project.IsRestored && !await RestoreAsync(project, cancel))
            {
                continue;
            }

            SampleBatch? samples;
            IReadOnlyList<FindingNews> news;
            lock (_lock)
            {
                project.Advance(_time.GetUtcNow(), everything);
                samples = project.TakeSamples();
            }

            // Evidence before claim: the series that a finding cites are durable when it is told.
            if (samples is not null && !await WriteAsync(project, samples, cancel))
            {
                continue;
            }

            lock (_lock)
            {
                news = project.TakeNews();
            }

            foreach (var one in news)
            {
                Publish(one);
            }
        }
    }

    private async Task<bool> RestoreAsync(ProjectDetection project, CancellationToken cancel)
    {
        try
        {
            var to = _time.GetUtcNow().AddHours(1);
            var from = to.AddDays(-ProjectDetection.RestoredDays);
            var onsets = await SelectAsync(project, OpenFinding.OnsetMetric, from, to, cancel);
            var ruleOnsets = await SelectAsync(project, RuleWatch.OnsetMetric, from, to, cancel);
            var history = new FeatureHistory();
            for (var day = from; day < to; day = day.AddDays(1))
            {
                await AddDayAsync(project, history, day, cancel);
            }

            var parts = new FeatureHistory();
            var since = to.AddHours(-1) - TimeSpan.FromSeconds(Features.FeatureWindows.SegmentsStoredFor * Features.FeatureWindows.LengthSeconds);
            parts.Add(await SelectAsync(project, Features.FeatureWindows.SegmentValueMetric, since, to, cancel), await SelectAsync(project, Features.FeatureWindows.SegmentCountMetric, since, to, cancel));

            lock (_lock)
            {
                var restored = project.Restore(onsets, ruleOnsets, history, parts);
                _log.Restored(project.Features.Project, restored.Series, restored.Windows, restored.Open);
            }

            return true;
        }
        catch (ClickHouseException exception) when (exception.IsTransient || ++project.RestoreTries < RestoreTriesMax)
        {
            _log.NotRestored(exception, project.Features.Project, RetryDelay);
            await Task.Delay(RetryDelay, _time, cancel);
            return false;
        }
    }

    private async Task AddDayAsync(ProjectDetection project, FeatureHistory history, DateTimeOffset day, CancellationToken cancel)
    {
        try
        {
            // A range includes both its ends; a sample on the border must come once.
            var last = day.AddDays(1).AddMilliseconds(-1);
            var values = await SelectAsync(project, Features.FeatureWindows.ValueMetric, day, last, cancel);
            if (values.Count > 0)
            {
                history.Add(values, await SelectAsync(project, Features.FeatureWindows.CountMetric, day, last, cancel));
            }
        }
        catch (ClickHouseException exception) when (!exception.IsTransient)
        {
            // A day that is too much to read must not keep detection from starting: it starts with what the other days teach.
            _log.DayNotRestored(exception, project.Features.Project, day);
        }
    }

    private Task<IReadOnlyList<SeriesData>> SelectAsync(ProjectDetection project, string metric, DateTimeOffset from, DateTimeOffset to, CancellationToken cancel) =>
        _select(project.Features.Project, [new LabelMatcher(Labels.MetricName, MatchKind.Equal, metric)], from.ToUnixTimeMilliseconds(), to.ToUnixTimeMilliseconds(), cancel);

    private async Task<bool> WriteAsync(ProjectDetection project, SampleBatch samples, CancellationToken cancel)
    {
        try
        {
            await _write(project.Features.Project, samples, cancel);
            return true;
        }
        catch (Exception exception) when (exception is ClickHouseException or StoreUnavailableException)
        {
            int dropped;
            lock (_lock)
            {
                dropped = project.PutBack(samples);
            }

            if (dropped > 0)
            {
                _log.Dropped(project.Features.Project, dropped);
            }

            _log.NotWritten(exception, project.Features.Project, samples.Count, RetryDelay);
            await Task.Delay(RetryDelay, _time, cancel);
            return false;
        }
    }

    private void Publish(FindingNews news)
    {
        switch (news)
        {
            case FindingNews.Raised raised:
                _log.Raised(raised.Finding.Id, raised.Finding.Title);
                break;
            case FindingNews.Cleared cleared:
                _log.Cleared(cleared.FindingId);
                break;
        }

        _news.Writer.TryWrite(news);        // drops the oldest when nobody reads; never fails while open
    }
}
