using System.Diagnostics;
using Faultline.Diagnosis;
using Faultline.Store.Samples;
using Faultline.Tests.Diagnosis;

namespace Faultline.Bench;

/// <summary>
/// What detection costs with many services: folding, closing, judging and learning as the server does it, four rounds a second, on one thread.
/// Receiving, decoding and the store are left out.
/// </summary>
internal static class EntitiesBench
{
    private const int ServicesPerProject = 2000;

    /// <summary>Each service exports so often.</summary>
    private static readonly TimeSpan Export = TimeSpan.FromSeconds(5);

    /// <summary>How often the server's loop looks.</summary>
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(250);

    private static readonly Behaviour Healthy = new();

    /// <param name="services">Of projects of 2,000 each.</param>
    /// <param name="minutes">Minutes of telemetry that are measured.</param>
    /// <param name="days">Days of history, a request an hour: so that baselines judge and know the day's hours, and as many windows are remembered as ever are.</param>
    /// <param name="perMinute">Requests of a service a minute; each is five spans and two scores.</param>
    public static async Task<int> RunAsync(int services, int minutes, int days, double perMinute)
    {
        var clock = new TestClock(new DateTimeOffset(2026, 3, 10, 14, 3, 0, TimeSpan.Zero).AddDays(-days));
        var (samples, spans, raised) = (0L, 0L, 0);
        var detection = new Detection(
            (_, batch, _) =>
            {
                samples += batch.Count;
                return Task.CompletedTask;
            },
            (_, _, _, _, _) => Task.FromResult<IReadOnlyList<SeriesData>>([]),
            clock);
        var bots = Enumerable.Range(0, services).Select(i => (Project: $"p{i / ServicesPerProject}", Bot: new SimulatedBot(i, $"service-{i:00000}", perMinute / 60))).ToList();
        var (spent, wall) = (TimeSpan.Zero, TimeSpan.Zero);
        async Task RoundAsync(List<BatchBuilder> batches)
        {
            var built = batches.ConvertAll(batch => batch.Build());
            var (cpu, began) = (Environment.CpuUsage.TotalTime, Stopwatch.GetTimestamp());
            foreach (var batch in built)
            {
                spans += batch.Spans.Count;
                detection.Committed(batch);
            }

            await detection.AdvanceAsync();
            spent += Environment.CpuUsage.TotalTime - cpu;
            wall += Stopwatch.GetElapsedTime(began);
            while (detection.News.TryRead(out var news))
            {
                raised += news is Diagnosis.Findings.FindingNews.Raised ? 1 : 0;
            }
        }

        void Say(string what, TimeSpan telemetry)
        {
            var (now, memory) = (detection.Figures, GC.GetTotalMemory(forceFullCollection: true));
            Console.WriteLine(
                $"{what}: {now.Services} services, {now.Series} series, {telemetry.TotalMinutes:0} minutes of telemetry; {spans} spans ({spans / telemetry.TotalSeconds:0} a second), {samples} samples ({samples / telemetry.TotalSeconds:0} a second), "
                + $"{raised} findings; {spent.TotalSeconds:0.0} s of CPU ({spent / telemetry:P1} of a core), {wall.TotalSeconds:0.0} s of wall; {memory >> 20} MiB in use, {memory / 1024 / services} KiB a service");
            (samples, spans, raised, spent, wall) = (0, 0, 0, TimeSpan.Zero, TimeSpan.Zero);
        }

        for (var hour = 0; hour < days * 24; hour++, clock.Now += TimeSpan.FromHours(1))
        {
            await RoundAsync([.. bots.GroupBy(one => one.Project).Select(project =>
            {
                var batch = new BatchBuilder(clock.Now, project.Key);
                foreach (var (_, bot) in project)
                {
                    bot.Request(batch, clock.Now, Healthy);
                }

                return batch;
            })]);
        }

        Say("history", TimeSpan.FromDays(days));
        var ticksPerExport = Export / Tick;
        for (var (pass, tick) = (0, 0); pass < 2; pass++)
        {
            var length = TimeSpan.FromMinutes(pass == 0 ? 3 : minutes);
            for (var end = clock.Now + length; clock.Now < end; tick++, clock.Now += Tick)
            {
                List<BatchBuilder> batches = [];
                for (var i = tick % (int)ticksPerExport; i < bots.Count; i += (int)ticksPerExport)
                {
                    var batch = new BatchBuilder(clock.Now, bots[i].Project);
                    if (bots[i].Bot.Stretch(clock.Now - Export, Export, Healthy, batch).Spans > 0)
                    {
                        batches.Add(batch);
                    }
                }

                await RoundAsync(batches);
            }

            Say(pass == 0 ? "begun" : "measured", length);
        }

        return 0;
    }
}
