using System.CommandLine;
using System.Text.Json;
using Faultline.Lab.Demo;

namespace Faultline.Cli;

/// <summary><c>faultline demo</c>: two simulated GenAI systems that go wrong.</summary>
internal static class DemoCommand
{
    public static void AddTo(RootCommand root)
    {
        var otlp = new OtlpOptions();
        var client = new ClientOptions();
        var healthy = new Option<bool>("--healthy") { Description = "No fault: nothing should be found." };
        var heal = new Option<bool>("--heal") { Description = "The fixes go out, then healthy traffic." };
        var seed = new Option<int>("--seed") { Description = "Seed of texts and noise.", DefaultValueFactory = _ => 1 };
        var live = new Option<int?>("--live-seconds") { Description = "Length of the live part, instead of what the mode needs." };
        var command = new Command("demo", "Simulate a RAG support bot and a team of agents that go wrong (or not) and send their telemetry.") { healthy, heal, seed, live };
        otlp.AddTo(command);
        client.AddTo(command);
        command.SetAction(async (parsed, cancel) =>
        {
            if (parsed.GetValue(healthy) && parsed.GetValue(heal))
            {
                throw new CommandException(ExitCode.WrongUse, "Give --healthy or --heal, not both.");
            }

            using var server = client.Client(parsed);
            var mode = parsed.GetValue(heal) ? DemoMode.Heal : parsed.GetValue(healthy) ? DemoMode.Healthy : DemoMode.Faults;
            var length = parsed.GetValue(live) is { } seconds ? TimeSpan.FromSeconds(seconds) : (TimeSpan?)null;
            var options = new DemoOptions(otlp.Endpoint(parsed), otlp.ApiKey(parsed), server.Server, server.Token ?? "", mode, parsed.GetValue(seed), length);
            var json = client.Json(parsed);
            // An exporter of telemetry fails in silence: the demo would tell of spans that nobody got.
            await SendSpanCommand.SendAsync(options.Endpoint, options.ApiKey, """{"resourceSpans":[]}""", cancel);
            try
            {
                var report = await DemoRun.RunAsync(options, line => (json ? Console.Error : Console.Out).WriteLine(line), cancel);
                if (json)
                {
                    Console.WriteLine(JsonSerializer.Serialize(new
                    {
                        history_spans = report.HistorySpans,
                        history_seconds = report.HistoryTook.TotalSeconds,
                        live_spans = report.LiveSpans,
                        faults_at = report.FaultsAt,
                        change_ids = report.ChangeIds,
                    }));
                }
                else if (mode == DemoMode.Faults)
                {
                    Console.WriteLine($"Open {server.Server}cases, or run `faultline cases`. After the fix: `faultline cases fix-applied ID`, then `faultline demo --heal`.");
                }

                return ExitCode.Done;
            }
            catch (InvalidOperationException failed)
            {
                throw new CommandException(ExitCode.CouldNotBeDone, failed.Message);
            }
        });
        root.Subcommands.Add(command);
    }
}
