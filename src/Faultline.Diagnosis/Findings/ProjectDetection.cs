using Faultline.Diagnosis.Detectors;
using Faultline.Diagnosis.Detectors.Joint;
using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Rules;
using Faultline.Diagnosis.Topics;
using Faultline.Store.Samples;
using Faultline.Telemetry;
using Faultline.Telemetry.Changes;
using Faultline.Telemetry.Samples;

namespace Faultline.Diagnosis.Findings;

/// <summary>Detection of one project: features, their baselines, and the findings that are open. Not thread-safe.</summary>
internal sealed class ProjectDetection(string project, IReadOnlyList<UserRule> rules) : IWindowSink
{
    /// <summary>Findings open at once; more symptoms than that are one outage, not more cases.</summary>
    internal const int OpenMax = 500;

    /// <summary>Symptoms of services that share traces belong together when they begin this close to each other.</summary>
    private const long TogetherSeconds = 300;

    /// <summary>A fault that is open shows itself in services down the line for so long after its onset: some grow slowly.</summary>
    private const long SpreadSeconds = 5400;

    /// <summary>Wall time without new data after which windows close as if it had gone on.</summary>
    private static readonly TimeSpan IdleMin = TimeSpan.FromSeconds(2);

    /// <summary>How long before its window closes a request is looked at as a whole.</summary>
    private const long SettleNanos = 2_000_000_000;

    private readonly List<OpenFinding> _open = [];
    private readonly RuleWatch _rules = new(project, rules);
    private readonly List<FindingNews> _news = [];
    private readonly List<(ServiceFeatures Service, FeatureSeries Series)> _raised = [];
    private readonly List<ServiceFeatures> _raisedTogether = [];
    private readonly WaitingSamples _samples = new();

    public ProjectFeatures Features { get; } = new(project);

    public bool IsRestored { get; private set; }

    /// <summary>How often reading its history was refused.</summary>
    public int RestoreTries { get; set; }

    /// <summary>Samples given up because the store took none for too long.</summary>
    public long SamplesDropped => _samples.Dropped;

    public int OpenFindings => _open.Count;

    public bool HasWork => _samples.Batch.Count > 0 || _news.Count > 0;

    public void Fold(TelemetryBatch batch, DateTimeOffset now)
    {
        if (batch.Spans.Count > 0)
        {
            Features.Fold(batch.Spans, now);
        }

        if (batch.Scores.Count > 0)
        {
            Features.Fold(batch.Scores, now);
        }
    }

    /// <summary>Closes what is due and draws the conclusions.</summary>
    /// <param name="everything">At shutdown: closes every window, whether it is over or not, so that nothing folded is lost.</param>
    public void Advance(DateTimeOffset now, bool everything = false)
    {
        // A request is looked at as a whole a little before its window closes.
        Features.SettleRoots((service, end) => everything || end <= Watermark(service, now) + SettleNanos);
        foreach (var service in Features.Services)
        {
            if (service.NewestUnixNanos != long.MinValue)
            {
                service.Advance(everything ? long.MaxValue : Watermark(service, now), Learns, this);
            }
        }

        foreach (var loop in Features.TakeLoops())
        {
            Take(loop);
        }

        foreach (var (service, series) in _raised.OrderBy(raised => raised.Series.Detector.OnsetIndex))
        {
            Take(service, series);
        }

        _raised.Clear();

        // What a feature shows by itself in the same round comes first.
        foreach (var service in _raisedTogether)
        {
            Host(service, OpenFinding.Joint, FeatureWindows.StartSeconds(service.Joint.OnsetIndex), FeatureWindows.EndSeconds(service.Joint.LastIndex))?.Add(service);
        }

        _raisedTogether.Clear();
        Tell();
        _rules.Tell(HostOf, _news, _samples.Batch);
    }

    /// <summary>Notes a change of a service: it and those that work with it are looked at more closely for a while.</summary>
    public void Changed(ChangeEvent change)
    {
        foreach (var changed in Features.Services.Where(one => string.Equals(one.Service, change.Service, StringComparison.Ordinal)).ToList())
        {
            if (!change.IsSeen && string.Equals(change.Type, "model", StringComparison.Ordinal))
            {
                changed.ModelChosen();
            }

            foreach (var other in Features.Services)
            {
                if (ReferenceEquals(changed, other) || Features.Linked(changed, other))
                {
                    other.Changed(change.At);
                }
            }
        }
    }

    /// <summary>
    /// Takes in what topics show. A finding on a service in trouble, or on one that works with it, is of that trouble's case: what is said changes with the fault.
    /// </summary>
    public void Take(TopicReport report)
    {
        _samples.Batch.AddAll(report.Samples);
        foreach (var news in report.News)
        {
            _news.Add(news is FindingNews.Raised { Finding: var finding } && HostOf(finding) is { FailureClass: { } failureClass } host
                ? new FindingNews.Raised(finding with { Service = host.Service.Service, FailureClass = failureClass })
                : news);
        }
    }

    private OpenFinding? HostOf(Finding finding) =>
        Features.Service(finding.Service, finding.Environment) is { } service
            ? _open.Find(open => open.HasSymptoms && open.Concerns(service)) ?? _open.Find(open => open.HasSymptoms && Features.Linked(open.Service, service))
            : null;

    /// <summary>The open finding that a rule which fires for a service since then belongs to.</summary>
    private OpenFinding? HostOf(ServiceFeatures service, long onsetSeconds) =>
        _open.Find(open => open.HasSymptoms && (open.Concerns(service) || (Math.Abs(onsetSeconds - open.OnsetSeconds) <= TogetherSeconds && Features.Linked(open.Service, service))));

    /// <summary>Event time up to which a service's windows are over.</summary>
    private static long Watermark(ServiceFeatures service, DateTimeOffset now)
    {
        // A clock that runs ahead in one process must not close the windows of the others.
        var newest = Math.Min(service.NewestUnixNanos, now.ToUnixTimeMilliseconds() * 1_000_000);
        var idle = now - service.LastArrival;
        return newest - FeatureWindows.LatenessNanos + (idle > IdleMin ? (idle - IdleMin).Ticks * 100 : 0);
    }

    /// <summary>Takes the samples to be written before the news is told; null when there are none.</summary>
    public SampleBatch? TakeSamples() => _samples.Take();

    /// <summary>Puts samples back that could not be written.</summary>
    public int PutBack(SampleBatch unwritten) => _samples.PutBack(unwritten);

    public IReadOnlyList<FindingNews> TakeNews()
    {
        if (_news.Count == 0)
        {
            return [];
        }

        var taken = _news.ToArray();
        _news.Clear();
        return taken;
    }

    void IWindowSink.Sample(ServiceFeatures service, FeatureSeries series, long window, double value, double count, bool corrects)
    {
        var millis = FeatureWindows.EndMillis(window);
        _samples.Batch.Add(series.ValueLabels, millis, value);
        _samples.Batch.Add(series.CountLabels, millis, count);
        if (_rules.HasRules && !corrects)
        {
            _rules.Sample(service, series, window, value, count);
        }

        foreach (var finding in _open)
        {
            finding.NoteWindow(service, series.Feature, window, count);
        }

        if (ReferenceEquals(series.Feature, FeatureTable.MaxToolRepeats))
        {
            foreach (var finding in _open)
            {
                finding.NoteRepeats(service, value, count, corrects);
            }
        }
    }

    void IWindowSink.Store(FeatureSeries series, long window, double value, double count)
    {
        var millis = FeatureWindows.EndMillis(window);
        _samples.Batch.Add(series.ValueLabels, millis, value);
        _samples.Batch.Add(series.CountLabels, millis, count);
    }

    void IWindowSink.Turned(ServiceFeatures service, FeatureSeries series, Turn turn, long window)
    {
        if (turn == Turn.Raised)
        {
            _raised.Add((service, series));
        }
    }

    void IWindowSink.TurnedTogether(ServiceFeatures service, Turn turn)
    {
        if (turn == Turn.Raised)
        {
            _raisedTogether.Add(service);
        }
    }

    /// <summary>What happens under a finding is not usual, for a day; a fault that nobody minds for longer becomes usual.</summary>
    private bool Learns(ServiceFeatures service, long window)
    {
        foreach (var finding in _open)
        {
            if (finding.Concerns(service) && FeatureWindows.EndSeconds(window) is var end && end > finding.OnsetSeconds && end - finding.OnsetSeconds < AbnormalPeriods.UnusualSecondsMax)
            {
                return false;
            }
        }

        return true;
    }

    private void Take(ServiceFeatures service, FeatureSeries series) =>
        Host(service, OpenFinding.Baseline, FeatureWindows.StartSeconds(series.Detector.OnsetIndex), FeatureWindows.EndSeconds(series.Detector.LastIndex))?.Add(service, series);

    /// <summary>The open finding that a symptom of a service belongs to, or a new one; null when there are too many.</summary>
    private OpenFinding? Host(ServiceFeatures service, string trigger, long onset, long detected) =>
        _open.Find(open => open.Concerns(service) && !open.HasLoop)
            ?? _open.Find(open => open.Concerns(service))
            ?? _open.Find(open => onset >= open.OnsetSeconds - TogetherSeconds && onset - open.OnsetSeconds <= SpreadSeconds && Features.Linked(open.Service, service))
            ?? Open(service, trigger, onset, detected);

    private void Take(Watchers.LoopingTrace loop)
    {
        var onset = loop.OnsetUnixNanos / 1_000_000_000;
        var finding = _open.Find(open => open.HasLoop && open.Concerns(loop.Service))
            ?? _open.Find(open => open.Concerns(loop.Service) && (Math.Abs(open.OnsetSeconds - onset) <= TogetherSeconds || string.Equals(open.Trigger, OpenFinding.Loop, StringComparison.Ordinal)))
            ?? _open.Find(open => Math.Abs(open.OnsetSeconds - onset) <= TogetherSeconds && Features.Linked(open.Service, loop.Service))
            ?? Open(loop.Service, OpenFinding.Loop, onset, Math.Max(loop.SeenUnixNanos, loop.Service.NewestUnixNanos) / 1_000_000_000);
        finding?.Add(loop);
    }

    private OpenFinding? Open(ServiceFeatures service, string trigger, long onsetSeconds, long detectedSeconds)
    {
        if (_open.Count >= OpenMax)
        {
            return null;
        }

        var finding = new OpenFinding(Features.Project, service, trigger, onsetSeconds, detectedSeconds);
        _open.Add(finding);
        _samples.Batch.Add(finding.StoredLabels, detectedSeconds * 1000, onsetSeconds);
        return finding;
    }

    private void Tell()
    {
        for (var i = _open.Count - 1; i >= 0; i--)
        {
            var finding = _open[i];
            if (finding is { Untold: true, HasSymptoms: true })
            {
                finding.Untold = false;
                _news.Add(new FindingNews.Raised(finding.ToFinding()));
            }

            var newest = FeatureWindows.IndexOf(finding.Service.NewestUnixNanos);
            if (finding.Service.NewestUnixNanos != long.MinValue && finding.IsOver(newest))
            {
                var at = Math.Max(FeatureWindows.EndSeconds(newest), finding.DetectedSeconds + 1);
                _open.RemoveAt(i);
                _samples.Batch.Add(finding.StoredLabels, at * 1000, 0);
                _news.Add(new FindingNews.Cleared(finding.Id, DateTimeOffset.FromUnixTimeSeconds(at)));
            }
        }
    }

    /// <summary>Days of feature samples that baselines are rebuilt from.</summary>
    internal const int RestoredDays = 14;

    /// <summary>Rebuilds baselines, detectors and open findings from what earlier processes stored.</summary>
    /// <param name="onsets">Series of <see cref="OpenFinding.OnsetMetric"/>.</param>
    /// <param name="ruleOnsets">Series of <see cref="RuleWatch.OnsetMetric"/>.</param>
    /// <param name="parts">What is stored of segments, of the last day.</param>
    public RestoredFigures Restore(IReadOnlyList<SeriesData> onsets, IReadOnlyList<SeriesData> ruleOnsets, FeatureHistory history, FeatureHistory parts)
    {
        var abnormal = new AbnormalPeriods();
        foreach (var stored in onsets)
        {
            Restore(stored, abnormal);
        }

        var windows = 0L;
        var togetherFrom = TogetherFrom(history);
        foreach (var (labels, samples) in history.Series)
        {
            windows += samples.Count;
            Restore(labels, samples, abnormal, togetherFrom);
        }

        foreach (var (environment, service) in togetherFrom.Keys)
        {
            Features.Service(service, environment)?.Joint.Relearn();
        }

        foreach (var finding in _open.Where(finding => string.Equals(finding.Trigger, OpenFinding.Joint, StringComparison.Ordinal)))
        {
            finding.Service.Joint.Resume(FeatureWindows.IndexOf(finding.OnsetSeconds * 1_000_000_000));
        }

        foreach (var (labels, samples) in parts.Series)
        {
            RestorePart(labels, samples);
        }

        // What is abnormal at the end of the history is so now: with its finding when that is known, else with a new one of the same id.
        foreach (var service in Features.Services)
        {
            foreach (var series in service.Series)
            {
                if (series.Detector.Abnormal)
                {
                    _raised.Add((service, series));
                }
            }
        }

        _rules.Restore(ruleOnsets, Features, _news, _samples.Batch);
        IsRestored = true;
        return new RestoredFigures(history.Series.Count, windows, _open.Count);
    }

    /// <summary>From which window on the features of a service are learnt together again: the last ones, as many as are remembered.</summary>
    private static Dictionary<(string Environment, string Service), long> TogetherFrom(FeatureHistory history)
    {
        Dictionary<(string Environment, string Service), long> from = [];
        foreach (var (labels, samples) in history.Series)
        {
            var key = (labels["environment"], labels["service_name"]);
            var first = samples.Count > JointWindows.Max ? samples[^JointWindows.Max].Window : long.MinValue;
            from[key] = Math.Max(first, from.GetValueOrDefault(key, long.MinValue));
        }

        return from;
    }

    private void Restore(SeriesData stored, AbnormalPeriods abnormal)
    {
        var labels = stored.Labels;
        if (Features.Service(labels["service_name"], labels["environment"]) is { } service && abnormal.Add(stored) is { } open)
        {
            _open.Add(new OpenFinding(Features.Project, service, labels["trigger"], open.Onset, open.At, labels["finding"]));
        }
    }

    private void Restore(
        Labels labels, List<(long Window, double Value, double Count)> samples, AbnormalPeriods abnormal, Dictionary<(string Environment, string Service), long> togetherFrom)
    {
        if (FeatureTable.Find(labels["feature"]) is not { } feature || Features.Service(labels["service_name"], labels["environment"]) is not { } service)
        {
            return;
        }

        foreach (var judged in FeatureTable.JudgedBy(feature))
        {
            if (service.SeriesOf(judged, feature.Dimension is { } name ? labels[name] : "") is { } series)
            {
                Restore(service, series, samples, abnormal, togetherFrom.GetValueOrDefault((service.Environment, service.Service)));
            }
        }
    }

    /// <summary>
    /// A segment's series is stored from when it left its band on. Under a finding that is open it is abnormal, unless what followed was usual again; else it is
    /// learnt anew as all segments are.
    /// </summary>
    private void RestorePart(Labels labels, List<(long Window, double Value, double Count)> samples)
    {
        if (FeatureTable.Find(labels["feature"]) is not { } feature || Features.Service(labels["service_name"], labels["environment"]) is not { } service
            || _open.Find(finding => finding.Concerns(service)) is not { } open)
        {
            return;
        }

        var onset = FeatureWindows.IndexOf(open.OnsetSeconds * 1_000_000_000);
        var since = samples.FindIndex(sample => sample.Window >= onset);
        foreach (var judged in since < 0 ? [] : FeatureTable.JudgedBy(feature))
        {
            if (service.SeriesOf(judged, feature.Dimension is { } name ? labels[name] : "") is { } whole && Features.PartOf(service, whole, labels["segment_key"], labels["segment"]) is { } series)
            {
                RestorePart(service, series, samples, since, onset);
            }
        }
    }

    private void RestorePart(ServiceFeatures service, FeatureSeries series, List<(long Window, double Value, double Count)> samples, int since, long onset)
    {
        for (var i = 0; i < samples.Count; i++)
        {
            if (i == since)
            {
                series.Resume(onset);
            }

            series.Detector.Step(samples[i].Window, samples[i].Value, samples[i].Count, learn: i < since);
        }

        if (series.Detector.Abnormal)
        {
            _raised.Add((service, series));
        }
    }

    private static void Restore(ServiceFeatures service, FeatureSeries series, List<(long Window, double Value, double Count)> samples, AbnormalPeriods abnormal, long togetherFrom)
    {
        foreach (var (window, value, count) in samples)
        {
            var learn = !abnormal.Contains(service.Environment, service.Service, FeatureWindows.EndSeconds(window));
            series.Detector.Step(window, value, count, learn);
            if (learn && window >= togetherFrom && series.Detector.StandardisedIndex == window)
            {
                service.Joint.Recall(window, series);
            }

            service.Restore(window);
        }
    }
}

/// <summary>What a start found in the store.</summary>
internal readonly record struct RestoredFigures(int Series, long Windows, int Open);

/// <summary>Stored feature samples, value and count together, times rising.</summary>
internal sealed class FeatureHistory
{
    private readonly Dictionary<Labels, List<(long Window, double Value, double Count)>> _series = [];

    public IReadOnlyDictionary<Labels, List<(long Window, double Value, double Count)>> Series => _series;

    /// <summary>Adds one stretch of time; stretches come in order.</summary>
    public void Add(IReadOnlyList<SeriesData> values, IReadOnlyList<SeriesData> counts)
    {
        var countOf = counts.ToDictionary(series => series.Labels.Without(Labels.MetricName));
        foreach (var series in values)
        {
            var labels = series.Labels.Without(Labels.MetricName);
            if (!countOf.TryGetValue(labels, out var count))
            {
                continue;
            }

            if (!_series.TryGetValue(labels, out var samples))
            {
                _series.Add(labels, samples = []);
            }

            var at = 0;
            for (var i = 0; i < series.Values.Length; i++)
            {
                while (at < count.UnixMillis.Length && count.UnixMillis[at] < series.UnixMillis[i])
                {
                    at++;
                }

                if (at < count.UnixMillis.Length && count.UnixMillis[at] == series.UnixMillis[i])
                {
                    samples.Add((FeatureWindows.IndexOfEndMillis(series.UnixMillis[i]), series.Values[i], count.Values[at]));
                }
            }
        }
    }
}
