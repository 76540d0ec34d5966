using Faultline.Diagnosis.Localisation;
using Xunit;

namespace Faultline.Tests.Diagnosis.Localisation;

public sealed class LogStatementTests
{
    [Theory]
    [InlineData("16:48:42.424 INFO  t.s.TravelServiceImpl#532 TraceID: 49a5 [route]", "t.s.TravelServiceImpl#532", LogGravity.Usual)]
    [InlineData("""{"log":"16:48:42.424 ERROR o.a.c.[.[dispatcherServlet]#175 failed\n","stream":"stdout"}""", "o.a.c.[.[dispatcherServlet]#175", LogGravity.Error)]
    [InlineData("2026-11-21 09:00:01,123 [WARNING] orders.py:31 slow", "orders.py:31", LogGravity.Warning)]
    public void A_line_that_names_its_place_in_the_code_is_that_place(string line, string statement, LogGravity gravity) =>
        Assert.Equal((statement, gravity), LogStatement.Of(line));

    [Fact]
    public void Lines_that_differ_only_in_numbers_are_of_one_statement()
    {
        Assert.Equal(LogStatement.Of("ERROR order 17 of user u-93 rejected"), LogStatement.Of("ERROR order 18 of user u-4 rejected"));
        Assert.NotEqual(LogStatement.Of("order 17 accepted"), LogStatement.Of("order 17 rejected"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("   ")]
    [InlineData("{\"log\":\"")]
    public void A_line_without_words_is_a_statement_too(string line) => Assert.Equal(("", LogGravity.Usual), LogStatement.Of(line));
}
