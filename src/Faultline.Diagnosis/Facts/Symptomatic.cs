using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Findings;
using Faultline.Store.Traces;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Facts;

/// <summary>Says of a single trace whether it shows a symptom that was seen in windows of many.</summary>
internal static class Symptomatic
{
    /// <param name="beyond">Whether a value is nearer to the observed than to the usual.</param>
    /// <returns>Null where the trace does not say; of features that no single trace can be judged by, every trace shows them.</returns>
    public static Func<TraceFacts, bool?> Of(Feature feature, Symptom symptom, Func<double, bool> beyond)
    {
        bool? Any(TraceFacts trace, Func<SpanSummary, bool> isOfIt, Func<SpanSummary, bool> shows)
        {
            var those = trace.Spans.Where(isOfIt).ToList();
            return those.Count == 0 ? null : those.Exists(span => shows(span));
        }

        bool? Beyond(TraceFacts trace, Func<SpanSummary, bool> isOfIt, Func<SpanSummary, double?> value)
        {
            var values = trace.Spans.Where(isOfIt).Select(value).OfType<double>().ToList();
            return values.Count == 0 ? null : values.Exists(one => beyond(one));
        }

        static bool IsCall(SpanSummary span) => span.GenAi.Operation is "chat" or "completion";
        static bool IsRetrieval(SpanSummary span) => span.GenAi.Operation is "retrieval";
        static bool IsTool(SpanSummary span) => span.GenAi.Operation is "tool";
        static bool IsDependency(SpanSummary span) => span is { GenAi.Operation: "", Kind: SpanKind.Client, ParentSpanId.IsNone: false };
        static double? Seconds(SpanSummary span) => span.DurationNanos / 1e9;
        static bool Failed(SpanSummary span) => span.Status == SpanStatus.Error;
        return feature.Name switch
        {
            _ when ReferenceEquals(feature, FeatureTable.MaxToolRepeats) => trace => trace.MaxToolRepeats() >= symptom.High,
            _ when ReferenceEquals(feature, FeatureTable.LatencyP50) || ReferenceEquals(feature, FeatureTable.LatencyP95) => trace => trace.Root is { } root ? beyond(root.DurationNanos / 1e9) : null,
            _ when ReferenceEquals(feature, FeatureTable.ErrorRate) => trace => trace.HasError,
            _ when ReferenceEquals(feature, FeatureTable.Wait) => trace => trace.WaitSeconds is { } wait ? beyond(wait) : null,
            _ when ReferenceEquals(feature, FeatureTable.RetrievalTopScore) => trace => Beyond(trace, IsRetrieval, span => span.GenAi.DocumentTopScore),
            _ when ReferenceEquals(feature, FeatureTable.RetrievalMeanScore) => trace => Beyond(trace, IsRetrieval, span => span.GenAi.DocumentMeanScore),
            _ when ReferenceEquals(feature, FeatureTable.RetrievalEmpty) => trace => Any(trace, IsRetrieval, span => span.GenAi.DocumentCount == 0),
            _ when ReferenceEquals(feature, FeatureTable.RetrievalErrorRate) => trace => Any(trace, IsRetrieval, Failed),
            _ when ReferenceEquals(feature, FeatureTable.RetrievalLatency) => trace => Beyond(trace, IsRetrieval, Seconds),
            _ when ReferenceEquals(feature, FeatureTable.RerankErrorRate) => trace => Any(trace, static span => span.GenAi.Operation is "rerank", Failed),
            _ when ReferenceEquals(feature, FeatureTable.RerankLatency) => trace => Beyond(trace, static span => span.GenAi.Operation is "rerank", Seconds),
            _ when ReferenceEquals(feature, FeatureTable.ModelErrorRate) => trace => Any(trace, IsCall, Failed),
            _ when ReferenceEquals(feature, FeatureTable.ModelLatency) => trace => Beyond(trace, IsCall, Seconds),
            _ when ReferenceEquals(feature, FeatureTable.FirstToken) => trace => Beyond(trace, IsCall, static span => span.GenAi.FirstChunkNanos / 1e9),
            _ when ReferenceEquals(feature, FeatureTable.InputTokens) || ReferenceEquals(feature, FeatureTable.InputTokensFall) => trace => Beyond(trace, IsCall, static span => span.GenAi.InputTokens),
            _ when ReferenceEquals(feature, FeatureTable.OutputTokens) => trace => Beyond(trace, IsCall, static span => span.GenAi.OutputTokens),
            _ when ReferenceEquals(feature, FeatureTable.FinishLength) => trace => Any(trace, IsCall, static span => span.GenAi.FinishReasons.Contains("length", StringComparer.Ordinal)),
            _ when ReferenceEquals(feature, FeatureTable.FinishFiltered) => trace => Any(trace, IsCall, static span => span.GenAi.FinishReasons.Contains("content_filter", StringComparer.Ordinal)),
            _ when ReferenceEquals(feature, FeatureTable.Refusals) => trace => Any(trace, IsCall, static span => AnswerWords.Refuses(span.GenAi.OutputPreview)),
            _ when ReferenceEquals(feature, FeatureTable.Blocked) => trace => Any(trace, Guardrails.IsOne, Guardrails.Blocked),
            _ when ReferenceEquals(feature, FeatureTable.ToolErrorRate) => trace => Any(trace, IsTool, Failed),
            _ when ReferenceEquals(feature, FeatureTable.ToolLatency) => trace => Beyond(trace, IsTool, Seconds),
            _ when ReferenceEquals(feature, FeatureTable.DependencyErrorRate) => trace => Any(trace, IsDependency, Failed),
            _ when ReferenceEquals(feature, FeatureTable.DependencyLatency) => trace => Beyond(trace, IsDependency, Seconds),
            _ when ReferenceEquals(feature, FeatureTable.ToolCalls) => trace => beyond(trace.Spans.Count(IsTool)),
            _ when ReferenceEquals(feature, FeatureTable.ModelCalls) => trace => beyond(trace.Spans.Count(IsCall)),
            _ when ReferenceEquals(feature, FeatureTable.AgentTurns) => trace => beyond(trace.Spans.Count(static span => span.GenAi.Operation is "agent")),
            _ when ReferenceEquals(feature, FeatureTable.Plans) => trace => beyond(trace.Spans.Count(static span => span.GenAi.Operation is "plan")),
            _ => static _ => true,
        };
    }
}
