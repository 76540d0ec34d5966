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
        Assert.Equal("faultline/groundedness@2", evaluator);
        Assert.Single(Scores("retrieval_relevance"));
    }

    private const string Order = """{"order":{"id":"A-17","status":"shipped","carrierName":"Nordpost"},"delivery_date":"12 March","note":"The parcel left the warehouse in Hamburg on Monday and arrives within three days."}""";

    [SkippableTheory]
    [InlineData("The parcel left the warehouse in Hamburg on Monday, with Nordpost, and arrives within three days.", true)]
    [InlineData("The parcel left the warehouse in Hamburg on Monday, with Nordpost, and arrives within ninety days.", false)]
    public async Task An_answer_is_held_against_what_tools_returned(string answer, bool isGrounded)
    {
        Skip.If(language.Missing is not null, language.Missing);
        var evaluation = Live(resources: language.Resources);
        evaluation.Committed(Batch(Tool(1, Order)));        // its span stands in a batch of its own
        evaluation.Committed(Batch(Chat(1, "Where is my parcel?", answer)));
        // No span of a tool, but the next prompt tells what came of it.
        evaluation.Committed(Batch(Chat(2, "Where is my parcel?", answer, result: Order)));

        await JudgeAsync(evaluation);

        Assert.Equal([isGrounded, isGrounded], Scores("groundedness").Select(static score => score.Value >= 0.5));
        Assert.Empty(Scores("retrieval_relevance"));
    }

    [SkippableFact]
    public async Task What_only_confirms_is_no_evidence_and_what_is_said_beside_a_tool_call_is_no_answer()
    {
        Skip.If(language.Missing is not null, language.Missing);
        var evaluation = Live(resources: language.Resources);
        evaluation.Committed(Batch(Tool(1, """{"status":"ok"}"""), Chat(1, "Send it to Ann.", "I have sent your letter to Ann.")));
        evaluation.Committed(Batch(Tool(2, Order), Chat(2, "Where is my parcel?", "I will look at the carrier's page as well.", call: "track")));

        await JudgeAsync(evaluation);

        Assert.Empty(Scores("groundedness"));
        Assert.Equal(2, evaluation.Figures.Skipped("groundedness", "no retrieved text"));
    }

    [Theory]
    [InlineData("plain words", "plain words")]
    [InlineData("[1, 2", "[1, 2")]
    [InlineData("""{"price":12.5,"deliveryDate":"12 March","in_stock":true,"gone":null}""", "price 12.5, delivery Date 12 March, in stock True")]
    [InlineData("""[{"name":"Ann"},{"name":"Bo"}]""", "name Ann\nname Bo")]
    [InlineData("""{"tags":["red","blue"],"text":"A sentence that is longer than sixty characters is a line of its own, as here."}""", "tags red, blue\nA sentence that is longer than sixty characters is a line of its own, as here.")]
    public void A_result_in_JSON_is_told_as_lines(string result, string lines) => Assert.Equal(lines, ToolText.Of(result));

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

    private static TestSpan Tool(int trace, string result) => new(new TraceId((UInt128)trace), new SpanId(4), default, "tool", Nanos(Start) - 3_000_000_000, Nanos(Start) - 2_000_000_000)
    {
        Operation = "tool",
        OutputPreview = result,
        Attributes = [("gen_ai.tool.call.result", result)],
    };

    private static TestSpan Chat(int trace, string prompt, string answer, string? result = null, string? call = null) => new(new TraceId((UInt128)trace), new SpanId(2), default, "chat", Nanos(Start) - 2_000_000_000, Nanos(Start) - 1_000_000_000)
    {
        Operation = "chat",
        Attributes =
        [
            ("gen_ai.input.messages", $$"""[{"role":"user","parts":[{"type":"text","content":{{System.Text.Json.JsonSerializer.Serialize(prompt)}}}]}{{(result is null ? "" : $$""",{"role":"tool","parts":[{"type":"tool_call_response","id":"c1","response":{{System.Text.Json.JsonSerializer.Serialize(result)}}}]}""")}}]"""),
            ("gen_ai.output.messages", $$"""[{"role":"assistant","parts":[{"type":"text","content":{{System.Text.Json.JsonSerializer.Serialize(answer)}}}{{(call is null ? "" : $$""",{"type":"tool_call","id":"c2","name":"{{call}}","arguments":"{}"}""")}}]}]"""),
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
