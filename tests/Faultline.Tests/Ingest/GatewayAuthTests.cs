using System.Text;
using Faultline.Ingest.Gateway;
using Xunit;

namespace Faultline.Tests.Ingest;

public sealed class GatewayAuthTests
{
    private static readonly GatewayAuth Keys = new(new GatewayOptions(false, ["first", "second=shop", "padded=="], []));

    [Theory]
    [InlineData("first", "default")]
    [InlineData("second", "shop")]
    [InlineData("padded==", "default")]
    public void A_key_decides_the_project(string key, string project) => Assert.Equal(project, Keys.Identify(key, null)?.Project);

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("First")]
    [InlineData("first ")]
    [InlineData("second=shop")]
    public void Anything_else_is_nobody(string? key) => Assert.Null(Keys.Identify(key, null));

    [Fact]
    public void A_key_is_accepted_as_the_password_of_a_browser() => Assert.Equal("shop", Keys.Identify(null, Basic("whoever:second"))?.Project);

    [Theory]
    [InlineData("Basic")]
    [InlineData("Basic !!!")]
    [InlineData("Bearer first")]
    public void A_broken_authorization_header_is_nobody(string header) => Assert.Null(Keys.Identify(null, header));

    [Fact]
    public void Basic_credentials_must_match_whole()
    {
        var auth = new GatewayAuth(new GatewayOptions(true, ["first"], ["ann:secret:with:colons"]));

        Assert.NotNull(auth.Identify(null, Basic("ann:secret:with:colons")));
        Assert.Null(auth.Identify(null, Basic("bob:secret:with:colons")));
        Assert.Null(auth.Identify("first", null));
    }

    [Fact]
    public void Rotation_ends_the_old_key_and_begins_the_new_one()
    {
        var auth = new GatewayAuth(new GatewayOptions(false, ["old"], []));

        auth.Replace(new GatewayOptions(false, ["new"], []));

        Assert.Null(auth.Identify("old", null));
        Assert.NotNull(auth.Identify("new", null));
        Assert.Equal(1, auth.Refused);
    }

    private static string Basic(string credential) => "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes(credential));
}
