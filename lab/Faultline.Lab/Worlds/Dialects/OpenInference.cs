using System.Text.Json;
using Faultline.Lab.Worlds.Topologies;

namespace Faultline.Lab.Worlds.Dialects;

/// <summary>OpenInference: a kind on each span, everything flattened.</summary>
/// <remarks>Source: Arize-ai/openinference, spec/semantic_conventions.md.</remarks>
internal static class OpenInference
{
    public static void Tell(Span span, Told told)
    {
        Plain.Error(span, told);
        if (Plain.Tell(span, told))
        {
            return;
        }

        var texts = span.ShowsTexts;
        switch (span.Work)
        {
            case Work.Chat:
                Chat(span, span.Model!, told, texts);
                break;
            case Work.Embedding:
                told.Name = "OpenAIEmbeddings";
                told.Set("openinference.span.kind", "EMBEDDING").Set("embedding.model_name", span.Target).Set("embedding.embeddings.0.embedding.text", texts ? span.Query : null);
                break;
            case Work.Retrieval:
                told.Name = "VectorStoreRetriever";
                told.Set("openinference.span.kind", "RETRIEVER").Set("input.value", texts ? span.Query : null).Set("db.collection.name", span.Target).Set("retrieval.top_k", span.TopK);
                Documents(span, told, "retrieval.documents", span.Passages, texts);
                break;
            case Work.Rerank:
                told.Name = "rerank";
                told.Set("openinference.span.kind", "RERANKER").Set("reranker.model_name", span.Target).Set("reranker.top_k", span.TopK);
                Documents(span, told, "reranker.input_documents", span.PassagesIn, false);
                Documents(span, told, "reranker.output_documents", span.Passages, false);
                break;
            case Work.Tool:
                told.Set("openinference.span.kind", "TOOL").Set("tool.name", span.Target).Set("input.value", span.Arguments).Set("input.mime_type", "application/json").Set("output.value", texts ? span.Result : null);
                break;
            case Work.Agent:
                told.Set("openinference.span.kind", "AGENT").Set("agent.name", span.Target).Set("graph.node.id", span.Target);
                break;
            case Work.Guardrail:
                told.Set("openinference.span.kind", "GUARDRAIL").Set("guardrail.phase", span.Query).Set("output.value", span.Result);
                break;
            default:
                told.Set("openinference.span.kind", "CHAIN").Set("input.value", texts ? span.Query : null).Set("output.value", texts ? span.Result : null);
                break;
        }
    }

    private static void Chat(Span span, ModelCall call, Told told, bool texts)
    {
        told.Name = "ChatCompletion";
        told.Set("openinference.span.kind", "LLM").Set("llm.provider", call.Route.Provider).Set("llm.model_name", call.RequestModel)
            .Set("llm.invocation_parameters", JsonSerializer.Serialize(new { temperature = call.Temperature, max_tokens = call.MaxTokens }));
        if (span.Error is null)
        {
            told.Set("llm.response.model_name", call.ResponseModel).Set("llm.finish_reason", call.Finish).Set("llm.token_count.prompt", call.InputTokens)
                .Set("llm.token_count.completion", call.OutputTokens).Set("llm.token_count.total", call.InputTokens + call.OutputTokens);
            Plain.CachedTokens(span, call, told, "llm.token_count.prompt_details.cache_read");
        }

        Plain.Template(span, call, told, "prompt.id", "llm.prompt_template.version");
        Plain.Identity(span, told, "session.id", "user.id");
        if (!texts)
        {
            return;
        }

        Indexed.Input(call, told, "llm.input_messages", ".message");
        if (span.Error is null)
        {
            told.Set("llm.output_messages.0.message.role", "assistant");
            Indexed.Output(call, told, "llm.output_messages.0.message", "tool_call.function.");
            told.Set("output.value", call.ToolName is null ? call.Output : null);
        }
    }

    private static void Documents(Span span, Told told, string prefix, IReadOnlyList<Passage>? passages, bool texts)
    {
        for (var i = 0; i < (passages?.Count ?? 0); i++)
        {
            var passage = passages![i];
            told.Set($"{prefix}.{i}.document.id", passage.Document.Id).Set($"{prefix}.{i}.document.score", passage.Score)
                .Set($"{prefix}.{i}.document.content", texts ? passage.Text : null)
                .Set($"{prefix}.{i}.document.metadata", JsonSerializer.Serialize(new { updated_at = Told.UpdatedAt(span, passage) }));
        }
    }
}
