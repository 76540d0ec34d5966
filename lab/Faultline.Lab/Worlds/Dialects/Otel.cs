using Faultline.Lab.Worlds.Topologies;

namespace Faultline.Lab.Worlds.Dialects;

internal enum OtelVersion
{
    V130,
    V141,
    Unreleased,
}

/// <summary>The OpenTelemetry GenAI conventions of three generations.</summary>
/// <remarks>Source: open-telemetry/semantic-conventions v1.30 and v1.41, open-telemetry/semantic-conventions-genai.</remarks>
internal static class Otel
{
    public static void Tell(Span span, Told told, OtelVersion version)
    {
        Plain.Error(span, told);
        if (Plain.Tell(span, told))
        {
            return;
        }

        var texts = span.ShowsTexts;
        told.Set("error.type", span.Error);
        switch (span.Work)
        {
            case Work.Chat:
                Chat(span, span.Model!, told, version, texts);
                break;
            case Work.Embedding:
                Operation(told, "embeddings", span.Target, Told.Client).Set("gen_ai.request.model", span.Target).Set("gen_ai.usage.input_tokens", (span.Query!.Length / 4) + 2);
                break;
            case Work.Retrieval:
                Operation(told, "retrieval", span.Target, Told.Client).Set("gen_ai.data_source.id", span.Target)
                    .Set(version == OtelVersion.Unreleased ? "gen_ai.retrieval.top_k" : "gen_ai.request.top_k", span.TopK)
                    .Set("gen_ai.retrieval.query.text", texts ? span.Query : null).Set("gen_ai.retrieval.documents", Told.Documents(span, span.Passages ?? [], texts));
                break;
            case Work.Rerank:
                Operation(told, "rerank", span.Target, Told.Client).Set("gen_ai.request.model", span.Target).Set("gen_ai.retrieval.documents", span.Passages is { } passages ? Told.Documents(span, passages, false) : null);
                break;
            case Work.Tool:
                Operation(told, "execute_tool", span.Target, Told.Internal).Set("gen_ai.tool.name", span.Target).Set("gen_ai.tool.type", "function")
                    .Set("gen_ai.tool.call.arguments", span.Arguments).Set("gen_ai.tool.call.result", texts ? span.Result : null);
                break;
            case Work.Agent:
                Operation(told, "invoke_agent", span.Target, Told.Internal).Set("gen_ai.agent.name", span.Target);
                break;
            case Work.Memory:
                Operation(told, "search_memory", span.Target, Told.Client).Set("gen_ai.memory.store.id", span.Target)
                    .Set("gen_ai.memory.query.text", texts ? span.Query : null).Set("gen_ai.memory.records", texts ? span.Result : null);
                break;
            case Work.Plan:
                Operation(told, "plan", span.Target, Told.Internal).Set("gen_ai.agent.name", span.Target);
                break;
            case Work.Workflow:
                Operation(told, "invoke_workflow", span.Name, Told.Internal).Set("gen_ai.workflow.name", span.Name);
                break;
            default:
                told.Name = $"guardrail {span.Target}";
                told.Set("guard.name", span.Target).Set("guard.phase", span.Query).Set("guard.verdict", span.Result);
                break;
        }
    }

    private static Told Operation(Told told, string operation, string? target, int kind)
    {
        (told.Name, told.Kind) = ($"{operation} {target}", kind);
        return told.Set("gen_ai.operation.name", operation);
    }

    private static void Chat(Span span, ModelCall call, Told told, OtelVersion version, bool texts)
    {
        Operation(told, "chat", call.RequestModel, Told.Client)
            .Set(version == OtelVersion.V130 ? "gen_ai.system" : "gen_ai.provider.name", call.Route.Provider)
            .Set("gen_ai.request.model", call.RequestModel).Set("gen_ai.request.temperature", call.Temperature).Set("gen_ai.request.max_tokens", call.MaxTokens)
            .Set("server.address", call.Route.Host).Set("http.response.status_code", span.Status);
        if (span.Error is null)
        {
            told.Set("gen_ai.response.model", call.ResponseModel).Set("gen_ai.response.id", call.ResponseId).Set("gen_ai.response.finish_reasons", new[] { call.Finish })
                .Set("gen_ai.usage.input_tokens", call.InputTokens).Set("gen_ai.usage.output_tokens", call.OutputTokens);
            Plain.CachedTokens(span, call, told, "gen_ai.usage.cache_read.input_tokens");
            told.Set(version == OtelVersion.V130 ? "gen_ai.server.time_to_first_token" : "gen_ai.response.time_to_first_chunk", Math.Round(call.FirstTokenSeconds, 4));
        }

        var prompt = version == OtelVersion.V130 ? "prompt" : "gen_ai.prompt";
        Plain.Template(span, call, told, $"{prompt}.name", $"{prompt}.version");
        Plain.Identity(span, told, "gen_ai.conversation.id", "user.id");
        if (!texts)
        {
            return;
        }

        if (version == OtelVersion.V130)
        {
            Events(span, call, told);
            return;
        }

        told.Set("gen_ai.system_instructions", call.System is null ? null : System.Text.Json.JsonSerializer.Serialize(new[] { new { type = "text", content = call.System } }))
            .Set("gen_ai.input.messages", Told.Parts(call.Input)).Set("gen_ai.output.messages", span.Error is null ? Told.OutputParts(call) : null);
    }

    /// <summary>Messages as span events, as before v1.37.</summary>
    private static void Events(Span span, ModelCall call, Told told)
    {
        foreach (var message in Told.Whole(call))
        {
            told.Tell($"gen_ai.{message.Role}.message", span.Start, new KeyValuePair<string, object>("gen_ai.event.content", System.Text.Json.JsonSerializer.Serialize(new { role = message.Role, content = message.Text })));
        }

        if (span.Error is null)
        {
            told.Tell("gen_ai.choice", span.End, new KeyValuePair<string, object>("gen_ai.event.content", System.Text.Json.JsonSerializer.Serialize(new { index = 0, finish_reason = call.Finish, message = new { role = "assistant", content = call.Output } })));
        }
    }
}
