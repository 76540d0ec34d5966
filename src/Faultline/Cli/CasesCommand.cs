using System.CommandLine;
using System.Text.Json;

namespace Faultline.Cli;

/// <summary><c>faultline cases</c> and what can be done with one.</summary>
internal static class CasesCommand
{
    public static void AddTo(RootCommand root)
    {
        var client = new ClientOptions();
        var list = new Command("cases", "List cases, newest first.");
        client.AddTo(list);
        list.SetAction(async (parsed, cancel) =>
        {
            using var server = client.Client(parsed);
            using var answer = await server.GetAsync("/api/v1/cases", cancel);
            if (client.Json(parsed))
            {
                Console.WriteLine(answer.RootElement.GetRawText());
                return ExitCode.Done;
            }

            foreach (var item in answer.RootElement.EnumerateArray())
            {
                Console.WriteLine($"{Text(item, "case_id"),-9} {Text(item, "state"),-22} {Text(item, "failure_class"),-22} {Text(item, "title")}");
            }

            return ExitCode.Done;
        });

        list.Subcommands.Add(Command("show", "Show one case.", null, null));
        list.Subcommands.Add(Command("triage", "Take note of it.", "triage", null));
        list.Subcommands.Add(Command("assign", "Give it to somebody.", "assign", ("assignee", "--to", "Who.", true)));
        list.Subcommands.Add(Command("comment", "Say something.", "comment", ("text", "--text", "What.", true)));
        list.Subcommands.Add(Command("fix-applied", "The fix is out; verification begins.", "fix-applied", ("fix", "--fix", "What was done; default: the first suggestion.", false)));
        list.Subcommands.Add(Command("resolve", "Resolve by hand, without verification.", "resolve", ("reason", "--reason", "Why.", true)));
        list.Subcommands.Add(Command("reopen", "It is not over.", "reopen", ("reason", "--reason", "Why.", true)));
        root.Subcommands.Add(list);
    }

    /// <param name="action">Last part of the REST path; null: only show.</param>
    /// <param name="field">Field of the body, its flag, its help, whether it must be given.</param>
    private static Command Command(string name, string help, string? action, (string Name, string Flag, string Help, bool Required)? field)
    {
        var client = new ClientOptions();
        var id = new Argument<string>("id") { Description = "CASE-<n>." };
        var command = new Command(name, help) { id };
        var value = field is { } wanted ? new Option<string?>(wanted.Flag) { Description = wanted.Help, Required = wanted.Required } : null;
        if (value is not null)
        {
            command.Options.Add(value);
        }

        client.AddTo(command);
        command.SetAction(async (parsed, cancel) =>
        {
            using var server = client.Client(parsed);
            var path = "/api/v1/cases/" + Uri.EscapeDataString(parsed.GetValue(id)!);
            var body = new Dictionary<string, string>(StringComparer.Ordinal);
            if (value is not null && parsed.GetValue(value) is { } given)
            {
                body[field!.Value.Name] = given;
            }

            using var answer = action is null ? await server.GetAsync(path, cancel) : await server.PostAsync($"{path}/{action}", body, cancel);
            if (client.Json(parsed))
            {
                Console.WriteLine(answer.RootElement.GetRawText());
            }
            else
            {
                Print(answer.RootElement);
            }

            return ExitCode.Done;
        });
        return command;
    }

    private static void Print(JsonElement item)
    {
        Console.WriteLine($"{Text(item, "case_id")}  {Text(item, "title")}");
        Console.WriteLine($"{Text(item, "state")}  {Text(item, "failure_class")}  {Text(item, "service")}  since {Text(item, "created_at")}");
        if (Text(item, "unable_because") is { Length: > 0 } unable)
        {
            Console.WriteLine(unable);
        }

        PrintEvidence(item, "where", "where");
        foreach (var suggestion in item.GetProperty("remediation_suggestions").EnumerateArray())
        {
            Console.WriteLine();
            Console.WriteLine($"  {suggestion.GetProperty("confidence").GetDouble():P0}  {Text(suggestion, "cause")} of {Text(suggestion, "target")}: {Text(suggestion, "hypothesis")}");
            Console.WriteLine($"       do: {Text(suggestion, "action")} (effort {Text(suggestion, "effort")}, risk {Text(suggestion, "risk")})");
            if (Text(suggestion, "similar_case") is { Length: > 0 } similar)
            {
                Console.WriteLine($"       seen before: {similar}");
            }

            PrintEvidence(suggestion, "evidence", "for");
            PrintEvidence(suggestion, "evidence_against", "against");
            Console.WriteLine($"       check next: {Text(suggestion, "next_check")}");
        }

        if (item.TryGetProperty("resolution", out var resolution) && resolution.ValueKind == JsonValueKind.Object)
        {
            Console.WriteLine();
            Console.WriteLine($"  resolved: {Text(resolution, "root_cause")}; {Text(resolution, "fix_applied")}; time to remediate {Text(resolution, "time_to_remediate")}");
        }
    }

    /// <summary>Servers of another version may not tell it.</summary>
    private static void PrintEvidence(JsonElement item, string name, string word)
    {
        if (item.TryGetProperty(name, out var list) && list.ValueKind == JsonValueKind.Array)
        {
            foreach (var evidence in list.EnumerateArray())
            {
                Console.WriteLine($"       {word,-8} {Text(evidence, "text")}  [{Text(evidence, "kind")} {Text(evidence, "ref")}]");
            }
        }
    }

    private static string Text(JsonElement item, string name) =>
        item.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value.ToString() : "";
}
