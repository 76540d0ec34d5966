using Faultline.Ingest.Receivers.Grpc;
using Xunit;

namespace Faultline.Tests.Ingest;

public sealed class GrpcTimeoutTests
{
    [Theory]
    [InlineData("10S", 10_000)]
    [InlineData("250m", 250)]
    [InlineData("1M", 60_000)]
    [InlineData("2000u", 2)]
    [InlineData("500n", 0)]
    [InlineData("99999999H", 3_600_000)]
    public void A_deadline_is_a_number_and_a_unit_and_an_hour_at_most(string header, double milliseconds)
    {
        Assert.True(GrpcTimeout.TryParse(header, out var timeout));
        Assert.Equal(milliseconds, timeout.TotalMilliseconds);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("S")]
    [InlineData("10")]
    [InlineData("-1S")]
    [InlineData("1.5S")]
    [InlineData("123456789S")]
    public void Anything_else_is_no_deadline(string? header) => Assert.False(GrpcTimeout.TryParse(header, out _));
}
