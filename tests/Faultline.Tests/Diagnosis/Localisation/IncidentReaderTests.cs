using Faultline.Diagnosis.Localisation;
using Faultline.Store.Traces;
using Faultline.Telemetry.Spans;
using Faultline.Tests.Web;
using Faultline.Web.Shell;
using Xunit;

namespace Faultline.Tests.Diagnosis.Localisation;

/// <summary>Requests through <c>shop → cart → prices</c>, <c>cart → db</c> (which sends nothing) and <c>shop → reviews → model provider</c>.</summary>
public sealed class IncidentReaderTests
{
    private const int Good = 180;
    private const int Bad = 60;

    [Theory]
    [InlineData("prices")]
    [InlineData("db")]
    [InlineData("openai")]
    [InlineData("cart")]
    public void The_service_that_is_slow_itself_is_named_not_those_that_wait_for_it(string slow)
    {
        var incident = IncidentReader.Read(Requests(0, Good, slow: null, failing: null), Requests(Good, Bad, slow, failing: null), "shop", IncidentReader.Latency);
        Assert.Equal(slow, ServiceLocator.Locate(incident)[0].Service);
    }

    [Theory]
    [InlineData("prices")]
    [InlineData("db")]
    [InlineData("openai")]
    public void The_service_that_fails_itself_is_named_not_those_that_pass_it_on(string failing)
    {
        var incident = IncidentReader.Read(Requests(0, Good, slow: null, failing: null), Requests(Good, Bad, slow: null, failing), "shop", IncidentReader.Availability);
        Assert.Equal(failing, ServiceLocator.Locate(incident)[0].Service);
    }

    [Theory]
    [InlineData(Good, Bad)]
    [InlineData(Bad, Good)]
    public void When_both_sides_are_alike_but_for_their_number_no_service_is_named(int good, int bad) =>
        Assert.Empty(ServiceLocator.Locate(IncidentReader.Read(Requests(0, good, slow: null, failing: null), Requests(good, bad, slow: null, failing: null), "shop", IncidentReader.Latency)));

    [Fact]
    public void A_service_that_is_called_more_often_and_no_slower_is_not_the_one()
    {
        List<SpanSummary> bad = [];
        foreach (var span in Requests(Good, Bad, slow: null, failing: null))
        {
            bad.Add(span);
            if (span.Service == "prices")
            {
                // Asked ten times over, each as quick as ever: the cart waits for all of them.
                bad.AddRange(Enumerable.Range(1, 9).Select(again => span with { SpanId = new SpanId(100 + (ulong)again), StartUnixNanos = span.StartUnixNanos + (again * span.DurationNanos) }));
            }
        }

        var waits = 9 * bad.First(span => span.Service == "prices").DurationNanos;
        bad = [.. bad.Select(span => span.Service is "shop" || span is { Service: "cart", Kind: SpanKind.Server } ? span with { DurationNanos = span.DurationNanos + waits } : span)];
        Assert.Equal("cart", ServiceLocator.Locate(IncidentReader.Read(Requests(0, Good, slow: null, failing: null), bad, "shop", IncidentReader.Latency))[0].Service);
    }

    [Fact]
    public void Calls_and_figures_are_as_the_spans_say()
    {
        var incident = IncidentReader.Read(Requests(0, Good, slow: null, failing: null), Requests(Good, Bad, slow: null, failing: "prices"), "shop", metric: null);
        Assert.Equal(
            ["cart → db", "cart → prices", "reviews → openai", "shop → cart", "shop → reviews"],
            incident.Calls.Select(call => $"{call.Caller} → {call.Callee}"));
        Assert.Null(incident.Symptom);
        var metrics = incident.Abnormal.Metrics;
        double[] Series(string service, string metric) => metrics.Series[new(service, metric, IncidentReader.Mean)];
        Assert.Equal([1.0, 1.0], Series("db", IncidentReader.Requests));
        Assert.Equal([1.0, 0.5], Series("shop", IncidentReader.Availability));
        Assert.Equal([1.0, 1.0], Series("reviews", IncidentReader.Availability));
        Assert.All(Series("prices", IncidentReader.Latency), seconds => Assert.InRange(seconds, 0.02, 0.025));
        Assert.Equal([1.0], incident.Normal.Metrics.Series[new("cart", IncidentReader.Requests, IncidentReader.Mean)]);
    }

    [Fact]
    public void A_side_without_requests_of_a_service_has_no_latency_and_is_not_a_success()
    {
        var incident = IncidentReader.Read(Requests(0, Good, slow: null, failing: null), [.. Requests(Good, Bad, slow: null, failing: null).Where(span => span.Service is not "prices")], "shop", metric: null);
        Assert.Equal([1.0, 0], incident.Abnormal.Metrics.Series[new("prices", IncidentReader.Requests, IncidentReader.Mean)]);
        Assert.True(double.IsNaN(incident.Abnormal.Metrics.Series[new("prices", IncidentReader.Latency, IncidentReader.Mean)][1]));
        Assert.True(double.IsNaN(incident.Abnormal.Metrics.Series[new("prices", IncidentReader.Availability, IncidentReader.Mean)][1]));
    }

    [Fact]
    public void A_span_serves_the_service_that_it_enters_or_that_it_calls_without_hearing_of_it()
    {
        var spans = Requests(0, 1, slow: null, failing: null);
        Assert.Equal(
            ["shop", "cart", "prices", "db", "reviews", "openai"],
            spans.Select(span => IncidentReader.Serves(span, spans.Find(parent => parent.SpanId == span.ParentSpanId), !spans.Exists(child => child.ParentSpanId == span.SpanId))));
    }

    /// <summary>One request every ten seconds; a slow service takes 0.4 s longer itself, a failing one fails every second request.</summary>
    private static List<SpanSummary> Requests(int first, int count, string? slow, string? failing)
    {
        const long Millisecond = 1_000_000;
        List<SpanSummary> spans = [];
        var start = TimeRange.UnixNanos(Samples.Now) / 60_000_000_000 * 60_000_000_000;
        for (var request = first; request < first + count; request++)
        {
            var at = start + (request * 10_000_000_000L);
            var trace = new TraceId((UInt128)(ulong)at);
            var jitter = request % 6 * Millisecond;
            long Own(string service) => (20 * Millisecond) + jitter + (service == slow ? 400 * Millisecond : 0);
            bool Fails(params string[] services) => failing is not null && request % 2 == 0 && services.Contains(failing);
            var (prices, database, model) = (Own("prices"), Own("db"), Own("openai"));
            var cart = Own("cart") + prices + database;
            var reviews = Own("reviews") + model;
            Add(1, 0, "shop", SpanKind.Server, at, Own("shop") + cart + reviews, Fails("prices", "db", "openai"));
            Add(2, 1, "cart", SpanKind.Server, at + Millisecond, cart, Fails("prices", "db"));
            Add(3, 2, "prices", SpanKind.Server, at + (2 * Millisecond), prices, Fails("prices"));
            Add(4, 2, "cart", SpanKind.Client, at + (2 * Millisecond) + prices, database, Fails("db"), attributes: [Samples.Text("db.system.name", "db")]);
            Add(5, 1, "reviews", SpanKind.Server, at + Millisecond + cart, reviews, Fails("openai"));
            Add(6, 5, "reviews", SpanKind.Client, at + (2 * Millisecond) + cart, model, Fails("openai"), Samples.NoGenAi with { Operation = "chat", Provider = "openai" });

            void Add(ulong id, ulong parent, string service, SpanKind kind, long from, long length, bool failed, GenAiFields? genAi = null, StoredAttribute[]? attributes = null) => spans.Add(new SpanSummary(
                trace, new SpanId(id), new SpanId(parent), service, "", "1", $"{service} {kind}", kind, from, length, failed ? SpanStatus.Error : SpanStatus.Unset, "", genAi ?? Samples.NoGenAi, attributes ?? []));
        }

        return spans;
    }
}
