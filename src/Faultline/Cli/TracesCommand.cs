using System.CommandLine;
using System.Globalization;
using System.Text.Json;

namespace Faultline.Cli;

/// <summary><c>faultline traces</c>: the newest ones; <c>traces show ID</c>: one.</summary>
internal static class TracesCommand
{
    public static void AddTo(RootCommand root)
    {
        var client = new ClientOptions();
        var service = new Option<string?>("--service") { Description = "Only traces with this service." };
        var limit = new Option<int>("--limit") { Description = "How many.", DefaultValueFactory = _ => 20 };
        var list = new Command("traces", "List the newest traces.") { service, limit };
        client.AddTo(list);
        list.SetAction(async (parsed, cancel) =>
        {
            using var server = client.Client(parsed);
            var path = string.Create(CultureInfo.InvariantCulture, $"/api/v1/traces?limit={parsed.GetValue(limit)}")
                + (parsed.GetValue(service) is { } wanted ? "&service=" + Uri.EscapeDataString(wanted) : "");
            using var answer = await server.GetAsync(path, cancel);
            if (client.Json(parsed))
            {
                Console.WriteLine(answer.RootElement.GetRawText());
                return ExitCode.Done;
            }

            var traces = answer.RootElement.GetProperty("traces");
            foreach (var trace in traces.EnumerateArray())
            {
                Console.WriteLine($"{trace.GetProperty("trace_id").GetString()}  {trace.GetProperty("service").GetString(),-20} {trace.GetProperty("root_name").GetString(),-30} {trace.GetProperty("span_count")} spans");
            }

            Console.Error.WriteLine($"{traces.GetArrayLength()} of {answer.RootElement.GetProperty("total")}");
            return ExitCode.Done;
        });

        var showClient = new ClientOptions();
        var id = new Argument<string>("id") { Description = "Trace id, 32 hexadecimal digits." };
        var show = new Command("show", "Show one trace: its spans as a tree with what was said in them, or OTLP/JSON with --json.") { id };
        showClient.AddTo(show);
        show.SetAction(async (parsed, cancel) =>
        {
            using var server = showClient.Client(parsed);
            using var answer = await server.GetAsync("/api/v1/traces/" + Uri.EscapeDataString(parsed.GetValue(id)!), cancel);
            if (showClient.Json(parsed))
            {
                Console.WriteLine(answer.RootElement.GetRawText());
                return ExitCode.Done;
            }

            using var content = await server.GetAsync("/api/v1/traces/" + Uri.EscapeDataString(parsed.GetValue(id)!) + "/content", cancel);
            PrintTree(answer.RootElement, SaidBySpan(content.RootElement));
            return ExitCode.Done;
        });
        list.Subcommands.Add(show);
        root.Subcommands.Add(list);
    }

    /// <summary>Characters of a message in the tree; a page or the content API shows all of it.</summary>
    private const int SaidCharactersMax = 300;

    /// <summary>One line a piece of a message, by span id.</summary>
    private static Dictionary<string, List<string>> SaidBySpan(JsonElement content) => content.GetProperty("spans").EnumerateArray().ToDictionary(
        span => span.GetProperty("span_id").GetString()!,
        span => span.GetProperty("messages").EnumerateArray().SelectMany(
            message => message.GetProperty("parts").EnumerateArray(),
            (message, part) => $"{message.GetProperty("role").GetString()}: {OneLine(part.GetProperty("name").GetString() + " " + part.GetProperty("text").GetString())}").ToList(),
        StringComparer.Ordinal);

    private static string OneLine(string text)
    {
        var line = string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return line.Length <= SaidCharactersMax ? line : line[..SaidCharactersMax] + " …";
    }

    private static void PrintTree(JsonElement trace, Dictionary<string, List<string>> said)
    {
        var spans = new List<(string Id, string Parent, long Start, string Line)>();
        foreach (var resource in trace.GetProperty("resourceSpans").EnumerateArray())
        {
            var service = resource.GetProperty("resource").GetProperty("attributes").EnumerateArray()
                .FirstOrDefault(attribute => string.Equals(attribute.GetProperty("key").GetString(), "service.name", StringComparison.Ordinal));
            var serviceName = service.ValueKind == JsonValueKind.Object ? service.GetProperty("value").GetProperty("stringValue").GetString() : "unknown_service";
            foreach (var span in resource.GetProperty("scopeSpans").EnumerateArray().SelectMany(scope => scope.GetProperty("spans").EnumerateArray()))
            {
                var start = long.Parse(span.GetProperty("startTimeUnixNano").GetString()!, CultureInfo.InvariantCulture);
                var end = long.Parse(span.GetProperty("endTimeUnixNano").GetString()!, CultureInfo.InvariantCulture);
                var failed = span.TryGetProperty("status", out var status) && status.TryGetProperty("code", out var code) && code.ToString() is "2" or "STATUS_CODE_ERROR";
                spans.Add((span.GetProperty("spanId").GetString()!, span.TryGetProperty("parentSpanId", out var parent) ? parent.GetString()! : "", start,
                    string.Create(CultureInfo.InvariantCulture, $"{serviceName}: {span.GetProperty("name").GetString()}  {(end - start) / 1e6:F1} ms{(failed ? "  ERROR" : "")}")));
            }
        }

        var ids = spans.Select(span => span.Id).ToHashSet(StringComparer.Ordinal);
        var children = spans.ToLookup(span => ids.Contains(span.Parent) ? span.Parent : "", StringComparer.Ordinal);
        void Print(string parent, int depth)
        {
            foreach (var span in children[parent].OrderBy(span => span.Start))
            {
                Console.WriteLine(new string(' ', depth * 2) + span.Line);
                foreach (var line in said.GetValueOrDefault(span.Id) ?? [])
                {
                    Console.WriteLine(new string(' ', (depth * 2) + 4) + line);
                }

                Print(span.Id, depth + 1);
            }
        }

        Print("", 0);
    }
}
