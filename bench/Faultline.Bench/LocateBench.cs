using System.Diagnostics;
using System.Text.Json;
using Faultline.Diagnosis.Attribution;

namespace Faultline.Bench;

/// <summary>Time to find planted causes of a rise in many groups, eight dimensions with 3 to 1,000 values. Fails when an answer is not the planted one.</summary>
internal static class LocateBench
{
    private static readonly int[] ValuesOfDimension = [3, 5, 8, 12, 20, 50, 200, 1000];

    private static readonly (string Name, Func<int[], bool> Rose, string Answer)[] Worlds =
    [
        ("one combination", row => row[2] == 3 && row[4] == 7, "d2=v3 d4=v7"),
        ("two, in different dimensions", row => (row[0] == 1 && row[2] == 3) || (row[3] == 2 && row[1] == 4), "d0=v1 d2=v3; d1=v4 d3=v2"),
        ("everything alike", _ => true, ""),
    ];

    public static int Run(bool json)
    {
        var right = true;
        foreach (var groups in new[] { 10_000, 100_000, 900_000 })
        {
            foreach (var (name, rose, answer) in Worlds)
            {
                var (table, fill) = Fill(groups, rose);
                var clock = Stopwatch.StartNew();
                var causes = RiseLocator.Locate(table);
                var locate = clock.ElapsedMilliseconds;
                var given = string.Join("; ", causes.Select(cause => string.Join(' ', cause.Values.Select(value => $"{value.Key}={value.Value}"))));
                right &= given == answer;
                Console.WriteLine(json
                    ? JsonSerializer.Serialize(new { groups, world = name, fill_ms = fill, locate_ms = locate, right = given == answer })
                    : $"{groups,8} groups, {name,-28} fill {fill,5} ms, locate {locate,5} ms  {(given == answer ? "right" : "WRONG: " + given)}");
            }
        }

        return right ? 0 : 1;
    }

    private static (RiseTable Table, long FillMilliseconds) Fill(int groups, Func<int[], bool> rose)
    {
        var random = new Random(1);
        var names = Array.ConvertAll(ValuesOfDimension, count => Enumerable.Range(0, count).Select(value => $"v{value}").ToArray());
        var table = new RiseTable([.. ValuesOfDimension.Select((_, dimension) => $"d{dimension}")]);
        var codes = new int[names.Length];
        var row = new string?[names.Length];
        var clock = Stopwatch.StartNew();
        for (var group = 0; group < groups; group++)
        {
            for (var i = 0; i < row.Length; i++)
            {
                codes[i] = random.Next(names[i].Length);
                row[i] = names[i][codes[i]];
            }

            table.AddBefore(row, 1, 50);
            table.AddNow(row, rose(codes) ? 4 : 0.2, 10);
        }

        return (table, clock.ElapsedMilliseconds);
    }
}
