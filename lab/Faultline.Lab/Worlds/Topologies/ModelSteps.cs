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

/// <summary>Calls of models, with retries and a window that ends.</summary>
internal static class ModelSteps
{
    private const int AttemptsMax = 3;
    private const double CharactersPerToken = 4.1;

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
}
