using System.CommandLine;
using System.Text.Json;

namespace Faultline.Cli;

/// <summary><c>faultline hold</c>: what must not be deleted.</summary>
internal static class HoldCommand
{
    private const string Path = "/api/v1/holds";

    public static void AddTo(RootCommand root)
    {
        var hold = new Command("hold", "Legal holds: what is under one is not deleted.");
        hold.Subcommands.Add(Place());
        hold.Subcommands.Add(Lift());
        hold.Subcommands.Add(List());
        root.Subcommands.Add(hold);
    }

    private static Command Place()
    {
        var (client, scope) = (new ClientOptions(), new ScopeOptions());
        var reason = new Option<string>("--reason") { Description = "Why.", Required = true };
        var command = new Command("place", "Nothing of it is deleted until the hold is lifted.");
        scope.AddTo(command);
        command.Options.Add(reason);
        client.AddTo(command);
        command.SetAction(async (parsed, cancel) =>
        {
            var body = scope.Body(parsed);
            body["reason"] = parsed.GetValue(reason)!;
            using var server = client.Client(parsed);
            using var answer = await server.PostAsync(Path, body, cancel);
            Console.WriteLine(client.Json(parsed) ? answer.RootElement.GetRawText() : Line(answer.RootElement));
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Lift()
    {
        var client = new ClientOptions();
        var id = new Argument<string>("id") { Description = "The hold." };
        var command = new Command("lift", "It may be deleted again.") { id };
        client.AddTo(command);
        command.SetAction(async (parsed, cancel) =>
        {
            using var server = client.Client(parsed);
            using var answer = await server.PostAsync($"{Path}/{Uri.EscapeDataString(parsed.GetValue(id)!)}/lift", new { }, cancel);
            Console.WriteLine(client.Json(parsed) ? answer.RootElement.GetRawText() : Line(answer.RootElement));
            return ExitCode.Done;
        });
        return command;
    }

    private static Command List()
    {
        var client = new ClientOptions();
        var command = new Command("list", "Holds, newest first.");
        client.AddTo(command);
        command.SetAction(async (parsed, cancel) =>
        {
            using var server = client.Client(parsed);
            using var answer = await server.GetAsync(Path, cancel);
            Console.WriteLine(client.Json(parsed) ? answer.RootElement.GetRawText() : string.Join('\n', answer.RootElement.GetProperty("holds").EnumerateArray().Select(Line)));
            return ExitCode.Done;
        });
        return command;
    }

    private static string Line(JsonElement hold) =>
        $"{hold.GetProperty("hold_id").GetString()}  {hold.GetProperty("kind").GetString(),-8} {hold.GetProperty("project").GetString() ?? "every project"}  {(hold.GetProperty("lifted_at").ValueKind == JsonValueKind.Null ? "in force" : "lifted")}  {hold.GetProperty("reason").GetString()}";
}
