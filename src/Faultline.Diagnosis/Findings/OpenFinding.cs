using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Watchers;
using Faultline.Telemetry.Samples;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Findings;

/// <summary>A finding that is not over: one fault, whatever it shows itself by.</summary>
internal sealed class OpenFinding
{
    public const string Baseline = "baseline";
    public const string Loop = "agent_loop";

    /// <summary>Features that are strange only together.</summary>
    public const string Joint = "joint";

    /// <summary>Unix seconds of the onset while the finding is open, 0 from when it is over; what a restart continues from.</summary>
    public const string OnsetMetric = "faultline_finding_onset_seconds";

    private const int TracesMax = 10;

    /// <summary>Windows in which a series may be silent while others are usual again, before it no longer holds a finding open.</summary>
    private const long SilentWindowsMax = 60;

    /// <summary>Windows after which a part of the requests that no longer come, while others do, no longer holds a finding open: an hour.</summary>
    private const long PartGoneWindows = 3600 / FeatureWindows.LengthSeconds;

    /// <summary>A part of half of the requests moves the whole by half as much.</summary>
    private const double PartMoreMin = 2;

    private readonly List<(ServiceFeatures Service, FeatureSeries Series)> _symptoms = [];
    private readonly List<ServiceFeatures> _together = [];
    private readonly List<TraceId> _loopTraces = [];
    private LoopingTrace? _loop;
    private int _loopToldAt;
    private int _loopUsualRun;
    private long _quietWindow = long.MinValue;
    private int _quietWindows;

    public OpenFinding(string project, ServiceFeatures service, string trigger, long onsetSeconds, long detectedSeconds, string? id = null)
    {
        Project = project;
        Service = service;
        Trigger = trigger;
        OnsetSeconds = onsetSeconds;
        DetectedSeconds = detectedSeconds;
        Id = id ?? IdOf(project, service.Environment, service.Service, trigger, onsetSeconds);
        StoredLabels = Labels.Of(
            (Labels.MetricName, OnsetMetric), ("finding", Id), ("service_name", service.Service), ("environment", service.Environment), ("trigger", trigger));
    }

    public string Id { get; }

    public string Project { get; }

    public ServiceFeatures Service { get; }

    public string Trigger { get; private set; }

    public long OnsetSeconds { get; }

    public long DetectedSeconds { get; }

    /// <summary>Has something to tell that was not told.</summary>
    public bool Untold { get; set; }

    /// <summary>An agent loop is part of it.</summary>
    public bool HasLoop => _loop is not null;

    public bool HasSymptoms => _symptoms.Count > 0 || _loop is not null || _together.Count > 0;

    public bool Concerns(ServiceFeatures service) => ReferenceEquals(Service, service) || _symptoms.Exists(symptom => ReferenceEquals(symptom.Service, service)) || _together.Contains(service);

    /// <summary>The first 16 hexadecimal digits of SHA-256 over project, environment, service, trigger and the minute of the onset.</summary>
    public static string IdOf(string project, string environment, string service, string trigger, long onsetSeconds)
    {
        var minute = (onsetSeconds / 60).ToString(CultureInfo.InvariantCulture);
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', project, environment, service, trigger, minute)));
        return "fnd-" + Convert.ToHexStringLower(hash.AsSpan(0, 8));
    }

    /// <summary>The series that remembers it. The trigger it was opened by stays in it, whatever joins later.</summary>
    public Labels StoredLabels { get; }

    public void Add(ServiceFeatures service, FeatureSeries series)
    {
        if (!_symptoms.Contains((service, series)))
        {
            _symptoms.Add((service, series));
            Untold = true;
        }
    }

    /// <summary>What features show by themselves, or a loop, is not told again of all together: it neither adds to the finding nor holds it open.</summary>
    public void Add(ServiceFeatures service)
    {
        if (_symptoms.Count == 0 && _loop is null && !_together.Contains(service))
        {
            _together.Add(service);
            Untold = true;
        }
    }

    public void Add(LoopingTrace loop)
    {
        if (_loop is null)
        {
            Trigger = Loop;
            Untold = true;
        }

        if (!_loopTraces.Contains(loop.Trace) && _loopTraces.Count < TracesMax)
        {
            _loopTraces.Add(loop.Trace);

            // Told again when their number has doubled: more of the same is no news.
            Untold |= int.IsPow2(_loopTraces.Count);
        }

        if (_loop is null || loop.Repeats > _loop.Repeats)
        {
            _loop = loop;
        }

        // Told again when the number has doubled, not at every call.
        if (loop.Repeats >= 2 * _loopToldAt)
        {
            _loopToldAt = loop.Repeats;
            Untold = true;
        }

        _loopUsualRun = 0;
    }

    /// <summary>
    /// Notes a closed window of a service. A finding continued from an earlier process has no symptoms until they show again; when
    /// they do not, because the fault ended while nobody looked, enough windows with data say so.
    /// </summary>
    public void NoteWindow(ServiceFeatures service, Feature feature, long window, double count)
    {
        if (HasSymptoms || !ReferenceEquals(service, Service) || window <= _quietWindow || count <= 0)
        {
            return;
        }

        if (!string.Equals(Trigger, Loop, StringComparison.Ordinal) || ReferenceEquals(feature, FeatureTable.MaxToolRepeats))
        {
            _quietWindow = window;
            _quietWindows++;
        }
    }

    /// <summary>Notes a closed window of the loop's own feature.</summary>
    public void NoteRepeats(ServiceFeatures service, double repeats, double traces, bool corrects)
    {
        if (_loop is null || !ReferenceEquals(service, _loop.Service))
        {
            return;
        }

        if (repeats >= _loop.Threshold)
        {
            _loopUsualRun = 0;
        }
        else if (traces > 0 && !corrects)
        {
            _loopUsualRun++;
        }
    }

    /// <summary>Everything it showed itself by is usual again, with data.</summary>
    /// <param name="window">The newest closed window of its service.</param>
    public bool IsOver(long window)
    {
        if (!HasSymptoms)
        {
            return _quietWindows >= Detectors.Deviation.UsualToClear && !(string.Equals(Trigger, Joint, StringComparison.Ordinal) && Service.Joint.IsLikely);
        }

        if (_loop is not null && _loopUsualRun < Detectors.Deviation.UsualToClear)
        {
            return false;
        }

        var anyUsual = _loop is not null;
        if (_symptoms.Count == 0)
        {
            foreach (var service in _together)
            {
                if (!service.Joint.Abnormal)
                {
                    anyUsual = true;
                }
                else if (window - service.Joint.LastIndex <= SilentWindowsMax)
                {
                    return false;
                }
            }
        }

        foreach (var (_, series) in _symptoms)
        {
            if (!series.Detector.Abnormal || (series.Segment is not null && window - series.Detector.LastIndex > PartGoneWindows))
            {
                anyUsual = true;
            }
            else if (window - series.Detector.LastIndex <= SilentWindowsMax)
            {
                return false;
            }
        }

        return anyUsual;
    }

    /// <summary>The class that its symptoms point to by now; null while it has none.</summary>
    public FailureClass? FailureClass => HasSymptoms ? ToFinding().FailureClass : null;

    /// <summary>As it is told to whoever opens cases. Needs <see cref="HasSymptoms"/>.</summary>
    public Finding ToFinding()
    {
        // What the whole service shows is told again of a part of it only where that is what moves the whole; then it comes first.
        var ordered = _symptoms.Where(symptom => WholeOf(symptom.Series) is not { } whole || Moved(symptom.Series) >= PartMoreMin * Moved(whole))
            .OrderByDescending(symptom => Rank(symptom.Series)).ThenBy(symptom => Math.Min(symptom.Series.Detector.OnsetIndex, WholeOf(symptom.Series)?.Detector.OnsetIndex ?? long.MaxValue))
            .ThenByDescending(static symptom => symptom.Series.Segment is not null).ToList();
        List<Symptom> symptoms = [];
        List<TraceId> bad = [];
        List<TraceId> good = [];
        string title;
        string query;
        if (_loop is { } loop)
        {
            symptoms.Add(LoopSymptom(loop));
            bad.AddRange(_loopTraces);
            foreach (var trace in loop.Service.ToolTraces.NewestFirst)
            {
                if (good.Count < TracesMax && !bad.Contains(trace))
                {
                    good.Add(trace);
                }
            }

            title = $"{Who(loop)} repeats {Tool(loop)} with the same arguments";
            query = Verification.NoLoop(loop.Service, loop.Service.SeriesOf(FeatureTable.MaxToolRepeats, "")!, loop.Threshold);
        }
        else if (ordered.Count == 0)
        {
            var service = _together[0];
            var joint = service.Joint;
            var at = FeatureWindows.EndSeconds(joint.LastIndex);
            symptoms.AddRange(joint.Telling.Select(one => Sentences.SymptomOf(service, one, at)));
            foreach (var one in joint.Telling)
            {
                one.Series.Examples(joint.OnsetIndex, bad, good, TracesMax);
            }

            title = Sentences.Together(service, joint.Telling, symptoms, joint.Parted);
            query = Verification.Back(service, joint.Telling);
        }
        else
        {
            var (service, series) = ordered[0];
            title = Sentences.Capital(Sentences.SymptomOf(service, series).Words);
            if (series.Feature.Stage is Stage.Output or Stage.Retrieve && LooksGreen())
            {
                title += " while latency and errors stayed usual";
            }

            query = Verification.Back(service, series);
        }

        foreach (var (service, series) in ordered)
        {
            symptoms.Add(Sentences.SymptomOf(service, series));
            if (_loop is null)
            {
                series.Examples(series.Detector.OnsetIndex, bad, good, TracesMax);
            }
        }

        return new Finding
        {
            Id = Id,
            Project = Project,
            Environment = Service.Environment,
            Service = Service.Service,
            Trigger = Trigger,
            Title = title,
            FailureClass = Classification.Of(symptoms),
            OnsetAt = DateTimeOffset.FromUnixTimeSeconds(OnsetSeconds),
            DetectedAt = DateTimeOffset.FromUnixTimeSeconds(DetectedSeconds),
            Symptoms = symptoms,
            BadTraces = bad,
            GoodTraces = good.Where(trace => !bad.Contains(trace)).ToList(),
            VerificationQuery = query,
        };
    }

    /// <summary>The series of all requests, where it is a symptom too.</summary>
    private FeatureSeries? WholeOf(FeatureSeries part) => part.Whole is { } whole && _symptoms.Exists(other => ReferenceEquals(other.Series, whole)) ? whole : null;

    private static double Moved(FeatureSeries series) => Math.Abs(series.Detector.ObservedScaled - series.Detector.Expected.Centre);

    private bool LooksGreen()
    {
        var latency = Service.Find(FeatureTable.LatencyP50, "");
        var errors = Service.Find(FeatureTable.ErrorRate, "");
        return latency is { Detector: { Abnormal: false, Baseline.MayAlarm: true } } && errors is { Detector: { Abnormal: false, Baseline.MayAlarm: true } };
    }

    private static string Who(LoopingTrace loop) => Sentences.Capital(loop.Agent.Length > 0 ? loop.Agent : loop.Service.Service);

    private static string Tool(LoopingTrace loop) => loop.Tool.Length > 0 ? loop.Tool : "a tool";

    private static Symptom LoopSymptom(LoopingTrace loop)
    {
        var usual = double.IsFinite(loop.UsualMax) ? loop.UsualMax : 1;
        var words = $"{Tool(loop)} was called {loop.Repeats} times with the same arguments in one trace of {loop.Service.Service}"
            + (double.IsFinite(loop.UsualMax) ? $" (usually at most {Sentences.Number(Math.Ceiling(loop.UsualMax))})" : "");
        return new Symptom(
            FeatureTable.MaxToolRepeats.Name, words,
            Sentences.Selector(FeatureWindows.ValueMetric, loop.Service.Service, loop.Service.Environment, FeatureTable.MaxToolRepeats, ""),
            usual, 0, loop.Threshold, loop.Repeats, "calls");
    }

    /// <summary>What a user of the system notices comes first: answers, then errors, then waiting, then what explains them.</summary>
    private static int Rank(FeatureSeries series) => series.Feature switch
    {
        { IsPoorScore: true } => 4,
        { Stage: Stage.Output } => 5,
        _ when series.Feature == FeatureTable.SlowCalls => 1,
        { Stage: Stage.Whole, Statistic: Statistic.Share } => 4,
        { Stage: Stage.Whole } => 3,
        { Stage: Stage.Retrieve } => 2,
        _ => 1,
    };
}
