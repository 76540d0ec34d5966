using System.Runtime.InteropServices;
using Faultline.Diagnosis.Watchers;
using Faultline.Store.Scores;
using Faultline.Telemetry.GenAi;
using Faultline.Telemetry.Scores;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Features;

/// <summary>Folds the committed spans and scores of one project into its services' windows, and watches its traces.</summary>
internal sealed class ProjectFeatures
{
    /// <summary>Services (with environment) of one project.</summary>
    internal const int ServicesMax = 2000;

    private readonly Dictionary<(string Environment, string Service), ServiceFeatures> _byName = [];
    private readonly List<ServiceFeatures> _services = [];
    private readonly Dictionary<(ServiceFeatures, ServiceFeatures), int> _links = [];
    private readonly Utf8Names _names = new();
    private readonly Guardrails _guardrails = new();
    private readonly NamedSteps _namedSteps = new();
    private readonly TraceTable _traces;
    private readonly SegmentKeys _segmentKeys = new();
    private readonly Stack<List<WaitingObservation>> _spareLists = new();
    private int _waitingLists;
    private readonly List<LoopingTrace> _loops = [];
    private readonly List<Root> _roots = [];
    private ServiceFeatures?[] _ofResource = [];

    /// <summary>Requests waiting for the rest of their traces; more are not asked what only a whole trace tells.</summary>
    internal const int RootsMax = 50_000;

    /// <summary>Looping traces waiting to be looked at.</summary>
    internal const int LoopsMax = 1000;

    /// <summary>Shared traces from which two services are taken as one system.</summary>
    private const int LinkedTracesMin = 3;

    public ProjectFeatures(string project)
    {
        Project = project;
        _traces = new TraceTable { Forgotten = Release };
    }

    public string Project { get; }

    public IReadOnlyList<ServiceFeatures> Services => _services;

    /// <summary>Spans and scores of services beyond the bound.</summary>
    public long Unserviced { get; private set; }

    /// <summary>Of a segment that an earlier process told apart, the series beside that of all requests; null when it is not followed.</summary>
    public FeatureSeries? PartOf(ServiceFeatures service, FeatureSeries whole, string key, string value) =>
        _segmentKeys.Of(key, value) is { } segment ? service.PartOf(whole, segment) : null;

    public ServiceFeatures? Service(string service, string environment)
    {
        if (_byName.TryGetValue((environment, service), out var known))
        {
            return known;
        }

        if (_services.Count >= ServicesMax)
        {
            return null;
        }

        known = new ServiceFeatures(service, environment, Project);
        _services.Add(known);
        _byName.Add((environment, service), known);
        return known;
    }

    /// <summary>Whether the two took part in the same traces.</summary>
    public bool Linked(ServiceFeatures one, ServiceFeatures other) =>
        _links.GetValueOrDefault(Order(one, other)) >= LinkedTracesMin;

    /// <summary>Takes the looping traces seen since the last call.</summary>
    public IReadOnlyList<LoopingTrace> TakeLoops()
    {
        if (_loops.Count == 0)
        {
            return [];
        }

        var loops = _loops.ToArray();
        _loops.Clear();
        return loops;
    }

    public void Fold(SpanBatch spans, DateTimeOffset now)
    {
        ResolveResources(spans.Resources, now);
        var genAi = spans.GenAi;
        var hasGenAi = genAi.Count == spans.Count;

        // Tools first: a root that comes in the same batch then knows how many calls its trace had.
        for (var row = 0; hasGenAi && row < spans.Count; row++)
        {
            if (genAi.Operation[row].SequenceEqual("tool"u8) && _ofResource[spans.Resource[row]] is { } service)
            {
                service.Request = Identify(spans, row);
                FoldTool(spans, row, service);
                service.Request = null;
            }
        }

        for (var row = 0; row < spans.Count; row++)
        {
            if (_ofResource[spans.Resource[row]] is not { } service)
            {
                Unserviced++;
                continue;
            }

            service.Request = Identify(spans, row);
            FoldSpan(spans, row, service, hasGenAi ? genAi.Operation[row] : default);
            service.Request = null;
        }
    }

    public void Fold(ScoreBatch scores, DateTimeOffset now)
    {
        for (var row = 0; row < scores.Count; row++)
        {
            if (!double.IsFinite(scores.Value[row]))
            {
                continue;       // a label without a number: kept in the store, nothing to average
            }

            if (Service(_names[scores.ServiceName[row]], _names[scores.Environment[row]]) is not { } service)
            {
                Unserviced++;
                continue;
            }

            // Our own come a little after the call that they judge: they are no sign that more is coming. A language model's are judged as an application's are.
            var isOurs = StoredScore.IsBuiltIn(scores.Evaluator[row]);
            if (!isOurs)
            {
                service.LastArrival = now;
            }

            var feature = FeatureTable.Score(_names[scores.Name[row]]);
            var series = service.SeriesOf(feature, "");
            series?.IsOurs = isOurs;
            service.Request = _segmentKeys.Any ? _traces.Find(scores.TraceId[row]) : null;
            service.Observe(series, scores.UnixNanos[row], scores.Value[row], scores.TraceId[row]);

            // What is yes or no is a share already.
            if (feature.Statistic == Statistic.Mean && series?.Bound.Note(scores.Value[row]) is { } isPoor)
            {
                var poor = service.SeriesOf(FeatureTable.PoorScore(feature.Evaluation!), "");
                poor?.IsOurs = isOurs;
                service.Observe(poor, scores.UnixNanos[row], isPoor ? 1 : 0, scores.TraceId[row]);
            }

            service.Request = null;
        }
    }

    private void ResolveResources(ResourceColumns resources, DateTimeOffset now)
    {
        if (_ofResource.Length < resources.Count)
        {
            _ofResource = new ServiceFeatures?[resources.Count];
        }

        for (var i = 0; i < resources.Count; i++)
        {
            _ofResource[i] = Service(resources.ServiceName(i), resources.Environment(i));
            if (_ofResource[i] is { } service)
            {
                service.LastArrival = now;
            }
        }
    }

    /// <summary>Requests whose observations wait until it is known whose they are.</summary>
    internal const int WaitingRequestsMax = 10_000;

    /// <summary>Looks whose request the span is of.</summary>
    /// <returns>The request when its observations are to be told apart by segment, else null.</returns>
    private TraceMemory? Identify(SpanBatch spans, int row)
    {
        var memory = _traces.GetOrAdd(spans.TraceId[row]);
        if (memory.Segment is not null)
        {
            return memory;
        }

        if (memory.HasNoSegment)
        {
            return null;
        }

        if (_segmentKeys.Of(spans.Attributes, row) is { } segment)
        {
            memory.Segment = segment;
            foreach (var (service, series, end, value) in memory.Waiting ?? [])
            {
                service.Observe(segment, series, end, value, spans.TraceId[row]);
            }

            Release(memory);
            return memory;
        }

        if (!_segmentKeys.Any)
        {
            return null;
        }

        if (memory.Waiting is null && _waitingLists < WaitingRequestsMax)
        {
            _waitingLists++;
            memory.Waiting = _spareLists.TryPop(out var spare) ? spare : new List<WaitingObservation>(32);
        }

        return memory;
    }

    private void Release(TraceMemory memory)
    {
        if (memory.Waiting is { } waiting)
        {
            waiting.Clear();
            _spareLists.Push(waiting);
            _waitingLists--;
            memory.Waiting = null;
        }
    }

    private void FoldSpan(SpanBatch spans, int row, ServiceFeatures service, ReadOnlySpan<byte> operation)
    {
        var trace = spans.TraceId[row];
        var start = spans.StartUnixNanos[row];
        var end = Math.Max(spans.EndUnixNanos[row], start);
        var seconds = (end - start) / 1e9;
        var failed = Failed(spans, row) ? 1.0 : 0.0;
        var memory = _traces.GetOrAdd(trace);
        Link(memory, service);

        var isRoot = spans.ParentSpanId[row].IsNone;
        if ((isRoot || spans.Kind[row] is SpanKind.Server or SpanKind.Consumer) && !operation.SequenceEqual("evaluator"u8))
        {
            service.Observe(FeatureTable.Calls, "", end, 1, trace);
            service.Observe(FeatureTable.ErrorRate, "", end, failed, trace);
            service.Observe(FeatureTable.LatencyP50, "", end, seconds, trace);
            service.Observe(FeatureTable.LatencyP95, "", end, seconds, trace);
            if (service.Slow.Note(seconds) is { } isSlow)
            {
                service.Observe(FeatureTable.SlowCalls, "", end, isSlow ? 1 : 0, trace);
            }

            if (isRoot && _roots.Count < RootsMax)
            {
                _roots.Add(new Root(service, trace, memory, start, end));
            }
        }

        if (!isRoot)
        {
            memory.FirstChildStartUnixNanos = Math.Min(memory.FirstChildStartUnixNanos, start);
        }

        var genAi = spans.GenAi;
        if (operation.SequenceEqual("chat"u8) || operation.SequenceEqual("completion"u8))
        {
            Tells(memory, service, TraceStages.Model, start, end);
            memory.ModelCalls++;
            StageFolds.ModelCall(genAi, row, service, trace, end, seconds, failed, _names);
        }
        else if (operation.SequenceEqual("retrieval"u8))
        {
            Tells(memory, service, TraceStages.Retrieval, start, end);
            StageFolds.Retrieval(genAi, row, service, trace, end, seconds, failed);
        }
        else if (operation.SequenceEqual("rerank"u8))
        {
            Tells(memory, service, TraceStages.Rerank, start, end);
            StageFolds.Rerank(service, trace, end, seconds, failed);
        }
        else if (operation.SequenceEqual("embeddings"u8))
        {
            Tells(memory, service, TraceStages.Embedding, start, end);
        }
        else if (operation.SequenceEqual("agent"u8))
        {
            memory.AgentTurns++;
        }
        else if (operation.SequenceEqual("plan"u8))
        {
            memory.Plans++;
        }
        else if (_guardrails.IsOne(operation, spans.Kind[row], isRoot, spans.Name[row]))
        {
            Tells(memory, service, TraceStages.Guardrail, start, end);
            StageFolds.Guardrail(spans, row, service, trace, end, failed, _names[Guardrails.NameOf(spans, row)]);
        }
        else if (operation.IsEmpty && !isRoot && spans.Kind[row] == SpanKind.Client)
        {
            StageFolds.Dependency(spans, row, service, trace, end, seconds, failed, _names);
        }
        else if (!isRoot && spans.Kind[row] is not SpanKind.Server)
        {
            switch (_namedSteps.Of(operation, spans.Name[row]))
            {
                case NamedStep.Rerank:
                    Tells(memory, service, TraceStages.Rerank, start, end);
                    StageFolds.Rerank(service, trace, end, seconds, failed);
                    break;
                case NamedStep.Plan:
                    memory.Plans++;
                    break;
            }
        }
    }

    private static void Tells(TraceMemory memory, ServiceFeatures service, TraceStages stage, long start, long end)
    {
        memory.Tells(new StageInterval(stage, start, end));
        service.OwnStages |= stage;
    }

    /// <summary>Langfuse says by a level of its own that something went wrong, and leaves the span's status as it is.</summary>
    private static bool Failed(SpanBatch spans, int row) => spans.Status[row] == SpanStatus.Error
        || (spans.GenAi.Count == spans.Count && spans.GenAi.Source[row].SequenceEqual("langfuse"u8)
            && spans.Attributes.Find(row, "langfuse.observation.level"u8) is >= 0 and var level
            && (spans.Attributes.Values[level].SequenceEqual("ERROR"u8) || spans.Attributes.Values[level].SequenceEqual("FATAL"u8) || spans.Attributes.Values[level].SequenceEqual("CRITICAL"u8)));

    private void FoldTool(SpanBatch spans, int row, ServiceFeatures service)
    {
        var genAi = spans.GenAi;
        var trace = spans.TraceId[row];
        var start = spans.StartUnixNanos[row];
        var end = Math.Max(spans.EndUnixNanos[row], start);
        var tool = _names[genAi.Tool[row]];
        StageFolds.Tool(genAi, row, service, trace, end, (end - start) / 1e9, Failed(spans, row) ? 1 : 0, tool);

        var memory = _traces.GetOrAdd(trace);
        Tells(memory, service, TraceStages.Tool, start, end);
        var isFirst = memory.ToolCalls++ == 0;
        memory.FirstToolStartUnixNanos = Math.Min(memory.FirstToolStartUnixNanos, start);
        var hash = genAi.ToolArgumentsHash[row];
        var repeats = memory.Repeat(ToolCall.Of(tool, hash));
        if (isFirst)
        {
            service.ToolTraces.Add(trace);
        }

        // Observed at every call, so that a window's maximum is what the trace had reached by then; a trace counts once.
        if (!hash.IsEmpty)
        {
            service.Observe(FeatureTable.MaxToolRepeats, "", end, repeats, trace, isFirst ? 1 : 0);
        }
        else
        {
            repeats /= AgentLoop.WithoutArguments;
        }

        if (repeats < AgentLoop.RepeatsMin || _loops.Count >= LoopsMax)
        {
            return;
        }

        var (threshold, usual) = AgentLoop.ThresholdOf(service);
        if (repeats >= threshold)
        {
            _loops.Add(new LoopingTrace(service, trace, tool, _names[genAi.Agent[row]], repeats, threshold, usual, memory.FirstToolStartUnixNanos, end));
        }
    }

    /// <summary>Observes of each request what only its whole trace tells, once its other spans have had time to come.</summary>
    /// <param name="isDue">By service and the request's end, unix nanoseconds.</param>
    public void SettleRoots(Func<ServiceFeatures, long, bool> isDue)
    {
        var kept = 0;
        for (var i = 0; i < _roots.Count; i++)
        {
            var root = _roots[i];
            if (isDue(root.Service, root.EndUnixNanos))
            {
                Settle(root);
            }
            else
            {
                _roots[kept++] = root;
            }
        }

        _roots.RemoveRange(kept, _roots.Count - kept);
    }

    private void Settle(Root root)
    {
        root.Service.Request = root.Memory.Segment is null ? null : root.Memory;
        if (root.Memory.Segment is null)
        {
            root.Memory.HasNoSegment = _segmentKeys.Any;
            Release(root.Memory);
        }

        Observe(root);
        root.Service.Request = null;
    }

    private static void Observe(Root root)
    {
        var (service, trace, memory, start, end) = root;
        void Count(Feature feature, int count)
        {
            if (count > 0)
            {
                service.Observe(feature, "", end, count, trace);
            }
        }

        Count(FeatureTable.ToolCalls, memory.ToolCalls);
        Count(FeatureTable.ModelCalls, memory.ModelCalls);
        Count(FeatureTable.AgentTurns, memory.AgentTurns);
        Count(FeatureTable.Plans, memory.Plans);
        if (memory.Stages.HasFlag(TraceStages.Model) || service.Find(FeatureTable.ReachesModel, "") is not null)
        {
            service.Observe(FeatureTable.ReachesModel, "", end, memory.Stages.HasFlag(TraceStages.Model) ? 1 : 0, trace);
        }

        if (memory.FirstChildStartUnixNanos is var first && first >= start && first <= end)
        {
            service.Observe(FeatureTable.Wait, "", end, (first - start) / 1e9, trace);
        }

        if (memory.Stages == TraceStages.None && !service.HasStages)
        {
            return;
        }

        Span<Absence> absences = stackalloc Absence[StageTimes.Stages.Length];
        absences.Clear();
        if (memory.StageIntervals is { Count: <= StageTimes.IntervalsMax } intervals)
        {
            service.StageTimes.Note(CollectionsMarshal.AsSpan(intervals), start, end, absences);
        }

        for (var i = 0; i < absences.Length; i++)
        {
            ObserveStage(service, StageTimes.Stages[i], StageNames[i], absences[i], memory, end, trace);
        }
    }

    private static void ObserveStage(ServiceFeatures service, TraceStages stage, string name, Absence absence, TraceMemory memory, long end, TraceId trace)
    {
        var missing = service.Find(FeatureTable.StageMissing, name);
        if (memory.Stages.HasFlag(stage))
        {
            service.Observe(FeatureTable.StageMissing, name, end, 0, trace);
            if (!service.OwnStages.HasFlag(stage))
            {
                service.Observe(FeatureTable.StageUntold, name, end, 0, trace);
            }

            return;
        }

        // What no request ever had is not missing.
        if (missing is null)
        {
            return;
        }

        // What another process tells may be held up on its way; what comes from the one that told of the request came with it, and needs no telling apart.
        // Where requests often do without it, their time says nothing: those that take long may do so for another reason.
        var isElsewhere = !service.OwnStages.HasFlag(stage);
        if (!isElsewhere || missing.Detector.Baseline.Expect(FeatureWindows.EndSeconds(FeatureWindows.IndexOf(end)), 1).Rate > OftenMissing)
        {
            absence = Absence.Unclear;
        }

        missing.Detector.MustLast = isElsewhere && absence == Absence.Unclear;
        service.Observe(missing, end, absence == Absence.Untold ? 0 : 1, trace);
        if (absence != Absence.Unclear)
        {
            service.Observe(FeatureTable.StageUntold, name, end, absence == Absence.Untold ? 1 : 0, trace);
        }
    }

    /// <summary>Share of requests without a stage from which on it is no wonder.</summary>
    private const double OftenMissing = 0.1;

    /// <summary>In the order of <see cref="StageTimes.Stages"/>.</summary>
    private static readonly string[] StageNames = ["retrieval", "rerank", "embeddings", "model", "tool", "guardrail"];

    /// <summary>A request whose trace is still coming in.</summary>
    private readonly record struct Root(ServiceFeatures Service, TraceId Trace, TraceMemory Memory, long StartUnixNanos, long EndUnixNanos);

    private void Link(TraceMemory memory, ServiceFeatures service)
    {
        var services = memory.Services;
        if (services.Contains(service))
        {
            return;
        }

        if (services.Count >= ServicesOfTraceMax)
        {
            return;
        }

        foreach (var other in services)
        {
            var pair = Order(service, other);
            if (_links.Count < LinksMax || _links.ContainsKey(pair))
            {
                _links[pair] = _links.GetValueOrDefault(pair) + 1;
            }
        }

        services.Add(service);
    }

    private const int ServicesOfTraceMax = 16;
    private const int LinksMax = 100_000;

    private static (ServiceFeatures, ServiceFeatures) Order(ServiceFeatures one, ServiceFeatures other) =>
        string.CompareOrdinal(one.Service, other.Service) is var order && (order < 0 || (order == 0 && string.CompareOrdinal(one.Environment, other.Environment) <= 0))
            ? (one, other)
            : (other, one);
}
