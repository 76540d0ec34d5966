using Faultline.Lab.Worlds.Words;

namespace Faultline.Lab.Worlds.Topologies;

/// <summary>Systems in which models decide what happens next.</summary>
internal static class AgentShapes
{
    public static void SingleAgent(RequestRun run)
    {
        var root = run.Enter("agent", "POST /tasks");
        var agent = Begin(run, "agent", 0, root);
        var facts = Gather(run, "agent", "agent", agent, run.Rng.Between(1, 3), 0);
        Conclude(run, "agent", agent, root, facts);
        run.Close(agent);
        run.Finish(root);
    }

    public static void Crew(RequestRun run)
    {
        var root = run.Enter("crew", "POST /research");
        var flow = run.Open(Work.Workflow, "research crew", "crew", root);
        var facts = true;
        foreach (var _ in Plan(run, "crew", 0, flow))
        {
            var researcher = Begin(run, "crew", 1, flow);
            var hop = run.Hop("tools", "POST /invoke", researcher);
            facts &= Gather(run, "crew", "tools", hop, 2, 0);
            run.Leave(hop, researcher);
            run.Close(researcher);
            PassBackAndForth(run, "crew", 1, 2, flow);
        }

        var writer = Begin(run, "crew", 2, flow);
        Conclude(run, "crew", writer, root, facts);
        run.Close(writer);
        run.Close(flow);
        run.Finish(root);
    }

    public static void TwoAgents(RequestRun run)
    {
        var root = run.Enter("desk", "message");
        var first = Begin(run, "desk", 0, root);
        run.Generate("desk", run.System.Templates[0], first, Ask.Plan, strong: false);
        run.Close(first);
        PassBackAndForth(run, "desk", 0, 1, root);
        var hop = run.Hop("backoffice", "POST /handover", root);
        var second = Begin(run, "backoffice", 1, hop);
        var facts = Gather(run, "backoffice", "backoffice", second, run.Rng.Between(1, 3), 0);
        Conclude(run, "backoffice", second, root, facts);
        run.Close(second);
        run.Leave(hop, root);
        run.Finish(root);
    }

    public static void PlanExecute(RequestRun run)
    {
        var root = run.Enter("runner", "job");
        run.Prelude("runner", root);
        var agent = Begin(run, "runner", 0, root);
        var facts = true;
        foreach (var step in Plan(run, "runner", 0, agent))
        {
            facts &= Gather(run, "runner", "runner", agent, 2, step);
        }

        Conclude(run, "runner", agent, root, facts);
        run.Close(agent);
        run.Finish(root);
    }

    public static void AgenticRag(RequestRun run) => run.Serve("bot", "POST /turn", root =>
    {
        var agent = Begin(run, "bot", 0, root);
        var passages = run.Search("search", "POST /search", agent);
        if (!Gather(run, "bot", "bot", agent, run.Rng.Between(1, 2), 0) && run.Rng.Chance(0.6))
        {
            passages = [.. passages.Where(passage => !passage.Right)];
        }

        var reply = run.Generate("bot", run.System.Templates[0], agent, Ask.Answer, passages);
        run.ScoreAnswer(reply);
        run.Close(agent);
    });

    private static Span Begin(RequestRun run, string role, int which, Span parent)
    {
        var name = run.System.Agents[which % run.System.Agents.Count];
        var span = run.Open(Work.Agent, name, role, parent);
        span.Target = name;
        run.Wait(run.Rng.Tailed(0.004, 0.4));
        return span;
    }

    private static bool Gather(RequestRun run, string role, string toolRole, Span parent, int calls, int from)
    {
        var facts = true;
        for (var i = 0; i < calls && !run.Full; i++)
        {
            facts &= run.UseTool(role, toolRole, run.System.Templates[^1], from + i, parent) is not null;
        }

        return facts;
    }

    /// <summary>Rounds of work after a plan; with churn the plan is thrown away and rewritten before much was done.</summary>
    private static IEnumerable<int> Plan(RequestRun run, string role, int planner, Span parent)
    {
        for (var round = 0; ; round++)
        {
            var span = run.Open(Work.Plan, "plan", role, parent);
            span.Target = run.System.Agents[planner];
            run.Generate(role, run.System.Templates[0], span, Ask.Plan);
            run.Close(span);
            if (round < 9 && run.Rng.Chance(run.Conditions.PlanChurn) && !run.Full)
            {
                if (run.Rng.Chance(0.4))
                {
                    run.UseTool(role, role, run.System.Templates[^1], round, parent);
                }

                continue;
            }

            yield return round;
            yield break;
        }
    }

    private static void PassBackAndForth(RequestRun run, string role, int one, int other, Span parent)
    {
        for (var round = 0; round < 12 && run.Rng.Chance(run.Conditions.PingPong) && !run.Full; round++)
        {
            foreach (var which in (ReadOnlySpan<int>)[other, one])
            {
                var agent = Begin(run, role, which, parent);
                run.Generate(role, run.System.Templates[0], agent, Ask.Plan, strong: false);
                run.Close(agent);
            }
        }
    }

    private static void Conclude(RequestRun run, string role, Span agent, Span root, bool facts)
    {
        var poisoned = run.System.Has(Abilities.Memory) && run.Recall(role, agent);
        var document = run.Request.Document;
        List<Passage> context = facts ? [new Passage(document, document.Text, 1, document.AgeDays, true, false)] : [];
        var reply = run.Generate(role, run.System.Templates[0], agent, Ask.Answer, context);
        if (poisoned && !reply.Failed)
        {
            reply.Span!.Model!.Output = $"{run.System.Words["inventions"][0]} {Answers.Invented(run.System.Words, document, run.System.Library.Domain, run.Rng)}";
            reply = reply with { Grounded = 0.1 };
        }

        run.ScoreAnswer(reply);
        if (reply.Failed)
        {
            root.Error = "model_unavailable";
            root.ErrorMessage = "the agent got no answer from its model";
        }
    }
}
