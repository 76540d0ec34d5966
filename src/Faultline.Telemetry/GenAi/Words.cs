namespace Faultline.Telemetry.GenAi;

/// <summary>How other vocabularies' values are said in ours.</summary>
internal static class Words
{
    /// <summary>Canonical operation of a value as its dialect writes it.</summary>
    public static string Operation(string dialect, string value) => dialect switch
    {
        "openinference" => value.ToUpperInvariant() switch
        {
            "LLM" => "chat",
            "EMBEDDING" => "embeddings",
            "CHAIN" => "workflow",
            "RETRIEVER" => "retrieval",
            "RERANKER" => "rerank",
            "TOOL" => "tool",
            "AGENT" => "agent",
            "GUARDRAIL" => "guardrail",
            "EVALUATOR" => "evaluator",
            "PROMPT" => "prompt",
            _ => "unknown",
        },
        "vercel" => value switch
        {
            _ when value.Contains(".doEmbed", StringComparison.Ordinal) => "embeddings",
            _ when value.Contains(".do", StringComparison.Ordinal) => value.StartsWith("ai.rerank", StringComparison.Ordinal) ? "rerank" : "chat",
            _ when value.StartsWith("ai.toolCall", StringComparison.Ordinal) => "tool",
            _ when value.StartsWith("ai.", StringComparison.Ordinal) => "workflow",
            _ => "unknown",
        },
        "mcp" => value switch
        {
            "tools/call" => "tool",
            "prompts/get" => "prompt",
            "resources/read" => "retrieval",
            _ => "mcp",
        },
        _ => value.ToLowerInvariant() switch
        {
            "chat" or "generate_content" or "generation" or "generate" or "llm" or "llm_request" => "chat",
            "text_completion" or "completion" => "completion",
            "embeddings" or "embedding" => "embeddings",
            "retrieval" or "retriever" or "vector_db_retrieve" => "retrieval",
            "rerank" => "rerank",
            "execute_tool" or "tool" => "tool",
            "invoke_agent" or "agent" => "agent",
            "create_agent" => "create_agent",
            "invoke_workflow" or "workflow" or "chain" => "workflow",
            "task" or "agent_step" or "execute_task" or "step" => "step",
            "plan" => "plan",
            "guardrail" => "guardrail",
            "evaluator" => "evaluator",
            "prompt" => "prompt",
            "image" => "image",
            "speech" => "speech",
            "realtime" => "realtime",
            var memory when memory.EndsWith("_memory", StringComparison.Ordinal) || memory.EndsWith("_memory_store", StringComparison.Ordinal) => "memory",
            _ => "unknown",
        },
    };

    /// <summary>stop, length, content_filter, tool_call, error; anything else stays as it is, in lower case.</summary>
    public static string FinishReason(string value) => value switch
    {
        "end_turn" or "stop_sequence" or "STOP" or "eos" or "COMPLETE" or "stop" => "stop",
        "max_tokens" or "max_output_tokens" or "MAX_TOKENS" or "length" => "length",
        "tool_calls" or "tool-calls" or "function_call" or "tool_use" or "tool_call" => "tool_call",
        "SAFETY" or "RECITATION" or "refusal" or "content-filter" or "content_filter" => "content_filter",
        _ => value.ToLowerInvariant(),
    };

    public static string Provider(string value)
    {
        // Vercel writes openai.chat, anthropic.messages, google.vertex.chat.
        var lower = value.ToLowerInvariant();
        return lower switch
        {
            "az.ai.openai" => "azure.ai.openai",
            "az.ai.inference" => "azure.ai.inference",
            "gemini" => "gcp.gemini",
            "vertex_ai" or "vertexai" => "gcp.vertex_ai",
            "xai" => "x_ai",
            "mistralai" => "mistral_ai",
            "aws" or "amazon" => "aws.bedrock",
            "azure" => "azure.ai.openai",
            "google" => "gcp.gen_ai",
            "moonshot" => "moonshot_ai",
            "watsonx" => "ibm.watsonx.ai",
            _ => lower,
        };
    }

    /// <summary>Who really answers at an OpenAI-compatible address, or null when the address says nothing.</summary>
    public static string? ProviderAt(string server) => server switch
    {
        _ when server.EndsWith("openai.azure.com", StringComparison.OrdinalIgnoreCase) => "azure.ai.openai",
        _ when server.EndsWith("openrouter.ai", StringComparison.OrdinalIgnoreCase) => "openrouter",
        _ when server.EndsWith("groq.com", StringComparison.OrdinalIgnoreCase) => "groq",
        _ when server.EndsWith("mistral.ai", StringComparison.OrdinalIgnoreCase) => "mistral_ai",
        _ when server.EndsWith("deepseek.com", StringComparison.OrdinalIgnoreCase) => "deepseek",
        _ when server.EndsWith("x.ai", StringComparison.OrdinalIgnoreCase) => "x_ai",
        _ when server.Contains("vllm", StringComparison.OrdinalIgnoreCase) => "vllm",
        _ when server.Contains("ollama", StringComparison.OrdinalIgnoreCase) => "ollama",
        _ => null,
    };
}
