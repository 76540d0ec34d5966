using System.Globalization;
using Faultline.Telemetry.GenAi;
using Faultline.Telemetry.Logs;
using Faultline.Telemetry.Otlp;
using Faultline.Telemetry.Scores;
using Faultline.Tests.Otlp;
using Xunit;

namespace Faultline.Tests.GenAi;

public class ScoreExtractorTests
{
    [Fact]
    public void An_evaluation_event_of_a_span_becomes_a_score()
    {
        var batch = SpanOf.Filled(new SpanOf("0a")
        {
            Attributes = new Dictionary<object, object> { ["gen_ai.operation.name"] = "chat", ["gen_ai.response.id"] = "r1" },
            Events = [("gen_ai.evaluation.result", new Dictionary<object, object>
            {
                ["gen_ai.evaluation.name"] = "relevance", ["gen_ai.evaluation.score.value"] = 0.75, ["gen_ai.evaluation.score.label"] = "good", ["gen_ai.evaluation.explanation"] = "fits",
            })],
        });
        var scores = new ScoreBatch();
        ScoreExtractor.Extract(batch, scores);
        Assert.Equal([$"svc {new string('0', 31)}1 000000000000000a r1 relevance=0.75 good fits app {TraceDecoderTests.Now}"], Lines(scores));
    }

    [Fact]
    public void Annotations_and_evaluations_are_the_same_thing_and_a_trace_can_be_judged()
    {
        var batch = SpanOf.Filled(new SpanOf("0a")
        {
            Attributes = new Dictionary<object, object>
            {
                ["annotations.0.annotation.name"] = "helpful",
                ["annotations.0.annotation.label"] = "yes",
                ["annotations.0.annotation.annotator_kind"] = "HUMAN",
                ["evaluations.1.evaluation.name"] = "tone",
                ["evaluations.1.evaluation.score"] = "0.5",
                ["evaluations.1.evaluation.explanation"] = new string('x', 2_000),
                ["trace.annotations.0.annotation.name"] = "whole",
                ["trace.annotations.0.annotation.score"] = 1,
                ["session.evaluations.0.evaluation.name"] = "polite",
                ["session.evaluations.0.evaluation.label"] = "yes",
                ["strange.evaluations.0.evaluation.name"] = "neither",
                ["strange.evaluations.0.evaluation.label"] = "yes",
                ["gen_ai.eval.groundedness"] = 0.25,
                ["annotations.2.annotation.name"] = "says nothing",
            },
        });
        var scores = new ScoreBatch();
        ScoreExtractor.Extract(batch, scores);
        Assert.Equal(["groundedness", "helpful", "tone", "polite", "whole"], Enumerable.Range(0, scores.Count).Select(scores.Name.Text));
        Assert.Equal(["app", "human", "app", "app", "app"], Enumerable.Range(0, scores.Count).Select(scores.Evaluator.Text));
        Assert.True(double.IsNaN(scores.Value[1]));
        Assert.Equal(2_000, scores.Explanation[2].Length);
        Assert.True(scores.SpanId[3].IsNone);
        Assert.True(scores.SpanId[4].IsNone);
        Assert.False(scores.SpanId[2].IsNone);
    }

    [Fact]
    public void A_log_record_of_that_name_becomes_a_score_joined_by_response_id()
    {
        var logs = new LogBatch();
        OtlpDecoder.DecodeLogs(new ProtoWriter().Message(1, resource => resource.Message(1, inner => inner.Attribute(1, "service.name", "svc")).Message(2, scope => scope
            .Message(2, record => record.Fixed64(11, (ulong)TraceDecoderTests.Now).Attribute(6, "event.name", "gen_ai.evaluation.result").Attribute(6, "gen_ai.evaluation.name", "faithfulness")
                .Attribute(6, "gen_ai.evaluation.score.value", any => any.Varint(3, 1)).Attribute(6, "gen_ai.response.id", "r9"))
            .Message(2, record => record.Text(12, "something.else")))).ToArray(), logs, TraceDecoderTests.Limits);
        var scores = new ScoreBatch();
        ScoreExtractor.Extract(logs, scores);
        Assert.Equal([$"svc {new string('0', 32)} 0000000000000000 r9 faithfulness=1   app {TraceDecoderTests.Now}"], Lines(scores));
    }

    private static IEnumerable<string> Lines(ScoreBatch scores) => Enumerable.Range(0, scores.Count).Select(i => string.Create(CultureInfo.InvariantCulture,
        $"{scores.ServiceName.Text(i)} {scores.TraceId[i]} {scores.SpanId[i]} {scores.ResponseId.Text(i)} {scores.Name.Text(i)}={scores.Value[i]} {scores.Label.Text(i)} {scores.Explanation.Text(i)} {scores.Evaluator.Text(i)} {scores.UnixNanos[i]}"));
}
