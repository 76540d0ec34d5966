using System.Globalization;
using Faultline.Diagnosis.Evaluators;
using Faultline.Diagnosis.Evaluators.Live;
using Faultline.Diagnosis.Findings;
using Faultline.Diagnosis.Topics;
using Faultline.Metrics.PromQL;
using Faultline.Store.Topics;
using Faultline.Store.Writes;
using Faultline.Telemetry.Spans;
using Faultline.Tests.Diagnosis.Evaluators;
using Xunit;

namespace Faultline.Tests.Diagnosis.Topics;

/// <summary>From committed spans to findings, with the real encoder where it is there.</summary>
public sealed class TopicWatchTests(LanguageFixture language) : IClassFixture<LanguageFixture>
{
    private static readonly DateTimeOffset Start = new(2026, 3, 10, 14, 3, 0, TimeSpan.Zero);
    private static readonly string[] Refunds = ["When will I get my refund?", "How long does a refund take to arrive?", "My refund has not been paid yet.", "I want a refund for my order."];
    private static readonly string[] Passwords = ["I forgot my password.", "How do I reset my password?", "My password does not work any more.", "Can you change the password of my account?"];
    private static readonly string[] Gifts = ["How do I use a gift card?", "My gift card does not work.", "Can I pay with two gift cards?", "What is the balance of my gift card?"];

    private readonly Rig _rig = new(Start);
    private readonly List<StoredTopics> _kept = [];
    private int _calls;

    [SkippableFact]
    public async Task What_users_ask_anew_and_what_fails_is_a_finding_named_by_their_words()
    {
        Skip.If(language.Missing is not null, language.Missing);
        var evaluation = Live(language.Resources);
        await AskAsync(evaluation, 400, TimeSpan.FromMinutes(90), Refunds, Passwords);
        await AskAsync(evaluation, 60, TimeSpan.FromMinutes(12), Refunds, Passwords, Gifts);

        var finding = Assert.Single(_rig.Raised);
        Assert.True(finding.IsOfTopics);
        Assert.Contains("gift", finding.Title, StringComparison.Ordinal);
        Assert.Contains("fail", finding.Title, StringComparison.Ordinal);
        Assert.NotEmpty(finding.BadTraces);
        Assert.Equal("bot", finding.Service);
        Assert.Empty(await AnswersAsync(finding.VerificationQuery));

        await AskAsync(evaluation, 300, TimeSpan.FromMinutes(70), Refunds, Passwords, ["Where can I buy a gift card?"]);
        Assert.Single(await AnswersAsync(finding.VerificationQuery));
        Assert.Contains(_rig.News, news => news is FindingNews.Cleared cleared && cleared.FindingId == finding.Id);
        Assert.Contains(await AnswersAsync("""sum by (topic) (faultline_topic_calls{side="prompt"})"""), topic => topic.Labels["topic"].Contains("refund", StringComparison.Ordinal));
    }

    [SkippableFact]
    public async Task A_new_process_goes_on_from_what_the_last_one_stored_at_its_stop()
    {
        Skip.If(language.Missing is not null, language.Missing);
        var first = new TopicWatch(Keeping(), _rig.Detection, _rig.Clock);
        await AskAsync(Live(language.Resources, first), 300, TimeSpan.FromMinutes(90), Refunds, Passwords);
        await first.AdvanceAsync(everything: true, CancellationToken.None);
        Assert.Equal(["output", "prompt"], _kept.Select(row => row.Side).Order());

        var second = new TopicWatch(Keeping(), _rig.Detection, _rig.Clock);
        await AskAsync(Live(language.Resources, second), 10, TimeSpan.FromMinutes(10), Refunds, Passwords);

        var (before, after) = (first.Sides.Single(side => side.Owner.Side == TopicSide.Prompt), second.Sides.Single(side => side.Owner.Side == TopicSide.Prompt));
        Assert.Equal(before.Calls + 10, after.Calls);
        Assert.Equal(before.Map.Named.Select(topic => topic.Name), after.Map.Named.Select(topic => topic.Name));
    }

    [SkippableFact]
    public async Task What_only_a_deleted_trace_said_is_forgotten_in_memory_and_in_what_is_stored()
    {
        Skip.If(language.Missing is not null, language.Missing);
        var topics = new TopicWatch(Keeping(), _rig.Detection, _rig.Clock);
        var evaluation = Live(language.Resources, topics);
        await AskAsync(evaluation, 300, TimeSpan.FromMinutes(90), Refunds, Passwords);
        var deleted = Chat("My refund for the zyxwyvut has not arrived.", isFailed: false);
        evaluation.Committed(Batch(deleted));
        await evaluation.AdvanceAsync(everything: true);
        await topics.AdvanceAsync(everything: true, CancellationToken.None);
        Assert.Contains(_kept, row => row.State.Contains("zyxwyvut", StringComparison.Ordinal));

        var forgetting = topics.ForgetAsync("default", new HashSet<TraceId> { deleted.Trace }, CancellationToken.None);
        await topics.AdvanceAsync(everything: false, CancellationToken.None);
        await forgetting;

        Assert.DoesNotContain(_kept, row => (row.State + row.Summary).Contains("zyxwyvut", StringComparison.Ordinal) || (row.State + row.Summary).Contains(deleted.Trace.ToString(), StringComparison.Ordinal));
        Assert.Contains(_kept, row => row.State.Contains("refund", StringComparison.Ordinal));
        Assert.Contains(topics.Sides, side => side.Map.Named.Any(topic => topic.Name!.Contains("refund", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Without_the_encoder_topics_are_off_and_each_call_is_counted_with_the_reason()
    {
        var evaluation = Live(LanguageResources.None);
        evaluation.Committed(Batch(Chat("How do I use a gift card?", isFailed: true), Chat("When?", isFailed: false)));
        await evaluation.AdvanceAsync(everything: true);

        Assert.Equal(2, evaluation.Figures.Skipped(TopicWatch.Name, SkipReason.NoLanguage));
        Assert.Equal(0, evaluation.Figures.Scores(TopicWatch.Name));
    }

    [Fact]
    public async Task Beyond_the_bound_calls_are_counted_and_none_waits_for_them()
    {
        var evaluation = Live(LanguageResources.None);
        evaluation.Committed(Batch([.. Enumerable.Range(0, LiveEvaluation.WaitingCallsMax + 5).Select(_ => Chat("When?", isFailed: false))]));
        await evaluation.AdvanceAsync(everything: true);
        Assert.Equal(5, evaluation.Figures.Skipped(TopicWatch.Name, SkipReason.Overloaded));
    }

    [Fact]
    public async Task On_a_service_in_trouble_it_is_of_that_troubles_case()
    {
        var bot = new SimulatedBot(1);
        await _rig.LiveAsync(bot, TimeSpan.FromMinutes(20), new Behaviour());
        await _rig.LiveAsync(bot, TimeSpan.FromMinutes(5), new Behaviour { Relevance = 0.4 });
        var trouble = Assert.Single(_rig.Raised);

        var talk = new SimulatedTalk(5);
        talk.Pass(TimeSpan.FromHours(30), 5, [0.5, 0.5]);
        talk.Pass(TimeSpan.FromHours(1), 5, [0.2, 0.2, 0.6]);
        var report = new TopicReport();
        report.News.Add(new FindingNews.Raised(talk.Raised[0] with { Service = trouble.Service, Environment = trouble.Environment }));
        _rig.Detection.Take("default", report);
        await _rig.AdvanceAsync();

        var told = _rig.Raised.Last();
        Assert.True(told.IsOfTopics);
        Assert.Equal((trouble.Service, trouble.FailureClass), (told.Service, told.FailureClass));
        Assert.NotEqual(trouble.FailureClass, talk.Raised[0].FailureClass);
    }

    private LiveEvaluation Live(LanguageResources resources, TopicWatch? topics = null) => new(
        new EvaluatorOptions { CoreShare = 1, Enabled = [RefusalEvaluator.Name] }, _ => Task.FromResult(resources), (_, _) => Task.FromResult<WriteOutcome>(new WriteOutcome.Durable()), _rig.Clock,
        topics: topics ?? new TopicWatch(Keeping(), _rig.Detection, _rig.Clock));

    private TopicKeeping Keeping() => new(
        (_, _) => Task.FromResult<IReadOnlyList<StoredTopics>>([.. _kept]),
        (_, rows, _) =>
        {
            _kept.RemoveAll(old => rows.Any(row => row.Side == old.Side));
            _kept.AddRange(rows);
            return Task.CompletedTask;
        });

    private async Task AskAsync(LiveEvaluation evaluation, int calls, TimeSpan time, params string[][] subjects)
    {
        for (var i = 0; i < calls; i++)
        {
            _rig.Clock.Now += time / calls;
            var subject = subjects[i % subjects.Length];
            var question = subject[i / subjects.Length % subject.Length];
            evaluation.Committed(Batch(Chat(question, isFailed: ReferenceEquals(subject, Gifts))));
            await evaluation.AdvanceAsync(everything: true);
            await _rig.AdvanceAsync();
        }
    }

    private async Task<IReadOnlyList<(Faultline.Telemetry.Samples.Labels Labels, long UnixMillis, double Value)>> AnswersAsync(string query) =>
        Assert.IsType<PromQlResult.Vector>(await new PromQlEngine(_rig.Samples.Select).InstantAsync("default", query, _rig.Clock.Now.ToUnixTimeMilliseconds())).Samples;

    private Faultline.Telemetry.TelemetryBatch Batch(params TestSpan[] spans) => spans.Aggregate(new BatchBuilder(_rig.Clock.Now), (batch, span) => batch.Add(span, "bot")).Build();

    private TestSpan Chat(string prompt, bool isFailed)
    {
        var end = _rig.Clock.Now.ToUnixTimeMilliseconds() * 1_000_000;
        var answer = string.Create(CultureInfo.InvariantCulture, $"Here is what you can do about it, step {_calls % 7}.");
        return new TestSpan(new TraceId((UInt128)(++_calls)), new SpanId(2), default, "chat", end - 1_000_000_000, end)
        {
            Operation = "chat",
            Status = isFailed ? SpanStatus.Error : SpanStatus.Unset,
            Attributes =
            [
                ("gen_ai.input.messages", $$"""[{"role":"user","parts":[{"type":"text","content":{{System.Text.Json.JsonSerializer.Serialize(prompt)}}}]}]"""),
                ("gen_ai.output.messages", isFailed ? "[]" : $$"""[{"role":"assistant","parts":[{"type":"text","content":{{System.Text.Json.JsonSerializer.Serialize(answer)}}}]}]"""),
            ],
        };
    }
}
