using System.Text.Json;
using Faultline.Diagnosis.Findings;
using Faultline.Diagnosis.Topics;
using Xunit;

namespace Faultline.Tests.Diagnosis.Topics;

public sealed class ServiceTopicsTests
{
    private static readonly double[] Usual = [0.5, 0.3, 0.2];

    [Fact]
    public void Each_subject_becomes_one_topic_named_by_its_words()
    {
        var talk = new SimulatedTalk(1);
        talk.Pass(TimeSpan.FromHours(3), 5, Usual);

        var topics = talk.Topics.ToSummary().Topics;
        Assert.Equal(3, topics.Count);
        for (var subject = 0; subject < 3; subject++)
        {
            Assert.Equal(SimulatedTalk.WordsOf(subject).Order(), topics[subject].Name.Split(' ').Order());
            Assert.InRange(topics[subject].Calls / (double)topics.Sum(topic => topic.Calls), Usual[subject] - 0.08, Usual[subject] + 0.08);
        }
    }

    [Fact]
    public void Until_a_topic_has_a_name_it_is_said_what_that_waits_for()
    {
        var talk = new SimulatedTalk(7);
        talk.Pass(TimeSpan.FromMinutes(20), 2, Usual);
        var first = Assert.IsType<TopicNaming>(talk.Topics.ToSummary().Naming);
        Assert.True(talk.Topics.HasNews);
        Assert.InRange(first.Calls, 20, 60);
        Assert.Equal((200, 20), (first.CallsMin, first.AlikeMin));

        talk.Pass(TimeSpan.FromMinutes(20), 2, Usual);
        var second = Assert.IsType<TopicNaming>(talk.Topics.ToSummary().Naming);
        Assert.True(second.Calls > first.Calls);
        Assert.Equal(first.NotBefore, second.NotBefore);
        Assert.InRange(first.NotBefore - TopicReports.At(talk.Now), TimeSpan.FromMinutes(15), TimeSpan.FromMinutes(30));

        talk.Pass(TimeSpan.FromHours(3), 2, Usual);
        Assert.Null(talk.Topics.ToSummary().Naming);
    }

    [Fact]
    public void Shares_are_series_and_what_has_no_name_yet_is_other()
    {
        var talk = new SimulatedTalk(2);
        talk.Pass(TimeSpan.FromMinutes(30), 5, Usual);
        Assert.InRange(talk.Last(TopicSeries.CallsMetric, TopicSeries.Other), 10, 45);

        talk.Forget();
        talk.Pass(TimeSpan.FromHours(2), 5, Usual);
        Assert.All(talk.Topics.ToSummary().Topics, topic => Assert.InRange(talk.Last(TopicSeries.CallsMetric, topic.Name), 1, 30));
        Assert.Equal(0, talk.Last(TopicSeries.FailedMetric, talk.Topics.ToSummary().Topics[0].Name));
    }

    /// <summary>
    /// 30 service-days in which nothing changes, with failures and with a rare subject that mostly fails: at 0.01 a day for drift and 0.01 for new topics, 0.6 false
    /// findings are the most that may be expected, and three or more have a probability below 3 %.
    /// </summary>
    [Fact]
    public void Where_nothing_changes_hardly_anything_is_found()
    {
        List<string> raised = [];
        for (ulong seed = 1; seed <= 10; seed++)
        {
            var talk = new SimulatedTalk(seed) { Failing = seed % 3 == 0 ? 0.1 : 0 };
            double[] shares = (seed % 4) switch
            {
                0 => [0.7, 0.2, 0.08, 0.02],
                1 => [0.4, 0.3, 0.2, 0.09, 0.01],
                _ => Usual,
            };
            talk.Pass(TimeSpan.FromDays(3), seed % 2 == 0 ? 2 : 1, shares, seed % 5 == 0 ? subject => subject == shares.Length - 1 ? 0.9 : 0.02 : null);
            raised.AddRange(talk.Raised.Select(finding => $"seed {seed}: {finding.Title}"));
        }

        Assert.True(raised.Count < 3, string.Join('\n', raised));
    }

    [Theory]
    [InlineData(11UL)]
    [InlineData(12UL)]
    [InlineData(13UL)]
    public void A_drift_is_found_within_two_windows_of_having_come_and_says_what_moved(ulong seed)
    {
        var talk = new SimulatedTalk(seed);
        talk.Pass(TimeSpan.FromHours(30), 5, Usual);
        Assert.Empty(talk.Raised);

        talk.Pass(TimeSpan.FromMinutes(60), 5, [0.3, 0.2, 0.1, 0, 0.4]);

        var finding = talk.Raised.Single(one => one.Symptoms[0].Feature == "prompt_drift");
        Assert.InRange(finding.DetectedAt - TopicReports.At(SimulatedTalk.Start).AddHours(30), TimeSpan.FromMinutes(10), TimeSpan.FromMinutes(50));
        Assert.Contains("more “", finding.Title, StringComparison.Ordinal);
        Assert.All(SimulatedTalk.WordsOf(4), word => Assert.Contains(word, finding.Title, StringComparison.Ordinal));
        Assert.Equal("Low", finding.Severity);
        Assert.NotEmpty(finding.BadTraces);
        Assert.NotEmpty(finding.GoodTraces);
        Assert.Empty(finding.GoodTraces.Intersect(finding.BadTraces));
        Assert.True(finding.Symptoms[0].Observed > finding.Symptoms[0].High);
    }

    [Fact]
    public void A_drift_is_over_when_users_ask_as_before_and_is_usual_when_they_do_not_for_a_day()
    {
        var talk = new SimulatedTalk(21);
        talk.Pass(TimeSpan.FromHours(30), 5, Usual);
        talk.Pass(TimeSpan.FromHours(2), 5, [0.3, 0.2, 0.1, 0, 0.4]);
        var drift = talk.Raised.Single(one => one.Symptoms[0].Feature == "prompt_drift");
        talk.Pass(TimeSpan.FromHours(2), 5, Usual);
        Assert.Contains(talk.Report.News, news => news is FindingNews.Cleared cleared && cleared.FindingId == drift.Id);

        talk = new SimulatedTalk(22);
        talk.Pass(TimeSpan.FromHours(30), 5, Usual);
        talk.Pass(TimeSpan.FromHours(30), 5, [0.3, 0.2, 0.1, 0, 0.4]);
        Assert.Single(talk.Raised, one => one.Symptoms[0].Feature == "prompt_drift");
        Assert.Contains(talk.Report.News, news => news is FindingNews.Cleared);
        talk.Forget();
        talk.Pass(TimeSpan.FromDays(2), 5, [0.3, 0.2, 0.1, 0, 0.4]);
        Assert.Empty(talk.Report.News);
    }

    [Theory]
    [InlineData(31UL)]
    [InlineData(32UL)]
    [InlineData(33UL)]
    public void A_new_topic_that_fails_is_a_finding_that_names_it_and_shows_its_traces(ulong seed)
    {
        var talk = new SimulatedTalk(seed) { Failing = 0.03 };
        talk.Pass(TimeSpan.FromHours(6), 5, Usual);
        talk.Pass(TimeSpan.FromMinutes(40), 5, [0.45, 0.25, 0.18, 0, 0, 0.12], subject => subject == 5 ? 0.9 : 0.03);

        var finding = Assert.Single(talk.Raised);
        Assert.All(SimulatedTalk.WordsOf(5), word => Assert.Contains(word, finding.Title, StringComparison.Ordinal));
        Assert.Equal("topic_failure_share", finding.Symptoms[0].Feature);
        Assert.InRange(finding.Symptoms[0].Observed, 0.7, 1);
        Assert.InRange(finding.Symptoms[0].Usual, 0, 0.1);
        Assert.InRange(finding.BadTraces.Count, 5, 10);
        Assert.NotEmpty(finding.GoodTraces);
        Assert.True(talk.Topics.ToSummary().Topics.Single(topic => topic.IsFailing).Name == finding.Title.Split('“', '”')[1]);

        talk.Pass(TimeSpan.FromHours(2), 5, [0.45, 0.25, 0.18, 0, 0, 0.12]);
        Assert.Equal(finding.Id, Assert.IsType<FindingNews.Cleared>(talk.Report.News[^1]).FindingId);
        Assert.Equal(2, talk.Report.News.Count);
    }

    [Fact]
    public void A_failing_topic_that_nobody_asks_about_any_more_is_over_after_an_hour()
    {
        var talk = new SimulatedTalk(31) { Failing = 0.03 };
        talk.Pass(TimeSpan.FromHours(6), 5, Usual);
        talk.Pass(TimeSpan.FromMinutes(40), 5, [0.45, 0.25, 0.18, 0, 0, 0.12], subject => subject == 5 ? 0.9 : 0.03);
        var finding = Assert.Single(talk.Raised);
        talk.Pass(TimeSpan.FromMinutes(50), 5, Usual);
        Assert.DoesNotContain(talk.Report.News, news => news is FindingNews.Cleared cleared && cleared.FindingId == finding.Id);
        talk.Pass(TimeSpan.FromMinutes(20), 5, Usual);
        Assert.Contains(talk.Report.News, news => news is FindingNews.Cleared cleared && cleared.FindingId == finding.Id);

        // What failed is among the calls of the last day for long, and is no news.
        talk.Pass(TimeSpan.FromHours(5), 5, Usual);
        Assert.Equal(2, talk.Report.News.Count);
    }

    [Fact]
    public void A_new_topic_that_goes_well_and_an_old_one_that_always_failed_are_none()
    {
        var talk = new SimulatedTalk(41);
        talk.Pass(TimeSpan.FromHours(6), 5, [0.5, 0.3, 0.17, 0.03], subject => subject == 3 ? 0.9 : 0.02);
        talk.Pass(TimeSpan.FromHours(2), 5, [0.45, 0.25, 0.15, 0.03, 0.12], subject => subject == 3 ? 0.9 : 0.02);
        Assert.Empty(talk.Raised);
    }

    [Fact]
    public void The_same_calls_make_the_same_series_and_findings()
    {
        static string Play()
        {
            var talk = new SimulatedTalk(51) { Failing = 0.03 };
            talk.Pass(TimeSpan.FromHours(26), 3, Usual);
            talk.Pass(TimeSpan.FromHours(1), 3, [0.2, 0.2, 0.1, 0, 0.5], subject => subject == 4 ? 0.9 : 0.03);
            return JsonSerializer.Serialize(talk.Topics.ToState()) + JsonSerializer.Serialize(talk.Raised.Select(finding => finding.Title)) + string.Join(',', talk.Report.Samples.Value.Values.ToArray());
        }

        Assert.Equal(Play(), Play());
    }

    [Fact]
    public void A_restart_goes_on_with_topics_what_is_usual_and_what_is_open()
    {
        var talk = new SimulatedTalk(61);
        talk.Pass(TimeSpan.FromHours(30), 5, Usual);
        talk.Restart();
        talk.Pass(TimeSpan.FromHours(1), 5, Usual);
        Assert.Empty(talk.Raised);
        Assert.Equal(3, talk.Topics.ToSummary().Topics.Count);

        talk.Pass(TimeSpan.FromHours(1), 5, [0.3, 0.2, 0.1, 0, 0.4]);
        var finding = talk.Raised.Single(one => one.Symptoms[0].Feature == "prompt_drift");
        talk.Restart();
        talk.Forget();
        talk.Pass(TimeSpan.FromHours(2), 5, Usual);
        Assert.Empty(talk.Raised);
        Assert.Contains(talk.Report.News, news => news is FindingNews.Cleared cleared && cleared.FindingId == finding.Id);
    }

    [Fact]
    public void What_is_kept_does_not_grow_with_what_comes()
    {
        var random = new SeededRandom(71);
        var topics = new ServiceTopics(new TopicOwner("default", "bot", "", TopicSide.Prompt));
        var report = new TopicReport();
        for (var call = 0; call < 20_000; call++)
        {
            // Nothing is like anything before, and no word comes twice: the worst there is.
            var vector = new float[512];
            vector[random.Next(512)] = random.NextDouble() < 0.5 ? 1 : -1;
            var words = Enumerable.Range(0, 20).Select(i => new SaidWord($"w{call}x{i}", $"w{call}x{i}")).ToList();
            topics.Add(new TopicText(new Faultline.Telemetry.Spans.TraceId((UInt128)call), (UInt128)call, SimulatedTalk.Start + (call * 5_000_000_000L), vector, words, CallFailure.None), (ulong)call, report);
        }

        Assert.InRange(topics.Map.All.Count, 1, TopicMap.TopicsMax + TopicMap.CandidatesMax);
        Assert.InRange(JsonSerializer.Serialize(topics.ToState()).Length, 0, 600_000);
        Assert.InRange(report.Samples.Series.Count, 0, 100);
    }

    [Fact]
    public void A_question_that_an_agent_sends_at_each_step_counts_once_and_fails_when_a_step_does()
    {
        var topics = new ServiceTopics(new TopicOwner("default", "bot", "", TopicSide.Prompt));
        var report = new TopicReport();
        var vector = new float[512];
        vector[0] = 1;
        foreach (var failure in new[] { CallFailure.None, CallFailure.None, CallFailure.Error, CallFailure.Error })
        {
            topics.Add(new TopicText(new Faultline.Telemetry.Spans.TraceId(1), 1, SimulatedTalk.Start, vector, [], failure), 7, report);
        }

        var topic = Assert.Single(topics.Map.All);
        Assert.Equal(1, topic.Calls);
        Assert.Equal(1, topic.Failed);
    }
}
