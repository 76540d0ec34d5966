namespace Faultline.Lab.Worlds.Topologies;

/// <summary>Systems that answer from documents.</summary>
internal static class RagShapes
{
    public static void Single(RequestRun run)
    {
        var root = run.Enter("app", "POST /ask");
        if (Prelude(run, "app", root))
        {
            run.Embed("app", root);
            var passages = run.Retrieve("app", run.System.Indexes[0], root);
            Answer(run, "app", root, root, passages);
        }

        run.Finish(root);
    }

    public static void Services(RequestRun run)
    {
        var root = run.Enter("api", "POST /v1/answers");
        if (Prelude(run, "api", root))
        {
            var search = run.Hop("retriever", "POST /search", root);
            run.Embed("retriever", search);
            var passages = run.Retrieve("retriever", run.System.Indexes[0], search);
            run.Leave(search, root);
            var order = run.Hop("reranker", "POST /rerank", root);
            passages = run.Rerank("reranker", passages, 4, order);
            run.Leave(order, root);
            var model = run.Hop("gateway", "POST /v1/chat/completions", root);
            Answer(run, "gateway", model, root, passages);
            run.Leave(model, root);
        }

        run.Finish(root);
    }

    public static void MultiIndex(RequestRun run)
    {
        var root = run.Enter("api", "POST /query");
        if (Prelude(run, "api", root))
        {
            var search = run.Hop("search", "POST /multi", root);
            run.Embed("search", search);
            var first = run.Retrieve("search", run.System.Indexes[0], search);
            var second = run.Retrieve("search", run.System.Indexes[1], search);
            run.Leave(search, root);
            Answer(run, "api", root, root, [.. first.Concat(second).OrderByDescending(passage => passage.Score).Take(run.System.TopK + 2)]);
        }

        run.Finish(root);
    }

    public static void Cached(RequestRun run)
    {
        var root = run.Enter("api", "GET /answer");
        run.CallDatabase("api", root);
        if (!run.Rng.Chance(0.35 * run.Conditions.ResponseCache))
        {
            var passages = run.Retrieve("api", run.System.Indexes[0], root);
            var model = run.Hop("gateway", "POST /chat", root);
            Answer(run, "gateway", model, root, passages);
            run.Leave(model, root);
        }

        run.Finish(root);
    }

    public static void Rewriting(RequestRun run)
    {
        var root = run.Enter("front", "POST /assist");
        if (Prelude(run, "front", root))
        {
            var rewrite = run.Hop("models", "POST /complete", root);
            run.Generate("models", run.System.Templates[^1], rewrite, Ask.Rewrite, strong: false);
            run.Leave(rewrite, root);
            var search = run.Hop("knowledge", "POST /find", root);
            run.Embed("knowledge", search);
            var passages = run.Retrieve("knowledge", run.System.Indexes[0], search);
            run.Leave(search, root);
            var model = run.Hop("models", "POST /complete", root);
            Answer(run, "models", model, root, passages);
            run.Leave(model, root);
        }

        run.Finish(root);
    }

    public static void RerankedSingle(RequestRun run)
    {
        var root = run.Enter("assistant", "ws message");
        if (Prelude(run, "assistant", root))
        {
            var passages = run.Rerank("assistant", run.Retrieve("assistant", run.System.Indexes[0], root), 3, root);
            Answer(run, "assistant", root, root, passages);
        }

        run.Finish(root);
    }

    public static void TwoStores(RequestRun run)
    {
        var root = run.Enter("edge", "POST /api/reply");
        run.CallDatabase("edge", root);
        if (!run.Rng.Chance(0.3 * run.Conditions.ResponseCache))
        {
            var stores = run.Hop("stores", "POST /fetch", root);
            var first = run.Retrieve("stores", run.System.Indexes[0], stores);
            var second = run.Rng.Chance(0.6) ? run.Retrieve("stores", run.System.Indexes[1], stores) : [];
            run.Leave(stores, root);
            var model = run.Hop("llm-proxy", "POST /v1/messages", root);
            Answer(run, "llm-proxy", model, root, [.. first.Concat(second).OrderByDescending(passage => passage.Score).Take(run.System.TopK)]);
            run.Leave(model, root);
        }

        run.Finish(root);
    }

    public static void SelfHostedRag(RequestRun run)
    {
        var root = run.Enter("ui", "POST /ask");
        if (Prelude(run, "ui", root))
        {
            var passages = run.Retrieve("ui", run.System.Indexes[0], root);
            var model = run.Hop("engine", "POST /v1/chat/completions", root);
            ChatShapes.WaitForGpu(run);
            Answer(run, "engine", model, root, passages);
            run.Leave(model, root);
        }

        run.Finish(root);
    }

    /// <summary>What stands before the work in those systems that have it. False: the input was blocked.</summary>
    public static bool Prelude(RequestRun run, string role, Span root)
    {
        if (run.System.Has(Abilities.Database))
        {
            run.CallDatabase(role, root);
        }

        return !run.System.Has(Abilities.Guardrail) || run.Guard(role, "input", root);
    }

    private static void Answer(RequestRun run, string role, Span parent, Span root, IReadOnlyList<Passage> passages)
    {
        var reply = run.Generate(role, run.System.Templates[0], parent, Ask.Answer, passages);
        run.ScoreAnswer(reply);
        if (reply.Failed)
        {
            root.Error = "model_unavailable";
            root.ErrorMessage = "the model gave no answer";
        }
    }
}
