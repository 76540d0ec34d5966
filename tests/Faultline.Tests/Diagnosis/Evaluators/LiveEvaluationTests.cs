using Faultline.Diagnosis.Evaluators;
using Faultline.Diagnosis.Evaluators.Live;
using Faultline.Store.Writes;
using Faultline.Telemetry;
using Faultline.Telemetry.Scores;
using Faultline.Telemetry.Spans;
using Xunit;

namespace Faultline.Tests.Diagnosis.Evaluators;

public sealed class LiveEvaluationTests(LanguageFixture language) : IClassFixture<LanguageFixture>
{
    private const string Document = "Refunds are paid within five business days. Returns are accepted for 30 days.";
    private static readonly DateTimeOffset Start = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly TestClock _clock = new(Start);
    private readonly List<TelemetryBatch> _written = [];

    [SkippableFact]
    public async Task An_answer_is_held_against_what_its_trace_retrieved_in_another_request()
    {
        Skip.If(language.Missing is not null, language.Missing);
        var evaluation = Live(resources: language.Resources);
        evaluation.Committed(Batch(Retrieval(1, "How long does a refund take?", Document)));
        evaluation.Committed(Batch(Chat(1, "How long does a refund take?\n\nArticles:\n" + Document, "Refunds are paid within ninety business days.")));

        await JudgeAsync(evaluation);

        var (score, explanation, evaluator) = Assert.Single(Scores("groundedness"));
        Assert.True(score < 0.5, $"{score}");
        Assert.Contains("\"Refunds are paid within ninety business days.\" — nearest: \"Refunds are paid within five business days.\"", explanation, StringComparison.Ordinal);
        Assert.Equal("faultline/groundedness@1", evaluator);
        Assert.Single(Scores("retrieval_relevance"));
    }

    [Fact]
    public async Task Without_the_encoder_some_are_off_with_the_reason_and_the_others_go_on()
    {
        var evaluation = Live();
        evaluation.Committed(Batch(Chat(1, "Can you help me with this?", "I'm sorry, but I can't help with that.")));

        await JudgeAsync(evaluation);

        Assert.Equal(0, Assert.Single(Scores("answered")).Value);
        Assert.Equal(1, evaluation.Figures.Scores("answered"));
        Assert.Equal(1, evaluation.Figures.Skipped("groundedness", SkipReason.NoLanguage));
        Assert.Equal(1, evaluation.Figures.Skipped("format_valid", "prose, and no schema to follow"));
    }

    [Fact]
    public async Task A_score_of_the_application_takes_the_place_of_ours_and_ours_never_does()
    {
        var evaluation = Live();
        var first = Chat(1, "What is it?", "It is a lamp.");
        evaluation.Committed(Batch(first));
        evaluation.Committed(new BatchBuilder(_clock.Now).Score("bot", first.Trace, first.Span, "Answered", 1, first.EndNanos).Build());
        await JudgeAsync(evaluation);
        foreach (var batch in _written)
        {
            evaluation.Committed(batch);
        }

        evaluation.Committed(Batch(Chat(2, "What is it?", "It is a chair.")));
        await JudgeAsync(evaluation);

        Assert.Empty(Scores("answered"));
        Assert.Equal(2, evaluation.Figures.Skipped("answered", SkipReason.AppScored));
        Assert.Equal(2, Scores("coherence").Count);

        _clock.Now += LiveEvaluation.AppScoresKept;
        evaluation.Committed(Batch(Chat(3, "What is it?", "It is a table.")));
        await JudgeAsync(evaluation);
        Assert.Single(Scores("answered"));
    }

    [Fact]
    public async Task A_call_waits_for_the_rest_of_its_trace()
    {
        var evaluation = Live(new EvaluatorOptions { CoreShare = 1, Settle = TimeSpan.FromSeconds(2) });
        evaluation.Committed(Batch(Chat(1, "What is it?", "It is a lamp.")));
        await evaluation.AdvanceAsync();
        Assert.Empty(_written);

        _clock.Now += TimeSpan.FromSeconds(2);
        await evaluation.AdvanceAsync();
        Assert.NotEmpty(_written);
    }

    [Fact]
    public async Task A_score_is_stamped_with_the_newest_event_time_so_that_its_window_is_still_open()
    {
        var evaluation = Live();
        var call = Chat(1, "What is it?", "It is a lamp.");
        evaluation.Committed(Batch(call));
        _clock.Now += TimeSpan.FromSeconds(5);
        evaluation.Committed(Batch(new TestSpan(new TraceId(9), new SpanId(9), default, "GET /", call.EndNanos, call.EndNanos + 4_000_000_000)));

        await JudgeAsync(evaluation);

        Assert.All(_written, batch => Assert.All(batch.Scores.UnixNanos.Values.ToArray(), at => Assert.Equal(call.EndNanos + 4_000_000_000, at)));
    }

    [Fact]
    public async Task What_is_not_judged_is_counted_with_the_reason()
    {
        var evaluation = Live(new EvaluatorOptions { Sample = 0 });
        evaluation.Committed(Batch(Chat(1, "What is it?", "It is a lamp.")));
        await JudgeAsync(evaluation);
        Assert.Equal(1, evaluation.Figures.Skipped("answered", SkipReason.NotSampled));

        evaluation = Live();
        evaluation.Committed(Batch([.. Enumerable.Range(1, LiveEvaluation.WaitingCallsMax + 3).Select(i => Chat(i, "What is it?", "It is a lamp."))]));
        await JudgeAsync(evaluation);
        Assert.Equal(3, evaluation.Figures.Skipped("answered", SkipReason.Overloaded));
        Assert.Equal(LiveEvaluation.WaitingCallsMax, evaluation.Figures.Scores("answered"));

        evaluation.Committed(Batch(Chat(900, "What is it?", "It is a lamp.") with { StartNanos = 1, EndNanos = Nanos(Start) - (11 * 60_000_000_000L) }));
        await JudgeAsync(evaluation);
        Assert.Equal(1, evaluation.Figures.Skipped("answered", SkipReason.Past));
        Assert.Contains(evaluation.Figures.Families(), family => family.Name == "faultline_evaluator_skips" && family.Samples.Count > 0);
    }

    [Fact]
    public async Task A_store_that_takes_nothing_is_tried_again_and_then_counted()
    {
        var tries = 0;
        var evaluation = new LiveEvaluation(new EvaluatorOptions { CoreShare = 1 }, _ => Task.FromResult(LanguageResources.None), (_, _) =>
        {
            tries++;
            return Task.FromResult<WriteOutcome>(new WriteOutcome.TryLater(TimeSpan.Zero, "full"));
        }, _clock);
        evaluation.Committed(Batch(Chat(1, "What is it?", "It is a lamp.")));

        await JudgeAsync(evaluation);

        Assert.Equal(5, tries);
        Assert.Equal(1, evaluation.Figures.Skipped("answered", SkipReason.NotStored));
    }

    [Theory]
    [InlineData("groundedness,nonsense", 1, 0.25, "evaluators.enabled")]
    [InlineData("", 1.5, 0.25, "evaluators.sample")]
    [InlineData("", 1, 0, "evaluators.core_share")]
    public void A_setting_that_cannot_work_is_named(string enabled, double sample, double share, string key)
    {
        var options = new EvaluatorOptions { Enabled = enabled.Split(',', StringSplitOptions.RemoveEmptyEntries), Sample = sample, CoreShare = share };
        Assert.StartsWith(key, Assert.Single(options.Problems()), StringComparison.Ordinal);
        Assert.Empty(new EvaluatorOptions().Problems());
    }

    private LiveEvaluation Live(EvaluatorOptions? options = null, LanguageResources? resources = null) =>
        new(options ?? new EvaluatorOptions { CoreShare = 1 }, _ => Task.FromResult(resources ?? LanguageResources.None), (batch, _) =>
        {
            _written.Add(batch);
            return Task.FromResult<WriteOutcome>(new WriteOutcome.Durable());
        }, _clock);

    private static Task JudgeAsync(LiveEvaluation evaluation) => evaluation.AdvanceAsync(everything: true);

    private List<(double Value, string Explanation, string Evaluator)> Scores(string name)
    {
        List<(double, string, string)> found = [];
        foreach (ScoreBatch scores in _written.Select(batch => batch.Scores))
        {
            for (var row = 0; row < scores.Count; row++)
            {
                if (scores.Name.Text(row) == name)
                {
                    found.Add((scores.Value[row], scores.Explanation.Text(row), scores.Evaluator.Text(row)));
                }
            }
        }

        return found;
    }

    private TelemetryBatch Batch(params TestSpan[] spans) => spans.Aggregate(new BatchBuilder(_clock.Now), (batch, span) => batch.Add(span, "bot")).Build();

    private static TestSpan Chat(int trace, string prompt, string answer) => new(new TraceId((UInt128)trace), new SpanId(2), default, "chat", Nanos(Start) - 2_000_000_000, Nanos(Start) - 1_000_000_000)
    {
        Operation = "chat",
        Attributes =
        [
            ("gen_ai.input.messages", $$"""[{"role":"user","parts":[{"type":"text","content":{{System.Text.Json.JsonSerializer.Serialize(prompt)}}}]}]"""),
            ("gen_ai.output.messages", $$"""[{"role":"assistant","parts":[{"type":"text","content":{{System.Text.Json.JsonSerializer.Serialize(answer)}}}]}]"""),
        ],
    };

    private static TestSpan Retrieval(int trace, string query, string document) => new(new TraceId((UInt128)trace), new SpanId(3), default, "retrieval", Nanos(Start) - 3_000_000_000, Nanos(Start) - 2_000_000_000)
    {
        Operation = "retrieval",
        Attributes =
        [
            ("gen_ai.retrieval.query.text", query),
            ("gen_ai.retrieval.documents", $$"""[{"id":"a","score":0.9,"content":{{System.Text.Json.JsonSerializer.Serialize(document)}}}]"""),
        ],
    };

    private static long Nanos(DateTimeOffset at) => at.ToUnixTimeMilliseconds() * 1_000_000;
}
