using Faultline.Telemetry.GenAi;
using Faultline.Tests.Otlp;
using Xunit;

namespace Faultline.Tests.GenAi;

/// <summary>One call, several spans: its tokens count once.</summary>
public class LeafCountingTests
{
    private static readonly Dictionary<object, object> s_call = new() { ["gen_ai.operation.name"] = "chat", ["gen_ai.request.model"] = "m", ["gen_ai.usage.input_tokens"] = 5 };

    [Fact]
    public void Of_a_call_inside_the_same_call_the_inner_one_counts()
    {
        var batch = SpanOf.Filled(new SpanOf("0a") { Attributes = s_call }, new SpanOf("0b", "0a") { Attributes = s_call });
        Assert.Equal([0, 1], batch.GenAi.Counted.Values.ToArray());
    }

    [Fact]
    public void Spans_between_the_two_change_nothing()
    {
        var batch = SpanOf.Filled(new SpanOf("0b", "0c") { Attributes = s_call }, new SpanOf("0c", "0a") { Name = "POST" }, new SpanOf("0a") { Attributes = s_call });
        Assert.Equal([1, 0, 0], batch.GenAi.Counted.Values.ToArray());
    }

    [Fact]
    public void Another_response_inside_is_another_call()
    {
        var batch = SpanOf.Filled(
            new SpanOf("0a") { Attributes = With("gen_ai.response.id", "r1") },
            new SpanOf("0b", "0a") { Attributes = With("gen_ai.response.id", "r2") });
        Assert.Equal([1, 1], batch.GenAi.Counted.Values.ToArray());
    }

    [Fact]
    public void Another_model_or_operation_inside_is_another_call()
    {
        var batch = SpanOf.Filled(
            new SpanOf("0a") { Attributes = s_call },
            new SpanOf("0b", "0a") { Attributes = With("gen_ai.request.model", "m2") },
            new SpanOf("0c", "0a") { Attributes = With("gen_ai.operation.name", "embeddings") });
        Assert.Equal([1, 1, 1], batch.GenAi.Counted.Values.ToArray());
    }

    [Fact]
    public void The_outer_one_counts_when_only_it_knows_the_usage()
    {
        var batch = SpanOf.Filled(
            new SpanOf("0a") { Attributes = s_call },
            new SpanOf("0b", "0a") { Attributes = new Dictionary<object, object> { ["gen_ai.operation.name"] = "chat", ["gen_ai.request.model"] = "m" } });
        Assert.Equal([1, 0], batch.GenAi.Counted.Values.ToArray());
    }

    [Fact]
    public void Of_two_copies_in_two_requests_the_later_is_not_counted()
    {
        var counted = new CountedSpans();
        var child = SpanOf.Batch(new SpanOf("0b", "0a") { Attributes = s_call });
        var parent = SpanOf.Batch(new SpanOf("0a") { Attributes = s_call });
        GenAiNormaliser.Fill(child, counted);
        GenAiNormaliser.Fill(parent, counted);
        Assert.Equal((1, 0), (child.GenAi.Counted[0], parent.GenAi.Counted[0]));

        counted = new CountedSpans();
        parent = SpanOf.Batch(new SpanOf("0a") { Attributes = s_call });
        child = SpanOf.Batch(new SpanOf("0b", "0a") { Attributes = s_call });
        GenAiNormaliser.Fill(parent, counted);
        GenAiNormaliser.Fill(child, counted);
        Assert.Equal((1, 0), (parent.GenAi.Counted[0], child.GenAi.Counted[0]));
    }

    [Fact]
    public void A_request_sent_again_is_counted_as_before()
    {
        var counted = new CountedSpans();
        for (var times = 0; times < 2; times++)
        {
            var batch = SpanOf.Batch(new SpanOf("0a") { Attributes = s_call }, new SpanOf("0b", "0a") { Attributes = s_call });
            GenAiNormaliser.Fill(batch, counted);
            Assert.Equal([0, 1], batch.GenAi.Counted.Values.ToArray());
        }
    }

    [Fact]
    public void After_its_time_a_call_is_forgotten()
    {
        var time = new Clock();
        var counted = new CountedSpans(time);
        GenAiNormaliser.Fill(SpanOf.Batch(new SpanOf("0b", "0a") { Attributes = s_call }), counted);
        time.Now += 3 * CountedSpans.Kept;
        GenAiNormaliser.Fill(SpanOf.Batch(new SpanOf("0f", Trace: "02") { Attributes = s_call }), counted);
        time.Now += 3 * CountedSpans.Kept;
        var parent = SpanOf.Batch(new SpanOf("0a") { Attributes = s_call });
        GenAiNormaliser.Fill(parent, counted);
        Assert.Equal(1, parent.GenAi.Counted[0]);
    }

    [Fact]
    public void A_span_that_is_its_own_ancestor_ends_nothing()
    {
        var batch = SpanOf.Filled(new SpanOf("0a", "0a") { Attributes = s_call }, new SpanOf("0b", "0c") { Attributes = s_call, Trace = "03" }, new SpanOf("0c", "0b") { Attributes = s_call, Trace = "03" });
        Assert.Equal(1, batch.GenAi.Counted[0]);
        Assert.Equal(3, batch.GenAi.Count);
    }

    private static Dictionary<object, object> With(string key, string value) => new(s_call) { [key] = value };

    private sealed class Clock : TimeProvider
    {
        public TimeSpan Now { get; set; } = TimeSpan.FromDays(1);

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now.Ticks;
    }
}
