using Faultline.Diagnosis.Findings;
using Faultline.Telemetry.Samples;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Topics;

/// <summary>Whose texts.</summary>
internal sealed record TopicOwner(string Project, string Service, string Environment, TopicSide Side);

/// <summary>
/// One side of one service: its topics, their shares over time, new ones that fail, and drift. Event time: the newest call's is its clock, and a call that
/// comes late counts when it comes. Not thread-safe.
/// </summary>
internal sealed class ServiceTopics
{
    /// <summary>Calls after which topics have names, and what is not among them is new.</summary>
    public const int LearntCalls = 200;

    public static readonly long LearntNanos = TimeSpan.FromHours(1).Ticks * 100;

    /// <summary>Words counted over all texts.</summary>
    private const int WordsMax = 4_000;

    private const long TickNanos = TopicSeries.TickSeconds * 1_000_000_000;

    /// <summary>Texts of traces that are remembered, so that one that is sent at each step of an agent counts once.</summary>
    private const int SeenMax = 4_096;

    private const int UsualTracesMax = 10;

    /// <summary>How many words of a topic a restart finds again.</summary>
    private const int WordsStored = 40;

    private readonly TopicOwner _owner;
    private readonly TopicMap _map = new();
    private readonly WordCounts _words = new(WordsMax);
    private readonly DriftWatch _drift;
    private readonly TopicReports _reports;
    private readonly Queue<(TraceId Trace, ulong Text)> _seenOrder = new();
    private readonly Dictionary<(TraceId Trace, ulong Text), (Topic Topic, bool Failed)> _seen = [];
    private readonly Queue<TickTotals> _day = new();
    private readonly Queue<TraceId> _usualTraces = new();
    private readonly List<TraceId> _windowTraces = [];
    private long _firstNanos = long.MinValue;
    private long _tick = long.MinValue;
    private string? _driftId;
    private bool _wasLearnt;

    public ServiceTopics(TopicOwner owner)
    {
        _owner = owner;
        _reports = new TopicReports(owner);
        _drift = new DriftWatch((ulong)_reports.SeriesOf(TopicSeries.DistanceMetric).Fingerprint);
    }

    public TopicOwner Owner => _owner;

    public long Calls { get; private set; }

    public long NewestNanos { get; private set; } = long.MinValue;

    public TopicMap Map => _map;

    public DriftLook? LastLook { get; private set; }

    /// <summary>Something happened that a reader or a restart should know soon.</summary>
    public bool HasNews { get; private set; }

    /// <summary>Closes what is over at the call's time, then takes the call in.</summary>
    /// <param name="textHash">Of the text: the same one in the same trace counts once.</param>
    public void Add(TopicText text, ulong textHash, TopicReport report)
    {
        _firstNanos = _firstNanos == long.MinValue ? text.UnixNanos : _firstNanos;
        NewestNanos = Math.Max(NewestNanos, text.UnixNanos);
        AdvanceTo(NewestNanos, report);
        if (!IsFirst(text, textHash))
        {
            return;
        }

        var topic = _map.Place(text, Calls);
        Calls++;
        _words.Add(text.Words);
        _seen[(text.Trace, textHash)] = (topic, text.Failure != CallFailure.None);
        if (_drift.Add(text.Unit, text.Vector, NewestNanos) && _windowTraces.Count < DriftWatch.WindowMax)
        {
            _windowTraces.Add(text.Trace);
        }
    }

    /// <summary>Closes the tick that is over at a time, if one is.</summary>
    public void AdvanceTo(long nanos, TopicReport report)
    {
        var tick = nanos / TickNanos;
        if (_tick != long.MinValue && tick > _tick)
        {
            CloseTick((_tick + 1) * TickNanos, report);
        }

        _tick = Math.Max(_tick, tick);
    }

    /// <summary>For readers: the largest topic first.</summary>
    public SideSummary ToSummary() => new(
        Calls, _drift.HasReference, _drift.OpenSinceNanos is { } since ? TopicReports.At(since) : null, LastLook?.Limit,
        [.. _map.Named.OrderByDescending(topic => topic.WeightAt(NewestNanos)).ThenBy(topic => topic.Id).Select(topic => new TopicSummary(
            topic.Name!, topic.Words.Telling(_words, TopicReports.WordsShown), TopicReports.At(topic.BornNanos), TopicReports.At(topic.NewestNanos), topic.Calls, topic.Failed,
            topic.FindingId is not null, [.. topic.Traces.Reverse().Select(trace => trace.ToString())], [.. topic.FailedTraces.Reverse().Select(trace => trace.ToString())]))],
        _map.Named.Any() || Calls == 0 ? null : new TopicNaming(Calls, LearntCalls, TopicMap.TextsMin, TopicReports.At(TickEndAfter(_firstNanos + LearntNanos))));

    /// <summary>Forgets traces that were deleted, and every word that only their texts may have had.</summary>
    public void Forget(IReadOnlySet<TraceId> traces)
    {
        _words.ForgetRare(traces.Count);
        _map.Forget(traces);
        _windowTraces.RemoveAll(traces.Contains);
        var usual = _usualTraces.Where(trace => !traces.Contains(trace)).ToList();
        _usualTraces.Clear();
        usual.ForEach(_usualTraces.Enqueue);
        HasNews = true;
    }

    public SideState ToState()
    {
        HasNews = false;
        return new SideState(
            _firstNanos, NewestNanos, _tick, Calls, _map.NextId, _driftId, _words.Texts, _words.ToState(WordsMax / 4), _map.ToState(WordsStored), _drift.ToState(),
            [.. _day.Select(one => (long[])[one.EndNanos, one.Calls, one.Failed])], [.. _usualTraces.Select(trace => trace.ToString())]);
    }

    public void Restore(SideState state)
    {
        (_firstNanos, NewestNanos, _tick, Calls, _driftId) = (state.FirstNanos, state.NewestNanos, state.Tick, state.Calls, state.DriftId);
        _words.Restore(state.Texts, state.Words);
        _map.Restore(state.Topics, state.NextId);
        _drift.Restore(state.Drift);
        foreach (var one in state.Day)
        {
            _day.Enqueue(new TickTotals(one[0], one[1], one[2]));
        }

        foreach (var trace in Packed.Traces(state.UsualTraces))
        {
            _usualTraces.Enqueue(trace);
        }
    }

    private static long TickEndAfter(long nanos) => (nanos + TickNanos - 1) / TickNanos * TickNanos;

    // The same question at each step of an agent is one question; when a later step fails, it has failed.
    private bool IsFirst(TopicText text, ulong textHash)
    {
        var key = (text.Trace, textHash);
        if (_seen.TryGetValue(key, out var known))
        {
            if (!known.Failed && text.Failure != CallFailure.None)
            {
                known.Topic.Fail(text.Failure, text.Trace);
                _seen[key] = known with { Failed = true };
            }

            return false;
        }

        _seenOrder.Enqueue(key);
        if (_seenOrder.Count > SeenMax)
        {
            _seen.Remove(_seenOrder.Dequeue());
        }

        return true;
    }

    private void CloseTick(long endNanos, TopicReport report)
    {
        var calls = _map.All.Sum(topic => (long)topic.TickCalls);
        var failed = _map.All.Sum(topic => (long)topic.TickFailed);
        _day.Enqueue(new TickTotals(endNanos, calls, failed));
        while (endNanos - _day.Peek().EndNanos > NewTopicTest.Span)
        {
            _day.Dequeue();
        }

        if (calls == 0)
        {
            return;
        }

        _map.Tidy(endNanos);
        var isLearnt = Calls >= LearntCalls && endNanos - _firstNanos >= LearntNanos;
        HasNews |= !_wasLearnt;
        _wasLearnt = isLearnt;
        if (isLearnt)
        {
            NameTopics(endNanos);
            LookForFailing(endNanos, report);
        }

        _reports.Shares(_map, endNanos, report.Samples);
        foreach (var topic in _map.All)
        {
            (topic.TickCalls, topic.TickFailed) = (0, 0);
        }

        if (_drift.IsDue(endNanos))
        {
            LookForDrift(endNanos, report);
        }
    }

    private void NameTopics(long endNanos)
    {
        foreach (var topic in _map.All.Where(topic => topic.Name is null && topic.Calls >= TopicMap.TextsMin).OrderByDescending(topic => topic.Calls).ThenBy(topic => topic.Id).ToList())
        {
            HasNews |= _map.TryName(topic, _words, endNanos);
        }
    }

    private void LookForFailing(long endNanos, TopicReport report)
    {
        foreach (var topic in _map.All.Where(topic => topic.FindingId is not null && NewTopicTest.IsOver(topic, RestFailedShare(topic), endNanos)).ToList())
        {
            report.News.Add(new FindingNews.Cleared(topic.FindingId!, TopicReports.At(endNanos)));
            topic.FindingId = null;
            HasNews = true;
        }

        foreach (var (topic, p) in NewTopicTest.Failing(_map.All, Calls, _day.Sum(one => one.Calls), _day.Sum(one => one.Failed), _firstNanos + LearntNanos, endNanos))
        {
            if (topic.Name is null && !_map.TryName(topic, _words, endNanos))
            {
                continue;
            }

            var finding = _reports.NewTopicFails(topic, topic.Words.Telling(_words, TopicReports.WordsShown), RestFailedShare(topic), p, _map, endNanos);
            topic.FindingId = finding.Id;
            report.News.Add(new FindingNews.Raised(finding));
            HasNews = true;
        }
    }

    private double RestFailedShare(Topic topic)
    {
        var calls = Math.Max(1, _day.Sum(one => one.Calls) - topic.Calls);
        return Math.Clamp((_day.Sum(one => one.Failed) - topic.Failed) / (double)calls, 0, 1);
    }

    private void LookForDrift(long endNanos, TopicReport report)
    {
        if (_drift.Close(endNanos) is { } look)
        {
            LastLook = look;
            _reports.Look(look, endNanos, report.Samples);
            if (look.Turn == DriftTurn.Raised)
            {
                var movers = TopicShift.Of(_map);
                var finding = _reports.Drifted(look, movers, _windowTraces, [.. _usualTraces], endNanos);
                _driftId = finding.Id;
                report.News.Add(new FindingNews.Raised(finding));
                HasNews = true;
            }
            else if (look.Turn != DriftTurn.None && _driftId is { } id)
            {
                report.News.Add(new FindingNews.Cleared(id, TopicReports.At(endNanos)));
                _driftId = null;
                HasNews = true;
            }
        }

        var isUsual = _drift.OpenSinceNanos is null;
        if (isUsual)
        {
            foreach (var trace in _windowTraces.TakeLast(UsualTracesMax))
            {
                _usualTraces.Enqueue(trace);
            }

            while (_usualTraces.Count > UsualTracesMax)
            {
                _usualTraces.Dequeue();
            }
        }

        TopicShift.Learn(_map, isUsual);
        _windowTraces.Clear();
    }
}

/// <summary>What one tick had.</summary>
internal readonly record struct TickTotals(long EndNanos, long Calls, long Failed);

/// <summary>What a restart needs of a <see cref="ServiceTopics"/>. Candidates and the open window are not among it.</summary>
internal sealed record SideState(
    long FirstNanos, long NewestNanos, long Tick, long Calls, int NextId, string? DriftId, double Texts, IReadOnlyList<WordState> Words, IReadOnlyList<TopicState> Topics,
    DriftState Drift, IReadOnlyList<long[]> Day, IReadOnlyList<string> UsualTraces);
