using System.Diagnostics;

namespace Faultline.Lab.Demo;

/// <summary>
/// The demo's timeline: seven healthy days at once (first run only), then live traffic in which, after a healthy minute, an
/// index goes stale and a prompt template loses its stop rule. It sends telemetry and change events, nothing else.
/// </summary>
public static class DemoRun
{
    private static readonly TimeSpan HealthyMinute = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan HistoryStep = TimeSpan.FromMinutes(20);

    /// <param name="say">Lines for whoever watches.</param>
    /// <exception cref="InvalidOperationException">The server cannot be reached or refuses; the message says what to do.</exception>
    public static async Task<DemoReport> RunAsync(DemoOptions options, Action<string> say, CancellationToken cancel)
    {
        using var changes = new ChangeClient(options);
        using var support = new Instrumented(SupportBot.ServiceName, "2.4.0", options);
        using var reports = new Instrumented(ReportWriters.ServiceName, "1.9.3", options);
        var rhythm = new Rhythm(unchecked((options.Seed * 1_000) + DateTimeOffset.UtcNow.DayOfYear));
        using var bot = new SupportBot(support, rhythm);
        using var writers = new ReportWriters(reports, rhythm);

        bool known;
        try
        {
            known = await changes.KnowsTheDemoAsync(cancel);
        }
        catch (HttpRequestException unreachable)
        {
            throw new InvalidOperationException($"No Faultline answers at {options.Server} ({unreachable.Message}). Start it with `faultline`, or name it with --server.", unreachable);
        }

        var historyTook = TimeSpan.Zero;
        long historySpans = 0;
        if (options.Mode != DemoMode.Heal && !known)
        {
            say("Sending seven healthy days with past timestamps …");
            var watch = Stopwatch.StartNew();
            SendHistory(bot, writers, rhythm, options.History ?? TimeSpan.FromDays(7), cancel);
            support.Flush();
            reports.Flush();
            historyTook = watch.Elapsed;
            historySpans = support.Spans + reports.Spans;
            say($"Sent {historySpans:N0} spans of history in {historyTook.TotalSeconds:F0} s.");
        }

        var recorded = new List<string>();
        DateTimeOffset? faultsAt = null;
        if (options.Mode == DemoMode.Heal)
        {
            var now = DateTimeOffset.UtcNow;
            recorded.Add(await changes.RecordAsync("index", SupportBot.ServiceName, "Index help-centre rebuilt from today's articles", now, cancel));
            recorded.Add(await changes.RecordAsync("prompt", ReportWriters.ServiceName, "Prompt report-researcher set back from version 8 to 7", now, cancel));
            say("The fixes are out: index rebuilt, template set back. Sending healthy traffic …");
        }
        else
        {
            say(options.Mode == DemoMode.Healthy ? "Live, without a fault …" : "Live; one healthy minute first …");
        }

        var length = options.Live ?? options.Mode switch
        {
            DemoMode.Faults => HealthyMinute + TimeSpan.FromSeconds(190),
            DemoMode.Healthy => TimeSpan.FromSeconds(180),
            DemoMode.Heal => TimeSpan.FromSeconds(150),
            _ => throw new UnreachableException(),
        };
        var live = new LiveTraffic(bot, writers, rhythm);
        var start = DateTimeOffset.UtcNow;
        while (DateTimeOffset.UtcNow - start < length)
        {
            var now = DateTimeOffset.UtcNow;
            if (options.Mode == DemoMode.Faults && faultsAt is null && now - start >= HealthyMinute)
            {
                faultsAt = now;
                bot.IndexIsStale = true;
                recorded.Add(await changes.RecordAsync("data", SupportBot.ServiceName, "Help centre rewritten for the autumn release: 412 articles replaced", now, cancel));
                writers.ResearcherTemplate = 8;
                recorded.Add(await changes.RecordAsync("prompt", ReportWriters.ServiceName, "Prompt report-researcher changed from version 7 to 8", now, cancel));
                say($"{now.ToLocalTime():HH:mm:ss} the help centre was rewritten and the researcher's prompt template changed. Watch the cases page.");
            }

            live.Advance(now);
            await Task.Delay(100, cancel);
        }

        support.Flush();
        reports.Flush();
        say($"Done: {support.Spans + reports.Spans - historySpans:N0} live spans.");
        return new DemoReport(historySpans, historyTook, support.Spans + reports.Spans - historySpans, faultsAt, recorded);
    }

    private static void SendHistory(SupportBot bot, ReportWriters writers, Rhythm rhythm, TimeSpan history, CancellationToken cancel)
    {
        // A burst of ten seconds now and then stands for the traffic around it: enough to learn level, rhythm and noise from.
        var now = DateTimeOffset.UtcNow;
        for (var at = now - history; at < now - HistoryStep; at += HistoryStep)
        {
            cancel.ThrowIfCancellationRequested();
            var burst = at + (HistoryStep * 0.9 * rhythm.Uniform());
            var questions = (int)Math.Round(12 * Rhythm.Load(burst) * (0.8 + (0.4 * rhythm.Uniform())));
            for (var i = 0; i < questions; i++)
            {
                bot.Answer(burst + TimeSpan.FromSeconds(10 * rhythm.Uniform()));
            }

            for (var i = 0; i < 2; i++)
            {
                var start = burst + TimeSpan.FromSeconds(5 * rhythm.Uniform());
                writers.Report(writers.Begin(start), start);
            }
        }
    }

    /// <summary>Decides from the clock what is due, and sends it.</summary>
    private sealed class LiveTraffic(SupportBot bot, ReportWriters writers, Rhythm rhythm)
    {
        private readonly PriorityQueue<Action, DateTimeOffset> _running = new();
        private DateTimeOffset? _nextQuestion;
        private DateTimeOffset? _nextReport;

        public void Advance(DateTimeOffset now)
        {
            _nextQuestion ??= now;
            _nextReport ??= now;
            while (_nextQuestion <= now)
            {
                bot.Answer(_nextQuestion.Value);

                // Poisson arrivals, about one a second in the busy hours.
                _nextQuestion += TimeSpan.FromSeconds(-Math.Log(1 - rhythm.Uniform()) / (0.5 + (0.7 * Rhythm.Load(now))));
            }

            while (_nextReport <= now)
            {
                var start = _nextReport.Value;
                var run = writers.Begin(start);
                _running.Enqueue(() => writers.Report(run, start), start + run.Total);
                _nextReport += TimeSpan.FromSeconds(3 + (3 * rhythm.Uniform()));
            }

            while (_running.TryPeek(out _, out var due) && due <= now)
            {
                _running.Dequeue()();
            }
        }
    }
}
