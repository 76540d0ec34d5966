using System.Text;

namespace Faultline.Lab.Worlds.Topologies;

/// <param name="Unfilled">The question never reached it.</param>
internal sealed record Prompt(string? System, IReadOnlyList<Message> Messages, int Characters, bool Unfilled);

/// <summary>Writes what is sent to a model.</summary>
internal static class Prompts
{
    public static Prompt Build(RequestRun run, string template, Ask ask, IReadOnlyList<Passage>? context, IReadOnlyList<Message>? history, bool unfilled)
    {
        var (c, system) = (run.Conditions, run.System);
        var affected = c.Hits(template) || !system.Templates.Contains(c.Target ?? "");
        var text = c.SystemLost && affected ? null : SystemText(run, ask, affected);
        var messages = new List<Message>();
        var characters = text?.Length ?? 0;
        foreach (var message in history ?? [])
        {
            messages.Add(message);
            characters += message.Text.Length;
        }

        var user = new StringBuilder();
        if (context is { Count: > 0 })
        {
            foreach (var passage in context)
            {
                user.Append('[').Append(passage.Document.Id).Append("] ").Append(passage.Text).Append('\n');
            }

            user.Append('\n');
        }

        user.Append(unfilled ? "{{context}}\n\nQuestion: {{question}}" : run.Request.Question);
        messages.Add(new Message("user", user.ToString()));
        return new Prompt(text, messages, characters + user.Length, unfilled);
    }

    private static string SystemText(RequestRun run, Ask ask, bool affected)
    {
        var (c, system) = (run.Conditions, run.System);
        var text = system.SystemText;
        if (affected && c.BadTemplate)
        {
            text = $"{system.Words["system-lines"][0].Replace("{domain}", system.Library.Domain.Name, StringComparison.Ordinal)} {string.Join(' ', system.Words["bad-template-lines"])}";
        }
        else if (affected && c.VerboseTemplate)
        {
            text += " " + string.Join(' ', system.Words["verbose-template-lines"]);
        }

        if (system.Has(Abilities.FewShot) && !(affected && c.FewShotLost))
        {
            text += "\n" + system.FewShotText;
        }

        return ask switch
        {
            Ask.Json => text + "\nReply with one JSON object: {\"title\", \"entity\", \"summary\", \"urgent\"}.",
            Ask.Plan => text + "\nWrite the next steps as a numbered list.",
            Ask.CallTool => text + $"\nTools: {string.Join(", ", system.Tools.Select(tool => tool.Name))}.",
            Ask.Rewrite => text + "\nRewrite the question for a search engine.",
            _ => text,
        };
    }
}
