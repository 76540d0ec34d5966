using System.Collections.Concurrent;
using System.Globalization;
using Faultline.Diagnosis;
using Faultline.Diagnosis.Findings;
using Faultline.Store.Samples;
using Faultline.Tests.Diagnosis;

namespace Faultline.Bench;

/// <summary>False findings of detection alone: simulated healthy days of one service, at several rates, with a week of history and without.</summary>
internal static class HealthyDaysBench
{
    private static readonly double[] Rates = [0.02, 0.1, 0.5, 2];
    private static readonly History[] Histories = [History.None, History.Bursts, History.Whole];
    private static readonly DateTimeOffset Start = new(2026, 3, 10, 14, 3, 0, TimeSpan.Zero);

    private enum History
    {
        None,

        /// <summary>Ten seconds of every twenty minutes.</summary>
        Bursts,

        /// <summary>All of two days.</summary>
        Whole,
    }

    /// <param name="seeds">Days of each kind.</param>
    /// <param name="rate">Requests a second; all rates when empty.</param>
    public static async Task<int> RunAsync(int seeds, int first, string rate)
    {
        var rates = rate.Length == 0 ? Rates : [double.Parse(rate, CultureInfo.InvariantCulture)];
        var days = (from roughness in (double[])[1, 3] from one in rates from history in Histories from seed in Enumerable.Range(first, seeds) select new Day(seed, one, history, roughness)).ToList();
        ConcurrentDictionary<Day, IReadOnlyList<Finding>> found = new();
        await Parallel.ForEachAsync(days, new ParallelOptions { MaxDegreeOfParallelism = 2 }, async (day, _) => found[day] = await LiveAsync(day));
        foreach (var kind in days.GroupBy(day => day with { Seed = 0 }))
        {
            var features = kind.SelectMany(day => found[day]).CountBy(finding => finding.Symptoms[0].Feature).OrderByDescending(one => one.Value).Select(one => $"{one.Value} {one.Key}");
            Console.WriteLine($"{kind.Key.Rate,5} a second, history {kind.Key.History}, roughness {kind.Key.Roughness}: {kind.Sum(day => found[day].Count)} false findings in {kind.Count()} days ({string.Join(", ", features)})");
        }

        Console.WriteLine($"{days.Sum(day => found[day].Count)} in {days.Count} service-days");
        return 0;
    }

    private static async Task<IReadOnlyList<Finding>> LiveAsync(Day day)
    {
        var clock = new TestClock(Start);
        var bot = new SimulatedBot(day.Seed, perSecond: day.Rate, roughness: day.Roughness);
        var detection = new Detection((_, _, _) => Task.CompletedTask, (_, _, _, _, _) => Task.FromResult<IReadOnlyList<SeriesData>>([]), clock);
        Dictionary<string, Finding> findings = new(StringComparer.Ordinal);
        async Task CommitAsync(BatchBuilder batch)
        {
            detection.Committed(batch.Build());
            await detection.AdvanceAsync();
            while (detection.News.TryRead(out var news))
            {
                if (news is FindingNews.Raised { Finding: var finding })
                {
                    findings.TryAdd(finding.Id, finding);
                }
            }
        }

        var (length, every, back) = day.History switch
        {
            History.Bursts => (TimeSpan.FromSeconds(10), TimeSpan.FromMinutes(20), TimeSpan.FromDays(7)),
            History.Whole => (TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(5), TimeSpan.FromDays(2)),
            _ => (TimeSpan.Zero, TimeSpan.FromDays(1), TimeSpan.Zero),
        };
        for (var at = Start - back; at < Start; at += every)
        {
            await CommitAsync(bot.Stretch(at, length, new Behaviour()));
        }

        for (var end = Start.AddDays(1); clock.Now < end;)
        {
            var batch = bot.Stretch(clock.Now, TimeSpan.FromSeconds(10), new Behaviour());
            clock.Now += TimeSpan.FromSeconds(10);
            await CommitAsync(batch);
        }

        return [.. findings.Values.Where(finding => finding.DetectedAt >= Start)];
    }

    private readonly record struct Day(int Seed, double Rate, History History, double Roughness);
}
