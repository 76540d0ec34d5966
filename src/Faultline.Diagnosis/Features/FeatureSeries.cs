using Faultline.Diagnosis.Baselines;
using Faultline.Diagnosis.Detectors;
using Faultline.Telemetry.Samples;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Features;

/// <summary>One series of one service: a feature and, where it has one, its dimension's value.</summary>
internal sealed class FeatureSeries
{
    /// <summary>Windows that are remembered.</summary>
    private const int RecentMax = 32;

    private const double OursEvidence = 1.5;

    private readonly string _service;
    private readonly string _environment;
    private Recent[]? _recent;
    private int _recentCount;
    private Others? _others;

    public FeatureSeries(int index, string service, string environment, Feature feature, string dimension)
    {
        (Index, _service, _environment, Feature, Dimension) = (index, service, environment, feature, dimension);
        var baseline = new Baseline(feature);
        Detector = new Deviation(feature, baseline);
        Baseline = baseline;
    }

    /// <summary>The same of one segment's requests only, judged by how they compare with all.</summary>
    public FeatureSeries(FeatureSeries whole, Segment segment)
    {
        (Index, _service, _environment, Feature, Dimension) = (whole.Index, whole._service, whole._environment, whole.Feature, whole.Dimension);
        (Segment, Whole) = (segment, whole);
        var baseline = new RelativeBaseline(Feature, whole.Baseline!, whole._others ??= new Others());
        Detector = new Deviation(Feature, baseline);
        Relative = baseline;
    }

    public int Index { get; }

    public Feature Feature { get; }

    public string Dimension { get; }

    /// <summary>Whose requests it is about; null when it is about all.</summary>
    public Segment? Segment { get; }

    /// <summary>Of a segment's series, the one of all requests.</summary>
    public FeatureSeries? Whole { get; }

    public Labels ValueLabels => field ??= FeatureWindows.LabelsOf(
        Segment is null ? FeatureWindows.ValueMetric : FeatureWindows.SegmentValueMetric, _service, _environment, Feature.Of ?? Feature, Dimension, Segment);

    public Labels CountLabels => field ??= FeatureWindows.LabelsOf(
        Segment is null ? FeatureWindows.CountMetric : FeatureWindows.SegmentCountMetric, _service, _environment, Feature.Of ?? Feature, Dimension, Segment);

    public Deviation Detector { get; }

    /// <summary>Whether it is scored by our evaluators, which read words and vectors, lately.</summary>
    public bool IsOurs { get; set; }

    /// <summary>What its thresholds are multiplied by: what our evaluators see of an answer is in other series too, and their noise is wider than an application's.</summary>
    public double Evidence => (Whole ?? this).IsOurs ? OursEvidence : Feature.Evidence;

    /// <summary>What is usual for all requests; null for a segment's.</summary>
    private Baseline? Baseline { get; }

    /// <summary>What is usual for the segment; null for the series of all requests.</summary>
    public RelativeBaseline? Relative { get; }

    /// <summary>Until which window a segment's series is stored.</summary>
    public long StoredUntil { get; private set; } = long.MinValue;

    /// <summary>Of the scores of an evaluation, which are far off.</summary>
    public ScoreBound Bound => field ??= new ScoreBound(Feature);

    /// <summary>Its place among the features that are looked at together; null while it has none.</summary>
    public int? JointColumn { get; set; }

    /// <summary>The window that a segment's series was last observed in.</summary>
    public Window? SlotOf { get; set; }

    /// <summary>What it has there.</summary>
    public Accumulator? Slot { get; set; }

    /// <summary>Most recent windows end first.</summary>
    public void Remember(long window, double value, Accumulator seen) =>
        (_recent ??= new Recent[RecentMax])[_recentCount++ % RecentMax] = new Recent(window, value, seen.Count, seen.WorstTrace, seen.BestTrace);

    /// <summary>From now on its windows are stored, with those that are remembered.</summary>
    public void Store(long window, IWindowSink sink)
    {
        var isStored = window <= StoredUntil;
        StoredUntil = window + FeatureWindows.SegmentsStoredFor;
        for (var i = Math.Max(0, _recentCount - (isStored ? 1 : RecentMax)); i < _recentCount; i++)
        {
            var (at, value, count, _, _) = _recent![i % RecentMax];
            sink.Store(this, at, value, count);
        }
    }

    /// <summary>Goes on storing what an earlier process had begun to.</summary>
    public void Resume(long onset)
    {
        StoredUntil = onset + FeatureWindows.SegmentsStoredFor;
        Detector.Resume(onset);
    }

    /// <summary>Worst traces of the windows from <paramref name="onset"/> on, and best ones of those before.</summary>
    public void Examples(long onset, List<TraceId> bad, List<TraceId> good, int max)
    {
        for (var i = _recentCount - 1; i >= Math.Max(0, _recentCount - RecentMax); i--)
        {
            var (window, _, _, worst, best) = _recent![i % RecentMax];
            if (window >= onset)
            {
                AddNew(bad, worst, max);
            }
            else
            {
                AddNew(good, best, max);
            }
        }
    }

    private static void AddNew(List<TraceId> list, TraceId trace, int max)
    {
        if (list.Count < max && !trace.IsNone && !list.Contains(trace))
        {
            list.Add(trace);
        }
    }
}

/// <summary>A closed window as a series remembers it.</summary>
internal readonly record struct Recent(long Window, double Value, double Count, TraceId Worst, TraceId Best);
