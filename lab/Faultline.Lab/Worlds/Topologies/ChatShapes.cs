using Faultline.Lab.Worlds.Words;

namespace Faultline.Lab.Worlds.Topologies;

/// <summary>Conversations and batch work.</summary>
internal static class ChatShapes
{
    private const int TurnsKept = 6;

    public static void Chat(RequestRun run) => Converse(run, "chat", "chat", "POST /chat");

    public static void Companion(RequestRun run) => Converse(run, "companion", "companion", "message received");

    public static void SelfHosted(RequestRun run) => Converse(run, "web", "inference", "POST /completions");

    public static void Batch(RequestRun run)
    {
        var root = run.Enter("batch", "extract item");
        if (run.System.Has(Abilities.Database))
        {
            run.CallDatabase("batch", root);
        }

        Extract(run, "batch", root, root);
        run.Finish(root);
    }

    public static void Summaries(RequestRun run)
    {
        var root = run.Enter("worker", "summarise");
        if (run.System.Has(Abilities.Http))
        {
            run.CallDependency("worker", root);
        }

        var hop = run.Hop("gateway", "POST /generate", root);
        Extract(run, "gateway", hop, root);
        run.Leave(hop, root);
        run.Finish(root);
    }

    /// <summary>A request stands in the model server's queue when the GPUs are busy.</summary>
    public static void WaitForGpu(RequestRun run)
    {
        if (run.Conditions.GpuLoad > 0)
        {
            run.Wait(run.Rng.Exponential(6 * run.Conditions.GpuLoad));
        }
    }

    private static void Converse(RequestRun run, string front, string modelRole, string entry) => run.Serve(front, entry, root =>
    {
        if (run.System.Has(Abilities.Http))
        {
            run.CallDependency(front, root);
        }

        var poisoned = run.System.Has(Abilities.Memory) && run.Recall(front, root);
        var hop = run.Hop(modelRole, "POST /v1/chat/completions", root);
        if (run.System.Has(Abilities.SelfHosted))
        {
            WaitForGpu(run);
        }

        var reply = run.Generate(modelRole, run.System.Templates[0], hop, Ask.Answer, null, History(run));
        if (poisoned && !reply.Failed)
        {
            reply.Span!.Model!.Output = $"{run.System.Words["inventions"][0]} {reply.Text}";
            reply = reply with { Grounded = 0.2 };
        }

        run.Leave(hop, root);
        if (reply.Failed)
        {
            root.Error = "model_unavailable";
            root.ErrorMessage = "no reply";
        }
        else if (run.System.Has(Abilities.Guardrail) && !run.Guard(front, "output", root))
        {
            reply = reply with { Relevant = 0.1 };
        }

        run.ScoreAnswer(reply);
    });

    private static List<Message> History(RequestRun run)
    {
        var (rng, words, documents) = (run.Rng, run.System.Words, run.System.Library.Documents);
        var turns = Math.Min(run.Request.Turn, TurnsKept) * run.Conditions.HistoryFactor;
        var history = new List<Message>();
        for (var i = 0; i < (int)turns; i++)
        {
            var earlier = rng.Pick(documents);
            history.Add(new Message("user", rng.Pick(earlier.Questions)));
            history.Add(new Message("assistant", Answers.Grounded(words, earlier, rng)));
        }

        return history;
    }

    private static void Extract(RequestRun run, string role, Span parent, Span root)
    {
        var document = run.Request.Document;
        List<Passage> source = [new Passage(document, document.Text, 1, document.AgeDays, true, false)];
        var reply = run.Generate(role, run.System.Templates[0], parent, Ask.Json, source);
        run.ScoreAnswer(reply);
        if (!reply.Failed && reply.Coherent < 0.5)
        {
            run.Wait(0.01);
            reply = run.Generate(role, run.System.Templates[0], parent, Ask.Json, source);
        }

        if (reply.Failed || reply.Coherent < 0.5)
        {
            root.Error = reply.Failed ? "model_unavailable" : "JsonException";
            root.ErrorMessage = reply.Failed ? "no reply" : "the output is not the JSON that was asked for";
        }
    }
}
