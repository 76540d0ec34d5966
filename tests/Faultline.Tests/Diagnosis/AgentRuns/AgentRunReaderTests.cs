using System.Text.Json;
using Faultline.Diagnosis.Watchers.AgentRuns;
using Faultline.Store.Traces;
using Faultline.Telemetry.Spans;
using Faultline.Tests.Web;
using Xunit;

namespace Faultline.Tests.Diagnosis.AgentRuns;

/// <summary>Traces of agents as instrumentations send them: every model call carries the whole conversation so far.</summary>
public sealed class AgentRunReaderTests
{
    private readonly List<StoredSpan> _spans = [];

    [Fact]
    public void A_conversation_that_is_sent_again_is_read_once()
    {
        Agent(1, 0, "support");
        Chat(2, 1, [Message("user", "Cancel my order A.")], [Call("get_order", "A")]);
        ToolSpan(3, 1, "get_order", "order A: pending");
        Chat(4, 1, [Message("user", "Cancel my order A."), Call("get_order", "A"), Result("order A: pending")], [Message("assistant", "Shall I cancel it?")]);
        Chat(5, 1, [Message("user", "Cancel my order A."), Call("get_order", "A"), Result("order A: pending"), Message("assistant", "Shall I cancel it?"), Message("user", "Yes.")], [Message("assistant", "Done.")]);
        var run = Read();
        Assert.Equal("Cancel my order A.", run.Task);
        Assert.Equal(
            ["user: Cancel my order A.", "support: get_order", "tool: order A: pending", "support: Shall I cancel it?", "user: Yes.", "support: Done."],
            run.Steps.Select(step => $"{step.Agent}: {(step.Content.Length > 0 ? step.Content : step.ToolCalls[0].Name)}"));
        Assert.Equal([2UL, 2, 3, 4, 5, 5], run.Steps.Select(step => step.Span.Value));
        Assert.Equal(Enumerable.Range(0, 6), run.Steps.Select(step => step.Number));
    }

    [Fact]
    public void A_call_made_three_times_is_three_steps()
    {
        var said = new List<object> { Message("user", "Find it.") };
        for (var round = 0UL; round < 3; round++)
        {
            Chat(1 + (2 * round), 0, [.. said], [Call("search", "it")]);
            ToolSpan(2 + (2 * round), 0, "search", "nothing");
            said.AddRange([Call("search", "it"), Result("nothing")]);
        }

        Assert.Equal(["user", "assistant", "tool", "assistant", "tool", "assistant", "tool"], Read().Steps.Select(step => step.Agent));
    }

    [Fact]
    public void Results_of_tools_without_spans_are_read_from_what_the_model_was_sent()
    {
        Chat(1, 0, [Message("user", "Weather?")], [Call("weather", "here")]);
        Chat(2, 0, [Message("user", "Weather?"), Call("weather", "here"), Result("rain")], [Message("assistant", "Rain.")]);
        Assert.Equal(["user", "assistant", "tool", "assistant"], Read().Steps.Select(step => step.Agent));
    }

    [Fact]
    public void Who_encloses_the_others_coordinates_and_an_agent_without_recorded_calls_says_its_answer()
    {
        Agent(1, 0, "lead");
        Chat(2, 1, [Message("user", "Book a trip.")], [Message("assistant", "Please look for flights to Rome.")]);
        Agent(3, 1, "flights", "No flights to Rome were found.");
        Agent(4, 1, "hotels");
        Chat(5, 4, [Message("user", "Please look for hotels.")], [Message("assistant", "Two hotels.")]);
        var run = Read();
        Assert.Equal("lead", run.Coordinator);
        Assert.Equal(["user", "lead", "flights", "user", "hotels"], run.Steps.Select(step => step.Agent));
        Assert.Equal("No flights to Rome were found.", run.Steps[2].Content);
    }

    [Fact]
    public void A_tool_that_failed_without_a_word_is_read_as_an_error_and_its_caller_is_answered()
    {
        Agent(1, 0, "support");
        Chat(2, 1, [Message("user", "Please look at order A.")], [Call("get_order", "A")]);
        ToolSpan(3, 1, "get_order", "pending");
        Chat(4, 1, [Message("user", "Please look at order A.")], [Message("assistant", "It is pending.")]);
        Chat(5, 1, [Message("user", "Please look at order A."), Message("assistant", "It is pending."), Message("user", "And order B?")], [Call("cancel_order", "A")]);
        ToolSpan(6, 1, "cancel_order", "", SpanStatus.Error);
        var run = Read();
        Assert.StartsWith("Error", run.Steps[^1].Content, StringComparison.Ordinal);
        var critique = RunCritic.Critique(run)!;
        Assert.Equal(("support", StepErrorKind.InvalidInvocation), (critique.Agent, critique.Errors[0].Kind));
        Assert.Equal(5UL, run.Steps.Single(step => step.Number == critique.Step).Span.Value);
    }

    [Fact]
    public void A_trace_in_which_nothing_was_recorded_has_no_steps()
    {
        Agent(1, 0, "silent");
        _spans.Add(Samples.Span(2, 1, "GET /", 1, 1));
        Assert.Empty(Read().Steps);
        Assert.Null(RunCritic.Critique(Read()));
        Assert.Empty(AgentRunReader.FromTrace([]).Steps);
    }

    [Fact]
    public void A_run_longer_than_what_is_read_says_so()
    {
        for (var i = 0; i <= AgentRunReader.StepsMax; i++)
        {
            Chat((ulong)i + 1, 0, [], [Message("assistant", $"thought {i}")]);
        }

        var run = Read();
        Assert.Equal((AgentRunReader.StepsMax, true), (run.Steps.Count, run.IsCut));
    }

    [Fact]
    public void Spans_that_enclose_each_other_end()
    {
        Agent(1, 2, "a");
        Agent(2, 1, "b");
        Chat(3, 1, [], [Message("assistant", "hello")]);
        Assert.Equal("a", Assert.Single(Read().Steps).Agent);
    }

    /// <summary>In any order: the store's order is not part of the bargain.</summary>
    private AgentRun Read() => AgentRunReader.FromTrace([.. _spans.AsEnumerable().Reverse()]);

    private void Agent(ulong id, ulong parent, string name, string answer = "") => Add(
        id, parent, "agent", name, "", SpanStatus.Unset, answer.Length == 0 ? [] : [Samples.Text("gen_ai.output.messages", JsonSerializer.Serialize(new[] { Message("assistant", answer) }))]);

    private void Chat(ulong id, ulong parent, object[] input, object[] output) => Add(
        id, parent, "chat", "", "", SpanStatus.Unset,
        [Samples.Text("gen_ai.input.messages", JsonSerializer.Serialize(input)), Samples.Text("gen_ai.output.messages", JsonSerializer.Serialize(output))]);

    private void ToolSpan(ulong id, ulong parent, string tool, string result, SpanStatus status = SpanStatus.Unset) =>
        Add(id, parent, "tool", "", tool, status, [Samples.Text("gen_ai.tool.call.result", result)]);

    private void Add(ulong id, ulong parent, string operation, string agent, string tool, SpanStatus status, StoredAttribute[] bodies) => _spans.Add(
        Samples.Span(id, parent, operation, id, 1, Samples.NoGenAi with { Operation = operation, Agent = agent, Tool = tool }, status, bodies: bodies));

    private static object Message(string role, string text) => new { role, parts = new[] { new { type = "text", content = text } } };

    private static object Call(string tool, string argument) =>
        new { role = "assistant", parts = new[] { new { type = "tool_call", id = "c", name = tool, arguments = new { x = argument } } } };

    private static object Result(string text) => new { role = "tool", parts = new[] { new { type = "tool_call_response", id = "c", response = text } } };
}
