using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Watchers;
using Xunit;

namespace Faultline.Tests.Diagnosis.Features;

/// <summary>What the time of a request says of a stage that left no span in it.</summary>
public sealed class StageTimesTests
{
    private const long Start = 1_773_000_000_000_000_000;
    private readonly StageTimes _times = new();
    private readonly Random _rng = new(6);

    [Fact]
    public void A_shorter_request_was_not_reranked_and_one_with_a_hole_was()
    {
        Learn();
        Assert.Equal(Absence.Skipped, Of(TraceStages.Rerank, Request(rerank: 0)));
        Assert.Equal(Absence.Untold, Of(TraceStages.Rerank, Request(rerank: 120, told: TraceStages.Retrieval | TraceStages.Model)));
    }

    [Fact]
    public void A_request_that_waited_many_times_as_long_as_it_takes_was_given_nothing() =>
        Assert.Equal(Absence.Skipped, Learn().Of(TraceStages.Rerank, Request(rerank: 10_000, told: TraceStages.Retrieval | TraceStages.Model)));

    /// <summary>The model takes ten times what reranking does: its hole is no wait for the reranker.</summary>
    [Fact]
    public void A_hole_is_as_long_as_all_that_is_missing()
    {
        Learn();
        var both = Request(rerank: 120, told: TraceStages.Retrieval);
        Assert.Equal((Absence.Untold, Absence.Untold), (Of(TraceStages.Rerank, both), Of(TraceStages.Model, both)));
    }

    [Fact]
    public void Nothing_is_said_before_thirty_requests_nor_of_what_was_never_there()
    {
        Learn(requests: 29);
        Assert.Equal(Absence.Unclear, Of(TraceStages.Rerank, Request(rerank: 0)));
        Learn(requests: 1);
        Assert.Equal(Absence.Skipped, Of(TraceStages.Rerank, Request(rerank: 0)));
        Assert.Equal(Absence.Unclear, Of(TraceStages.Tool, Request(rerank: 120)));
    }

    /// <summary>An agent calls its tool once or eight times: a short request says nothing.</summary>
    [Fact]
    public void What_takes_now_this_and_now_that_is_not_missed()
    {
        for (var i = 0; i < 100; i++)
        {
            Note(Request(rerank: i % 2 == 0 ? 40 : 400));
        }

        Assert.Equal(Absence.Unclear, Of(TraceStages.Rerank, Request(rerank: 0)));
    }

    /// <summary>Queries are embedded within the search: of the search's time nothing is the embedding's own.</summary>
    [Fact]
    public void A_stage_within_another_leaves_no_hole()
    {
        for (var i = 0; i < 100; i++)
        {
            Note([new(TraceStages.Retrieval, At(0), At(100)), new(TraceStages.Embedding, At(20), At(60))], At(110));
        }

        Assert.Equal(Absence.Unclear, Of(TraceStages.Embedding, ([new(TraceStages.Retrieval, At(0), At(100))], At(110))));
        Assert.Equal(Absence.Untold, Of(TraceStages.Retrieval, ([new(TraceStages.Embedding, At(20), At(60))], At(110))));
    }

    private StageTimesTests Learn(int requests = 200)
    {
        for (var i = 0; i < requests; i++)
        {
            Note(Request(rerank: 90 + (60 * _rng.NextDouble())));
        }

        return this;
    }

    /// <summary>A search, a reranking and an answer one after the other, with ten milliseconds between them.</summary>
    private (StageInterval[] Intervals, long End) Request(double rerank, TraceStages told = TraceStages.Retrieval | TraceStages.Rerank | TraceStages.Model)
    {
        var (search, model) = (60 + (30 * _rng.NextDouble()), 900 + (600 * _rng.NextDouble()));
        StageInterval[] all =
        [
            new(TraceStages.Model, At(search + rerank + 20), At(search + rerank + 20 + model)),
            new(TraceStages.Retrieval, At(0), At(search)),
            new(TraceStages.Rerank, At(search + 10), At(search + 10 + rerank)),
        ];
        return ([.. all.Where(one => told.HasFlag(one.Stage) && one.EndUnixNanos > one.StartUnixNanos)], At(search + rerank + 25 + model));
    }

    private static long At(double millis) => Start + (long)(millis * 1e6);

    private Absence[] Note((StageInterval[] Intervals, long End) request) => Note(request.Intervals, request.End);

    private Absence[] Note(StageInterval[] intervals, long end)
    {
        var absences = new Absence[StageTimes.Stages.Length];
        _times.Note([.. intervals], Start, end, absences);
        return absences;
    }

    private Absence Of(TraceStages stage, (StageInterval[] Intervals, long End) request) => Note(request)[Array.IndexOf(StageTimes.Stages, stage)];
}
