using System.Text.Json;
using Faultline.Lab.Worlds.Topologies;

namespace Faultline.Lab.Worlds.Dialects;

/// <summary>OpenLIT: OpenTelemetry names with additions of its own; of a retrieval it tells counts and scores.</summary>
/// <remarks>Source: openlit/openlit, sdk/python/src/openlit/semcov.</remarks>
internal static class OpenLit
{
    public static void Tell(Span span, Told told)
    {
        var texts = span.ShowsTexts;
        switch (span.Work)
        {
            case Work.Chat:
                Plain.Error(span, told);
                Chat(span, span.Model!, told, texts);
                break;
            case Work.Retrieval:
                Plain.Error(span, told);
                (told.Name, told.Kind) = ($"query {span.Target}", Told.Client);
                told.Set("gen_ai.operation.name", "retrieval").Set("db.system.name", "milvus").Set("db.collection.name", span.Target).Set("gen_ai.request.top_k", span.TopK)
                    .Set("gen_ai.vectordb.search.query", texts ? span.Query : null).Set("gen_ai.vectordb.search.results_count", span.Passages?.Count ?? 0)
                    .Set("gen_ai.retrieval.documents", Told.Documents(span, span.Passages ?? [], texts)).Set("error.type", span.Error);
                break;
            case Work.Guardrail:
                told.Name = $"guard {span.Target}";
                told.Set("guard.name", span.Target).Set("guard.phase", span.Query).Set("guard.verdict", span.Result).Set("guard.denied", span.Result == "block");
                break;
            default:
                Otel.Tell(span, told, OtelVersion.V141);
                break;
        }
    }

    private static void Chat(Span span, ModelCall call, Told told, bool texts)
    {
        (told.Name, told.Kind) = ($"chat {call.RequestModel}", Told.Client);
        told.Set("gen_ai.operation.name", "chat").Set("gen_ai.system", call.Route.Provider).Set("gen_ai.request.model", call.RequestModel).Set("server.address", call.Route.Host)
            .Set("gen_ai.request.temperature", call.Temperature).Set("gen_ai.request.max_tokens", call.MaxTokens).Set("gen_ai.request.is_stream", true).Set("error.type", span.Error);
        if (span.Error is null)
        {
            told.Set("gen_ai.response.model", call.ResponseModel).Set("gen_ai.response.id", call.ResponseId).Set("gen_ai.response.finish_reasons", new[] { call.Finish })
                .Set("gen_ai.usage.input_tokens", call.InputTokens).Set("gen_ai.usage.output_tokens", call.OutputTokens).Set("gen_ai.server.ttft", Math.Round(call.FirstTokenSeconds, 4))
                .Set("gen_ai.usage.cost", Math.Round(((call.InputTokens * 0.5) + (call.OutputTokens * 1.5)) / 1e6, 8));
            Plain.CachedTokens(span, call, told, "gen_ai.usage.cache_read.input_tokens");
        }

        Plain.Template(span, call, told, "gen_ai.prompt.name", "gen_ai.prompt.version");
        Plain.Identity(span, told, "gen_ai.session.id", "gen_ai.request.user");
        if (texts)
        {
            told.Set("gen_ai.input.messages", Told.Parts(Told.Whole(call))).Set("gen_ai.output.messages", span.Error is null ? Told.OutputParts(call) : null);
        }
    }
}
