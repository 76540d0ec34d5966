using System.CommandLine;

namespace Faultline.Cli;

/// <summary><c>faultline knowledge</c>: what resolved cases taught, out of one Faultline and into another.</summary>
internal static class KnowledgeCommand
{
    private const string Path = "/api/v1/knowledge";

    public static void AddTo(RootCommand root)
    {
        var knowledge = new Command("knowledge", "Resolved cases that diagnosis remembers, as JSON lines.");
        knowledge.Subcommands.Add(Export());
        knowledge.Subcommands.Add(Import());
        root.Subcommands.Add(knowledge);
    }

    private static Command Export()
    {
        var client = new ClientOptions();
        var command = new Command("export", "Write them to standard output, a line each.");
        client.AddTo(command);
        command.SetAction(async (parsed, cancel) =>
        {
            using var server = client.Client(parsed);
            Console.Out.Write(await server.GetTextAsync(Path, cancel));
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Import()
    {
        var client = new ClientOptions();
        var file = new Argument<string>("file") { Description = "JSON lines of an export, or - for standard input." };
        var from = new Option<string>("--from") { Description = "Name of the Faultline they come from; put before their ids.", Required = true };
        var command = new Command("import", "Take the cases of another Faultline in; those with the same ids are replaced.") { file };
        command.Options.Add(from);
        client.AddTo(command);
        command.SetAction(async (parsed, cancel) =>
        {
            var name = parsed.GetValue(file)!;
            string lines;
            try
            {
                lines = name == "-" ? await Console.In.ReadToEndAsync(cancel) : await File.ReadAllTextAsync(name, cancel);
            }
            catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
            {
                throw new CommandException(ExitCode.WrongUse, $"{name}: {unreadable.Message}");
            }

            using var server = client.Client(parsed);
            using var answer = await server.PostLinesAsync($"{Path}?from={Uri.EscapeDataString(parsed.GetValue(from)!)}", lines, cancel);
            Console.WriteLine(client.Json(parsed) ? answer.RootElement.GetRawText() : $"{answer.RootElement.GetProperty("imported")} cases imported.");
            return ExitCode.Done;
        });
        return command;
    }
}
