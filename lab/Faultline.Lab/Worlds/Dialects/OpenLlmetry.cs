using System.Text.Json;
using Faultline.Lab.Worlds.Topologies;

namespace Faultline.Lab.Worlds.Dialects;

/// <summary>OpenLLMetry: indexed prompts and completions, entities of workflows, results of vector databases as events.</summary>
/// <remarks>Source: traceloop/openllmetry, opentelemetry-semantic-conventions-ai.</remarks>
internal static class OpenLlmetry
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
                (told.Name, told.Kind) = ("openai.embeddings", Told.Client);
                told.Set("llm.request.type", "embedding").Set("gen_ai.system", "openai").Set("gen_ai.request.model", span.Target).Set("gen_ai.usage.prompt_tokens", (span.Query!.Length / 4) + 2);
                break;
            case Work.Retrieval:
                Query(span, told, texts);
                break;
            case Work.Rerank:
                (told.Name, told.Kind) = ("cohere.rerank", Told.Client);
                told.Set("llm.request.type", "rerank").Set("gen_ai.request.model", span.Target).Set("gen_ai.request.top_k", span.TopK)
                    .Set("gen_ai.retrieval.documents", span.Passages is { } passages ? Told.Documents(span, passages, false) : null);
                break;
            case Work.Tool:
                Entity(span, told, "tool").Set("traceloop.entity.input", span.Arguments).Set("traceloop.entity.output", texts ? span.Result : null).Set("gen_ai.tool.name", span.Target);
                break;
            case Work.Agent:
                Entity(span, told, "agent").Set("gen_ai.agent.name", span.Target);
                break;
            case Work.Workflow:
                Entity(span, told, "workflow");
                break;
            default:
                Entity(span, told, "task").Set("traceloop.entity.input", texts ? span.Query : null).Set("traceloop.entity.output", span.Work == Work.Guardrail || texts ? span.Result : null);
                break;
        }
    }

    private static Told Entity(Span span, Told told, string kind)
    {
        told.Name = $"{span.Name}.{kind}";
        return told.Set("traceloop.span.kind", kind).Set("traceloop.entity.name", span.Target ?? span.Name);
    }

    private static void Query(Span span, Told told, bool texts)
    {
        (told.Name, told.Kind) = ("qdrant.query", Told.Client);
        told.Set("db.system", "qdrant").Set("qdrant.search.collection_name", span.Target).Set("db.vector.query.top_k", span.TopK)
            .Set("db.vector.query.result_count", span.Passages?.Count ?? 0);
        foreach (var passage in span.Passages ?? [])
        {
            told.Tell(
                "db.query.result",
                span.End,
                [
                    new("db.query.result.id", passage.Document.Id),
                    new("db.query.result.score", passage.Score),
                    new("db.query.result.metadata", JsonSerializer.Serialize(new { updated_at = Told.UpdatedAt(span, passage) })),
                    .. texts ? [new KeyValuePair<string, object>("db.query.result.document", passage.Text)] : Array.Empty<KeyValuePair<string, object>>(),
                ]);
        }
    }

    private static void Chat(Span span, ModelCall call, Told told, bool texts)
    {
        (told.Name, told.Kind) = ("openai.chat", Told.Client);
        told.Set("llm.request.type", "chat").Set("gen_ai.system", call.Route.Provider).Set("gen_ai.request.model", call.RequestModel)
            .Set("gen_ai.request.temperature", call.Temperature).Set("gen_ai.request.max_tokens", call.MaxTokens).Set("gen_ai.openai.api_base", $"https://{call.Route.Host}/v1");
        if (span.Error is null)
        {
            told.Set("gen_ai.response.model", call.ResponseModel).Set("gen_ai.response.id", call.ResponseId).Set("llm.response.finish_reason", call.Finish)
                .Set("gen_ai.usage.prompt_tokens", call.InputTokens).Set("gen_ai.usage.completion_tokens", call.OutputTokens).Set("llm.usage.total_tokens", call.InputTokens + call.OutputTokens);
            Plain.CachedTokens(span, call, told, "gen_ai.usage.cache_read_input_tokens");
        }

        Plain.Template(span, call, told, "traceloop.prompt.key", "traceloop.prompt.version");
        Plain.Identity(span, told, "traceloop.association.properties.session_id", "traceloop.association.properties.user_id");
        if (!texts)
        {
            return;
        }

        Indexed.Input(call, told, "gen_ai.prompt", "");
        if (span.Error is null)
        {
            told.Set("gen_ai.completion.0.role", "assistant").Set("gen_ai.completion.0.finish_reason", call.Finish);
            Indexed.Output(call, told, "gen_ai.completion.0", "");
        }
    }
}
