using System.Security.Cryptography;
using System.Text;
using Faultline.Diagnosis.Detectors;
using Faultline.Diagnosis.Detectors.Joint;
using Faultline.Diagnosis.Watchers;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Features;

/// <summary>Receives what a closed or corrected window amounts to.</summary>
internal interface IWindowSink
{
    /// <param name="corrects">The window was closed before; this is its value with what came since.</param>
    void Sample(ServiceFeatures service, FeatureSeries series, long window, double value, double count, bool corrects);

    /// <summary>A window of one segment's requests, which is stored only.</summary>
    void Store(FeatureSeries series, long window, double value, double count);

    void Turned(ServiceFeatures service, FeatureSeries series, Turn turn, long window);

    /// <summary>All features of a service together: its <see cref="ServiceFeatures.Joint"/>.</summary>
    void TurnedTogether(ServiceFeatures service, Turn turn);
}

/// <summary>One service's features: its series, and the windows of event time that are still open or may yet be corrected.</summary>
internal sealed class ServiceFeatures(string service, string environment, string project = "")
{
    /// <summary>Series of one service; a model or tool name that is different every time cannot eat the memory.</summary>
    internal const int SeriesMax = 256;

    /// <summary>Open windows of one service; past it the one untouched for longest is closed early.</summary>
    internal const int OpenWindowsMax = 4096;

    /// <summary>Closed windows kept to be corrected by stragglers.</summary>
    internal const int CorrectableMax = 256;

    /// <summary>Observations of a request kept while nobody knows whose it is.</summary>
    internal const int WaitingMax = 256;

    private readonly Dictionary<(Feature Feature, string Dimension), FeatureSeries> _byKey = [];
    private readonly List<FeatureSeries> _series = [];
    private readonly Dictionary<long, Window> _windows = [];

    /// <summary>Those that are open, or were corrected since they were stored: all others are not looked at, and there are hundreds.</summary>
    private readonly List<Window> _pending = [];
    private readonly StoredWindows _stored = new();
    private ServiceSegments? _segments;
    private Traffic? _traffic;

    /// <summary>What comes this long after it happened is history.</summary>
    private const long PastSeconds = 600;
    private readonly List<Window> _due = [];
    private Window? _recent;
    private long _touches;
    private int _open;

    public string Service { get; } = service;

    public string Environment { get; } = environment;

    public IReadOnlyList<FeatureSeries> Series => _series;

    /// <summary>All features together, with chances of its own: the same telemetry of the same service gives the same findings.</summary>
    public JointDeviation Joint => field ??= new JointDeviation(BitConverter.ToUInt64(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', project, Environment, Service)))));

    /// <summary>Newest event time seen.</summary>
    public long NewestUnixNanos { get; private set; } = long.MinValue;

    /// <summary>When the last data came, by the server's clock.</summary>
    public DateTimeOffset LastArrival { get; set; }

    /// <summary>Observations that came after their window was stored and forgotten.</summary>
    public long TooLate { get; private set; }

    /// <summary>Observations of series beyond the bound.</summary>
    public long Unseries { get; private set; }

    public int OpenWindows => _open;

    /// <summary>Whether any stage of the chain was ever seen of its requests.</summary>
    public bool HasStages { get; private set; }

    /// <summary>Stages that spans of its own have told.</summary>
    public TraceStages OwnStages { get; set; }

    /// <summary>Recent traces with tool calls, for comparison with a looping one.</summary>
    public RecentTraces ToolTraces { get; } = new();

    /// <summary>Windows after a change in which less evidence is needed: half an hour.</summary>
    private const long ChangedWindows = 1800 / FeatureWindows.LengthSeconds;

    private long _changedWindow = long.MinValue / 2;

    /// <summary>What is slow for its calls.</summary>
    public SlowBound Slow { get; } = new();

    /// <summary>How long the stages of its requests take.</summary>
    public StageTimes StageTimes => field ??= new StageTimes();

    /// <summary>The words of its prompts.</summary>
    public KnownWords InputWords { get; } = new();

    /// <summary>The words of its answers.</summary>
    public KnownWords AnswerWords { get; } = new();

    /// <summary>The models that it asks, and their versions.</summary>
    public ModelNames Models { get; } = new();

    /// <summary>Somebody chose another model and said so: what is usual of it is learnt anew.</summary>
    public void ModelChosen()
    {
        foreach (var series in _series)
        {
            if (series.Feature == FeatureTable.ModelShare || series.Feature == FeatureTable.VersionShare)
            {
                series.Detector.Restart();
            }
        }
    }

    /// <summary>Notes that something of the service, or of one it works with, was changed.</summary>
    public void Changed(DateTimeOffset at) => _changedWindow = Math.Max(_changedWindow, FeatureWindows.IndexOf(at.ToUnixTimeMilliseconds() * 1_000_000));

    /// <summary>Clocks differ: a change may be recorded a minute later than it shows.</summary>
    private bool IsChanged(long window) => window >= _changedWindow - (60 / FeatureWindows.LengthSeconds) && window <= _changedWindow + ChangedWindows;

    /// <summary>The request whose spans are folded at the moment; null when nobody asks whose it is.</summary>
    public TraceMemory? Request { get; set; }

    /// <summary>A segment's series; null when it is not followed.</summary>
    public FeatureSeries? PartOf(FeatureSeries whole, Segment segment) => (_segments ??= new ServiceSegments()).SeriesOf(segment, whole);

    /// <summary>Observes for a segment what was observed for the service.</summary>
    public void Observe(Segment segment, FeatureSeries whole, long unixNanos, double value, TraceId trace)
    {
        if (WindowOf(FeatureWindows.IndexOf(unixNanos)) is { Closed: false } window)
        {
            (_segments ??= new ServiceSegments()).Observe(segment, whole, window, value, trace);
        }
    }

    public void Observe(Feature feature, string dimension, long unixNanos, double value, TraceId trace, int weight = 1)
    {
        if (WindowAt(unixNanos) is { } window)
        {
            Observe(window, SeriesOf(feature, dimension), unixNanos, value, trace, weight);
        }
    }

    /// <param name="series">Null when it is beyond the bound.</param>
    public void Observe(FeatureSeries? series, long unixNanos, double value, TraceId trace)
    {
        if (WindowAt(unixNanos) is { } window)
        {
            Observe(window, series, unixNanos, value, trace, weight: 1);
        }
    }

    /// <summary>The window of a time; null, and counted, when it is too late for it.</summary>
    private Window? WindowAt(long unixNanos)
    {
        // A time that was not sent, or is from before 1970: no window is right for it.
        var window = unixNanos <= 0 ? null : WindowOf(FeatureWindows.IndexOf(unixNanos));
        TooLate += window is null ? 1 : 0;
        return window;
    }

    private void Observe(Window window, FeatureSeries? series, long unixNanos, double value, TraceId trace, int weight)
    {
        if (series is null)
        {
            Unseries++;
            return;
        }

        window.Unpack(_series);
        window.Slot(series.Index, series.Feature).Add(value, trace, weight);
        if (Request is { } request && series.Feature.IsComparable)
        {
            if (request.Segment is { } segment)
            {
                Observe(segment, series, unixNanos, value, trace);
            }
            else if (request.Waiting is { Count: < WaitingMax } waiting)
            {
                waiting.Add(new WaitingObservation(this, series, unixNanos, value));
            }
        }

        if (window is { Closed: true, Dirty: false })
        {
            _pending.Add(window);
        }

        window.Dirty = true;
        window.TouchedAt = ++_touches;
        if (unixNanos > NewestUnixNanos)
        {
            NewestUnixNanos = unixNanos;
        }
    }

    /// <summary>The window, made when it is new; null when it is stored and forgotten. Nearly always the same as the last time.</summary>
    private Window? WindowOf(long index)
    {
        if (_recent is { } recent && recent.Index == index)
        {
            return recent;
        }

        if (!_windows.TryGetValue(index, out var window))
        {
            if (_stored.Contains(index))
            {
                return null;
            }

            window = new Window(index);
            _windows.Add(index, window);
            _pending.Add(window);
            _open++;
        }

        return _recent = window;
    }

    public FeatureSeries? Find(Feature feature, string dimension) => _byKey.GetValueOrDefault((feature, dimension));

    public FeatureSeries? SeriesOf(Feature feature, string dimension)
    {
        if (_byKey.TryGetValue((feature, dimension), out var series))
        {
            return series;
        }

        if (_series.Count >= SeriesMax)
        {
            return null;
        }

        series = new FeatureSeries(_series.Count, Service, Environment, feature, dimension);
        HasStages |= feature == FeatureTable.StageMissing;
        _series.Add(series);
        _byKey.Add((feature, dimension), series);
        return series;
    }

    /// <summary>Marks a window as stored by an earlier process. What was seen of it again by now is the less whole of the two.</summary>
    public void Restore(long window)
    {
        if (_stored.Contains(window))
        {
            return;
        }

        _stored.Add(window);
        if (_windows.TryGetValue(window, out var again) && !again.Closed)
        {
            _windows.Remove(window);
            _pending.Remove(again);
            _recent = null;
            _open--;
        }
    }

    /// <summary>Closes, in event-time order, every window that ends by <paramref name="watermarkUnixNanos"/>, and corrects those that changed since.</summary>
    /// <param name="learn">Whether what is closed may be learnt as usual.</param>
    public void Advance(long watermarkUnixNanos, Func<ServiceFeatures, long, bool> learn, IWindowSink sink)
    {
        if (_pending.Count == 0)
        {
            return;
        }

        foreach (var window in _pending)
        {
            if ((window.Index + 1) * FeatureWindows.LengthNanos <= watermarkUnixNanos)
            {
                _due.Add(window);
            }
        }

        CloseAll(learn, sink);
        if (_open > OpenWindowsMax)
        {
            _due.AddRange(_pending.Where(window => !window.Closed));
            _due.Sort(static (a, b) => a.TouchedAt.CompareTo(b.TouchedAt));
            _due.RemoveRange(_due.Count / 2, _due.Count - (_due.Count / 2));
            CloseAll(learn, sink);
        }

        Forget();
    }

    private void CloseAll(Func<ServiceFeatures, long, bool> learn, IWindowSink sink)
    {
        _due.Sort(static (a, b) => a.Index.CompareTo(b.Index));
        foreach (var window in _due)
        {
            Close(window, learn(this, window.Index), sink);
        }

        if (_due.Count > 0)
        {
            _pending.RemoveAll(static window => window is { Closed: true, Dirty: false });
        }

        _due.Clear();
    }

    private void Close(Window window, bool learn, IWindowSink sink)
    {
        var first = !window.Closed;
        window.Dirty = false;
        if (first)
        {
            window.Closed = true;
            _open--;
        }

        if (first)
        {
            // History that is sent later is often a part of what was: as a rate it says nothing.
            if (LastArrival.ToUnixTimeSeconds() - FeatureWindows.EndSeconds(window.Index) > PastSeconds)
            {
                _traffic = null;
            }
            else
            {
                Count(window, learn, sink);
            }
        }

        _segments?.Close(this, window, learn, IsChanged(window.Index), sink);
        for (var i = 0; i < Math.Min(window.SlotCount, _series.Count); i++)
        {
            if (window[i] is not { } slot)
            {
                continue;
            }

            var series = _series[i];
            var value = slot.Value;
            if (series.Feature.Of is null)
            {
                sink.Sample(this, series, window.Index, value, slot.Count, corrects: !first);
            }

            if (first)
            {
                series.Remember(window.Index, value, slot);
                var turn = series.Detector.Step(window.Index, value, slot.Count, learn, IsChanged(window.Index), series.Evidence);
                if (turn != Turn.None)
                {
                    sink.Turned(this, series, turn, window.Index);
                }
            }
        }

        if (first && _series.Count >= JointDeviation.FeaturesMin && Joint.Step(window.Index, _series, learn) is not Turn.None and var together)
        {
            sink.TurnedTogether(this, together);
        }

        window.Pack();
    }

    /// <summary>Notes the calls of a window, judges how many came in minutes that are over by it, and learns from pieces that are.</summary>
    private void Count(Window window, bool learn, IWindowSink sink)
    {
        _traffic ??= new Traffic(window.Index);
        var slot = Find(FeatureTable.Calls, "") is { } all ? window[all.Index] : null;
        var calls = slot?.Count ?? 0;
        if (SeriesOf(FeatureTable.CallRate, "") is not { } series)
        {
            return;
        }

        // Learnt first: of a minute and of the piece that it ends, both are over now.
        var piece = _traffic.Note(window.Index, calls);
        if (_traffic.NoteMinute(window.Index, calls) is { } minute)
        {
            var turn = series.Detector.StepRate(minute.Window, minute.Calls, minute.Minutes);
            if (turn != Turn.None)
            {
                sink.Turned(this, series, turn, minute.Window);
            }
        }

        if (piece is { } minutes)
        {
            sink.Sample(this, series, minutes.Window, minutes.CallsPerMinute, minutes.Calls, corrects: false);
            if (slot is not null)
            {
                series.Remember(minutes.Window, minutes.CallsPerMinute, slot);
            }

            series.Detector.Step(minutes.Window, minutes.CallsPerMinute, minutes.Calls, learn);
        }
    }

    private void Forget()
    {
        var closed = _windows.Count - _open;
        if (closed <= CorrectableMax)
        {
            return;
        }

        foreach (var window in _windows.Values)
        {
            if (window.Closed)
            {
                _due.Add(window);
            }
        }

        _due.Sort(static (a, b) => a.TouchedAt.CompareTo(b.TouchedAt));
        foreach (var window in _due.Take(closed - (CorrectableMax / 2)))
        {
            _stored.Add(window.Index);
            _windows.Remove(window.Index);
        }

        _recent = null;

        _due.Clear();
    }
}

/// <summary>The last traces of some kind, each once.</summary>
internal sealed class RecentTraces
{
    private const int Max = 32;

    private readonly Queue<TraceId> _order = new();

    public void Add(TraceId trace)
    {
        _order.Enqueue(trace);
        if (_order.Count > Max)
        {
            _order.Dequeue();
        }
    }

    /// <summary>Newest first.</summary>
    public IEnumerable<TraceId> NewestFirst => _order.Reverse();
}

/// <summary>The models that a service was seen to ask, and those that were seen to answer for each.</summary>
internal sealed class ModelNames
{
    /// <summary>Names of one kind that are told apart.</summary>
    internal const int NamesMax = 8;

    private readonly Dictionary<string, List<string>> _names = new(StringComparer.Ordinal);

    /// <param name="of">The model that was asked; empty for the models that are asked.</param>
    /// <returns>The names so far, with this one.</returns>
    public IReadOnlyList<string> With(string of, string name)
    {
        if (!_names.TryGetValue(of, out var known))
        {
            if (_names.Count > NamesMax)
            {
                return [];
            }

            _names.Add(of, known = []);
        }

        if (known.Count < NamesMax && !known.Contains(name))
        {
            known.Add(name);
        }

        return known;
    }
}
