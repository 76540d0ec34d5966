using System.CommandLine;
using Faultline.Cli.Bench;
using Faultline.Settings;

namespace Faultline.Cli;

/// <summary>What a command's exit code says to a script.</summary>
internal static class ExitCode
{
    public const int Done = 0;
    public const int TheAnswerIsNo = 1;
    public const int WrongUse = 2;
    public const int CouldNotBeDone = 3;
}

/// <summary>The command <c>faultline</c>: no command means <c>run</c>.</summary>
internal static class CommandLine
{
    /// <summary>
    /// How long a clean stop may take once the process is told to end: open windows are judged and written, the store is closed. Shorter
    /// than the half minute after which supervisors kill; the library's own two seconds cut it off on a busy machine.
    /// </summary>
    private static readonly TimeSpan StopMax = TimeSpan.FromSeconds(25);

    public static async Task<int> RunAsync(string[] args)
    {
        var root = new RootCommand("Faultline tells you why your GenAI system went wrong and how to fix it.");
        RunCommand.AddTo(root);
        SendSpanCommand.AddTo(root);
        DemoCommand.AddTo(root);
        TracesCommand.AddTo(root);
        QueryCommand.AddTo(root);
        CasesCommand.AddTo(root);
        KnowledgeCommand.AddTo(root);
        DeleteCommand.AddTo(root);
        HoldCommand.AddTo(root);
        AuditCommand.AddTo(root);
        BenchCommand.AddTo(root);
        LabCommand.AddTo(root);

        var parsed = root.Parse(args);
        if (parsed.Errors.Count > 0 && parsed.Action is not System.CommandLine.Help.HelpAction)
        {
            foreach (var error in parsed.Errors)
            {
                await Console.Error.WriteLineAsync(error.Message);
            }

            await Console.Error.WriteLineAsync("`faultline --help` lists the commands; `faultline COMMAND --help` its options.");
            return ExitCode.WrongUse;
        }

        try
        {
            return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = StopMax });
        }
        catch (CommandException failed)
        {
            await Console.Error.WriteLineAsync(failed.Message);
            return failed.ExitCode;
        }
        catch (OperationCanceledException)
        {
            return ExitCode.CouldNotBeDone;
        }
    }

    public static IReadOnlyDictionary<string, string> EnvironmentVariables()
    {
        var variables = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (System.Collections.DictionaryEntry entry in Environment.GetEnvironmentVariables())
        {
            variables[(string)entry.Key] = (string?)entry.Value ?? "";
        }

        return variables;
    }
}

/// <summary>A command could not do what was asked; the message is for the person who asked.</summary>
internal sealed class CommandException(int exitCode, string message) : Exception(message)
{
    public int ExitCode { get; } = exitCode;
}

/// <summary>Options that every client command takes.</summary>
internal sealed class ClientOptions
{
    private readonly Option<string?> _server = new("--server") { Description = "Address of the server (FAULTLINE_SERVER; default http://127.0.0.1:4300)." };
    private readonly Option<string?> _token = new("--token") { Description = "Token (FAULTLINE_TOKEN; on the server's machine the same user needs none)." };
    private readonly Option<string?> _data = new("--data") { Description = "Data directory to find the server's address and token in (FAULTLINE_DATA)." };
    private readonly Option<bool> _json = new("--json") { Description = "One JSON document on standard output; messages go to standard error." };

    public void AddTo(Command command)
    {
        command.Options.Add(_server);
        command.Options.Add(_token);
        command.Options.Add(_data);
        command.Options.Add(_json);
    }

    public bool Json(ParseResult parsed) => parsed.GetValue(_json);

    public ServerClient Client(ParseResult parsed) => ServerClient.Find(parsed.GetValue(_server), parsed.GetValue(_token), DataDirectory(parsed));

    public string DataDirectory(ParseResult parsed) => DataDirectory(parsed.GetValue(_data));

    public static string DataDirectory(string? flag) =>
        flag ?? Environment.GetEnvironmentVariable("FAULTLINE_DATA") ?? new FaultlineSettings().DataDirectory;
}
