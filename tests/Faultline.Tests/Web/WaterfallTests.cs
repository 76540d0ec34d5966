using Faultline.Telemetry.Spans;
using Faultline.Web.Traces;
using Xunit;
using static Faultline.Tests.Web.Samples;

namespace Faultline.Tests.Web;

public sealed class WaterfallTests
{
    [Fact]
    public void Children_stand_under_their_parent_by_start_time()
    {
        var layout = Waterfall.Of([Span(3, 1, "late", 50, 10), Span(1, 0, "root", 0, 100), Span(2, 1, "early", 5, 10), Span(4, 3, "inner", 52, 3)], Now.AddHours(1));
        Assert.Equal(["root:0", "early:1", "late:1", "inner:2"], layout.Spans.Select(span => $"{span.Name}:{span.Depth}"));
        Assert.Equal(100_000_000, layout.DurationNanos);
        Assert.False(layout.StillArriving);
    }

    [Fact]
    public void Repeated_siblings_fold_even_when_others_stand_between_them()
    {
        var spans = new List<Faultline.Store.Traces.StoredSpan> { Span(1, 0, "agent", 0, 1000) };
        for (var i = 0; i < 50; i++)
        {
            spans.Add(Span((ulong)(100 + (2 * i)), 1, "chat", i * 20, 5));
            spans.Add(Span((ulong)(101 + (2 * i)), 1, "search", (i * 20) + 6, 5, status: i == 7 ? SpanStatus.Error : SpanStatus.Unset));
        }

        spans.Add(Span(9, 1, "answer", 999, 1));
        var layout = Waterfall.Of(spans, Now);
        Assert.Equal([("chat", 50, 0), ("search", 50, 1)], layout.Folds.Select(fold => (fold.Name, fold.Count, fold.Errors)));
        Assert.Equal("answer", layout.Spans[^1].Name);
        Assert.Equal(50, layout.Spans.Skip(1).TakeWhile(span => span.Fold == 0).Count());
    }

    [Fact]
    public void Four_siblings_of_one_name_stay_four_rows() =>
        Assert.Empty(Waterfall.Of([Span(1, 0, "root", 0, 100), .. Enumerable.Range(2, 4).Select(i => Span((ulong)i, 1, "step", i * 10, 5))], Now).Folds);

    [Fact]
    public void A_parent_that_is_not_here_is_counted_once()
    {
        var layout = Waterfall.Of([Span(1, 0, "root", 0, 100), Span(2, 77, "orphan", 1, 1), Span(3, 77, "orphan too", 2, 1)], Now.AddHours(1));
        Assert.Equal(1, layout.MissingParents);
        Assert.Equal(3, layout.Spans.Count);
    }

    [Fact]
    public void The_critical_path_follows_whoever_ended_last_before()
    {
        var layout = Waterfall.Of([Span(1, 0, "root", 0, 100), Span(2, 1, "first", 0, 40), Span(3, 1, "beside", 5, 20), Span(4, 1, "second", 41, 58)], Now);
        Assert.Equal(["root", "first", "second"], layout.Spans.Where(span => span.Critical).Select(span => span.Name));
    }

    [Fact]
    public void A_ring_of_parents_still_shows_every_span()
    {
        var layout = Waterfall.Of([Span(1, 2, "a", 0, 10), Span(2, 1, "b", 1, 10), Span(3, 3, "own parent", 2, 1)], Now);
        Assert.Equal(3, layout.Spans.Count);
    }

    [Fact]
    public void A_chain_of_fifty_thousand_spans_is_laid_out()
    {
        var layout = Waterfall.Of([.. Enumerable.Range(1, 50_000).Select(i => Span((ulong)i, (ulong)(i - 1), "deep", i / 1000.0, 1))], Now);
        Assert.Equal(49_999, layout.Spans[^1].Depth);
    }

    [Fact]
    public void A_trace_that_came_moments_ago_is_still_arriving() =>
        Assert.True(Waterfall.Of([Span(1, 0, "root", 0, 100)], Now.AddSeconds(2)).StillArriving);
}
