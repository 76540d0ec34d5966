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
    private const int MinutesNormal = 30;
    private const int MinutesAbnormal = 10;
    private const int RequestsPerMinute = 6;

    [Theory]
    [InlineData("prices")]
    [InlineData("db")]
    [InlineData("openai")]
    [InlineData("cart")]
    public void The_service_that_is_slow_itself_is_named_not_those_that_wait_for_it(string slow)
    {
        var abnormal = Window(MinutesNormal + 60, MinutesAbnormal, slow, failing: null);
        var incident = IncidentReader.Read(Window(0, MinutesNormal, slow: null, failing: null), abnormal, new Symptom("shop", IncidentReader.Latency, IncidentReader.Mean, 0));
        Assert.Equal(slow, ServiceLocator.Locate(incident)[0].Service);
    }

    [Theory]
    [InlineData("prices")]
    [InlineData("db")]
    [InlineData("openai")]
    public void The_service_that_fails_itself_is_named_not_those_that_pass_it_on(string failing)
    {
        var abnormal = Window(MinutesNormal + 60, MinutesAbnormal, slow: null, failing);
        var incident = IncidentReader.Read(Window(0, MinutesNormal, slow: null, failing: null), abnormal, new Symptom("shop", IncidentReader.Availability, IncidentReader.Mean, 0));
        Assert.Equal(failing, ServiceLocator.Locate(incident)[0].Service);
    }

    [Fact]
    public void When_every_minute_is_like_the_others_no_service_is_named()
    {
        var incident = IncidentReader.Read(
            Window(0, MinutesNormal, slow: null, failing: null), Window(MinutesNormal + 60, MinutesAbnormal, slow: null, failing: null),
            new Symptom("shop", IncidentReader.Latency, IncidentReader.Mean, 0));
        Assert.Empty(ServiceLocator.Locate(incident));
    }

    [Fact]
    public void Calls_and_minutes_are_as_the_spans_say()
    {
        var incident = IncidentReader.Read([], Window(0, 2, slow: null, failing: "prices"), symptom: null);
        Assert.Equal(
            ["cart → db", "cart → prices", "reviews → openai", "shop → cart", "shop → reviews"],
            incident.Calls.Select(call => $"{call.Caller} → {call.Callee}"));
        Assert.Same(MetricWindow.Empty, incident.Normal.Metrics);
        var metrics = incident.Abnormal.Metrics;
        Assert.Equal(60, metrics.UnixSeconds[1] - metrics.UnixSeconds[0]);
        Assert.Equal([RequestsPerMinute, RequestsPerMinute], metrics.Series[new("db", IncidentReader.Requests, IncidentReader.Count)]);
        Assert.Equal([0.5, 0.5], metrics.Series[new("shop", IncidentReader.Availability, IncidentReader.Mean)]);
        Assert.Equal([1.0, 1.0], metrics.Series[new("reviews", IncidentReader.Availability, IncidentReader.Mean)]);
        Assert.All(metrics.Series[new("prices", IncidentReader.Latency, IncidentReader.Mean)], seconds => Assert.InRange(seconds, 0.019, 0.025));
    }

    [Fact]
    public void A_minute_without_requests_has_no_latency_and_is_not_a_success()
    {
        var incident = IncidentReader.Read([], [.. Window(0, 1, slow: null, failing: null), .. Window(2, 1, slow: null, failing: null)], symptom: null);
        var metrics = incident.Abnormal.Metrics;
        Assert.Equal([RequestsPerMinute, 0, RequestsPerMinute], metrics.Series[new("cart", IncidentReader.Requests, IncidentReader.Count)]);
        Assert.True(double.IsNaN(metrics.Series[new("cart", IncidentReader.Latency, IncidentReader.P95)][1]));
        Assert.True(double.IsNaN(metrics.Series[new("cart", IncidentReader.Availability, IncidentReader.Mean)][1]));
    }

    [Fact]
    public void Only_the_last_minutes_of_a_long_window_are_read()
    {
        SpanSummary[] spans = [.. Window(0, 1, slow: null, failing: null), .. Window(IncidentReader.MinutesMax + 5, 1, slow: null, failing: null)];
        var metrics = IncidentReader.Read([], spans, symptom: null).Abnormal.Metrics;
        Assert.Equal(IncidentReader.MinutesMax, metrics.UnixSeconds.Count);
        Assert.Equal(RequestsPerMinute, metrics.Series[new("shop", IncidentReader.Requests, IncidentReader.Count)].Sum());
    }

    /// <summary>One request every ten seconds from a minute on; a slow service takes 0.4 s longer itself, a failing one fails every second request.</summary>
    private static List<SpanSummary> Window(int minute, int minutes, string? slow, string? failing)
    {
        const long Millisecond = 1_000_000;
        List<SpanSummary> spans = [];
        var start = TimeRange.UnixNanos(Samples.Now) / 60_000_000_000 * 60_000_000_000;
        for (var request = 0; request < minutes * RequestsPerMinute; request++)
        {
            var at = start + (((minute * 60L) + (request * 10)) * 1_000_000_000);
            var trace = new TraceId((UInt128)(ulong)at);
            var jitter = request % RequestsPerMinute * Millisecond;
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
