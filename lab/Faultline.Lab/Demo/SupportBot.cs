using System.Diagnostics;
using System.Globalization;

namespace Faultline.Lab.Demo;

/// <summary>
/// A RAG support bot: embeds the question, searches the help centre's index, asks a model, and has its own evaluator judge the
/// answer. Spans carry what an instrumentation that follows today's GenAI conventions would send.
/// </summary>
internal sealed class SupportBot(Instrumented service, Rhythm rhythm) : IDisposable
{
    public const string ServiceName = "support-bot";

    private static readonly string[] Stopped = ["stop"];

    private readonly DateTimeOffset _freshIndexAt = DateTimeOffset.UtcNow.AddDays(-8);

    /// <summary>
    /// True once the help centre was rewritten and the index was not: the world has moved on, so the same search finds
    /// articles that no longer fit. Nothing else behaves differently.
    /// </summary>
    public bool IndexIsStale { get; set; }

    /// <summary>Handles one question that was answered at <paramref name="end"/>.</summary>
    public void Answer(DateTimeOffset end)
    {
        var article = rhythm.Pick(HelpCentre.Articles);
        var question = rhythm.Pick(article.Questions);
        var user = string.Create(CultureInfo.InvariantCulture, $"user-{rhythm.Next(400):D3}");
        var session = string.Create(CultureInfo.InvariantCulture, $"conv-{end.ToUnixTimeSeconds() / 600}-{rhythm.Next(40):D2}");

        var embed = rhythm.Duration(18, 0.25, end);
        var search = rhythm.Duration(42, 0.3, end);
        var firstChunk = rhythm.Duration(310, 0.25, end);
        var generate = rhythm.Duration(640, 0.3, end);
        var overhead = rhythm.Duration(9, 0.3, end);
        var start = end - overhead - embed - search - firstChunk - generate;

        var root = service.Start("POST /chat", ActivityKind.Server, start, null);
        root.SetTag("http.request.method", "POST").SetTag("http.route", "/chat").SetTag("http.response.status_code", 200)
            .SetTag("session.id", session).SetTag("user.id", user);

        var at = start + (overhead / 2);
        Embed(root, question, at, at + embed);
        at += embed;
        var documents = Search(root, question, article, at, at + search);
        at += search;
        var failed = rhythm.Uniform() < 0.004;
        Generate(root, question, article, documents, session, user, at, firstChunk, at + firstChunk + generate, failed);
        if (failed)
        {
            root.SetTag("http.response.status_code", 502).SetStatus(ActivityStatusCode.Error, "model endpoint closed the connection");
        }

        Instrumented.End(root, end);
        service.FlushBeforeOverflow();
    }

    public void Dispose() => service.Dispose();

    private void Embed(Activity root, string question, DateTimeOffset from, DateTimeOffset to)
    {
        var span = service.Start("embeddings text-embedding-3-small", ActivityKind.Client, from, root);
        span.SetTag("gen_ai.operation.name", "embeddings").SetTag("gen_ai.provider.name", "openai")
            .SetTag("gen_ai.request.model", "text-embedding-3-small").SetTag("gen_ai.response.model", "text-embedding-3-small")
            .SetTag("gen_ai.embeddings.dimension.count", 1536).SetTag("gen_ai.usage.input_tokens", Messages.Tokens(question))
            .SetTag("server.address", "api.openai.com").SetTag("server.port", 443);
        Instrumented.End(span, to);
    }

    private List<(string Id, double Score, string Content, DateTimeOffset IndexedAt)> Search(Activity root, string question, Article article, DateTimeOffset from, DateTimeOffset to)
    {
        var documents = new List<(string, double, string, DateTimeOffset)>();
        var best = IndexIsStale ? rhythm.Score(0.52, 0.06) : rhythm.Score(0.84, 0.04);
        documents.Add((article.Id, best, IndexIsStale ? article.Before : article.Now, IndexIsStale ? _freshIndexAt.AddDays(-90) : _freshIndexAt));
        for (var rank = 1; rank < 4; rank++)
        {
            var other = rhythm.Pick(HelpCentre.Articles);
            documents.Add((other.Id, best * (1 - (rank * 0.09) - (0.03 * rhythm.Uniform())), IndexIsStale ? other.Before : other.Now, IndexIsStale ? _freshIndexAt.AddDays(-90) : _freshIndexAt));
        }

        var span = service.Start("retrieval help-centre", ActivityKind.Client, from, root);
        span.SetTag("gen_ai.operation.name", "retrieval").SetTag("gen_ai.provider.name", "openai").SetTag("gen_ai.data_source.id", "help-centre")
            .SetTag("gen_ai.retrieval.top_k", 4).SetTag("gen_ai.retrieval.query.text", question).SetTag("gen_ai.request.model", "text-embedding-3-small")
            .SetTag("gen_ai.retrieval.documents", Messages.Documents(documents)).SetTag("db.system.name", "qdrant").SetTag("server.address", "qdrant");
        Instrumented.End(span, to);
        return documents;
    }

    private void Generate(Activity root, string question, Article article, List<(string Id, double Score, string Content, DateTimeOffset IndexedAt)> documents, string session, string user, DateTimeOffset from, TimeSpan firstChunk, DateTimeOffset to, bool failed)
    {
        var answer = IndexIsStale ? article.AnswerFromBefore : article.Answer;
        var prompt = question + "\n\nArticles:\n" + string.Join('\n', documents.Select(document => $"[{document.Id}] {document.Content}"));

        var span = service.Start("chat gpt-4o-mini", ActivityKind.Client, from, root);
        span.SetTag("gen_ai.operation.name", "chat").SetTag("gen_ai.provider.name", "openai")
            .SetTag("gen_ai.request.model", "gpt-4o-mini").SetTag("gen_ai.request.temperature", 0.2).SetTag("gen_ai.request.max_tokens", 400)
            .SetTag("gen_ai.request.stream", true).SetTag("gen_ai.conversation.id", session).SetTag("user.id", user)
            .SetTag("gen_ai.prompt.name", "support-answer").SetTag("gen_ai.prompt.version", "12")
            .SetTag("gen_ai.system_instructions", Messages.Instructions(HelpCentre.Instructions))
            .SetTag("gen_ai.input.messages", Messages.Array(Messages.Text("user", prompt)))
            .SetTag("server.address", "api.openai.com").SetTag("server.port", 443);
        if (failed)
        {
            span.SetTag("error.type", "connection_closed").SetStatus(ActivityStatusCode.Error, "model endpoint closed the connection");
            Instrumented.End(span, to);
            return;
        }

        var response = "chatcmpl-" + span.SpanId.ToHexString();
        span.SetTag("gen_ai.response.model", "gpt-4o-mini-2024-07-18").SetTag("gen_ai.response.id", response)
            .SetTag("gen_ai.response.finish_reasons", Stopped).SetTag("gen_ai.response.time_to_first_chunk", Math.Round(firstChunk.TotalSeconds, 4))
            .SetTag("gen_ai.usage.input_tokens", Messages.Tokens(HelpCentre.Instructions, prompt) + rhythm.Next(12))
            .SetTag("gen_ai.usage.output_tokens", Messages.Tokens(answer) + rhythm.Next(9))
            .SetTag("gen_ai.output.messages", Messages.Array(Messages.Text("assistant", answer, "stop")));

        // The app's own evaluator samples every answer: it knows the question and the answer, not why they fit or do not.
        Judge(span, response, to, "relevance", IndexIsStale ? rhythm.Score(0.45, 0.09) : rhythm.Score(0.87, 0.05));
        Judge(span, response, to, "groundedness", rhythm.Score(0.91, 0.04));
        Instrumented.End(span, to);
    }

    private static void Judge(Activity span, string response, DateTimeOffset at, string name, double score) =>
        span.AddEvent(new ActivityEvent("gen_ai.evaluation.result", at, new ActivityTagsCollection
        {
            ["gen_ai.evaluation.name"] = name,
            ["gen_ai.evaluation.score.value"] = Math.Round(score, 4),
            ["gen_ai.evaluation.score.label"] = score >= 0.6 ? "pass" : "fail",
            ["gen_ai.response.id"] = response,
        }));
}
