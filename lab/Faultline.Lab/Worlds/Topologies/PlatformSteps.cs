using System.Text.Json;

namespace Faultline.Lab.Worlds.Topologies;

/// <summary>What stands around the models: databases, other services, guardrails, memory, judges.</summary>
internal static class PlatformSteps
{
    public static void CallDatabase(this RequestRun run, string role, Span parent)
    {
        var (c, rng, database) = (run.Conditions, run.Rng, run.System.Database);
        var hit = c.Hits(database.Name);
        var span = run.Open(Work.Database, database.Name, role, parent);
        span.Target = database.Name;
        span.Query = "SELECT profile FROM customers WHERE tenant = ? AND id = ?";
        run.Wait(rng.Tailed(0.006, 0.6) * (hit ? c.DependencySlow : 1));
        Settle(run, span, hit);
    }

    public static void CallDependency(this RequestRun run, string role, Span parent)
    {
        var hit = run.Conditions.Hits(run.System.Dependency);
        var span = run.Open(Work.Http, "GET", role, parent);
        span.Target = run.System.Dependency;
        run.Wait(run.Rng.Tailed(0.04, 0.5) * (hit ? run.Conditions.DependencySlow : 1));
        Settle(run, span, hit);
    }

    private static void Settle(RequestRun run, Span span, bool hit)
    {
        if (hit && run.Rng.Chance(run.Conditions.DependencyErrors))
        {
            run.Wait(run.Rng.Between(0.5, 2.0));
            run.Fail(span, "timeout", $"{span.Target}: no answer in time", span.Work == Work.Http ? 504 : null);
            return;
        }

        span.Status = span.Work == Work.Http ? 200 : null;
        run.Close(span);
    }

    /// <returns>False when the text may not pass.</returns>
    public static bool Guard(this RequestRun run, string role, string phase, Span parent)
    {
        var span = run.Open(Work.Guardrail, run.System.Guardrail, role, parent);
        span.Target = run.System.Guardrail;
        run.Wait(run.Rng.Tailed(0.03, 0.3));
        var blocked = run.Rng.Chance(0.008 + run.Conditions.Blocks);
        span.Query = phase;
        span.Result = blocked ? "block" : "pass";
        run.Close(span);
        return !blocked;
    }

    /// <returns>Whether what was recalled is poisoned.</returns>
    public static bool Recall(this RequestRun run, string role, Span parent)
    {
        var span = run.Open(Work.Memory, run.System.MemoryStore, role, parent);
        span.Target = run.System.MemoryStore;
        span.Query = run.Request.Question;
        run.Wait(run.Rng.Tailed(0.025, 0.4));
        var poisoned = run.Rng.Chance(run.Conditions.Poisoned);
        span.Result = poisoned
            ? JsonSerializer.Serialize(new[] { new { id = "mem-000417", content = run.System.Words["inventions"][0] } })
            : JsonSerializer.Serialize(new[] { new { id = $"mem-{run.Rng.Below(4000) + 1000:000000}", content = $"was asked about {run.Request.Document.Topic} before" } });
        run.Close(span);
        return poisoned;
    }

    public static void ScoreAnswer(this RequestRun run, Reply reply)
    {
        var (c, rng, system) = (run.Conditions, run.Rng, run.System);
        if (system.ScoreForm == ScoreForm.None || reply.Span is null || reply.Failed || !rng.Chance(system.ScoreShare))
        {
            return;
        }

        var shift = c.ScoreShift;
        double Judge(double truth) => Math.Round(Math.Clamp(rng.Normal((0.3 + (0.6 * truth)) - shift, 0.07), 0, 1), 3);
        reply.Span.Scores = [(system.ScoreNames[0], Judge(reply.Grounded)), (system.ScoreNames[1], Judge(reply.Relevant)), (system.ScoreNames[2], Judge(reply.Coherent))];
    }
}
