using Faultline.Diagnosis.Features;
using Faultline.Store.Scores;
using Faultline.Store.Traces;
using Faultline.Telemetry.GenAi;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Facts;

/// <summary>
/// Features of some traces, in the windows they would be stored in. What a service stores is of all its requests; what meets one tenant
/// must be read of that tenant's.
/// </summary>
internal sealed class TraceWindows
{
    private readonly Dictionary<(string Service, Feature Feature, string Dimension), SortedDictionary<long, Accumulator>> _series = [];

    public IEnumerable<(string Service, Feature Feature, string Dimension)> Series => _series.Keys;

    /// <summary>In the order of time; empty when it was not observed.</summary>
    public List<StoredWindow> Of((string Service, Feature Feature, string Dimension) series) =>
        _series.TryGetValue(series, out var windows) ? [.. windows.Select(static window => new StoredWindow(window.Key, window.Value.Value, window.Value.Count))] : [];

    /// <summary>The observation's trace that is worst, by the feature's bad direction.</summary>
    public TraceId Worst((string Service, Feature Feature, string Dimension) series) =>
        _series.TryGetValue(series, out var windows) && windows.Count > 0 ? windows.Values.MaxBy(window => series.Feature.BadWhen == BadWhen.Falls ? -window.Value : window.Value)!.WorstTrace : default;

    public void Add(StoredScore score) => Observe(score.Service, FeatureTable.Score(score.Name), "", score.UnixNanos, score.Value, score.TraceId);

    public void Add(TraceFacts trace)
    {
        foreach (var span in trace.Spans)
        {
            Add(span);
        }

        if (trace.Spans.Find(static span => span.ParentSpanId.IsNone) is not { } root)
        {
            return;
        }

        void Count(Feature feature, Predicate<SpanSummary> isOne)
        {
            if (trace.Spans.Count(span => isOne(span)) is > 0 and var count)
            {
                Observe(root, feature, "", count);
            }
        }

        Count(FeatureTable.ToolCalls, static span => span.GenAi.Operation is "tool");
        Count(FeatureTable.ModelCalls, IsCall);
        Count(FeatureTable.AgentTurns, static span => span.GenAi.Operation is "agent");
        Count(FeatureTable.Plans, static span => span.GenAi.Operation is "plan");
        if (trace.WaitSeconds is { } wait)
        {
            Observe(root, FeatureTable.Wait, "", wait);
        }
    }

    private static bool IsCall(SpanSummary span) => span.GenAi.Operation is "chat" or "completion";

    private void Add(SpanSummary span)
    {
        var failed = span.Status == SpanStatus.Error ? 1 : 0;
        var seconds = span.DurationNanos / 1e9;
        if ((span.ParentSpanId.IsNone || span.Kind is SpanKind.Server or SpanKind.Consumer) && span.GenAi.Operation is not "evaluator")
        {
            Observe(span, FeatureTable.ErrorRate, "", failed);
            Observe(span, FeatureTable.LatencyP50, "", seconds);
        }

        switch (span.GenAi.Operation)
        {
            case "chat" or "completion":
                ModelCall(span, failed, seconds);
                break;
            case "retrieval":
                Retrieval(span, failed, seconds);
                break;
            case "rerank":
                Observe(span, FeatureTable.RerankErrorRate, "", failed);
                Observe(span, FeatureTable.RerankLatency, "", seconds);
                break;
            case "tool":
                Observe(span, FeatureTable.ToolErrorRate, span.GenAi.Tool, failed);
                Observe(span, FeatureTable.ToolLatency, span.GenAi.Tool, seconds);
                if (failed == 0 && IsWhole(span.GenAi.OutputPreview))
                {
                    Observe(span, FeatureTable.ToolUseless, span.GenAi.Tool, ContentTraits.FormOf(span.GenAi.OutputPreview) is ContentForm.Empty or ContentForm.BrokenJson ? 1 : 0);
                }

                break;
            default:
                if (Guardrails.IsOne(span))
                {
                    Observe(span, FeatureTable.Blocked, Guardrails.NameOf(span), Guardrails.Blocked(span) ? 1 : 0);
                }

                break;
        }
    }

    /// <summary>A text that was sent, and so short that nothing of it was cut off.</summary>
    private static bool IsWhole(string preview) => preview.Length is > 0 and < GenAiContent.PreviewCharactersMax / 2;

    private void ModelCall(SpanSummary span, int failed, double seconds)
    {
        var genAi = span.GenAi;
        var model = genAi.ModelRequested.Length > 0 ? genAi.ModelRequested : genAi.ModelResponded;
        Observe(span, FeatureTable.ModelErrorRate, model, failed);
        if (failed > 0)
        {
            return;
        }

        Observe(span, FeatureTable.ModelLatency, model, seconds);
        Observe(span, FeatureTable.FirstToken, model, genAi.FirstChunkNanos / 1e9);
        Observe(span, FeatureTable.InputTokens, "", genAi.InputTokens is > 0 and var input ? input : null);
        Observe(span, FeatureTable.OutputTokens, "", genAi.OutputTokens);
        if (genAi.FinishReasons.Count > 0)
        {
            Observe(span, FeatureTable.FinishLength, "", genAi.FinishReasons.Contains("length", StringComparer.Ordinal) ? 1 : 0);
            Observe(span, FeatureTable.FinishFiltered, "", genAi.FinishReasons.Contains("content_filter", StringComparer.Ordinal) ? 1 : 0);
        }

        if (genAi.OutputPreview.Length > 0)
        {
            Observe(span, FeatureTable.Refusals, "", AnswerWords.Refuses(genAi.OutputPreview) ? 1 : 0);
        }
    }

    private void Retrieval(SpanSummary span, int failed, double seconds)
    {
        Observe(span, FeatureTable.RetrievalErrorRate, "", failed);
        if (failed > 0)
        {
            return;
        }

        Observe(span, FeatureTable.RetrievalLatency, "", seconds);
        Observe(span, FeatureTable.RetrievalTopScore, "", span.GenAi.DocumentTopScore);
        Observe(span, FeatureTable.RetrievalMeanScore, "", span.GenAi.DocumentMeanScore);
        if (span.GenAi.DocumentCount is { } documents)
        {
            Observe(span, FeatureTable.RetrievalEmpty, "", documents == 0 ? 1 : 0);
            Observe(span, FeatureTable.RetrievalDocuments, "", documents > 0 ? documents : null);
        }
    }

    private void Observe(SpanSummary span, Feature feature, string dimension, double? value)
    {
        if (value is { } known)
        {
            Observe(span.Service, feature, dimension, span.StartUnixNanos + span.DurationNanos, known, span.TraceId);
        }
    }

    private void Observe(string service, Feature feature, string dimension, long unixNanos, double value, TraceId trace)
    {
        if (!double.IsFinite(value))
        {
            return;
        }

        var key = (service, feature, dimension);
        if (!_series.TryGetValue(key, out var windows))
        {
            _series.Add(key, windows = []);
        }

        var index = FeatureWindows.IndexOf(unixNanos);
        if (!windows.TryGetValue(index, out var window))
        {
            windows.Add(index, window = new Accumulator(feature));
        }

        window.Add(value, trace);
    }
}
