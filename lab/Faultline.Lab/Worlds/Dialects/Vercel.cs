using System.Globalization;
using System.Text.Json;
using Faultline.Lab.Worlds.Topologies;

namespace Faultline.Lab.Worlds.Dialects;

/// <summary>Vercel AI SDK 5; what it has no spans for, the application tells with OpenTelemetry names.</summary>
/// <remarks>Source: vercel/ai, packages/otel/src/legacy-open-telemetry.ts.</remarks>
internal static class Vercel
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
            case Work.Embedding:
                Operation(told, "ai.embed.doEmbed").Set("ai.model.id", span.Target).Set("ai.usage.tokens", (span.Query!.Length / 4) + 2).Set("ai.values", texts ? new[] { JsonSerializer.Serialize(span.Query) } : null);
                break;
            case Work.Rerank:
                Plain.Error(span, told);
                Operation(told, "ai.rerank.doRerank").Set("ai.model.id", span.Target)
                    .Set("ai.ranking", span.Passages is { } passages ? JsonSerializer.Serialize(passages.Select((passage, i) => new { originalIndex = i, score = passage.Score })) : null);
                break;
            case Work.Tool:
                Plain.Error(span, told);
                Operation(told, "ai.toolCall").Set("ai.toolCall.name", span.Target).Set("ai.toolCall.args", span.Arguments).Set("ai.toolCall.result", texts ? span.Result : null);
                break;
            case Work.Workflow or Work.Plan:
                Operation(told, "ai.generateText").Set("ai.telemetry.functionId", span.Name);
                break;
            default:
                Otel.Tell(span, told, OtelVersion.V141);
                break;
        }
    }

    private static Told Operation(Told told, string operation)
    {
        told.Name = operation;
        return told.Set("operation.name", operation).Set("ai.operationId", operation);
    }

    private static void Chat(Span span, ModelCall call, Told told, bool texts)
    {
        told.Kind = Told.Internal;
        Operation(told, "ai.streamText.doStream").Set("ai.model.provider", $"{call.Route.Provider}.chat").Set("ai.model.id", call.RequestModel)
            .Set("ai.settings.temperature", call.Temperature).Set("ai.settings.maxOutputTokens", call.MaxTokens).Set("ai.settings.maxRetries", 2);
        if (span.Error is null)
        {
            // Numbers come as text from some exporters of this SDK.
            told.Set("ai.response.model", call.ResponseModel).Set("ai.response.id", call.ResponseId).Set("ai.response.finishReason", call.Finish == "tool_calls" ? "tool-calls" : call.Finish)
                .Set("ai.usage.inputTokens", call.InputTokens.ToString(CultureInfo.InvariantCulture)).Set("ai.usage.outputTokens", call.OutputTokens.ToString(CultureInfo.InvariantCulture))
                .Set("ai.response.msToFirstChunk", Math.Round(call.FirstTokenSeconds * 1000, 1));
            Plain.CachedTokens(span, call, told, "ai.usage.cachedInputTokens");
        }

        told.Set("ai.telemetry.functionId", span.Run.System.TemplatesShown ? call.Template : null);
        Plain.Template(span, call, told, "ai.telemetry.metadata.promptName", "ai.telemetry.metadata.promptVersion");
        Plain.Identity(span, told, "ai.telemetry.metadata.sessionId", "ai.telemetry.metadata.userId");
        if (!texts)
        {
            return;
        }

        told.Set("ai.prompt.messages", JsonSerializer.Serialize(Told.Whole(call).Select(message => new { role = message.Role, content = message.Text })));
        if (span.Error is null)
        {
            told.Set("ai.response.text", call.ToolName is null ? call.Output : null)
                .Set("ai.response.toolCalls", call.ToolName is { } tool ? JsonSerializer.Serialize(new[] { new { toolName = tool, args = call.ToolArguments } }) : null);
        }
    }
}
