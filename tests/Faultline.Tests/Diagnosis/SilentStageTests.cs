using Faultline.Telemetry.Spans;
using Xunit;

namespace Faultline.Tests.Diagnosis;

/// <summary>Requests that lack a stage they always had: reranked in their own process, or by another service.</summary>
public sealed class SilentStageTests
{
    private static readonly DateTimeOffset Start = new(2026, 3, 10, 14, 0, 0, TimeSpan.Zero);
    private readonly Rig _rig = new(Start);
    private ulong _ids;

    /// <summary>What another service tells may be held up for five minutes. Where the time is not there either, nothing is: it was not reranked.</summary>
    [Theory]
    [InlineData("api", true, "stage_missing_share", "without rerank in api", 20, 60)]
    [InlineData("api", false, "stage_missing_share", "without rerank in api", 20, 60)]
    [InlineData("ranker", true, "stage_missing_share", "without rerank in api", 20, 60)]
    [InlineData("ranker", false, "stage_untold_share", "with no span of rerank in api", 295, 350)]
    public async Task A_stage_that_is_not_run_is_told_at_once_and_one_that_runs_and_is_not_told_of_when_it_was_given_time(
        string ranker, bool isSkipped, string feature, string words, int secondsMin, int secondsMax)
    {
        await LiveAsync(TimeSpan.FromHours(1), ranker, 100);
        Assert.Empty(_rig.News);

        var since = _rig.Clock.Now;
        await LiveAsync(TimeSpan.FromMinutes(8), ranker: null, isSkipped ? 0 : 100);
        var finding = Assert.Single(_rig.Raised.DistinctBy(static finding => finding.Id));
        Assert.Contains(feature, finding.Symptoms.Select(static symptom => symptom.Feature));
        Assert.Contains(words, finding.Title, StringComparison.Ordinal);
        Assert.InRange((_rig.Raised.First().DetectedAt - since).TotalSeconds, secondsMin, secondsMax);
    }

    /// <summary>A request every five seconds.</summary>
    /// <param name="rerankMillis">What reranking takes, told of or not.</param>
    private async Task LiveAsync(TimeSpan length, string? ranker, int rerankMillis)
    {
        for (var end = _rig.Clock.Now + length; _rig.Clock.Now < end;)
        {
            _rig.Clock.Now += TimeSpan.FromSeconds(5);
            var batch = new BatchBuilder(_rig.Clock.Now);
            var at = _rig.Clock.Now.ToUnixTimeMilliseconds() * 1_000_000;
            var rerank = rerankMillis * 1_000_000L;
            var (trace, root) = (new TraceId(++_ids), new SpanId(++_ids));
            batch.Add(new TestSpan(trace, new SpanId(++_ids), root, "search", at - 100_000_000 - rerank, at - rerank) { Operation = "retrieval", Documents = 4 }, "api");
            if (ranker is not null)
            {
                batch.Add(new TestSpan(trace, new SpanId(++_ids), root, "rerank", at - rerank, at) { Operation = "rerank" }, ranker);
            }

            batch.Add(new TestSpan(trace, root, default, "ask", at - 120_000_000 - rerank, at) { Kind = SpanKind.Server }, "api");
            await _rig.CommitAsync(batch);
        }
    }
}
