using System.Diagnostics;
using System.Text.Json;
using Xunit;

namespace Faultline.Interop;

/// <summary>OpenTelemetry's JavaScript SDK with a real GenAI instrumentation sends over every protocol.</summary>
public sealed class JavaScriptTests
{
    [SkippableTheory]
    [InlineData("http/protobuf", "otlp_http")]
    [InlineData("http/json", "otlp_http")]
    [InlineData("grpc", "otlp_grpc")]
    public async Task A_call_instrumented_in_JavaScript_arrives_as_a_chat_with_its_tokens(string protocol, string door)
    {
        var folder = await NodeFolder.EnsureAsync();
        await using var server = await FaultlineProcess.StartAsync();

        var endpoint = server.Door(door).ToString().TrimEnd('/');
        var (exitCode, output, errors) = await NodeFolder.RunAsync(folder, "send.mjs", protocol, endpoint, FaultlineProcess.ApiKey);
        Assert.True(exitCode == 0, errors);
        var traceId = output.Trim();

        using var trace = await server.ApiAsync("/api/v1/traces/" + traceId);
        var spans = trace.RootElement.GetProperty("resourceSpans").EnumerateArray()
            .SelectMany(resource => resource.GetProperty("scopeSpans").EnumerateArray())
            .SelectMany(scope => scope.GetProperty("spans").EnumerateArray())
            .ToArray();
        Assert.Equal(2, spans.Length);
        var service = $"node-{protocol.Replace('/', '-')}";
        await Eventually.TrueAsync(
            async () => (await server.QueryAsync($"llm_tokens_total{{service_name=\"{service}\",type=\"input\"}} == 21")).GetArrayLength() == 1,
            "the call's input tokens are a metric");

        // Over gRPC the program sends no logs. Else what was said comes as log records, which may arrive after the span.
        if (protocol is not "grpc")
        {
            await Eventually.TrueAsync(async () => await SaidAsync(server, traceId) is "user: What is the capital of France? | assistant: Paris, of course.", "prompt and answer are in the trace, once");
            var (shown, tree, _) = await server.CommandAsync("traces", "show", traceId);
            Assert.Equal(0, shown);
            Assert.Contains("user: What is the capital of France?", tree, StringComparison.Ordinal);
            Assert.Contains("assistant: Paris, of course.", tree, StringComparison.Ordinal);
        }
    }

    private static async Task<string> SaidAsync(FaultlineProcess server, string traceId)
    {
        using var content = await server.ApiAsync($"/api/v1/traces/{traceId}/content");
        return string.Join(" | ", content.RootElement.GetProperty("spans").EnumerateArray()
            .SelectMany(span => span.GetProperty("messages").EnumerateArray())
            .Select(message => $"{message.GetProperty("role").GetString()}: {message.GetProperty("parts")[0].GetProperty("text").GetString()}"));
    }
}

/// <summary>The folder of the JavaScript clients, with what they need installed from their lock file.</summary>
internal static class NodeFolder
{
    private static readonly SemaphoreSlim Once = new(1, 1);

    public static async Task<string> EnsureAsync()
    {
        var folder = Path.Combine(FaultlineProcess.RepositoryRoot, "tests", "Faultline.Interop", "node");
        await Once.WaitAsync();
        try
        {
            var stamp = Path.Combine(folder, "node_modules", ".faultline-installed");
            var wanted = await File.ReadAllTextAsync(Path.Combine(folder, "package-lock.json"));
            if (!File.Exists(stamp) || !string.Equals(await File.ReadAllTextAsync(stamp), wanted, StringComparison.Ordinal))
            {
                var (exitCode, _, errors) = await ExecuteAsync("npm", folder, "ci", "--no-audit", "--no-fund", "--ignore-scripts");
                Skip.If(exitCode != 0, "npm could not install the JavaScript clients: " + errors);
                await File.WriteAllTextAsync(stamp, wanted);
            }
        }
        finally
        {
            Once.Release();
        }

        return folder;
    }

    public static Task<(int ExitCode, string Output, string Errors)> RunAsync(string folder, params string[] arguments) => ExecuteAsync("node", folder, arguments);

    private static async Task<(int ExitCode, string Output, string Errors)> ExecuteAsync(string program, string folder, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, await output, await errors);
    }
}
