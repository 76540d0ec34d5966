using System.CommandLine;
using System.Text.Json;

namespace Faultline.Cli;

/// <summary><c>faultline delete</c>: for good, counted first with <c>--dry-run</c>.</summary>
internal static class DeleteCommand
{
    private const string Path = "/api/v1/deletions";
    private static readonly TimeSpan AskAgainAfter = TimeSpan.FromSeconds(1);

    public static void AddTo(RootCommand root)
    {
        var (client, scope) = (new ClientOptions(), new ScopeOptions());
        var dryRun = new Option<bool>("--dry-run") { Description = "Only count what would be deleted." };
        var command = new Command("delete", "Delete telemetry for good: by trace, user, session, project or age. What it was is in the audit trail, without its text.");
        scope.AddTo(command);
        command.Options.Add(dryRun);
        client.AddTo(command);
        command.SetAction(async (parsed, cancel) =>
        {
            var body = scope.Body(parsed);
            body["dry_run"] = parsed.GetValue(dryRun);
            using var server = client.Client(parsed);
            var answer = await server.PostAsync(Path, body, cancel);
            while (answer.RootElement.GetProperty("state").GetString() == "asked")
            {
                var id = answer.RootElement.GetProperty("deletion_id").GetString()!;
                answer.Dispose();
                await Task.Delay(AskAgainAfter, cancel);
                answer = await server.GetAsync($"{Path}/{Uri.EscapeDataString(id)}", cancel);
            }

            using (answer)
            {
                Show(answer.RootElement, client.Json(parsed));
                return answer.RootElement.GetProperty("state").GetString() == "refused" ? ExitCode.TheAnswerIsNo : ExitCode.Done;
            }
        });
        root.Subcommands.Add(command);
    }

    private static void Show(JsonElement answer, bool json)
    {
        if (json)
        {
            Console.WriteLine(answer.GetRawText());
            return;
        }

        var state = answer.GetProperty("state").GetString();
        if (state == "refused")
        {
            Console.WriteLine(answer.GetProperty("reason").GetString());
            return;
        }

        foreach (var table in answer.GetProperty("rows").EnumerateObject())
        {
            Console.WriteLine($"{table.Name,-20} {table.Value.GetInt64(),12:N0} rows");
        }

        Console.WriteLine(state == "counted"
            ? "Nothing was deleted: this was a dry run."
            : $"{answer.GetProperty("deletion_id").GetString()}: deleted; counted again, nothing is left. {answer.GetProperty("blobs").GetInt32()} texts of cases were deleted or written anew.");
    }
}
