using System.Text;
using Faultline.Diagnosis.Features;
using Xunit;

namespace Faultline.Tests.Diagnosis.Features;

public sealed class NamedStepsTests
{
    [Theory]
    [InlineData("", "rerank", "Rerank")]
    [InlineData("step", "CohereReranker", "Rerank")]
    [InlineData("workflow", "re-rank results", "Rerank")]
    [InlineData("", "plan", "Plan")]
    [InlineData("step", "make-plan.task", "Plan")]
    [InlineData("workflow", "planner", "Plan")]
    [InlineData("workflow", "agent.replan", "Plan")]
    [InlineData("step", "planning_step", "Plan")]
    [InlineData("", "explanation", "None")]
    [InlineData("", "load pricing plan table", "None")]
    [InlineData("", "plane", "None")]
    [InlineData("chat", "plan", "None")]
    [InlineData("tool", "rerank", "None")]
    public void A_step_that_has_no_kind_is_known_by_its_name(string operation, string name, string expected)
    {
        var steps = new NamedSteps();
        Assert.Equal(expected, steps.Of(Encoding.UTF8.GetBytes(operation), Encoding.UTF8.GetBytes(name)).ToString());
        // The second answer is remembered.
        Assert.Equal(expected, steps.Of(Encoding.UTF8.GetBytes(operation), Encoding.UTF8.GetBytes(name)).ToString());
    }
}
