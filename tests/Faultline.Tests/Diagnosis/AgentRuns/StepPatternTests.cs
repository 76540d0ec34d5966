using Faultline.Diagnosis.Watchers.AgentRuns;
using Xunit;

namespace Faultline.Tests.Diagnosis.AgentRuns;

public sealed class StepPatternTests
{
    [Theory]
    [InlineData("get_order", true)]
    [InlineData("track", true)]
    [InlineData("check_stock", true)]
    [InlineData("web_search", true)]
    [InlineData("OrderLookup", true)]
    [InlineData("cancel_order", false)]
    [InlineData("send_email", false)]
    [InlineData("transfer_to_agent", false)]
    public void A_tool_that_only_looks_changes_nothing(string tool, bool onlyLooks) => Assert.Equal(onlyLooks, StepPatterns.OnlyLooks.IsMatch(tool));
}
