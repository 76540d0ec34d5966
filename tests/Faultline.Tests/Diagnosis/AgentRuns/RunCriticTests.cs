using Faultline.Diagnosis.Watchers.AgentRuns;
using Xunit;

namespace Faultline.Tests.Diagnosis.AgentRuns;

/// <summary>Runs with one planted mistake, so that the right answer is known.</summary>
public sealed class RunCriticTests
{
    [Fact]
    public void A_number_from_nowhere_is_decisive()
    {
        var critique = Critique(
            ("Researcher", "I look up the population of the town in the register of 2019."),
            ("Terminal", "exitcode: 0 (execution succeeded)\nCode output: the register lists streets"),
            ("Researcher", "The register lists streets and no people."),
            ("Analyst", "The town has 48213 people, so the final answer is 48213."),
            ("Researcher", "TERMINATE"));
        Assert.Equal(("Analyst", 3), (critique.Agent, critique.Step));
        Assert.Contains("it states numbers that nothing before it holds", critique.Reasons);
        Assert.Equal(StepErrorKind.MisinterpretationOfToolOutput, critique.Errors[0].Kind);
    }

    [Fact]
    public void The_change_by_a_tool_is_decisive_not_the_questions_before_it()
    {
        var critique = RunCritic.Critique(new AgentRun("", [
            new(1, "user", "Please help me with my order of last week.", []),
            new(2, "assistant", "", [new("get_order", """{"id":"A"}""")]),
            new(3, "tool", "order A: pending", []),
            new(4, "assistant", "Your order A is pending.", []),
            new(5, "user", "Thanks, and the other one?", []),
            new(6, "assistant", "", [new("cancel_order", """{"id":"A"}""")]),
            new(7, "tool", "Error: not allowed", []),
            new(8, "user", "Thank you.", [])]))!;
        Assert.Equal(("assistant", 6, StepErrorKind.InvalidInvocation), (critique.Agent, critique.Step, critique.Errors[0].Kind));
    }

    [Fact]
    public void What_the_user_objects_to_is_decisive_not_what_the_user_asked_for()
    {
        var critique = RunCritic.Critique(new AgentRun("", [
            new(1, "user", "Please cancel the hose of my order and return the lamp.", []),
            new(2, "assistant", "Shall I return the lamp?", []),
            new(3, "user", "Yes, please do.", []),
            new(4, "assistant", "", [new("return_item", """{"item":"lamp"}""")]),
            new(5, "tool", "done", []),
            new(6, "user", "Thanks. Yes, now the hose, go ahead.", []),
            new(7, "assistant", "", [new("cancel_order", """{"order":"A"}""")]),
            new(8, "tool", "done", []),
            new(9, "user", "I only wanted to cancel the hose, not the whole order.", [])]))!;
        Assert.Equal(("assistant", 7), (critique.Agent, critique.Step));
        Assert.Equal("it changes something by a tool, and the user objects", critique.Reasons[0]);
    }

    [Fact]
    public void In_a_run_that_goes_on_delegating_the_steps_that_settled_nothing_are_errors()
    {
        List<AgentStep> steps = [new(0, "human", "Find it.", []), new(1, "Lead", "Initial plan: search.", [])];
        for (var round = 0; round < 7; round++)
        {
            steps.Add(new(steps.Count, "Lead", "Updated Ledger: not yet satisfied", []));
            steps.Add(new(steps.Count, "Lead", $"Please search again for the thing on page {round} of the list.", []));
            steps.Add(new(steps.Count, "Surfer", round == 2 ? "Access denied" : $"Results {(char)('a' + round)} of something else.", []));
        }

        var critique = RunCritic.Critique(new AgentRun("Find it.", steps))!;
        var delegated = steps.Where(step => step.Agent == "Surfer").Select(step => step.Number).ToList();
        Assert.Subset(critique.Errors.Select(error => error.Step).ToHashSet(), delegated.SkipLast(1).ToHashSet());
        Assert.Equal(critique.Errors.Count, critique.Errors.Select(error => error.Step).Distinct().Count());
    }

    [Theory]
    [InlineData()]
    [InlineData("Terminal")]
    [InlineData("user")]
    public void A_run_in_which_nobody_acts_has_no_answer(params string[] agents) =>
        Assert.Null(RunCritic.Critique(new AgentRun("", [.. agents.Select((agent, i) => new AgentStep(i, agent, "hello", []))])));

    [Fact]
    public void The_decisive_step_is_one_of_the_agents_and_the_same_every_time()
    {
        const int Seed = 23;
        var random = new Random(Seed);
        string[] agents = ["Lead", "Surfer", "user", "Terminal", "Coder", "tool", ""];
        string[] contents = ["", "TERMINATE", "Updated Ledger: {}", "exitcode: 1", "```python\nx\n```", "about 1234 or 99", "Error: no", new string('a', 5000), "actually, instead 7,8,9.", "\ud800"];
        for (var run = 0; run < 300; run++)
        {
            AgentStep[] steps = [.. Enumerable.Range(0, random.Next(12)).Select(i => new AgentStep(
                2 * i, agents[random.Next(agents.Length)], contents[random.Next(contents.Length)], random.Next(4) == 0 ? [new("do_it", "{}")] : []))];
            var first = RunCritic.Critique(new AgentRun("task", steps));
            if (first is not null)
            {
                Assert.True(steps.Single(step => step.Number == first.Step).Agent == first.Agent, $"seed {Seed}, run {run}");
                Assert.InRange(first.Share, 0, 1);
                Assert.Equal(first.Step, first.Errors[0].Step);
            }

            var again = RunCritic.Critique(new AgentRun("task", steps));
            Assert.True(first?.Step == again?.Step && first?.Share == again?.Share, $"seed {Seed}, run {run}");
        }
    }

    [Fact]
    public void Every_signal_has_one_weight() =>
        Assert.Equal(Enum.GetValues<StepSignal>(), StepWeights.Table.Select(row => row.Signal).Order());

    private static RunCritique Critique(params (string Agent, string Content)[] steps) =>
        RunCritic.Critique(new AgentRun("How many people live in the town?", [.. steps.Select((step, i) => new AgentStep(i, step.Agent, step.Content, []))]))!;
}
