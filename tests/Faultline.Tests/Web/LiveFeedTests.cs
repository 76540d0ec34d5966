using Faultline.Telemetry;
using Faultline.Telemetry.Columns;
using Faultline.Web.Live;
using Xunit;

namespace Faultline.Tests.Web;

public sealed class LiveFeedTests
{
    [Fact]
    public async Task A_thousand_batches_reach_a_page_in_a_few_pulses_that_add_up()
    {
        using var feed = new LiveFeed(TimeProvider.System);
        using var page = feed.Subscribe()!;
        for (var i = 0; i < 1000; i++)
        {
            feed.Committed(Batch(i % 2 == 0 ? "support-bot" : "checkout"));
        }

        long scores = 0;
        var pulses = 0;
        var services = new HashSet<string>(StringComparer.Ordinal);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (scores < 1000)
        {
            var pulse = await page.Pulses.Reader.ReadAsync(patience.Token);
            scores += pulse.Scores;
            services.UnionWith(pulse.Services);
            Assert.Equal(++pulses, pulse.Number);
        }

        Assert.Equal(1000, scores);
        Assert.InRange(pulses, 1, 100);
        Assert.Equal(["checkout", "support-bot"], services.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void There_is_a_bound_on_open_streams_and_closing_one_frees_its_place()
    {
        using var feed = new LiveFeed(TimeProvider.System);
        var open = Enumerable.Range(0, LiveFeed.SubscribersMax).Select(_ => feed.Subscribe()!).ToList();
        Assert.Null(feed.Subscribe());
        open[0].Dispose();
        Assert.NotNull(feed.Subscribe());
    }

    [Fact]
    public async Task A_case_that_changed_is_named()
    {
        using var feed = new LiveFeed(TimeProvider.System);
        using var page = feed.Subscribe()!;
        feed.CaseChanged(Samples.Case());
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        Assert.Equal(["CASE-3"], (await page.Pulses.Reader.ReadAsync(patience.Token)).Cases);
    }

    private static TelemetryBatch Batch(string service)
    {
        var batch = new TelemetryBatch { Project = "default", ReceivedUnixNanos = 1, RequestHash = 1 };
        batch.Spans.Resources.Attributes.Add("service.name"u8, System.Text.Encoding.UTF8.GetBytes(service), AttributeType.String);
        batch.Spans.Resources.Attributes.EndRow();
        batch.Spans.Resources.SchemaUrl.Add(""u8);
        batch.Scores.Add(service, "", default, default, "", "relevance", 1, "", "", "app", 1);
        return batch;
    }
}
