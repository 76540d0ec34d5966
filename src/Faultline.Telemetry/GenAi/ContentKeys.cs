namespace Faultline.Telemetry.GenAi;

/// <summary>Attributes that hold what was said: prompts, answers, documents, tool calls. They go into the bodies, however short.</summary>
internal static class ContentKeys
{
    private static readonly byte[][] Prefixes = [.. new[]
    {
        "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.definitions", "gen_ai.tool.call.arguments", "gen_ai.tool.call.result",
        "gen_ai.retrieval.documents", "gen_ai.retrieval.query.text", "gen_ai.prompt.0", "gen_ai.prompt.1", "gen_ai.completion.", "gen_ai.completion", "gen_ai.memory.",
        "input.value", "output.value", "llm.input_messages.", "llm.output_messages.", "llm.prompts", "llm.tools.", "llm.prompt_template.template", "llm.prompt_template.variables",
        "retrieval.documents.", "reranker.input_documents.", "reranker.output_documents.", "embedding.embeddings.", "embedding.text", "embedding.vector",
        "ai.prompt", "ai.response.text", "ai.response.object", "ai.response.toolCalls", "ai.toolCall.args", "ai.toolCall.result", "ai.value", "ai.values", "ai.embedding",
        "traceloop.entity.input", "traceloop.entity.output", "langfuse.observation.input", "langfuse.observation.output", "langfuse.trace.input", "langfuse.trace.output",
        "genkit:input", "genkit:output",
    }.Select(System.Text.Encoding.UTF8.GetBytes)];

    public static bool IsContent(ReadOnlySpan<byte> key)
    {
        // Scores of documents are figures, not content: lists and detectors look for them.
        if (key.EndsWith(".document.score"u8))
        {
            return false;
        }

        foreach (var prefix in Prefixes)
        {
            if (key.StartsWith(prefix))
            {
                return true;
            }
        }

        return key.StartsWith("gen_ai.prompt."u8) && key.Length > 14 && key[14] is >= (byte)'0' and <= (byte)'9';
    }
}
