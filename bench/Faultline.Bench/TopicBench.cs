using System.Diagnostics;
using Faultline.Cli.Bench.Worlds;
using Faultline.Diagnosis.Evaluators;
using Faultline.Diagnosis.Evaluators.Live;
using Faultline.Diagnosis.Findings;
using Faultline.Diagnosis.Topics;
using Faultline.Ingest.Gateway;
using Faultline.Ingest.Pipeline;
using Faultline.Store.Writes;

namespace Faultline.Bench;

/// <summary>
/// Recorded worlds through live evaluation with topics: what topic watching finds by itself, and what it costs a call. The evaluators beside it are the cheap ones, so vectors
/// that others would have made are made here: the cost is the highest there is.
/// </summary>
internal static class TopicBench
{
    public static async Task<int> RunAsync(IReadOnlyList<string> folders)
    {
        var resources = LanguageResources.Load(await LanguagePackage.EnsureAsync(Path.Combine(AppContext.BaseDirectory, "native", "language"), Console.Error.WriteLine));
        if (resources.Missing is { } missing)
        {
            await Console.Error.WriteLineAsync(missing);
            return 1;
        }

        foreach (var world in folders.SelectMany(WorldFile.Below))
        {
            await PlayAsync(world, resources);
        }

        return 0;
    }

    private static async Task PlayAsync(WorldFile world, LanguageResources resources)
    {
        var clock = new ReplayClock(0);
        var keeping = new TopicKeeping((_, _) => Task.FromResult<IReadOnlyList<Faultline.Store.Topics.StoredTopics>>([]), (_, _, _) => Task.CompletedTask);
        var topics = new TopicWatch(keeping, (_, report) => Say(world, report), clock);
        var live = new LiveEvaluation(
            new EvaluatorOptions { Enabled = [RefusalEvaluator.Name, FormatEvaluator.Name], CoreShare = 1 }, _ => Task.FromResult(resources),
            (_, _) => Task.FromResult<WriteOutcome>(new WriteOutcome.Durable()), clock, topics: topics);
        var pipeline = new IngestPipeline(null!, new IngestOptions(TimeSpan.FromDays(3650)), new IngestFigures(), clock);
        var identity = new GatewayIdentity(GatewayAuth.DefaultProject);
        var started = Stopwatch.GetTimestamp();
        foreach (var line in world.Lines())
        {
            clock.MoveTo(line.UnixNanos);
            if (line.Signal is Signal.Traces)
            {
                live.Committed(pipeline.Prepare(identity, Signal.Traces, line.Body.Span, json: true).Batch);
                await live.AdvanceAsync(everything: true);
            }
        }

        foreach (var side in topics.Sides)
        {
            Console.WriteLine($"{world.Name} {side.Owner.Service} {side.Owner.Side}: {side.Calls} calls, {side.Map.All.Count} topics and candidates; last look {side.LastLook?.Distance:0.0000} of {side.LastLook?.Limit:0.0000}");
            foreach (var topic in side.ToSummary().Topics.Take(6))
            {
                Console.WriteLine($"    {topic.Calls,6} {topic.Failed,5} failed  {topic.Name}  [{string.Join(", ", topic.Words)}]");
            }
        }

        var calls = live.Figures.Scores(TopicWatch.Name);
        var took = live.Figures.Families().Single(family => family.Name == "faultline_evaluator_seconds").Samples.Single(sample => sample.Labels["evaluator"] == TopicWatch.Name).Value;
        Console.WriteLine($"{world.Name}: {calls} calls, {took / Math.Max(1, calls) * 1e3:0.000} ms a call, {Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s in all, {GC.GetTotalMemory(false) >> 20} MB");
    }

    private static void Say(WorldFile world, TopicReport report)
    {
        foreach (var news in report.News)
        {
            Console.WriteLine(news switch
            {
                FindingNews.Raised { Finding: var finding } => $"{world.Name} {finding.DetectedAt:u} {finding.Service}: {finding.Title}\n    {finding.Symptoms[0].Words}",
                FindingNews.Cleared cleared => $"{world.Name} {cleared.At:u} over",
                _ => "",
            });
        }
    }
}
