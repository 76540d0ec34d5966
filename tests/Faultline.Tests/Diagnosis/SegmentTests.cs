using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Findings;
using Faultline.Metrics.PromQL;
using Faultline.Telemetry.Spans;
using Xunit;

namespace Faultline.Tests.Diagnosis;

/// <summary>Faults that meet one tenant among many.</summary>
public sealed class SegmentTests
{
    private static readonly DateTimeOffset Start = new(2026, 3, 10, 14, 3, 0, TimeSpan.Zero);

    /// <summary>Twenty tenants, each with less traffic than the one before: the first has a sixth of the requests, the eighth a twentieth.</summary>
    private static readonly (string, double)[] Twenty = [.. Enumerable.Range(1, 20).Select(i => ($"t{i:00}", Math.Pow(0.85, i)))];

    private static SimulatedBot Bot(int seed, double perSecond = 1) => new(seed, perSecond: perSecond) { Tenants = Twenty };

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task What_meets_one_request_in_twenty_is_found_and_says_whom_it_meets(int seed)
    {
        var rig = new Rig(Start);
        var bot = Bot(seed);
        await rig.LiveAsync(bot, TimeSpan.FromHours(3), new Behaviour());
        Assert.True(rig.News.Count == 0, string.Join("; ", rig.Raised.Select(finding => finding.Title)));

        var faultAt = rig.Clock.Now;
        bot.ForTenant = (tenant, all) => tenant == "t08" ? all with { Relevance = 0.45 } : all;
        await rig.LiveAsync(bot, TimeSpan.FromMinutes(15), new Behaviour());
        var finding = Assert.Single(rig.Raised.DistinctBy(raised => raised.Id));
        Assert.InRange((finding.DetectedAt - faultAt).TotalMinutes, 0, 10);
        Assert.Contains("relevance of support-bot for tenant t08", finding.Title, StringComparison.OrdinalIgnoreCase);

        // The scores' mean, or how many are far below the usual, whichever is sure first.
        var feature = finding.Symptoms[0].Feature;
        Assert.Contains(feature, (string[])["score:relevance", "poor_score:relevance"]);
        Assert.Equal(new SymptomPart("tenant.id", "t08", $"faultline_feature{{service_name=\"support-bot\",environment=\"production\",feature=\"{feature}\"}}"), finding.Symptoms[0].Part);
        Assert.Contains("segment=\"t08\"", finding.Symptoms[0].Query, StringComparison.Ordinal);
        Assert.NotEmpty(finding.BadTraces);

        // It is drawn from before the onset on, and it is seen when it is over.
        var drawn = await DrawAsync(rig, $"count_over_time({finding.Symptoms[0].Query}[40m])");
        Assert.True(drawn > 20, $"{drawn} windows");
        Assert.Equal(0, await DrawAsync(rig, $"count({finding.VerificationQuery})"));
        bot.ForTenant = static (_, all) => all;
        await rig.LiveAsync(bot, TimeSpan.FromMinutes(20), new Behaviour());
        Assert.Equal(1, await DrawAsync(rig, $"count({finding.VerificationQuery})"));
        Assert.Single(rig.News.OfType<FindingNews.Cleared>());
    }

    [Fact]
    public async Task A_restart_amid_a_tenants_fault_tells_it_no_second_time_and_sees_its_end()
    {
        var first = new Rig(Start);
        var bot = Bot(5);
        await first.LiveAsync(bot, TimeSpan.FromHours(3), new Behaviour());
        bot.ForTenant = (tenant, all) => tenant == "t03" ? all with { Relevance = 0.45 } : all;
        await first.LiveAsync(bot, TimeSpan.FromMinutes(15), new Behaviour());
        var id = Assert.Single(first.Raised.DistinctBy(static raised => raised.Id)).Id;
        await first.AdvanceAsync(everything: true);

        var second = new Rig(first.Clock.Now, first.Samples);
        await second.LiveAsync(bot, TimeSpan.FromMinutes(30), new Behaviour());
        Assert.True(second.Raised.All(raised => raised.Id == id), string.Join("; ", second.Raised.Select(static raised => raised.Title)));
        Assert.Empty(second.News.OfType<FindingNews.Cleared>());
        bot.ForTenant = static (_, all) => all;
        await second.LiveAsync(bot, TimeSpan.FromMinutes(30), new Behaviour());
        Assert.Equal(id, Assert.Single(second.News.OfType<FindingNews.Cleared>()).FindingId);
    }

    [Fact]
    public async Task After_a_restart_a_tenants_fault_is_found_again_once_the_tenants_are_learnt()
    {
        var first = new Rig(Start);
        var bot = Bot(6);
        await first.LiveAsync(bot, TimeSpan.FromHours(3), new Behaviour());
        await first.AdvanceAsync(everything: true);

        var second = new Rig(first.Clock.Now, first.Samples);
        await second.LiveAsync(bot, TimeSpan.FromMinutes(60), new Behaviour());
        Assert.Empty(second.News);
        bot.ForTenant = (tenant, all) => tenant == "t03" ? all with { Relevance = 0.45 } : all;
        await second.LiveAsync(bot, TimeSpan.FromMinutes(15), new Behaviour());
        // That every sixth answer is poor may be seen of all requests first; whose they are is added.
        Assert.Single(second.Raised.DistinctBy(static raised => raised.Id));
        Assert.Contains(second.Raised, static raised => raised.Symptoms[0].Part?.Value == "t03");
    }

    [Fact]
    public async Task What_meets_everybody_is_told_of_the_service_not_of_a_tenant()
    {
        var rig = new Rig(Start);
        var bot = Bot(4);
        await rig.LiveAsync(bot, TimeSpan.FromHours(3), new Behaviour());
        await rig.LiveAsync(bot, TimeSpan.FromMinutes(10), new Behaviour { Relevance = 0.7 });
        Assert.Single(rig.Raised.DistinctBy(finding => finding.Id));
        Assert.All(rig.Raised, finding => Assert.All(finding.Symptoms, symptom => Assert.Null(symptom.Part)));
    }

    [Fact]
    public async Task A_tenant_that_moves_the_whole_service_is_told_before_it()
    {
        var rig = new Rig(Start);
        var bot = new SimulatedBot(11, perSecond: 1) { Tenants = [("large", 0.35), ("second", 0.3), ("third", 0.2), ("small", 0.15)] };
        await rig.LiveAsync(bot, TimeSpan.FromHours(3), new Behaviour());
        bot.ForTenant = static (tenant, all) => tenant == "large" ? all with { Relevance = 0.45 } : all;
        await rig.LiveAsync(bot, TimeSpan.FromMinutes(20), new Behaviour());
        Assert.Single(rig.Raised.DistinctBy(static raised => raised.Id));
        var relevance = rig.Raised.Last().Symptoms.Where(static symptom => symptom.Feature == "score:relevance").Select(static symptom => symptom.Part?.Value).ToList();
        Assert.Equal(["large", null], relevance);
    }

    /// <summary>A tenant that asks for more than others, or answers less well, is as it always was; busier hours of one are no fault.</summary>
    [Fact]
    public async Task Tenants_that_differ_and_whose_shares_change_raise_nothing_in_a_day()
    {
        for (var seed = 100; seed < 104; seed++)
        {
            var rig = new Rig(Start);
            var bot = new SimulatedBot(seed, perSecond: 0.3)
            {
                Tenants = [("acme", 5), ("globex", 3), ("initech", 2), ("umbrella", 1)],
                ForTenant = static (tenant, all) => tenant switch
                {
                    "globex" => all with { InputTokens = 1300, Relevance = 0.8 },
                    "initech" => all with { ModelSeconds = 1.5, ErrorShare = 0.03 },
                    _ => all,
                },
            };
            var busy = new SimulatedBot(seed + 1000, perSecond: 0.2) { Tenants = [("globex", 1)], ForTenant = bot.ForTenant };
            var end = rig.Clock.Now.AddHours(24);
            for (var minute = 0; rig.Clock.Now < end; minute++)
            {
                var batch = bot.Stretch(rig.Clock.Now, TimeSpan.FromSeconds(60), new Behaviour());
                if (minute % 600 > 480)
                {
                    busy.Stretch(rig.Clock.Now, TimeSpan.FromSeconds(60), new Behaviour(), batch);
                }

                rig.Clock.Now += TimeSpan.FromSeconds(60);
                await rig.CommitAsync(batch);
            }

            Assert.True(rig.News.Count == 0, $"seed {seed}: {string.Join("; ", rig.Raised.Select(finding => finding.Title))}");
        }
    }

    [Theory]
    [InlineData("tenant.id", "acme", "tenant acme")]
    [InlineData("app.tenant", "acme", "tenant acme")]
    [InlineData("tenantId", "acme", "tenant acme")]
    [InlineData("traceloop.association.properties.customer_id", "c-7", "customer c-7")]
    [InlineData("metadata", "{\"attempt\":1,\"tenant\":\"acme\"}", "tenant acme")]
    [InlineData("metadata", "{\"language\":\"de\",\"nested\":{\"tenant\":\"x\"},\"tenant\":\"acme\"}", "tenant acme")]
    [InlineData("langfuse.metadata", "{\"plan\":\"free\"}", "plan free")]
    [InlineData("cloud.region", "eu-1", "region eu-1")]
    [InlineData("user.id", "u-1", null)]
    [InlineData("http.route", "/tenant", null)]
    [InlineData("subtenant", "acme", null)]
    [InlineData("metadata", "{\"tenant\":", null)]
    [InlineData("tenant.id", "", null)]
    public void A_segment_is_known_by_the_name_of_its_attribute(string key, string value, string? words) =>
        Assert.Equal(words, Of(new SegmentKeys(), (key, value))?.Words);

    [Fact]
    public void Of_several_keys_the_one_closest_to_a_customer_counts()
    {
        var keys = new SegmentKeys();
        Assert.Equal("plan free", Of(keys, ("plan", "free"))?.Words);
        Assert.Equal("tenant acme", Of(keys, ("plan", "free"), ("tenant.id", "acme"))?.Words);
        Assert.Equal("plan free", Of(keys, ("plan", "free"), ("tenant.id", ""))?.Words);
    }

    [Fact]
    public void Of_ten_thousand_tenants_those_that_come_most_are_followed()
    {
        var whole = new FeatureSeries(0, "bot", "", FeatureTable.LatencyP50, "");
        var segments = new ServiceSegments();
        var often = Enumerable.Range(0, 8).Select(i => new Segment("tenant", $"often{i}", "tenant")).ToList();
        for (var i = 0; i < 40_000; i++)
        {
            segments.SeriesOf(new Segment("tenant", $"rare{i % 10_000}", "tenant"), whole);
            segments.SeriesOf(often[i % often.Count], whole);
        }

        Assert.All(often, segment => Assert.NotNull(segments.SeriesOf(segment, whole)));
        Assert.InRange(segments.Followed, often.Count, ServiceSegments.FollowedMax);
    }

    private static Segment? Of(SegmentKeys keys, params (string, string)[] attributes)
    {
        var batch = new BatchBuilder(Start);
        batch.Add(new TestSpan(new TraceId(1), new SpanId(1), default, "GET /", 1, 2) { Attributes = attributes }, "bot");
        return keys.Of(batch.Build().Spans.Attributes, 0);
    }

    private static async Task<double> DrawAsync(Rig rig, string query) =>
        await new PromQlEngine(rig.Samples.Select).InstantAsync("default", query, rig.Clock.Now.ToUnixTimeMilliseconds()) is PromQlResult.Vector { Samples: [var first, ..] } ? first.Value : 0;
}
