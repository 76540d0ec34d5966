using System.Text.Json;
using Faultline.Lab.Worlds.Words;

namespace Faultline.Lab.Worlds.Topologies;

/// <summary>What came of a model call. The qualities are what the laboratory knows, not what a judge says.</summary>
internal sealed record Reply(string Text, Span? Span, bool Failed, double Grounded, double Relevant, double Coherent);

/// <summary>What a model is asked to write.</summary>
internal enum Ask
{
    Answer,
    Json,
    Plan,
    CallTool,
    Rewrite,
}

/// <summary>Parts that topologies are made of: each does its work under the request's conditions and leaves spans.</summary>
internal static class Steps
{
    private const int AttemptsMax = 3;
    private const double CharactersPerToken = 4.1;

    public static void Embed(this RequestRun run, string role, Span parent)
    {
        var span = run.Open(Work.Embedding, "embed query", role, parent);
        span.Query = run.Request.Question;
        span.Target = run.Conditions.OtherEmbedding && run.System.EmbeddingShown ? run.System.NextEmbeddingModel : run.System.EmbeddingModel;
        run.Wait(run.Rng.Tailed(0.045, 0.35));
        run.Close(span);
    }

    public static IReadOnlyList<Passage> Retrieve(this RequestRun run, string role, string index, Span parent)
    {
        var (c, rng, system) = (run.Conditions, run.Rng, run.System);
        var hit = c.Hits(index);
        var span = run.Open(Work.Retrieval, index, role, parent);
        span.Query = run.Request.Question;
        span.Target = index;
        span.TopK = Math.Max(1, (int)Math.Round(system.TopK * (hit ? c.TopKFactor : 1)));
        run.Wait(rng.Tailed(0.07, 0.4));
        if (rng.Chance(hit ? c.RetrievalErrors + 0.002 : 0.002))
        {
            run.Wait(2);
            run.Fail(span, "unavailable", $"index {index}: connection refused");
            span.Passages = [];
            return [];
        }

        var passages = hit && rng.Chance(c.EmptyShare) ? [] : Draw(run, span.TopK, hit);
        span.Passages = passages;
        run.Close(span);
        return passages;
    }

    private static List<Passage> Draw(RequestRun run, int count, bool hit)
    {
        var (c, rng, system) = (run.Conditions, run.Rng, run.System);
        var wanted = run.Request.Document;
        var unknownTopic = run.Request.Kind is "new-topic" or "foreign";
        var found = rng.Chance(0.95 * (hit ? c.Relevance : 1) * (unknownTopic ? 0.15 : 1));
        var level = system.ScoreLevel * (hit ? c.ScoreFactor : 1) * (unknownTopic ? 0.78 : 1);
        var passages = new List<Passage>(count);
        if (found)
        {
            var stale = hit && rng.Chance(c.StaleShare);
            passages.Add(Make(wanted, Math.Clamp(rng.Normal(level * (stale ? 0.93 : 1), 0.035), 0.01, 0.99), stale, true));
        }

        var documents = system.Library.Documents;
        for (var i = passages.Count; i < count; i++)
        {
            var other = rng.Chance(0.4) ? documents.Find(d => d.Topic == wanted.Topic && d.Entity != wanted.Entity && rng.Chance(0.3)) ?? rng.Pick(documents) : rng.Pick(documents);
            var near = other.Topic == wanted.Topic || other.Entity == wanted.Entity;
            passages.Add(Make(other, Math.Clamp(rng.Normal(level * (near ? 0.8 : 0.66), 0.05), 0.01, 0.99), hit && rng.Chance(c.StaleShare), false));
        }

        passages.Sort((a, b) => b.Score.CompareTo(a.Score));
        passages.RemoveAll(passage => hit && passage.Score < c.ScoreFloor);
        return passages;

        Passage Make(Document document, double score, bool stale, bool right)
        {
            var text = stale ? document.OldText : document.Text;
            var factor = hit ? c.ChunkFactor : 1;
            if (factor < 1)
            {
                text = text[..Math.Max(12, (int)(text.Length * factor))];
            }
            else if (factor > 1.2)
            {
                text = string.Join(' ', Enumerable.Range(0, (int)factor).Select(_ => rng.Pick(system.Library.Documents).Text).Append(text));
            }

            return new Passage(document, text, Math.Round(score, 4), document.AgeDays + (stale ? 90 : 0) + (hit ? c.StaleDays : 0), right && !(factor < 0.45), stale);
        }
    }

    public static IReadOnlyList<Passage> Rerank(this RequestRun run, string role, IReadOnlyList<Passage> passages, int keep, Span parent)
    {
        var (c, rng) = (run.Conditions, run.Rng);
        if (c.RerankSkipped)
        {
            return [.. Muddle(passages, rng).Take(keep)];
        }

        var span = run.Open(Work.Rerank, "rerank", role, parent);
        span.Query = run.Request.Question;
        span.Target = run.System.RerankModel;
        span.TopK = keep;
        span.PassagesIn = passages;
        run.Wait(rng.Tailed(0.12, 0.3) * c.RerankSlow);
        if (rng.Chance(c.RerankErrors + 0.002))
        {
            run.Wait(rng.Between(1.0, 3.0));
            run.Fail(span, "timeout", "rerank: deadline exceeded", 504);
            return [.. Muddle(passages, rng).Take(keep)];
        }

        var sorted = passages.Select(passage => passage with { Score = Math.Round(Math.Clamp(rng.Normal(passage.Right ? 0.9 : 0.35, 0.08), 0, 1), 4) })
            .OrderByDescending(passage => passage.Score).Take(keep).ToList();
        span.Passages = sorted;
        run.Close(span);
        return sorted;
    }

    /// <summary>Where a reranker is relied on, raw order often buries the right passage.</summary>
    private static List<Passage> Muddle(IReadOnlyList<Passage> passages, Rng rng) =>
        [.. passages.OrderByDescending(passage => passage.Score + (passage.Right ? rng.Between(-0.35, 0.02) : 0))];

    public static Reply Generate(this RequestRun run, string role, string template, Span parent, Ask ask, IReadOnlyList<Passage>? context = null, IReadOnlyList<Message>? history = null, bool strong = true)
    {
        var (c, rng, system) = (run.Conditions, run.Rng, run.System);
        var route = system.Routes[strong && run.Request.Strong ? 0 : system.Routes.Count - 1];
        var hit = c.Hits(route.Model) || c.Hits(template) || c.Hits(route.Provider);
        var unfilled = rng.Chance(c.UnfilledShare);
        var prompt = Prompts.Build(run, template, ask, unfilled ? null : context, history, unfilled);
        var inputTokens = (int)(prompt.Characters / CharactersPerToken) + 12;
        var ceiling = Math.Min(c.InputCeiling, route.Window);
        if (inputTokens > ceiling)
        {
            context = context?.Take((int)(context.Count * (double)ceiling / inputTokens * 0.8)).ToList();
            prompt = Prompts.Build(run, template, ask, context, history?.TakeLast(2).ToList(), unfilled);
            inputTokens = ceiling - rng.Below(3);
        }

        for (var attempt = 1; ; attempt++)
        {
            var span = run.Open(Work.Chat, "chat", role, parent);
            span.Model = new ModelCall
            {
                Route = route,
                RequestModel = hit && c.OtherModel ? route.Fallback : route.Model,
                ResponseModel = hit && c.OtherModel ? route.Fallback : hit && c.NextVersion ? route.NextVersion : route.Version,
                System = prompt.System,
                Input = prompt.Messages,
                InputTokens = inputTokens,
                Temperature = (hit ? c.Temperature : null) ?? system.Temperature,
                MaxTokens = (hit ? c.MaxTokens : null) ?? system.MaxTokens,
                Template = template,
                TemplateVersion = c.TemplateVersion ?? (template == system.Templates[0] ? system.TemplateVersion.At(run.Request.At) : "3"),
            };
            if (rng.Chance(0.003 + (hit ? c.ModelErrors : 0)))
            {
                var limited = c.ModelErrors > 0 && c.ModelError == "rate_limit_exceeded";
                run.Wait(limited ? rng.Tailed(0.08, 0.4) : rng.Tailed(1.2, 0.8));
                run.Fail(span, c.ModelErrors > 0 ? c.ModelError : "server_error", limited ? "429 Too Many Requests: rate limit reached, retry later" : "the provider could not complete the request", limited ? 429 : 503);
                if (attempt == AttemptsMax)
                {
                    return new Reply("", span, true, 0, 0, 0);
                }

                run.Wait(attempt * rng.Between(0.6, 1.6));
                continue;
            }

            var reply = Compositions.Compose(run, ask, context, prompt, hit);
            Fill(run, span, reply.Text, hit, ask);
            return reply with { Text = span.Model.Output, Span = span };
        }
    }

    private static void Fill(RequestRun run, Span span, string text, bool hit, Ask ask)
    {
        var (c, rng, call) = (run.Conditions, run.Rng, span.Model!);
        var tokens = (int)(text.Length / CharactersPerToken) + 4;
        if (tokens > call.MaxTokens)
        {
            tokens = call.MaxTokens;
            text = text[..Math.Min(text.Length, (int)(tokens * CharactersPerToken))];
            call.Finish = "length";
        }

        if (rng.Chance(c.Mojibake))
        {
            text = text.Replace("e", "Ã©", StringComparison.Ordinal).Replace("a", "â€", StringComparison.Ordinal);
        }

        var cheap = hit && c.OtherModel ? 0.6 : 1;
        var first = rng.Tailed(call.Route.FirstTokenSeconds, 0.35) * (hit ? c.FirstTokenSlow : 1) * cheap;
        var cached = run.System.Has(Abilities.PromptCache) && rng.Chance(0.85 * c.PromptCache) ? (int)(call.InputTokens * 0.7) / 128 * 128 : 0;
        first += (call.InputTokens - cached) * 0.00012 * (1 + (2 * Math.Max(0, c.GpuLoad)));
        call.Output = text;
        call.OutputTokens = tokens;
        call.CachedTokens = cached;
        call.FirstTokenSeconds = first;
        call.ResponseId = $"resp_{rng.Bits():x16}";
        if (ask == Ask.CallTool)
        {
            call.Finish = "tool_calls";
        }

        run.Wait(first + (tokens * rng.Tailed(call.Route.SecondsPerToken, 0.12) * (hit ? c.PerTokenSlow : 1) * cheap));
        run.Close(span);
    }

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
