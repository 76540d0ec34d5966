using System.Diagnostics;
using System.Globalization;

namespace Faultline.Lab.Demo;

/// <summary>
/// Three agents that write reports: a planner, a researcher with a search tool, a writer. With the researcher's eighth
/// prompt template, which no longer says when to stop, it asks the same thing again and again.
/// </summary>
internal sealed class ReportWriters(Instrumented service, Rhythm rhythm) : IDisposable
{
    public const string ServiceName = "report-agents";
    private const string GoodTemplate = "Find out about the topic with the search tool. Stop after three searches or as soon as you have two independent sources, then summarise.";
    private const string BadTemplate = "Find out about the topic with the search tool. Be thorough. Always verify with the search tool before you answer.";

    /// <summary>Version of the researcher's template: 7 says when to stop, 8 does not.</summary>
    public int ResearcherTemplate { get; set; } = 7;

    /// <summary>What one run will do and how long each step takes, decided when it starts.</summary>
    internal sealed record Run(string Topic, bool Loops, int Template, TimeSpan Plan, TimeSpan[] Searches, TimeSpan[] Thoughts, TimeSpan Write)
    {
        public TimeSpan Research => Sum(Searches) + Sum(Thoughts);

        public TimeSpan Total => Plan + Research + Write;
    }

    public Run Begin(DateTimeOffset at)
    {
        // Without a stop rule most runs go round; some topics still end by themselves.
        var loops = ResearcherTemplate >= 8 && rhythm.Uniform() < 0.75;
        var searches = loops ? 50 : 2 + rhythm.Next(3);
        return new Run(
            rhythm.Pick(HelpCentre.Topics), loops, ResearcherTemplate, rhythm.Duration(820, 0.25, at),
            [.. Enumerable.Range(0, searches).Select(_ => rhythm.Duration(120, 0.3, at))],
            [.. Enumerable.Range(0, searches + 1).Select(_ => rhythm.Duration(430, 0.25, at))],
            rhythm.Duration(1900, 0.25, at));
    }

    /// <summary>Sends the spans of a run that started at <paramref name="start"/>; call it when the run's time is over.</summary>
    public void Report(Run run, DateTimeOffset start)
    {
        var topic = run.Topic;
        var conversation = string.Create(CultureInfo.InvariantCulture, $"report-{start.ToUnixTimeMilliseconds()}");
        var template = run.Template.ToString(CultureInfo.InvariantCulture);
        var instructions = run.Template >= 8 ? BadTemplate : GoodTemplate;
        var end = start + run.Total;

        var root = service.Start("POST /reports", ActivityKind.Server, start, null);
        root.SetTag("http.request.method", "POST").SetTag("http.route", "/reports").SetTag("http.response.status_code", 200).SetTag("session.id", conversation);

        Agent(root, "planner", conversation, start, start + run.Plan, agent =>
            Chat(agent, "report-planner", "3", "Plan a report.", "Plan a report about " + topic, $"1. Size and trend. 2. Drivers. 3. Risks of {topic}.", "stop", conversation, start, start + run.Plan));

        var at = start + run.Plan;
        Agent(root, "researcher", conversation, at, at + run.Research, agent =>
        {
            for (var i = 0; i < run.Searches.Length; i++)
            {
                var query = run.Loops ? $"{topic} latest figures" : $"{topic} {rhythm.Pick(["figures", "outlook", "regulation", "largest suppliers"])} {2024 + i}";
                var arguments = $$"""{"query":{{Messages.Quote(query)}},"limit":5}""";
                var call = string.Create(CultureInfo.InvariantCulture, $"call_{i:D2}");
                Chat(agent, "report-researcher", template, instructions, "Topic: " + topic,
                    Messages.ToolCall(call, "search", arguments), "tool_call", conversation, at, at + run.Thoughts[i], outputIsMessage: true);
                at += run.Thoughts[i];
                Search(agent, call, arguments, topic, at, at + run.Searches[i]);
                at += run.Searches[i];
            }

            Chat(agent, "report-researcher", template, instructions, "Topic: " + topic,
                $"Two sources agree on the direction of {topic}.", "stop", conversation, at, at + run.Thoughts[^1]);
            at += run.Thoughts[^1];
        });

        Agent(root, "writer", conversation, at, end, agent =>
            Chat(agent, "report-writer", "5", "Write a clear report from the notes.", "Notes on " + topic, $"Report: {topic}. The trend is clear, the drivers are named, and the risks are listed with their sources.", "stop", conversation, at, end,
                span => span.AddEvent(new ActivityEvent("gen_ai.evaluation.result", end, new ActivityTagsCollection
                {
                    ["gen_ai.evaluation.name"] = "completeness",
                    ["gen_ai.evaluation.score.value"] = Math.Round(rhythm.Score(0.82, 0.06), 4),
                }))));

        Instrumented.End(root, end);
        service.FlushBeforeOverflow();
    }

    public void Dispose() => service.Dispose();

    private static TimeSpan Sum(TimeSpan[] parts) => parts.Aggregate(TimeSpan.Zero, (sum, part) => sum + part);

    private void Agent(Activity root, string name, string conversation, DateTimeOffset from, DateTimeOffset to, Action<Activity> work)
    {
        var span = service.Start($"invoke_agent {name}", ActivityKind.Internal, from, root);
        span.SetTag("gen_ai.operation.name", "invoke_agent").SetTag("gen_ai.agent.name", name).SetTag("gen_ai.conversation.id", conversation);
        work(span);
        Instrumented.End(span, to);
    }

    private void Chat(Activity agent, string prompt, string version, string instructions, string input, string output, string finish, string conversation, DateTimeOffset from, DateTimeOffset to, Action<Activity>? judge = null, bool outputIsMessage = false)
    {
        var span = service.Start("chat gpt-4o", ActivityKind.Client, from, agent);
        span.SetTag("gen_ai.operation.name", "chat").SetTag("gen_ai.provider.name", "openai").SetTag("gen_ai.request.model", "gpt-4o")
            .SetTag("gen_ai.response.model", "gpt-4o-2024-08-06").SetTag("gen_ai.response.id", "chatcmpl-" + span.SpanId.ToHexString())
            .SetTag("gen_ai.response.finish_reasons", new[] { finish }).SetTag("gen_ai.conversation.id", conversation)
            .SetTag("gen_ai.prompt.name", prompt).SetTag("gen_ai.prompt.version", version)
            .SetTag("gen_ai.system_instructions", Messages.Instructions(instructions))
            .SetTag("gen_ai.input.messages", Messages.Array(Messages.Text("user", input)))
            .SetTag("gen_ai.output.messages", Messages.Array(outputIsMessage ? output : Messages.Text("assistant", output, finish)))
            .SetTag("gen_ai.usage.input_tokens", Messages.Tokens(instructions, input) + 40 + rhythm.Next(20)).SetTag("gen_ai.usage.output_tokens", Messages.Tokens(output) + rhythm.Next(8))
            .SetTag("server.address", "api.openai.com").SetTag("server.port", 443);
        judge?.Invoke(span);
        Instrumented.End(span, to);
    }

    private void Search(Activity agent, string call, string arguments, string topic, DateTimeOffset from, DateTimeOffset to)
    {
        var span = service.Start("execute_tool search", ActivityKind.Internal, from, agent);
        span.SetTag("gen_ai.operation.name", "execute_tool").SetTag("gen_ai.tool.name", "search").SetTag("gen_ai.tool.type", "function").SetTag("gen_ai.tool.call.id", call)
            .SetTag("gen_ai.tool.call.arguments", arguments).SetTag("gen_ai.tool.call.result", $$"""{"hits":[{"title":{{Messages.Quote("On " + topic)}},"url":"https://example.org/a"}]}""");
        Instrumented.End(span, to);
    }
}
