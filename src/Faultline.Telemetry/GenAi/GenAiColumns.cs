using Faultline.Telemetry.Columns;

namespace Faultline.Telemetry.GenAi;

/// <summary>One canonical vocabulary for GenAI spans, whatever the instrumentation called things; one row a span.</summary>
/// <remarks>Empty text and <see cref="Absent"/> say "not sent": null is not zero.</remarks>
public sealed class GenAiColumns
{
    /// <summary>A number that was not sent.</summary>
    public const long Absent = long.MinValue;

    /// <summary>chat, completion, embeddings, retrieval, rerank, tool, agent, create_agent, workflow, step, plan, memory,
    /// guardrail, evaluator, prompt, mcp, image, speech, realtime, unknown; empty when the span is not GenAI's.</summary>
    public ByteColumn Operation { get; } = new();

    public ByteColumn Provider { get; } = new();

    public ByteColumn ModelRequested { get; } = new();

    public ByteColumn ModelResponded { get; } = new();

    public ByteColumn ResponseId { get; } = new();

    /// <summary>Canonical finish reasons, comma-separated: stop, length, content_filter, tool_call, error.</summary>
    public ByteColumn FinishReasons { get; } = new();

    /// <summary>Inclusive of cached tokens.</summary>
    public FixedColumn<long> InputTokens { get; } = new();

    /// <summary>Inclusive of reasoning tokens.</summary>
    public FixedColumn<long> OutputTokens { get; } = new();

    public FixedColumn<long> CacheReadTokens { get; } = new();

    public FixedColumn<long> CacheWriteTokens { get; } = new();

    public FixedColumn<long> ReasoningTokens { get; } = new();

    /// <summary>inclusive, exclusive (corrected by adding), unknown; empty when no usage was sent.</summary>
    public ByteColumn UsageBasis { get; } = new();

    /// <summary>1 when this span's tokens count (a leaf model call as far as this batch shows), else 0.</summary>
    public FixedColumn<byte> Counted { get; } = new();

    /// <summary>Nanoseconds from start to the first chunk, or <see cref="Absent"/>.</summary>
    public FixedColumn<long> FirstChunkNanos { get; } = new();

    public ByteColumn Agent { get; } = new();

    public ByteColumn Tool { get; } = new();

    /// <summary>First 16 hexadecimal digits of SHA-256 over the tool's arguments; empty when none were sent.</summary>
    public ByteColumn ToolArgumentsHash { get; } = new();

    public ByteColumn DataSource { get; } = new();

    public ByteColumn PromptName { get; } = new();

    public ByteColumn PromptVersion { get; } = new();

    public ByteColumn Session { get; } = new();

    public ByteColumn User { get; } = new();

    /// <summary>Number of retrieved documents, or <see cref="Absent"/>.</summary>
    public FixedColumn<long> DocumentCount { get; } = new();

    /// <summary>Best document's score, or NaN.</summary>
    public FixedColumn<double> DocumentTopScore { get; } = new();

    /// <summary>Mean of the documents' scores, or NaN.</summary>
    public FixedColumn<double> DocumentMeanScore { get; } = new();

    /// <summary>First characters of the last user message or query; at most 240.</summary>
    public ByteColumn InputPreview { get; } = new();

    /// <summary>First characters of the answer; at most 240.</summary>
    public ByteColumn OutputPreview { get; } = new();

    /// <summary>What the content looks like, for detectors; not stored.</summary>
    public ContentTraits Traits { get; } = new();

    /// <summary>Which dialect won (otel, openinference, …); empty when the span is not GenAI's.</summary>
    public ByteColumn Source { get; } = new();

    public int Count => Operation.Count;

    /// <summary>Makes room for the rows of as many spans.</summary>
    internal void Expect(int spans)
    {
        foreach (var column in (ReadOnlySpan<ByteColumn>)[
            Operation, Provider, ModelRequested, ModelResponded, ResponseId, FinishReasons, UsageBasis, Agent, Tool, ToolArgumentsHash,
            DataSource, PromptName, PromptVersion, Session, User, InputPreview, OutputPreview, Source])
        {
            column.Expect(spans);
        }

        foreach (var column in (ReadOnlySpan<FixedColumn<long>>)[InputTokens, OutputTokens, CacheReadTokens, CacheWriteTokens, ReasoningTokens, FirstChunkNanos, DocumentCount])
        {
            column.Expect(spans);
        }

        Counted.Expect(spans);
        DocumentTopScore.Expect(spans);
        DocumentMeanScore.Expect(spans);
    }
}
