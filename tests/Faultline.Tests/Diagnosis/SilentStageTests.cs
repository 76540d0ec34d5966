using Faultline.Telemetry.Spans;
using Xunit;

namespace Faultline.Tests.Diagnosis;

/// <summary>Requests that lack a stage they always had: reranked in their own process, or by another service.</summary>
public sealed class SilentStageTests
{
    private static readonly DateTimeOffset Start = new(2026, 3, 10, 14, 0, 0, TimeSpan.Zero);
    private readonly Rig _rig = new(Start);
    private ulong _ids;

    [Theory]
    [InlineData("api", 40, 90)]
    [InlineData("ranker", 175, 230)]
    public async Task What_another_service_tells_may_be_held_up_for_three_minutes_and_what_the_same_process_tells_may_not(string ranker, int secondsMin, int secondsMax)
    {
        await LiveAsync(TimeSpan.FromHours(1), ranker);
        Assert.Empty(_rig.News);

        var since = _rig.Clock.Now;
        await LiveAsync(TimeSpan.FromMinutes(5), ranker: null);
        var finding = Assert.Single(_rig.Raised.DistinctBy(static finding => finding.Id));
        Assert.Equal("stage_missing_share", Assert.Single(finding.Symptoms).Feature);
        Assert.Contains("without rerank in api", finding.Title, StringComparison.Ordinal);
        Assert.InRange((_rig.Raised.First().DetectedAt - since).TotalSeconds, secondsMin, secondsMax);
    }

    /// <summary>A request every five seconds.</summary>
    private async Task LiveAsync(TimeSpan length, string? ranker)
    {
        for (var end = _rig.Clock.Now + length; _rig.Clock.Now < end;)
        {
            _rig.Clock.Now += TimeSpan.FromSeconds(5);
            var batch = new BatchBuilder(_rig.Clock.Now);
            var at = _rig.Clock.Now.ToUnixTimeMilliseconds() * 1_000_000;
            var (trace, root) = (new TraceId(++_ids), new SpanId(++_ids));
            batch.Add(new TestSpan(trace, new SpanId(++_ids), root, "search", at - 300_000_000, at - 200_000_000) { Operation = "retrieval", Documents = 4 }, "api");
            if (ranker is not null)
            {
                batch.Add(new TestSpan(trace, new SpanId(++_ids), root, "rerank", at - 200_000_000, at - 100_000_000) { Operation = "rerank" }, ranker);
            }

            batch.Add(new TestSpan(trace, root, default, "ask", at - 400_000_000, at) { Kind = SpanKind.Server }, "api");
            await _rig.CommitAsync(batch);
        }
    }
}
