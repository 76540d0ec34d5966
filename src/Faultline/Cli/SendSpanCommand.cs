using System.CommandLine;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Faultline.Settings;

namespace Faultline.Cli;

/// <summary><c>faultline send-span</c>: one test span over OTLP/HTTP, for someone without an SDK.</summary>
internal static class SendSpanCommand
{
    public static void AddTo(RootCommand root)
    {
        var otlp = new OtlpOptions();
        var service = new Option<string>("--service") { Description = "service.name of the span.", DefaultValueFactory = _ => "faultline-test" };
        var name = new Option<string>("--name") { Description = "Name of the span.", DefaultValueFactory = _ => "chat test-model" };
        var attributes = new Option<string[]>("--attr") { Description = "An attribute, k=v; may be given several times.", AllowMultipleArgumentsPerToken = true };
        var error = new Option<bool>("--error") { Description = "Give the span an error status." };
        var json = new Option<bool>("--json") { Description = "Print {\"trace_id\":…} instead of the id alone." };
        var command = new Command("send-span", "Send one test span over OTLP and print its trace id.") { service, name, attributes, error, json };
        otlp.AddTo(command);
        command.SetAction(async (parsed, cancel) =>
        {
            var traceId = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
            var body = Body(traceId, parsed.GetValue(service)!, parsed.GetValue(name)!, parsed.GetValue(attributes) ?? [], parsed.GetValue(error));
            await SendAsync(otlp.Endpoint(parsed), otlp.ApiKey(parsed), body, cancel);
            Console.WriteLine(parsed.GetValue(json) ? JsonSerializer.Serialize(new { trace_id = traceId }) : traceId);
            return ExitCode.Done;
        });
        root.Subcommands.Add(command);
    }

    private static string Body(string traceId, string service, string name, string[] attributes, bool error)
    {
        var end = DateTimeOffset.UtcNow;
        var spanAttributes = new JsonArray();
        void Add(string key, JsonNode value) => spanAttributes.Add(new JsonObject { ["key"] = key, ["value"] = value });

        if (attributes.Length == 0)
        {
            // What a GenAI instrumentation would send, so that the trace page has something to show.
            Add("gen_ai.operation.name", Text("chat"));
            Add("gen_ai.provider.name", Text("faultline"));
            Add("gen_ai.request.model", Text("test-model"));
            Add("gen_ai.input.messages", Text("""[{"role":"user","parts":[{"type":"text","content":"Does telemetry arrive?"}]}]"""));
            Add("gen_ai.output.messages", Text("""[{"role":"assistant","parts":[{"type":"text","content":"It does: you are looking at it."}],"finish_reason":"stop"}]"""));
            Add("gen_ai.usage.input_tokens", new JsonObject { ["intValue"] = "12" });
            Add("gen_ai.usage.output_tokens", new JsonObject { ["intValue"] = "9" });
        }

        foreach (var attribute in attributes)
        {
            var equals = attribute.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0)
            {
                throw new CommandException(ExitCode.WrongUse, $"--attr {attribute}: give it as key=value.");
            }

            var value = attribute[(equals + 1)..];
            Add(attribute[..equals], long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _) ? new JsonObject { ["intValue"] = value } : Text(value));
        }

        var span = new JsonObject
        {
            ["traceId"] = traceId,
            ["spanId"] = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8)),
            ["name"] = name,
            ["kind"] = 3,
            ["startTimeUnixNano"] = Nanos(end.AddMilliseconds(-250)),
            ["endTimeUnixNano"] = Nanos(end),
            ["attributes"] = spanAttributes,
            ["status"] = error ? new JsonObject { ["code"] = 2, ["message"] = "test error" } : new JsonObject(),
        };
        return new JsonObject
        {
            ["resourceSpans"] = new JsonArray(new JsonObject
            {
                ["resource"] = new JsonObject { ["attributes"] = new JsonArray(new JsonObject { ["key"] = "service.name", ["value"] = Text(service) }) },
                ["scopeSpans"] = new JsonArray(new JsonObject { ["scope"] = new JsonObject { ["name"] = "faultline send-span" }, ["spans"] = new JsonArray(span) }),
            }),
        }.ToJsonString();
    }

    private static JsonObject Text(string value) => new() { ["stringValue"] = value };

    private static string Nanos(DateTimeOffset at) => ((at - DateTimeOffset.UnixEpoch).Ticks * 100).ToString(CultureInfo.InvariantCulture);

    /// <summary>Posts OTLP/JSON; what takes none there, or refuses, ends the command in words.</summary>
    internal static async Task SendAsync(Uri endpoint, string apiKey, string body, CancellationToken cancel)
    {
        using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(30) };
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(endpoint, "/v1/traces")) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        request.Headers.Add("X-API-Key", apiKey);
        try
        {
            using var response = await http.SendAsync(request, cancel);
            if (!response.IsSuccessStatusCode)
            {
                var hint = (int)response.StatusCode == 401 ? " Give the key with --api-key or FAULTLINE_API_KEY." : "";
                throw new CommandException(ExitCode.CouldNotBeDone, $"{endpoint} answered {(int)response.StatusCode}: {await response.Content.ReadAsStringAsync(cancel)}.{hint}");
            }
        }
        catch (HttpRequestException unreachable)
        {
            throw new CommandException(ExitCode.CouldNotBeDone, $"Nothing takes OTLP at {endpoint} ({unreachable.Message}). Start the server with `faultline`, or name it with --endpoint.");
        }
    }
}

/// <summary>Where telemetry is sent and with which key.</summary>
internal sealed class OtlpOptions
{
    private readonly Option<string?> _endpoint = new("--endpoint") { Description = "OTLP/HTTP address (OTEL_EXPORTER_OTLP_ENDPOINT; default http://127.0.0.1:4318)." };
    private readonly Option<string?> _apiKey = new("--api-key") { Description = "Key for it (FAULTLINE_API_KEY; default the placeholder of a fresh installation)." };

    public void AddTo(Command command)
    {
        command.Options.Add(_endpoint);
        command.Options.Add(_apiKey);
    }

    public Uri Endpoint(ParseResult parsed)
    {
        var text = parsed.GetValue(_endpoint) ?? Environment.GetEnvironmentVariable("OTEL_EXPORTER_OTLP_ENDPOINT") ?? "http://127.0.0.1:4318";
        return Uri.TryCreate(text, UriKind.Absolute, out var endpoint) && endpoint.Scheme is "http" or "https"
            ? endpoint
            : throw new CommandException(ExitCode.WrongUse, $"--endpoint {text}: this is not an address like http://127.0.0.1:4318.");
    }

    public string ApiKey(ParseResult parsed) =>
        parsed.GetValue(_apiKey) ?? Environment.GetEnvironmentVariable("FAULTLINE_API_KEY") ?? FaultlineSettings.PlaceholderKey;
}
