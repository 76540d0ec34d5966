using Faultline.Diagnosis.Features;
using Faultline.Telemetry;
using Faultline.Telemetry.Spans;
using Xunit;

namespace Faultline.Tests.Diagnosis.Features;

/// <summary>How observations find their window and their series.</summary>
public sealed class ServiceFeaturesTests
{
    private static readonly TraceId Trace = new(1);

    [Fact]
    public void What_comes_after_its_window_was_restored_is_too_late_though_the_window_was_the_last()
    {
        var service = new ServiceFeatures("shop", "");
        service.Observe(FeatureTable.Calls, "", FeatureWindows.LengthNanos * 7, 1, Trace);
        service.Restore(7);

        service.Observe(FeatureTable.Calls, "", FeatureWindows.LengthNanos * 7, 1, Trace);

        Assert.Equal((1, 0), ((int)service.TooLate, service.OpenWindows));
    }

    [Fact]
    public void A_feature_is_known_by_its_name()
    {
        var service = new ServiceFeatures("shop", "");
        service.Observe(FeatureTable.Calls with { }, "", FeatureWindows.LengthNanos, 1, Trace);

        Assert.NotNull(service.Find(FeatureTable.Calls, ""));
        Assert.Null(service.Find(FeatureTable.ErrorRate, ""));
        Assert.NotEqual(FeatureTable.Calls, FeatureTable.ErrorRate);
    }

    [Fact]
    public void A_cache_that_wanders_needs_more_to_be_lost_than_other_shares_to_rise()
    {
        static double EvidenceFor(Feature feature) => new FeatureSeries(0, "shop", "", feature, "").Evidence;
        Assert.True(EvidenceFor(FeatureTable.ReachesModel) > EvidenceFor(FeatureTable.ErrorRate));
    }

    [Theory]
    [InlineData("cache", "server.address=cache")]
    [InlineData("db", "server.address=cache", "peer.service=db")]
    [InlineData("pg", "db.system=x", "db.system.name=pg")]
    [InlineData("first", "peer.service=first", "peer.service=second")]
    [InlineData("host", "peer.service=", "peer.service=second", "server.address=host")]
    [InlineData("call", "other=x", "peer.service=")]
    public void A_dependency_is_named_by_the_first_of_its_keys_that_says_something(string expected, params string[] attributes)
    {
        var spans = new SpanBatch();
        spans.Name.Add("call");
        foreach (var pair in attributes)
        {
            var at = pair.IndexOf('=', StringComparison.Ordinal);
            spans.Attributes.Add(System.Text.Encoding.UTF8.GetBytes(pair[..at]), System.Text.Encoding.UTF8.GetBytes(pair[(at + 1)..]), Faultline.Telemetry.Columns.AttributeType.String);
        }

        spans.Attributes.EndRow();
        var service = new ServiceFeatures("shop", "");

        StageFolds.Dependency(spans, 0, service, Trace, FeatureWindows.LengthNanos, 0.1, 0, new Utf8Names());

        Assert.Equal([expected, expected], service.Series.Select(series => series.Dimension));
    }
}
