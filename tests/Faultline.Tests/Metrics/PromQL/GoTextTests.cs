using Faultline.Metrics.Api;
using Faultline.Metrics.PromQL.Evaluation;
using Faultline.Metrics.PromQL.Syntax;
using Faultline.Telemetry.Samples;
using Xunit;

namespace Faultline.Tests.Metrics.PromQL;

public sealed class GoTextTests
{
    [Theory]
    [InlineData(0, "0")]
    [InlineData(-0.0, "-0")]
    [InlineData(1.5, "1.5")]
    [InlineData(1e21, "1000000000000000000000")]
    [InlineData(1e-7, "0.0000001")]
    [InlineData(123456789012345680000.0, "123456789012345680000")]
    [InlineData(-1.25e-10, "-0.000000000125")]
    [InlineData(double.NaN, "NaN")]
    [InlineData(double.PositiveInfinity, "+Inf")]
    [InlineData(double.NegativeInfinity, "-Inf")]
    public void A_number_is_written_without_exponent(double value, string text) => Assert.Equal(text, GoText.FormatFloat(value));

    [Theory]
    [InlineData(1e-6, "0.000001")]
    [InlineData(1.5e-7, "1.5e-07")]
    [InlineData(1e20, "100000000000000000000")]
    [InlineData(-2.5e21, "-2.5e+21")]
    [InlineData(1e300, "1e+300")]
    public void A_number_in_json_has_an_exponent_where_Go_writes_one(double value, string text) => Assert.Equal(text, ApiJson.Number(value));

    [Theory]
    [InlineData(0, "0")]
    [InlineData(1435781451781, "1435781451.781")]
    [InlineData(1435781451500, "1435781451.500")]
    [InlineData(-1500, "-1.500")]
    public void A_time_in_json_has_three_decimals_or_none(long unixMillis, string text) => Assert.Equal(text, ApiJson.Time(unixMillis));

    [Theory]
    [InlineData("1h30m", 5_400_000)]
    [InlineData("1y2w3d4h5m6s7ms", ((((365L + 14 + 3) * 24) + 4) * 3600 * 1000) + (5 * 60_000) + 6007)]
    [InlineData("0", 0)]
    [InlineData("90d", 90L * 24 * 3600 * 1000)]
    public void A_duration_is_read(string text, long millis)
    {
        Assert.True(GoText.TryParseDuration(text, out var read, out var error), error);
        Assert.Equal(millis, read);
    }

    [Theory]
    [InlineData("", "empty duration string")]
    [InlineData("1m1h", "not a valid duration string: \"1m1h\"")]
    [InlineData("1.5h", "unknown unit \".\" in duration \"1.5h\"")]
    [InlineData("9999999y", "duration out of range")]
    public void A_wrong_duration_is_refused(string text, string message)
    {
        Assert.False(GoText.TryParseDuration(text, out _, out var error));
        Assert.Equal(message, error);
    }

    [Fact]
    public void A_series_hash_is_XXH64()
    {
        // Vectors of the xxHash specification.
        Assert.Equal(0xEF46DB3751D8E999UL, SeriesHash.Hash([]));
        Assert.Equal(0xD24EC4F1A98C6E5BUL, SeriesHash.Hash("a"u8));
        Assert.Equal(0x44BC2CF5AD770999UL, SeriesHash.Hash("abc"u8));
        Assert.NotEqual(SeriesHash.Of(Labels.Of(("a", "bc"))), SeriesHash.Of(Labels.Of(("ab", "c"))));
    }
}
