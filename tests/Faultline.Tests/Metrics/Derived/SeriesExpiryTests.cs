using Faultline.Metrics.Derived;
using Faultline.Telemetry;
using Faultline.Tests.Diagnosis;
using Microsoft.Extensions.Logging.Abstractions;
using Faultline.Tests.Store;
using Xunit;
using static Faultline.Tests.Store.SpanSpecs;

namespace Faultline.Tests.Metrics.Derived;

public sealed class SeriesExpiryTests
{
    private readonly TestClock _clock = new(DateTimeOffset.UnixEpoch.AddTicks(Noon / 100));

    [Fact]
    public void A_service_that_sends_nothing_for_as_long_as_metrics_expiration_is_forgotten_whole()
    {
        var metrics = Metrics(new() { ServiceExpiration = TimeSpan.FromMinutes(5) });
        Send(metrics, ("shop", "pay"), ("shop", "browse"), ("bank", "book"));

        _clock.Now += TimeSpan.FromMinutes(4);
        Send(metrics, ("shop", "pay"));
        _clock.Now += TimeSpan.FromMinutes(1);

        // "browse" is as idle as "book", but its service sends.
        Assert.Equal(["shop browse 1", "shop pay 2"], Calls(metrics));

        Send(metrics, ("bank", "book"));
        Assert.Equal(["bank book 1", "shop browse 1", "shop pay 2"], Calls(metrics));
    }

    [Fact]
    public void A_series_that_nothing_was_added_to_for_as_long_as_series_expiration_is_forgotten()
    {
        var metrics = Metrics(new() { SeriesExpiration = TimeSpan.FromMinutes(5) });
        Send(metrics, ("shop", "pay"), ("shop", "browse"));

        _clock.Now += TimeSpan.FromMinutes(4);
        Send(metrics, ("shop", "pay"));
        _clock.Now += TimeSpan.FromMinutes(1);

        Assert.Equal(["shop pay 2"], Calls(metrics));
    }

    [Fact]
    public void Without_either_nothing_is_forgotten()
    {
        var metrics = Metrics(new());
        Send(metrics, ("shop", "pay"));

        _clock.Now += TimeSpan.FromDays(365);

        Assert.Equal(["shop pay 1"], Calls(metrics));
    }

    [Fact]
    public void What_is_forgotten_makes_room_for_others()
    {
        var metrics = Metrics(new() { SeriesExpiration = TimeSpan.FromMinutes(5), SeriesPerMetricMax = 1 });
        Send(metrics, ("shop", "pay"));
        _clock.Now += TimeSpan.FromMinutes(5);
        Assert.Empty(Calls(metrics));

        Send(metrics, ("shop", "browse"));

        Assert.Equal(["shop browse 1"], Calls(metrics));
    }

    private DerivedMetrics Metrics(DerivedMetricsOptions options) => new(options, NullLogger.Instance, _clock);

    private void Send(DerivedMetrics metrics, params (string Service, string Name)[] spans)
    {
        foreach (var (service, name) in spans)
        {
            var batch = new TelemetryBatch { Project = "default", ReceivedUnixNanos = (_clock.Now - DateTimeOffset.UnixEpoch).Ticks * 100, RequestHash = NewHash() };
            Add(batch.Spans, new SpanSpec(Trace(1), Span(1)) { Service = service, Name = name, Start = batch.ReceivedUnixNanos - Second });
            metrics.Committed(batch);
        }
    }

    private static IEnumerable<string> Calls(DerivedMetrics metrics) =>
        metrics.Snapshot()[0].Samples.Select(sample => $"{sample.Labels["service_name"]} {sample.Labels["span_name"]} {sample.Value}").Order(StringComparer.Ordinal);
}
