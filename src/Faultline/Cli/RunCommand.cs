using System.CommandLine;
using System.Runtime.InteropServices;
using Faultline.Composition;
using Faultline.Settings;

namespace Faultline.Cli;

/// <summary><c>faultline</c> or <c>faultline run</c>: the whole platform in this process.</summary>
internal static class RunCommand
{
    public static void AddTo(RootCommand root)
    {
        var options = new RunOptions();
        var run = new Command("run", "Run the platform (what no command means too).");
        foreach (var command in (ReadOnlySpan<Command>)[root, run])
        {
            options.AddTo(command);
            command.SetAction(options.RunAsync);
        }

        root.Subcommands.Add(run);
    }

    private sealed class RunOptions
    {
        private readonly Option<string?> _data = new("--data") { Description = "Data directory (FAULTLINE_DATA; default ~/.local/share/faultline)." };
        private readonly Option<string?> _config = new("--config") { Description = "Settings file, YAML; every key is also an environment variable: a.b_c is FAULTLINE_A_B_C." };
        private readonly Option<string?> _envFile = new("--env-file") { Description = "File of NAME=value lines that win over the environment (default: .env beside the settings)." };
        private readonly Option<string?> _profile = new("--profile") { Description = "Which parts run; this version: full." };
        private readonly Option<bool> _settings = new("--list-settings") { Description = "Print every setting with its variable and meaning, and end." };

        public void AddTo(Command command)
        {
            command.Options.Add(_data);
            command.Options.Add(_config);
            command.Options.Add(_envFile);
            command.Options.Add(_profile);
            command.Options.Add(_settings);
        }

        public async Task<int> RunAsync(ParseResult parsed, CancellationToken cancel)
        {
            if (parsed.GetValue(_settings))
            {
                foreach (var setting in SettingTable.All)
                {
                    Console.WriteLine($"{setting.Key,-42} {setting.Variable,-52} {setting.Help}");
                }

                Console.WriteLine($"{"exporters.NAME.…",-42} {"(settings file only)",-52} Backends that get a copy of what comes in over OTLP; see docs/forward.md.");

                return ExitCode.Done;
            }

            var flags = new Dictionary<string, string>(StringComparer.Ordinal);
            if (parsed.GetValue(_data) is { } data)
            {
                flags["data"] = data;
            }

            if (parsed.GetValue(_profile) is { } profile)
            {
                flags["profile"] = profile;
            }

            var sources = new SettingsSources(parsed.GetValue(_config), parsed.GetValue(_envFile), CommandLine.EnvironmentVariables(), flags);
            var reading = sources.Read();
            foreach (var warning in reading.Warnings)
            {
                await Console.Error.WriteLineAsync(warning);
            }

            if (reading.Problems.Count > 0)
            {
                throw new CommandException(ExitCode.WrongUse, string.Join('\n', reading.Problems));
            }

            // A second signal ends the process at once; the first one lets what was accepted be finished.
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal => Stop(signal, stop));
            using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => Stop(signal, stop));
            await using var server = await Server.StartAsync(reading.Settings, sources, Console.Out.WriteLine, stop.Token);
            await Console.Out.WriteLineAsync(Banner.Text(server));
            await server.WaitAsync(stop.Token);
            return ExitCode.Done;
        }

        private static void Stop(PosixSignalContext signal, CancellationTokenSource stop)
        {
            if (!stop.IsCancellationRequested)
            {
                signal.Cancel = true;
                stop.Cancel();
            }
        }
    }
}
