using System.Text.Json;
using Faultline.Telemetry.GenAi;
using Xunit;
using Xunit.Abstractions;

namespace Faultline.Tests.GenAi;

public sealed class TolerantJsonTests(ITestOutputHelper output)
{
    [Fact]
    public void Texts_with_escapes_are_read_as_they_were_written_and_cut_anywhere_as_far_as_they_go()
    {
        var seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        string[] pieces = ["words ", "\n", "\t", "\"", "\\", "/", "grüße ", "😀", "\b", "{\"a\": 1}", "\r\n", "ё"];
        for (var i = 0; i < 300; i++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(0, 12)).Select(_ => pieces[random.Next(pieces.Length)]));
            var json = $"[{JsonSerializer.Serialize(text)}]";
            var node = TolerantJson.Parse(json, out var isCut);
            Assert.False(isCut);
            Assert.Equal(text, Assert.Single(node!.Items).Text);

            var cut = TolerantJson.Parse(json[..random.Next(1, json.Length)], out isCut);
            Assert.True(isCut);
            var found = cut!.Items.Count == 0 ? "" : cut.Items[0].Text;
            Assert.StartsWith(found.ToString(), text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_text_that_ends_in_a_backslash_is_cut()
    {
        var node = TolerantJson.Parse("[\"one\\", out var isCut);
        Assert.True(isCut);
        Assert.Equal("one", Assert.Single(node!.Items).Text);
    }

    [Theory]
    [InlineData("""["\ud83d\ude00!"]""", "😀!", false)]
    [InlineData("""["\u00E9\u0416\u4e2d"]""", "éЖ中", false)]
    [InlineData("""["a\ud83db"]""", "a\uFFFDb", false)]
    [InlineData("""["a\ud83d\u0041"]""", "a\uFFFDA", false)]
    [InlineData("""["a\ude00"]""", "a\uFFFD", false)]
    [InlineData("""["a\ud83d""", "a", true)]
    [InlineData("""["a\ud83d\u""", "a", true)]
    [InlineData("""["a\ud83d\ude0""", "a", true)]
    public void Escaped_characters_beyond_the_first_plane_are_pairs_and_half_a_pair_is_no_character(string json, string expected, bool expectedCut)
    {
        var node = TolerantJson.Parse(json, out var isCut);
        Assert.Equal(expected, Assert.Single(node!.Items).Text.ToString());
        Assert.Equal(expectedCut, isCut);
    }
}
