using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Spans;

namespace Faultline.Telemetry.Scores;

/// <summary>Evaluation results, one row each. They arrive after the span they judge and are joined when read.</summary>
public sealed class ScoreBatch
{
    public ByteColumn ServiceName { get; } = new();

    public ByteColumn Environment { get; } = new();

    public FixedColumn<TraceId> TraceId { get; } = new();

    /// <summary>None when the score names only a response id or the whole trace.</summary>
    public FixedColumn<SpanId> SpanId { get; } = new();

    public ByteColumn ResponseId { get; } = new();

    public ByteColumn Name { get; } = new();

    /// <summary>NaN when only a label was sent.</summary>
    public FixedColumn<double> Value { get; } = new();

    public ByteColumn Label { get; } = new();

    public ByteColumn Explanation { get; } = new();

    /// <summary>Who judged: <c>app</c>, <c>human</c>, <c>llm</c>, or an evaluator of ours.</summary>
    public ByteColumn Evaluator { get; } = new();

    public FixedColumn<long> UnixNanos { get; } = new();

    public int Count => Name.Count;

    public void Add(string serviceName, string environment, TraceId traceId, SpanId spanId, string responseId, string name, double value, string label, string explanation, string evaluator, long unixNanos)
    {
        ServiceName.Add(serviceName);
        Environment.Add(environment);
        TraceId.Add(traceId);
        SpanId.Add(spanId);
        ResponseId.Add(responseId);
        Name.Add(name);
        Value.Add(value);
        Label.Add(label);
        Explanation.Add(explanation);
        Evaluator.Add(evaluator);
        UnixNanos.Add(unixNanos);
    }
}
