using System.Globalization;
using System.Text.Json;
using Faultline.Lab.Worlds.Topologies;

namespace Faultline.Lab.Worlds.Dialects;

/// <summary>Langfuse SDK 3: observations, with cached tokens counted beside the input.</summary>
/// <remarks>Source: langfuse/langfuse, packages/shared/src/server/otel.</remarks>
internal static class Langfuse
{
    public static void Tell(Span span, Told told)
    {
        Plain.Error(span, told);
        if (Plain.Tell(span, told))
        {
            return;
        }

        var texts = span.ShowsTexts;
        told.Set("langfuse.observation.level", span.Error is null ? null : "ERROR").Set("langfuse.observation.status_message", span.ErrorMessage);
        switch (span.Work)
        {
            case Work.Chat:
                Generation(span, span.Model!, told, texts);
                break;
            case Work.Embedding:
                told.Set("langfuse.observation.type", "embedding").Set("langfuse.observation.model.name", span.Target);
                break;
            case Work.Retrieval:
                told.Name = $"search {span.Target}";
                told.Set("langfuse.observation.type", "retriever").Set("db.collection.name", span.Target).Set("gen_ai.retrieval.top_k", span.TopK)
                    .Set("langfuse.observation.input", texts ? span.Query : null).Set("gen_ai.retrieval.documents", Told.Documents(span, span.Passages ?? [], texts));
                break;
            case Work.Rerank:
                told.Set("langfuse.observation.type", "span").Set("gen_ai.operation.name", "rerank").Set("gen_ai.request.model", span.Target)
                    .Set("gen_ai.retrieval.documents", span.Passages is { } passages ? Told.Documents(span, passages, false) : null);
                break;
            case Work.Tool:
                told.Set("langfuse.observation.type", "tool").Set("gen_ai.tool.name", span.Target).Set("langfuse.observation.input", span.Arguments).Set("langfuse.observation.output", texts ? span.Result : null);
                break;
            case Work.Agent:
                told.Set("langfuse.observation.type", "agent").Set("gen_ai.agent.name", span.Target);
                break;
            case Work.Guardrail:
                told.Set("langfuse.observation.type", "guardrail").Set("guardrail.phase", span.Query).Set("langfuse.observation.output", span.Result);
                break;
            default:
                told.Set("langfuse.observation.type", span.Work == Work.Workflow ? "chain" : "span").Set("langfuse.observation.input", texts ? span.Query : null).Set("langfuse.observation.output", texts ? span.Result : null);
                break;
        }
    }

    private static void Generation(Span span, ModelCall call, Told told, bool texts)
    {
        told.Name = "generation";
        told.Set("langfuse.observation.type", "generation").Set("langfuse.observation.model.name", call.RequestModel).Set("gen_ai.provider.name", call.Route.Provider)
            .Set("langfuse.observation.model.parameters", JsonSerializer.Serialize(new { temperature = call.Temperature, max_tokens = call.MaxTokens }));
        if (span.Error is null)
        {
            var first = DateTimeOffset.UnixEpoch.AddTicks((span.Start / 100) + (long)(call.FirstTokenSeconds * 1e7));
            told.Set("gen_ai.response.model", call.ResponseModel).Set("gen_ai.response.id", call.ResponseId).Set("gen_ai.response.finish_reasons", new[] { call.Finish })
                .Set("langfuse.observation.usage_details", JsonSerializer.Serialize(new { input = call.InputTokens - call.CachedTokens, output = call.OutputTokens, input_cached_tokens = call.CachedTokens }))
                .Set("langfuse.observation.completion_start_time", first.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
        }

        Plain.Template(span, call, told, "langfuse.observation.prompt.name", "langfuse.observation.prompt.version");
        Plain.Identity(span, told, "langfuse.session.id", "langfuse.user.id");
        if (!texts)
        {
            return;
        }

        told.Set("langfuse.observation.input", JsonSerializer.Serialize(Told.Whole(call).Select(message => new { role = message.Role, content = message.Text })));
        if (span.Error is null)
        {
            told.Set("langfuse.observation.output", call.ToolName is { } tool
                ? JsonSerializer.Serialize(new { role = "assistant", tool_calls = new[] { new { name = tool, args = call.ToolArguments } } })
                : JsonSerializer.Serialize(new { role = "assistant", content = call.Output }));
        }
    }
}
