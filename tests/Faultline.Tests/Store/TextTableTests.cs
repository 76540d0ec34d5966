using System.Text;
using Faultline.Store.Writes;
using Xunit;
using Xunit.Abstractions;

namespace Faultline.Tests.Store;

public sealed class TextTableTests(ITestOutputHelper output)
{
    [Fact]
    public void A_text_keeps_its_number_and_numbers_follow_the_order_of_first_use()
    {
        var table = new TextTable();
        string[] texts = ["a", "b", "", "a", "b", "a", "", "", "c"];
        Assert.Equal([0, 1, 2, 0, 1, 0, 2, 2, 3], texts.Select(text => table.NumberOf(Encoding.UTF8.GetBytes(text))));
        Assert.Equal(["a", "b", "", "c"], Texts(table));
    }

    [Fact]
    public void Random_texts_in_runs_that_repeat_are_told_apart()
    {
        var seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var table = new TextTable();
        for (var group = 0; group < 5; group++)
        {
            var known = new Dictionary<string, int>(StringComparer.Ordinal);
            var runs = Enumerable.Range(0, 40).Select(_ => Enumerable.Range(0, random.Next(1, 20)).Select(_ => $"key {random.Next(group == 2 ? 20_000 : 60)}").ToArray()).ToArray();
            for (var i = 0; i < 2_000; i++)
            {
                foreach (var text in runs[random.Next(runs.Length)].Append(group == 2 ? $"new {i}" : "last"))
                {
                    if (!known.TryGetValue(text, out var number))
                    {
                        known[text] = number = known.Count;
                    }

                    Assert.Equal(number, table.NumberOf(Encoding.UTF8.GetBytes(text)));
                }
            }

            Assert.Equal(known.OrderBy(pair => pair.Value).Select(pair => pair.Key), Texts(table));
            table.Clear();
            Assert.Equal(0, table.Count);
        }
    }

    private static IEnumerable<string> Texts(TextTable table)
    {
        for (var i = 0; i < table.Count; i++)
        {
            yield return Encoding.UTF8.GetString(table.Buffer[(i == 0 ? 0 : table.Ends[i - 1])..table.Ends[i]]);
        }
    }
}
