namespace Faultline.Lab.Worlds.Topologies;

/// <summary>Systems that answer from documents.</summary>
internal static class RagShapes
{
    public static void Single(RequestRun run) => run.Serve("app", "POST /ask", root =>
    {
        run.Embed("app", root);
        var passages = run.Retrieve("app", run.System.Indexes[0], root);
        Answer(run, "app", root, root, passages);
    });

    public static void Services(RequestRun run) => run.Serve("api", "POST /v1/answers", root =>
    {
        var passages = run.Search("retriever", "POST /search", root);
        var order = run.Hop("reranker", "POST /rerank", root);
        passages = run.Rerank("reranker", passages, 4, order);
        run.Leave(order, root);
        AnswerThrough(run, "gateway", "POST /v1/chat/completions", root, passages);
    });

    public static void MultiIndex(RequestRun run) => run.Serve("api", "POST /query", root =>
    {
        var search = run.Hop("search", "POST /multi", root);
        run.Embed("search", search);
        var first = run.Retrieve("search", run.System.Indexes[0], search);
        var second = run.Retrieve("search", run.System.Indexes[1], search);
        run.Leave(search, root);
        Answer(run, "api", root, root, Best(run.System.TopK + 2, first, second));
    });

    public static void Cached(RequestRun run) => run.ServeUnlessKnown("api", "GET /answer", 0.35, root =>
    {
        var passages = run.Retrieve("api", run.System.Indexes[0], root);
        AnswerThrough(run, "gateway", "POST /chat", root, passages);
    });

    public static void Rewriting(RequestRun run) => run.Serve("front", "POST /assist", root =>
    {
        var rewrite = run.Hop("models", "POST /complete", root);
        run.Generate("models", run.System.Templates[^1], rewrite, Ask.Rewrite, strong: false);
        run.Leave(rewrite, root);
        var passages = run.Search("knowledge", "POST /find", root);
        AnswerThrough(run, "models", "POST /complete", root, passages);
    });

    public static void RerankedSingle(RequestRun run) => run.Serve("assistant", "ws message", root =>
    {
        var passages = run.Rerank("assistant", run.Retrieve("assistant", run.System.Indexes[0], root), 3, root);
        Answer(run, "assistant", root, root, passages);
    });

    public static void TwoStores(RequestRun run) => run.ServeUnlessKnown("edge", "POST /api/reply", 0.3, root =>
    {
        var stores = run.Hop("stores", "POST /fetch", root);
        var first = run.Retrieve("stores", run.System.Indexes[0], stores);
        var second = run.Rng.Chance(0.6) ? run.Retrieve("stores", run.System.Indexes[1], stores) : [];
        run.Leave(stores, root);
        AnswerThrough(run, "llm-proxy", "POST /v1/messages", root, Best(run.System.TopK, first, second));
    });

    public static void SelfHostedRag(RequestRun run) => run.Serve("ui", "POST /ask", root =>
    {
        var passages = run.Retrieve("ui", run.System.Indexes[0], root);
        var model = run.Hop("engine", "POST /v1/chat/completions", root);
        ChatShapes.WaitForGpu(run);
        Answer(run, "engine", model, root, passages);
        run.Leave(model, root);
    });

    private static List<Passage> Best(int count, IReadOnlyList<Passage> first, IReadOnlyList<Passage> second) =>
        [.. first.Concat(second).OrderByDescending(passage => passage.Score).Take(count)];

    /// <summary>The answer of a model that is called by another service.</summary>
    private static void AnswerThrough(RequestRun run, string role, string name, Span root, IReadOnlyList<Passage> passages)
    {
        var model = run.Hop(role, name, root);
        Answer(run, role, model, root, passages);
        run.Leave(model, root);
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
