using System.Text.Json;

namespace Faultline.Lab.Worlds.Topologies;

/// <summary>Tools that models decide to use.</summary>
internal static class ToolSteps
{
    /// <summary>A model decides on a tool, the tool runs. Returns what the tool said; null when it failed for good.</summary>
    public static string? UseTool(this RequestRun run, string role, string toolRole, string agentTemplate, int which, Span parent)
    {
        var (c, rng, system) = (run.Conditions, run.Rng, run.System);
        var (name, argument) = system.Tools[which % system.Tools.Count];
        var hit = c.Hits(name);
        for (var attempt = 1; ; attempt++)
        {
            var badArguments = hit && rng.Chance(c.ToolBadArguments);
            var arguments = JsonSerializer.Serialize(new Dictionary<string, string> { [badArguments ? argument + "_id" : argument] = run.Request.Document.Entity });
            var decision = run.Generate(role, agentTemplate, parent, Ask.CallTool);
            if (decision.Failed)
            {
                return null;
            }

            decision.Span!.Model!.ToolName = name;
            decision.Span.Model.ToolArguments = arguments;
            var span = run.Open(Work.Tool, name, toolRole, parent);
            span.Target = name;
            span.Arguments = arguments;
            run.Wait(rng.Tailed(0.15, 0.6) * (hit ? c.ToolSlow : 1));
            if (system.Has(Abilities.Http) && which == 0)
            {
                run.CallDependency(toolRole, span);
            }

            var error = badArguments ? "invalid_arguments" : rng.Chance(0.01 + (hit ? c.ToolErrors : 0)) ? "tool_error" : null;
            if (error is not null)
            {
                run.Fail(span, error, badArguments ? $"{name}: unknown argument '{argument}_id', expected one of the published schema" : $"{name}: upstream returned 503");
                if (attempt >= (hit ? rng.Between(2, 5) : 2) || run.Full)
                {
                    return null;
                }

                continue;
            }

            var result = JsonSerializer.Serialize(new { status = "ok", entity = run.Request.Document.Entity, text = run.Request.Document.Text });
            span.Result = hit && rng.Chance(c.ToolEmpty) ? "{}" : hit && rng.Chance(c.ToolCut) ? result[..(result.Length / 4)] : result;
            run.Close(span);
            if (hit && rng.Chance(c.SameCall) && attempt < rng.Between(6, 14) && !run.Full)
            {
                continue;
            }

            return span.Result == result ? result : null;
        }
    }
}
