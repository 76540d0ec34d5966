using Faultline.Diagnosis.Watchers;
using Faultline.Telemetry.GenAi;
using Faultline.Telemetry.Scores;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Features;

/// <summary>Folds the committed spans and scores of one project into its services' windows, and watches its traces.</summary>
internal sealed class ProjectFeatures(string project)
{
    /// <summary>Services (with environment) of one project.</summary>
    internal const int ServicesMax = 2000;

    private readonly Dictionary<(string Environment, string Service), ServiceFeatures> _byName = [];
    private readonly List<ServiceFeatures> _services = [];
    private readonly Dictionary<(ServiceFeatures, ServiceFeatures), int> _links = [];
    private readonly Utf8Names _names = new();
    private readonly TraceTable _traces = new();
    private readonly List<LoopingTrace> _loops = [];
    private ServiceFeatures?[] _ofResource = [];

    /// <summary>Looping traces waiting to be looked at.</summary>
    internal const int LoopsMax = 1000;

    /// <summary>Shared traces from which two services are taken as one system.</summary>
    private const int LinkedTracesMin = 3;

    public string Project { get; } = project;

    public IReadOnlyList<ServiceFeatures> Services => _services;

    /// <summary>Spans and scores of services beyond the bound.</summary>
    public long Unserviced { get; private set; }

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

        known = new ServiceFeatures(service, environment);
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
                FoldTool(spans, row, service);
            }
        }

        for (var row = 0; row < spans.Count; row++)
        {
            if (_ofResource[spans.Resource[row]] is not { } service)
            {
                Unserviced++;
                continue;
            }

            FoldSpan(spans, row, service, hasGenAi ? genAi.Operation[row] : default);
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

            service.LastArrival = now;
            service.Observe(FeatureTable.Score(_names[scores.Name[row]]), "", scores.UnixNanos[row], scores.Value[row], scores.TraceId[row]);
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

    private void FoldSpan(SpanBatch spans, int row, ServiceFeatures service, ReadOnlySpan<byte> operation)
    {
        var trace = spans.TraceId[row];
        var end = Math.Max(spans.EndUnixNanos[row], spans.StartUnixNanos[row]);
        var seconds = (end - spans.StartUnixNanos[row]) / 1e9;
        var failed = spans.Status[row] == SpanStatus.Error ? 1.0 : 0.0;
        var memory = _traces.GetOrAdd(trace);
        Link(memory, service);

        var isRoot = spans.ParentSpanId[row].IsNone;
        if ((isRoot || spans.Kind[row] is SpanKind.Server or SpanKind.Consumer) && !operation.SequenceEqual("evaluator"u8))
        {
            service.Observe(FeatureTable.Calls, "", end, 1, trace);
            service.Observe(FeatureTable.ErrorRate, "", end, failed, trace);
            service.Observe(FeatureTable.LatencyP50, "", end, seconds, trace);
            service.Observe(FeatureTable.LatencyP95, "", end, seconds, trace);
            if (isRoot && memory.ToolCalls > 0)
            {
                service.Observe(FeatureTable.ToolCalls, "", end, memory.ToolCalls, trace);
            }
        }

        if (operation.SequenceEqual("chat"u8) || operation.SequenceEqual("completion"u8))
        {
            FoldModelCall(spans.GenAi, row, service, trace, end, seconds, failed);
        }
        else if (operation.SequenceEqual("retrieval"u8))
        {
            FoldRetrieval(spans.GenAi, row, service, trace, end, seconds, failed);
        }
    }

    private void FoldModelCall(GenAiColumns genAi, int row, ServiceFeatures service, TraceId trace, long end, double seconds, double failed)
    {
        // The model asked for stays the same when a provider swaps what answers, so before and after are one series.
        var requested = genAi.ModelRequested[row];
        var model = _names[requested.IsEmpty ? genAi.ModelResponded[row] : requested];
        service.Observe(FeatureTable.ModelErrorRate, model, end, failed, trace);
        if (failed > 0)
        {
            return;             // a call that failed has no latency, tokens or finish worth averaging
        }

        service.Observe(FeatureTable.ModelLatency, model, end, seconds, trace);
        if (genAi.FirstChunkNanos[row] != GenAiColumns.Absent)
        {
            service.Observe(FeatureTable.FirstToken, model, end, genAi.FirstChunkNanos[row] / 1e9, trace);
        }

        if (genAi.Counted[row] != 0)
        {
            if (genAi.InputTokens[row] > 0)
            {
                service.Observe(FeatureTable.InputTokens, "", end, genAi.InputTokens[row], trace);
                service.Observe(FeatureTable.ContextSize, "", end, genAi.InputTokens[row], trace);
            }

            if (genAi.OutputTokens[row] >= 0)
            {
                service.Observe(FeatureTable.OutputTokens, "", end, genAi.OutputTokens[row], trace);
            }
        }

        var finish = genAi.FinishReasons[row];
        if (!finish.IsEmpty)
        {
            service.Observe(FeatureTable.FinishLength, "", end, finish.IndexOf("length"u8) >= 0 ? 1 : 0, trace);
            service.Observe(FeatureTable.FinishFiltered, "", end, finish.IndexOf("content_filter"u8) >= 0 ? 1 : 0, trace);
        }
    }

    private static void FoldRetrieval(GenAiColumns genAi, int row, ServiceFeatures service, TraceId trace, long end, double seconds, double failed)
    {
        service.Observe(FeatureTable.RetrievalErrorRate, "", end, failed, trace);
        if (failed > 0)
        {
            return;
        }

        service.Observe(FeatureTable.RetrievalLatency, "", end, seconds, trace);
        if (double.IsFinite(genAi.DocumentTopScore[row]))
        {
            service.Observe(FeatureTable.RetrievalTopScore, "", end, genAi.DocumentTopScore[row], trace);
        }

        if (double.IsFinite(genAi.DocumentMeanScore[row]))
        {
            service.Observe(FeatureTable.RetrievalMeanScore, "", end, genAi.DocumentMeanScore[row], trace);
        }

        var documents = genAi.DocumentCount[row];
        if (documents != GenAiColumns.Absent)
        {
            service.Observe(FeatureTable.RetrievalEmpty, "", end, documents == 0 ? 1 : 0, trace);
            if (documents > 0)
            {
                service.Observe(FeatureTable.RetrievalDocuments, "", end, documents, trace);
            }
        }
    }

    private void FoldTool(SpanBatch spans, int row, ServiceFeatures service)
    {
        var genAi = spans.GenAi;
        var trace = spans.TraceId[row];
        var start = spans.StartUnixNanos[row];
        var end = Math.Max(spans.EndUnixNanos[row], start);
        var tool = _names[genAi.Tool[row]];
        service.Observe(FeatureTable.ToolLatency, tool, end, (end - start) / 1e9, trace);
        service.Observe(FeatureTable.ToolErrorRate, tool, end, spans.Status[row] == SpanStatus.Error ? 1 : 0, trace);

        var memory = _traces.GetOrAdd(trace);
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
