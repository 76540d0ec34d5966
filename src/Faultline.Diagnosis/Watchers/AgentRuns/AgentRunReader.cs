using Faultline.Store.Traces;
using Faultline.Telemetry.GenAi;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Watchers.AgentRuns;

/// <summary>Reads the messages of a run of agents from the spans of its trace, each message once and in the order in which they were sent.</summary>
/// <remarks>
/// A model is sent the whole conversation with every call, so of a call's input only what nobody said before is a step; its output is a step of the
/// agent that encloses the call. What tools returned is taken from their own spans, else from the next input. People are <c>user</c>,
/// tools are <c>tool</c>, whoever calls a model outside of any agent is <c>assistant</c>. Who coordinates shows in whose spans enclose other agents.
/// </remarks>
public sealed class AgentRunReader
{
    /// <summary>Steps of a run that are read; a run with more says that it was cut.</summary>
    public const int StepsMax = 2_000;

    /// <summary>Characters of a message that are read.</summary>
    public const int ContentCharsMax = 20_000;

    /// <summary>Enclosing spans that are looked through for an agent's name.</summary>
    private const int DepthMax = 64;

    private const string User = "user";
    private const string Tool = "tool";
    private const string Assistant = "assistant";

    private readonly Dictionary<SpanId, SpanSummary> _spans = [];
    private readonly HashSet<SpanId> _withModelCall = [];

    /// <summary>How often a text was said.</summary>
    private readonly Dictionary<string, int> _said = new(StringComparer.Ordinal);

    private readonly bool _hasToolSpans;
    private readonly List<AgentStep> _steps = [];
    private string _task = "";
    private bool _isCut;

    private AgentRunReader(IReadOnlyList<StoredSpan> spans)
    {
        foreach (var span in spans)
        {
            _spans.TryAdd(span.Summary.SpanId, span.Summary);
        }

        _hasToolSpans = spans.Any(span => IsTool(span.Summary));
        foreach (var span in spans.Where(IsModelCall))
        {
            foreach (var enclosing in Enclosing(span.Summary))
            {
                _withModelCall.Add(enclosing.SpanId);
            }
        }
    }

    /// <summary>The run; without steps when nobody recorded what was said.</summary>
    /// <param name="spans">All spans of one trace, in any order.</param>
    public static AgentRun FromTrace(IReadOnlyList<StoredSpan> spans)
    {
        ArgumentNullException.ThrowIfNull(spans);
        var reader = new AgentRunReader(spans);
        foreach (var span in spans
            .OrderBy(span => span.Summary.StartUnixNanos)
            .ThenByDescending(span => span.Summary.DurationNanos)
            .ThenBy(span => span.Summary.SpanId.Value))
        {
            reader.Read(span);
        }

        return new AgentRun(reader._task, reader._steps) { Coordinator = reader.Coordinator(), IsCut = reader._isCut };
    }

    private void Read(StoredSpan span)
    {
        if (IsModelCall(span))
        {
            var content = span.ReadContent();
            ReadInput(span, content.Input);
            foreach (var message in content.Output)
            {
                Said(span, AgentOf(span.Summary), Failure(span, message.Words), Calls(message));
            }

            if (content.Output.Count == 0)
            {
                Said(span, AgentOf(span.Summary), Failure(span, content.OutputText), []);
            }
        }
        else if (IsTool(span.Summary))
        {
            // What a tool does to answer, be it by another tool, is its own affair.
            if (!Enclosing(span.Summary).Any(IsTool))
            {
                Said(span, Tool, Failure(span, span.ReadContent().ToolResult), []);
            }
        }
        else if (span.Summary.GenAi.Operation == "agent" && !_withModelCall.Contains(span.Summary.SpanId))
        {
            // An agent whose model calls are not recorded still says what it answered.
            var content = span.ReadContent();
            var words = content.Output.Count > 0 ? string.Join('\n', content.Output.Select(message => message.Words)) : content.OutputText;
            Said(span, AgentOf(span.Summary), Failure(span, words), []);
        }
    }

    /// <summary>Adds what is in a call's input more often than it was said so far.</summary>
    private void ReadInput(StoredSpan span, IReadOnlyList<ContentMessage> input)
    {
        Dictionary<string, int> sent = new(StringComparer.Ordinal);
        foreach (var message in input)
        {
            var isResult = message.Role == Tool || message.Parts.Any(IsResult);
            var text = isResult ? string.Join('\n', message.Parts.Where(part => IsResult(part) || part.Type == "text").Select(part => part.Text)) : message.Words;
            var calls = Calls(message);
            var key = Key(text, calls);
            sent[key] = sent.GetValueOrDefault(key) + 1;
            if (sent[key] <= _said.GetValueOrDefault(key) || (isResult && _hasToolSpans))
            {
                continue;
            }

            var agent = isResult ? Tool
                : message.Name.Length > 0 ? message.Name
                : message.Role == Assistant ? AgentOf(span.Summary)
                : User;
            _task = _task.Length == 0 && agent == User ? Cut(text) : _task;
            Said(span, agent, text, calls);
        }
    }

    private static bool IsResult(ContentPart part) => part.Type is "tool_call_response" or "server_tool_call_response";

    private static AgentToolCall[] Calls(ContentMessage message) =>
        [.. message.Parts.Where(part => part.Type is "tool_call" or "server_tool_call").Select(part => new AgentToolCall(part.Name, Cut(part.Text)))];

    private static string Key(string text, AgentToolCall[] calls) =>
        text.Length > 0 ? text.Trim() : string.Join('\n', calls.Select(call => $"{call.Name}({call.Arguments})"));

    private void Said(StoredSpan span, string agent, string content, AgentToolCall[] calls)
    {
        if (content.Length == 0 && calls.Length == 0)
        {
            return;
        }

        var key = Key(content, calls);
        _said[key] = _said.GetValueOrDefault(key) + 1;
        if (_steps.Count == StepsMax)
        {
            _isCut = true;
            return;
        }

        _isCut |= content.Length > ContentCharsMax;
        _steps.Add(new AgentStep(_steps.Count, agent, Cut(content), calls) { Span = span.Summary.SpanId });
    }

    private static string Cut(string text) => text[..Math.Min(text.Length, ContentCharsMax)];

    /// <summary>What a span answered; where it failed and does not say so itself, that comes first.</summary>
    private static string Failure(StoredSpan span, string answer) =>
        span.Summary.Status != SpanStatus.Error || answer.Contains("error", StringComparison.OrdinalIgnoreCase) ? answer
        : span.Summary.StatusMessage.Length > 0 ? $"Error: {span.Summary.StatusMessage}\n{answer}"
        : $"Error\n{answer}";

    /// <summary>Whether a message is what a tool returned.</summary>
    internal static bool IsTool(AgentStep step) => step.Agent == Tool;

    /// <summary>Whether a person sent it.</summary>
    internal static bool IsUser(AgentStep step) => step.Agent == User;

    private static bool IsTool(SpanSummary span) => span.GenAi.Operation is "tool" or "mcp";

    private static bool IsModelCall(StoredSpan span) => span.Summary.GenAi.Operation is "chat" or "completion" or "realtime";

    private string AgentOf(SpanSummary span) =>
        Enclosing(span).Prepend(span).Select(one => one.GenAi.Agent).FirstOrDefault(agent => agent.Length > 0) ?? Assistant;

    private IEnumerable<SpanSummary> Enclosing(SpanSummary span)
    {
        for (var depth = 0; depth < DepthMax && _spans.TryGetValue(span.ParentSpanId, out var parent); depth++)
        {
            yield return span = parent;
        }
    }

    /// <summary>The agent whose spans enclose those of most other agents; null when nobody's do.</summary>
    private string? Coordinator() => _spans.Values
        .Where(span => span.GenAi.Agent.Length > 0)
        .SelectMany(span => Enclosing(span).Select(parent => (Parent: parent.GenAi.Agent, Child: span.GenAi.Agent)))
        .Where(pair => pair.Parent.Length > 0 && pair.Parent != pair.Child)
        .Distinct()
        .GroupBy(pair => pair.Parent, StringComparer.Ordinal)
        .OrderByDescending(pairs => pairs.Count()).ThenBy(pairs => pairs.Key, StringComparer.Ordinal)
        .FirstOrDefault()?.Key;
}
