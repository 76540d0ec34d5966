using Faultline.Diagnosis.Attribution;
using Xunit;
using Xunit.Abstractions;

namespace Faultline.Tests.Diagnosis.Attribution;

/// <summary>Rises planted in counts, so that the right answer is known.</summary>
public sealed class RiseLocatorTests(ITestOutputHelper log)
{
    private static readonly string[] Dimensions = ["model", "tenant", "region", "template"];

    [Fact]
    public void A_value_whose_rate_rose_is_the_cause() =>
        Assert.Equal(["model=m1"], Locate(Planted(1, ("model", "m1"))));

    [Fact]
    public void A_combination_is_named_whole_and_no_longer() =>
        Assert.Equal(["tenant=t2 region=r0"], Locate(Planted(2, ("tenant", "t2"), ("region", "r0"))));

    [Fact]
    public void Two_values_of_one_dimension_are_two_causes()
    {
        var random = new Random(3);
        var table = Table(random, row => row[1] is "t1" or "t3" ? 0.4 : 0);
        Assert.Equal(["tenant=t1", "tenant=t3"], Locate(table).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Causes_in_different_dimensions_are_found_both()
    {
        var random = new Random(4);
        var table = Table(random, row => row[1] == "t0" && row[3] == "v1" ? 0.8 : row[0] == "m2" ? 0.15 : 0);
        Assert.Equal(["model=m2", "tenant=t0 template=v1"], Locate(table).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void The_larger_rise_comes_first_and_shares_add_up()
    {
        var random = new Random(5);
        var causes = RiseLocator.Locate(Table(random, row => row[1] == "t1" ? 0.5 : row[1] == "t3" ? 0.2 : 0));
        Assert.Equal(["t1", "t3"], causes.Select(cause => cause.Values[0].Value));
        Assert.InRange(causes.Sum(cause => cause.ShareOfRise), 0.9, 1.1);
        Assert.All(causes, cause => Assert.True(cause.Counts.Bad > 2 * cause.Counts.Expected));
    }

    [Fact]
    public void Without_a_rise_there_is_no_cause() =>
        Assert.Empty(RiseLocator.Locate(Table(new Random(6), _ => 0)));

    [Fact]
    public void A_rise_of_everything_alike_blames_no_value() =>
        Assert.Empty(RiseLocator.Locate(Table(new Random(7), _ => 0.3)));

    [Fact]
    public void An_empty_table_has_no_cause() =>
        Assert.Empty(RiseLocator.Locate(new RiseTable(Dimensions)));

    [Fact]
    public void A_row_that_lacks_a_dimension_is_part_of_the_rest()
    {
        var table = new RiseTable(["model", "tool"]);
        foreach (var (tool, bad) in new[] { ("search", 60), (null, 2), ("calculator", 2) })
        {
            table.AddBefore(["m", tool], 10, 500);
            table.AddNow(["m", tool], bad, 100);
        }

        Assert.Equal(["tool=search"], Locate(table));
    }

    [Fact]
    public void A_value_never_seen_before_can_be_the_cause()
    {
        var table = Table(new Random(8), _ => 0);
        for (var i = 0; i < 20; i++)
        {
            table.AddNow(["m0", $"t{i % 5}", $"r{i % 3}", "v9"], 30, 60);
        }

        Assert.Equal(["template=v9"], Locate(table));
    }

    [Fact]
    public void Rows_that_cannot_be_are_left_out_and_counted()
    {
        var table = new RiseTable(["model"]);
        table.AddNow(["m"], 3, 2);
        table.AddNow(["m"], -1, 2);
        table.AddNow(["m"], double.NaN, 2);
        table.AddBefore(["m"], 1, double.PositiveInfinity);
        Assert.Equal(4, table.RowsLeftOut);
        Assert.Equal(0, table.GroupCount);
    }

    [Fact]
    public void The_order_of_rows_does_not_matter()
    {
        var rows = Rows(new Random(9), row => row[0] == "m1" && row[2] == "r2" ? 0.3 : 0);
        var there = Locate(Fill(rows));
        rows.Reverse();
        Assert.Equal(there, Locate(Fill(rows)));
    }

    [Fact]
    public void Nine_of_ten_random_causes_are_named_exactly()
    {
        const int Seed = 20;
        log.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        var right = 0;
        for (var i = 0; i < 100; i++)
        {
            var conditions = Enumerable.Range(0, 4).OrderBy(_ => random.Next()).Take(1 + random.Next(3)).Order().ToArray();
            var values = conditions.Select(dimension => (Dimensions[dimension], ValuesOf(dimension)[random.Next(ValuesOf(dimension).Length)])).ToArray();
            right += Locate(Planted(random.Next(), values)) is [var only] && only == string.Join(' ', values.Select(value => $"{value.Item1}={value.Item2}")) ? 1 : 0;
        }

        Assert.InRange(right, 90, 100);
    }

    private static string[] Locate(RiseTable table) =>
        [.. RiseLocator.Locate(table).Select(cause => string.Join(' ', cause.Values.Select(value => $"{value.Key}={value.Value}")))];

    private static string[] ValuesOf(int dimension) =>
        [.. Enumerable.Range(0, dimension switch { 0 => 3, 1 => 5, 2 => 3, _ => 4 }).Select(value => $"{"mtrv"[dimension]}{value}")];

    private static RiseTable Planted(int seed, params (string Dimension, string Value)[] cause) =>
        Table(new Random(seed), row => cause.All(part => row[Array.IndexOf(Dimensions, part.Dimension)] == part.Value) ? 0.35 : 0);

    private static RiseTable Table(Random random, Func<string[], double> rise) => Fill(Rows(random, rise));

    /// <summary>Every combination with a traffic and a rate of its own, ten parts of before for one of now.</summary>
    private static List<(bool Now, string[] Values, int Bad, int All)> Rows(Random random, Func<string[], double> rise)
    {
        List<(bool, string[], int, int)> rows = [];
        foreach (var model in ValuesOf(0))
        {
            foreach (var tenant in ValuesOf(1))
            {
                foreach (var region in ValuesOf(2))
                {
                    foreach (var template in ValuesOf(3))
                    {
                        string[] row = [model, tenant, region, template];
                        var all = 20 + random.Next(200);
                        var rate = 0.01 + (0.05 * random.NextDouble());
                        rows.Add((false, row, Draw(random, 10 * all, rate), 10 * all));
                        rows.Add((true, row, Draw(random, all, rate + rise(row)), all));
                    }
                }
            }
        }

        return rows;
    }

    private static int Draw(Random random, int all, double rate) => Enumerable.Range(0, all).Count(_ => random.NextDouble() < rate);

    private static RiseTable Fill(List<(bool Now, string[] Values, int Bad, int All)> rows)
    {
        var table = new RiseTable(Dimensions);
        foreach (var (now, values, bad, all) in rows)
        {
            if (now)
            {
                table.AddNow(values, bad, all);
            }
            else
            {
                table.AddBefore(values, bad, all);
            }
        }

        return table;
    }
}
