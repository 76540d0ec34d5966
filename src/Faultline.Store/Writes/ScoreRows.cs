using Faultline.ClickHouse;
using Faultline.Telemetry;

namespace Faultline.Store.Writes;

/// <summary>Evaluation results of a group on their way into table <c>scores</c>.</summary>
internal sealed class ScoreRows : IRows
{
    private readonly RequestRows _request = new();
    private readonly StringRows _service = new();
    private readonly StringRows _environment = new();
    private readonly IdRows _traceId = new(16);
    private readonly IdRows _spanId = new(8);
    private readonly StringRows _responseId = new();
    private readonly StringRows _name = new();
    private readonly FixedRows<double> _value = new();
    private readonly StringRows _label = new();
    private readonly StringRows _explanation = new();
    private readonly StringRows _evaluator = new();
    private readonly FixedRows<long> _unixNanos = new();

    public string Table => "scores";

    public int Count => _name.Count;

    public bool KeepsRequestHash => true;

    public int RowsOf(TelemetryBatch batch) => batch.Scores.Count;

    public void Append(TelemetryBatch batch)
    {
        var scores = batch.Scores;
        _request.Append(batch, scores.Count);
        _service.Append(scores.ServiceName);
        _environment.Append(scores.Environment);
        _traceId.Append(scores.TraceId.Values);
        _spanId.Append(scores.SpanId.Values);
        _responseId.Append(scores.ResponseId);
        _name.Append(scores.Name);
        _value.Append(scores.Value.Values);
        _label.Append(scores.Label);
        _explanation.Append(scores.Explanation);
        _evaluator.Append(scores.Evaluator);
        _unixNanos.Append(scores.UnixNanos.Values);
    }

    public void Clear()
    {
        _request.Clear();
        _traceId.Clear();
        _spanId.Clear();
        _value.Clear();
        _unixNanos.Clear();
        foreach (var texts in (ReadOnlySpan<StringRows>)[_service, _environment, _responseId, _name, _label, _explanation, _evaluator])
        {
            texts.Clear();
        }
    }

    public IEnumerable<TableBlock> Blocks(ushort receivedDay) => [new(Table, ToBlock(receivedDay))];

    private NativeBlock ToBlock(ushort receivedDay)
    {
        var block = new NativeBlock(Count);
        _request.WriteTo(block, receivedDay);
        _service.WriteTo(block, "service_name");
        _environment.WriteTo(block, "environment");
        _traceId.WriteTo(block, "trace_id");
        _spanId.WriteTo(block, "span_id");
        _responseId.WriteTo(block, "response_id");
        _name.WriteTo(block, "name");
        block.Fixed("value", "Float64", _value.Values);
        _label.WriteTo(block, "label");
        _explanation.WriteTo(block, "explanation");
        _evaluator.WriteTo(block, "evaluator");
        block.Fixed("unix_nanos", "Int64", _unixNanos.Values);
        return block;
    }
}
