using Faultline.Web.Shell;
using Faultline.Web.Traces;
using Xunit;
using static Faultline.Tests.Web.Samples;

namespace Faultline.Tests.Web;

public sealed class AddressTests
{
    [Theory]
    [InlineData("now-15m", "now", 15)]
    [InlineData("2026-11-21T13:40:00Z", "2026-11-21T14:00:00Z", 20)]
    [InlineData("1795268400000", "1795270200000", 30)]
    [InlineData("nonsense", "now", 60)]
    [InlineData("now", "now-1h", 60)]
    [InlineData("now-9999999999d", null, 60)]
    [InlineData("99999999999999999", null, 60)]
    public void A_range_is_read_from_the_address_and_nonsense_is_the_last_hour(string from, string? to, double minutes) =>
        Assert.Equal(minutes, TimeRange.Parse(from, to, Now).Length.TotalMinutes, 3);

    [Fact]
    public void A_neighbour_differs_in_one_thing_only()
    {
        var address = Address.To("/traces").With("service", "support-bot").And("attr", "a=1").And("attr", "b=2 & 3");
        Assert.Equal("/traces?service=support-bot&attr=a%3D1&attr=b%3D2%20%26%203", address.ToString());
        Assert.Equal("/traces?service=support-bot&attr=b%3D2%20%26%203", address.Without("attr", "a=1").ToString());
        Assert.Equal("/cases", address.At("/cases").ToString());
    }

    [Fact]
    public void A_filter_keeps_what_it_understands_and_says_what_it_does_not()
    {
        var address = Address.To("/traces").With("min", "1.5s").With("max", "later").And("attr", "user.tier=gold").And("attr", "broken").With("status", "error");
        var query = TraceQuery.Parse(address, TimeRange.Parse(null, null, Now));
        Assert.Equal(1_500_000_000, query.Filter.DurationNanosMin);
        Assert.Null(query.Filter.DurationNanosMax);
        Assert.Equal("gold", Assert.Single(query.Filter.Attributes).Value);
        Assert.Equal(["attr", "max"], query.Problems.Keys.Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData(0.000002, "2 µs")]
    [InlineData(0.00034, "340 µs")]
    [InlineData(0.82, "820 ms")]
    [InlineData(2.344, "2.34 s")]
    [InlineData(200, "3 min 20 s")]
    public void A_duration_has_its_unit(double seconds, string words) => Assert.Equal(words, Figures.Seconds(seconds));
}
