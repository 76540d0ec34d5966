using System.Text.Json;
using Faultline.Diagnosis.Watchers.AgentRuns;

namespace Faultline.Cli.Bench;

/// <summary>Which agent made a failed run fail, and at which step.</summary>
internal static class TraceErrorsBench
{
    public static BenchTask Task { get; } = new("trace-errors", "The agent and the step that made a run of agents fail: JSON files, in folders of any depth.", RunAsync);

    private static async Task RunAsync(IReadOnlyList<string> folders, TextWriter output, CancellationToken cancel)
    {
        foreach (var folder in folders)
        {
            var files = Directory.GetFiles(folder, "*.json", SearchOption.AllDirectories);
            Array.Sort(files, StringComparer.Ordinal);
            foreach (var file in files)
            {
                cancel.ThrowIfCancellationRequested();
                var (id, run) = await ReadAsync(file, cancel);
                var critique = RunCritic.Critique(run);
                await output.WritePredictionAsync(new
                {
                    id,
                    agent = critique?.Agent,
                    step = critique?.Step,
                    category = critique is null ? null : Category(critique.Errors[0].Kind),
                    errors = (critique?.Errors ?? []).Select(error => new { step = error.Step, category = Category(error.Kind) }),
                    reasons = critique?.Reasons ?? [],
                });
            }
        }
    }

    /// <summary>The names of the AgentRx taxonomy.</summary>
    private static string Category(StepErrorKind kind) => kind switch
    {
        StepErrorKind.InstructionOrPlanAdherence => "Instruction/Plan Adherence Failure",
        StepErrorKind.IntentPlanMisalignment => "Intent Plan Misalignment",
        StepErrorKind.MisinterpretationOfToolOutput => "Misinterpretation of Tool Output",
        StepErrorKind.InvalidInvocation => "Invalid Invocation",
        StepErrorKind.IntentNotSupported => "Intent Not Supported",
        StepErrorKind.GuardrailsTriggered => "Guardrails Triggered",
        _ => "Underspecified User Intent",
    };

    private static async Task<(string Id, AgentRun Run)> ReadAsync(string file, CancellationToken cancel)
    {
        await using var stream = File.OpenRead(file);
        try
        {
            using var document = await JsonDocument.ParseAsync(stream, cancellationToken: cancel);
            var root = document.RootElement;
            AgentStep[] steps =
            [
                .. root.Required("steps", JsonValueKind.Array).EnumerateArray().Select(step => new AgentStep(
                    step.Required("step", JsonValueKind.Number).TryGetInt32(out var number) ? number : throw CaseFiles.Malformed(file, 1, "a step's number must be whole."),
                    Text(step, "agent"), Text(step, "content"), Calls(step))),
            ];
            return (root.Required("id", JsonValueKind.String).GetString()!, new AgentRun(Text(root, "task"), steps));
        }
        catch (JsonException wrong)
        {
            throw CaseFiles.Malformed(file, 1 + (int)(wrong.LineNumber ?? 0), wrong.Message);
        }
    }

    private static AgentToolCall[] Calls(JsonElement step) =>
        step.TryGetProperty("tool_calls", out var calls) && calls.ValueKind == JsonValueKind.Array
            ? [.. calls.EnumerateArray().Where(call => call.ValueKind == JsonValueKind.Object).Select(call => new AgentToolCall(Text(call, "name"), Text(call, "arguments")))]
            : [];

    private static string Text(JsonElement one, string name) =>
        !one.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null ? ""
        : value.ValueKind == JsonValueKind.String ? value.GetString()!
        : value.GetRawText();
}
