using System.Text;
using System.Text.Json;
using Faultline.Lab.Worlds.Words;

namespace Faultline.Lab.Worlds.Topologies;

/// <summary>What a model writes, given what it saw and how it is.</summary>
internal static class Compositions
{
    private const double InventsUsually = 0.025;
    private const double GarblesUsually = 0.006;
    private const double RefusesUsually = 0.008;
    private const double BreaksFormatUsually = 0.008;

    public static Reply Compose(RequestRun run, Ask ask, IReadOnlyList<Passage>? context, Prompt prompt, bool hit)
    {
        var (c, rng, words, document) = (run.Conditions, run.Rng, run.System.Words, run.Request.Document);
        switch (ask)
        {
            case Ask.CallTool:
                return new Reply("", null, false, 1, 1, 1);
            case Ask.Rewrite:
                return new Reply($"{document.Topic} {document.Entity}", null, false, 1, 1, 1);
            case Ask.Plan:
                return new Reply($"1. look up {document.Topic}\n2. compare for {document.Entity}\n3. write the answer", null, false, 1, 1, 1);
        }

        var noSystem = prompt.System is null;
        var hot = hit && c.Temperature > 1.1;
        var invents = InventsUsually + (hit ? c.Invents : 0) + (c.BadTemplate ? 0.45 : 0) + (noSystem ? 0.25 : 0) + (hot ? 0.15 : 0);
        var garbles = GarblesUsually + (hit ? c.Garbles : 0) + (hot ? 0.3 : 0);
        var reply = prompt.Unfilled ? Guess(run) : Prose(run, context, invents, garbles, RefusesUsually + (hit ? c.Refuses : 0));
        var longer = (hit ? c.Verbosity : 1) * (c.VerboseTemplate ? 6 : 1) * (run.Request.Kind == "scraping" ? 8 : 1);
        if (longer > 1.3)
        {
            reply = reply with { Text = Answers.Verbose(words, reply.Text, (int)((longer - 1) * 1.6), rng) };
        }

        if (rng.Chance(c.WrongLanguage) && words.Rows("foreign") is { Count: > 0 } foreign)
        {
            var text = string.Join(' ', foreign.Select(row => Library.Fill(row[1].Replace("{t}", document.Topic, StringComparison.Ordinal), document.Entity, rng)));
            reply = reply with { Text = text, Relevant = 0.3 };
        }

        if (rng.Chance(c.FiguresOff))
        {
            reply = reply with { Text = TenTimes(reply.Text), Grounded = Math.Min(reply.Grounded, 0.2) };
        }

        if (rng.Chance(c.CutInTransit))
        {
            reply = reply with { Text = reply.Text[..(int)(reply.Text.Length * rng.Between(0.2, 0.5))], Relevant = Math.Min(reply.Relevant, 0.4), Coherent = 0.25 };
        }

        return ask == Ask.Json ? AsJson(run, reply, noSystem) : reply;
    }

    /// <summary>Every figure with a zero more.</summary>
    private static string TenTimes(string text)
    {
        var result = new StringBuilder(text.Length + 16);
        for (var i = 0; i < text.Length; i++)
        {
            result.Append(text[i]);
            if (char.IsAsciiDigit(text[i]) && (i + 1 == text.Length || !char.IsAsciiDigit(text[i + 1])))
            {
                result.Append('0');
            }
        }

        return result.ToString();
    }

    /// <summary>An answer to nobody's question.</summary>
    private static Reply Guess(RequestRun run)
    {
        var (rng, words) = (run.Rng, run.System.Words);
        return rng.Chance(0.5)
            ? new Reply(Answers.NotFound(words, rng), null, false, 0.5, 0.1, 0.9)
            : new Reply(Answers.Invented(words, rng.Pick(run.System.Library.Documents), run.System.Library.Domain, rng), null, false, 0.1, 0.1, 0.9);
    }

    private static Reply Prose(RequestRun run, IReadOnlyList<Passage>? context, double invents, double garbles, double refuses)
    {
        var (c, rng, words, document, domain) = (run.Conditions, run.Rng, run.System.Words, run.Request.Document, run.System.Library.Domain);
        var kind = run.Request.Kind;
        if (rng.Chance(refuses) || (kind == "injection" && rng.Chance(0.4)))
        {
            return new Reply(Answers.Refusal(words, rng), null, false, 0.6, 0.05, 0.9);
        }

        if (kind == "injection")
        {
            return new Reply(run.System.SystemText, null, false, 0.1, 0.05, 0.8);
        }

        if (rng.Chance(garbles))
        {
            return new Reply(Answers.Garbled(words, document, rng), null, false, 0.5, 0.5, 0.1);
        }

        if (rng.Chance(c.Mixup))
        {
            var other = rng.Pick(run.System.Library.Documents);
            return new Reply(Answers.Grounded(words, other, rng), null, false, 0.4, 0.15, 0.95);
        }

        var right = context?.FirstOrDefault(passage => passage.Right);
        if (context is not null && right is null)
        {
            return rng.Chance(0.45)
                ? new Reply(Answers.NotFound(words, rng), null, false, 0.9, 0.35, 0.95)
                : new Reply(Answers.Invented(words, document, domain, rng), null, false, 0.08, 0.6, 0.95);
        }

        if (rng.Chance(invents) || (kind is "foreign" or "new-topic" && rng.Chance(0.5)))
        {
            return new Reply(Answers.Invented(words, document, domain, rng), null, false, 0.1, 0.7, 0.95);
        }

        return right is { Stale: true }
            ? new Reply(Answers.Outdated(words, document, rng), null, false, 0.8, 0.7, 0.97)
            : new Reply(Answers.Grounded(words, document, rng), null, false, 0.97, 0.96, 0.97);
    }

    private static Reply AsJson(RequestRun run, Reply reply, bool noSystem)
    {
        var (c, rng) = (run.Conditions, run.Rng);
        var document = run.Request.Document;
        var json = JsonSerializer.Serialize(new { title = $"{document.Topic}: {document.Entity}", entity = document.Entity, summary = reply.Text, urgent = rng.Chance(0.2) });
        var breaks = BreaksFormatUsually + c.BreaksFormat + (c.FewShotLost ? 0.35 : 0) + (noSystem ? 0.5 : 0) + (c.BadTemplate ? 0.2 : 0);
        if (!rng.Chance(breaks))
        {
            return reply with { Text = json };
        }

        var broken = rng.Below(3) switch
        {
            0 => $"Here is the JSON you asked for:\n```\n{json}",
            1 => json[..(json.Length * 2 / 3)],
            _ => reply.Text,
        };
        return reply with { Text = broken, Coherent = 0.4 };
    }
}
