using System.Globalization;
using System.Net.Http.Headers;
using Faultline.Interop;

namespace Faultline.Browser;

/// <summary>One trace with a bit of everything a page shows, sent as OTLP/JSON: documents, a conversation, repeated tool calls, an error, a score, an event.</summary>
public static class SampleTelemetry
{
    public const string TraceId = "5f9ba10f0347862445f68c4d11aa22bb";

    /// <summary>The span with the conversation.</summary>
    public const string ChatSpanId = "00000000000000c4";

    public const string Service = "help-desk";

    public static async Task SendAsync(FaultlineProcess server)
    {
        var start = (DateTimeOffset.UtcNow - TimeSpan.FromSeconds(20)).ToUnixTimeMilliseconds();
        string At(int millis) => (start + millis).ToString(CultureInfo.InvariantCulture) + "000000";
        string Text(string key, string value) => $$$"""{"key":"{{{key}}}","value":{"stringValue":"{{{value}}}"}}""";
        string Number(string key, int value) => $$$"""{"key":"{{{key}}}","value":{"intValue":"{{{value}}}"}}""";
        string Span(string id, string parent, string name, int kind, int from, int to, string attributes, string more = "") =>
            $$$"""{"traceId":"{{{TraceId}}}","spanId":"{{{id}}}","parentSpanId":"{{{parent}}}","name":"{{{name}}}","kind":{{{kind}}},"startTimeUnixNano":"{{{At(from)}}}","endTimeUnixNano":"{{{At(to)}}}","attributes":[{{{attributes}}}]{{{more}}}}""";

        const string Documents = """[{\"id\":\"kb-0147\",\"score\":0.81,\"content\":\"Owners invite people under Settings, Members.\"},{\"id\":\"kb-0301\",\"score\":0.42,\"content\":\"Seats are billed monthly.\"}]""";
        const string Input = """[{\"role\":\"system\",\"parts\":[{\"type\":\"text\",\"content\":\"Answer from the articles.\"}]},{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"How do I invite a colleague?\"}]}]""";
        const string Output = """[{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":\"Under **Settings**, choose *Members*, then *Invite*.\"}],\"finish_reason\":\"stop\"}]""";
        List<string> spans =
        [
            Span("00000000000000a1", "", "POST /chat", 2, 0, 1400, Text("http.request.method", "POST")),
            Span("00000000000000b2", "00000000000000a1", "retrieval help-centre", 3, 10, 60, $"{Text("gen_ai.operation.name", "retrieval")},{Text("gen_ai.data_source.id", "help-centre")},{Text("gen_ai.retrieval.documents", Documents)}"),
            Span(ChatSpanId, "00000000000000a1", "chat gpt-4o-mini", 3, 70, 1300,
                $"{Text("gen_ai.operation.name", "chat")},{Text("gen_ai.request.model", "gpt-4o-mini")},{Number("gen_ai.usage.input_tokens", 135)},{Number("gen_ai.usage.output_tokens", 16)},{Text("gen_ai.input.messages", Input)},{Text("gen_ai.output.messages", Output)}",
                $$$""","events":[{"timeUnixNano":"{{{At(1290)}}}","name":"gen_ai.evaluation.result","attributes":[{{{Text("gen_ai.evaluation.name", "relevance")}}},{"key":"gen_ai.evaluation.score.value","value":{"doubleValue":0.38}},{{{Text("gen_ai.evaluation.score.label", "fail")}}}]}]"""),
            .. Enumerable.Range(0, 6).Select(i => Span(
                "00000000000000d" + i.ToString(CultureInfo.InvariantCulture), ChatSpanId, "execute_tool search", 1, 100 + (i * 100), 180 + (i * 100),
                $"{Text("gen_ai.operation.name", "execute_tool")},{Text("gen_ai.tool.name", "search")}", i == 5 ? ""","status":{"code":2,"message":"timed out"}""" : "")),
        ];
        var body = $$$"""{"resourceSpans":[{"resource":{"attributes":[{{{Text("service.name", Service)}}},{{{Text("deployment.environment.name", "production")}}}]},"scopeSpans":[{"scope":{"name":"sample"},"spans":[{{{string.Join(',', spans)}}}]}]}]}""";
        await PostAsync(server, "/v1/traces", body);
        var log = $$$"""{"resourceLogs":[{"resource":{"attributes":[{{{Text("service.name", Service)}}}]},"scopeLogs":[{"logRecords":[{"timeUnixNano":"{{{At(1200)}}}","severityNumber":13,"severityText":"WARN","body":{"stringValue":"search timed out, answered without it"},"traceId":"{{{TraceId}}}","spanId":"{{{ChatSpanId}}}","attributes":[{{{Text("tool", "search")}}}]}]}]}]}""";
        await PostAsync(server, "/v1/logs", log);
        using var change = await server.ApiAsync("/api/v1/changes", HttpMethod.Post, new { type = "prompt", service = Service, detail = "support-answer from version 12 to 13" });
    }

    /// <summary>OTLP/JSON, as a sender with the placeholder key.</summary>
    public static async Task PostAsync(FaultlineProcess server, string path, string body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Door("otlp_http"), path)) { Content = new StringContent(body, new MediaTypeHeaderValue("application/json")) };
        request.Headers.Add("X-API-Key", FaultlineProcess.ApiKey);
        using var response = await server.Http.SendAsync(request);
        if (!response.IsSuccessStatusCode)
        {
            throw new InvalidOperationException($"{path} was refused: {(int)response.StatusCode} {await response.Content.ReadAsStringAsync()}");
        }
    }
}
