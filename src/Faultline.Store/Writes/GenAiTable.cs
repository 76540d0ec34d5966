using Faultline.Telemetry.Columns;
using Faultline.Telemetry.GenAi;

namespace Faultline.Store.Writes;

/// <summary>The columns of table <c>spans</c> that hold the GenAI vocabulary, and where each is in a batch: one list for both ways.</summary>
internal static class GenAiTable
{
    public static readonly (string Name, Func<GenAiColumns, ByteColumn> Of)[] Texts =
    [
        ("genai_operation", genAi => genAi.Operation),
        ("genai_provider", genAi => genAi.Provider),
        ("genai_model_requested", genAi => genAi.ModelRequested),
        ("genai_model_responded", genAi => genAi.ModelResponded),
        ("genai_response_id", genAi => genAi.ResponseId),
        ("genai_finish_reasons", genAi => genAi.FinishReasons),
        ("genai_usage_basis", genAi => genAi.UsageBasis),
        ("genai_agent", genAi => genAi.Agent),
        ("genai_tool", genAi => genAi.Tool),
        ("genai_tool_arguments_hash", genAi => genAi.ToolArgumentsHash),
        ("genai_data_source", genAi => genAi.DataSource),
        ("genai_prompt_name", genAi => genAi.PromptName),
        ("genai_prompt_version", genAi => genAi.PromptVersion),
        ("genai_input_preview", genAi => genAi.InputPreview),
        ("genai_output_preview", genAi => genAi.OutputPreview),
        ("genai_source", genAi => genAi.Source),
        ("session", genAi => genAi.Session),
        ("user", genAi => genAi.User),
    ];

    /// <summary>NULL where the batch has <see cref="GenAiColumns.Absent"/>.</summary>
    public static readonly (string Name, Func<GenAiColumns, FixedColumn<long>> Of)[] Integers =
    [
        ("genai_input_tokens", genAi => genAi.InputTokens),
        ("genai_output_tokens", genAi => genAi.OutputTokens),
        ("genai_cache_read_tokens", genAi => genAi.CacheReadTokens),
        ("genai_cache_write_tokens", genAi => genAi.CacheWriteTokens),
        ("genai_reasoning_tokens", genAi => genAi.ReasoningTokens),
        ("genai_first_chunk_nanos", genAi => genAi.FirstChunkNanos),
        ("genai_document_count", genAi => genAi.DocumentCount),
    ];

    /// <summary>NULL where the batch has NaN.</summary>
    public static readonly (string Name, Func<GenAiColumns, FixedColumn<double>> Of)[] Doubles =
    [
        ("genai_document_top_score", genAi => genAi.DocumentTopScore),
        ("genai_document_mean_score", genAi => genAi.DocumentMeanScore),
    ];
}
