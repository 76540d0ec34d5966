using Faultline.Metrics.Derived;
using Faultline.Settings;
using Xunit;

namespace Faultline.Tests.Settings;

public sealed class SpanMetricsReaderTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("faultline-spanmetrics-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Every_key_of_the_connector_is_taken_or_said_to_have_no_effect()
    {
        var reading = Read("""
            connectors:
              spanmetrics:
                namespace: span.metrics
                histogram:
                  disable: false
                  unit: s
                  explicit:
                    buckets: [100us, 1ms, 2ms, 6ms, 10ms, 100ms, 250ms]
                  dimensions: [{ name: net.peer.name }]
                dimensions:
                  - name: http.method
                    default: GET
                  - name: http.status_code
                calls_dimensions: [{ name: url.scheme }]
                exclude_dimensions: ['status.code']
                include_instrumentation_scope: [express]
                dimensions_cache_size: 1000
                resource_metrics_cache_size: 1600
                resource_metrics_key_attributes: [service.name, telemetry.sdk.language]
                aggregation_temporality: AGGREGATION_TEMPORALITY_CUMULATIVE
                aggregation_cardinality_limit: 5000
                metrics_flush_interval: 15s
                metrics_expiration: 5m
                series_expiration: 1h
                metric_timestamp_cache_size: 123
                exemplars:
                  enabled: true
                  max_per_data_point: 5
                events:
                  enabled: true
                  dimensions:
                    - name: exception.type
                    - name: exception.message
                add_resource_attributes: false
                enable_metrics_sampling_method: false
            """);

        Assert.Empty(reading.Problems);
        var options = reading.Settings.SpanMetrics!.Options;
        Assert.Equal(("span.metrics", DurationUnit.Seconds, true, true), (options.SpanNamespace, options.Unit, options.Histogram, options.Exemplars));
        Assert.Equal([0.0001, 0.001, 0.002, 0.006, 0.01, 0.1, 0.25], options.Buckets);
        Assert.Equal([new("http.method", "GET"), new("http.status_code")], options.Dimensions);
        Assert.Equal([new("url.scheme")], options.CallsDimensions);
        Assert.Equal([new("net.peer.name")], options.HistogramDimensions);
        Assert.Equal([new("exception.type"), new("exception.message")], options.EventDimensions!);
        Assert.Equal(["status.code"], options.Excluded);
        Assert.Equal(["express"], options.Scopes);
        Assert.Equal((TimeSpan.FromMinutes(5), TimeSpan.FromHours(1)), (options.ServiceExpiration, options.SeriesExpiration));
        Assert.Equal(5000, reading.Settings.SpanMetrics.SeriesPerMetricMax);
        foreach (var key in (string[])["dimensions_cache_size", "resource_metrics_cache_size", "resource_metrics_key_attributes", "metrics_flush_interval", "metric_timestamp_cache_size", "exemplars.max_per_data_point"])
        {
            Assert.Single(reading.Warnings, warning => warning.Contains($"spanmetrics.{key} has no effect here: ", StringComparison.Ordinal));
        }

        Assert.Equal(6, reading.Warnings.Count);
    }

    [Theory]
    [InlineData("spanmetrics:")]
    [InlineData("spanmetrics/default: {}")]
    [InlineData("span_metrics: { histogram: { explicit: } }")]
    [InlineData("spanmetrics: { aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA, delta_temporality: { metric_timestamp_cache_size: 123 } }")]
    public void The_connector_s_own_examples_are_taken(string connector)
    {
        var reading = Read($"connectors:\n  {connector}\n");

        Assert.Empty(reading.Problems);
        var options = reading.Settings.SpanMetrics!.Options;
        Assert.Equal((DurationUnit.Milliseconds, "duration_milliseconds", "traces.span.metrics", false), (options.Unit, options.LatencyName, options.SpanNamespace, options.Exemplars));
        Assert.Equal([2, 4, 6, 8, 10, 50, 100, 200, 400, 800, 1000, 1400, 2000, 5000, 10_000, 15_000], options.Buckets);
        Assert.Empty(options.Dimensions);
        Assert.Null(options.EventDimensions);
        Assert.Null(reading.Settings.SpanMetrics.SeriesPerMetricMax);
    }

    [Theory]
    [InlineData("{ histogram: { exponential: { max_size: 10 } } }", "connectors.spanmetrics.histogram.exponential: exponential histograms cannot be derived here; write explicit.buckets, for example [10ms, 100ms, 1s, 10s].")]
    [InlineData("{ histogram: { unit: h } }", "connectors.spanmetrics.histogram.unit: 'h' is neither ms nor s.")]
    [InlineData("{ histogram: { explicit: { buckets: [10ms, 5ms] } } }", "connectors.spanmetrics.histogram.explicit.buckets: bounds must rise, but 5ms follows 10ms.")]
    [InlineData("{ histogram: { bucket: 1 } }", "connectors.spanmetrics.histogram.bucket: is not a key of the connector's histogram.")]
    [InlineData("{ metrics_expiration: -20s }", "connectors.spanmetrics.metrics_expiration: '-20s' is not a duration (for example 100us, 2ms, 1.5s, 1m30s).")]
    [InlineData("{ dimensions: [{ name: service.name }] }", "connectors.spanmetrics.dimensions: service.name is a dimension already.")]
    [InlineData("{ dimensions: [{ name: a }, { name: a }] }", "connectors.spanmetrics.dimensions: a is a dimension already.")]
    [InlineData("{ dimensions: [{ name: a.b }, { name: a_b }] }", "connectors.spanmetrics: the dimensions a.b and a_b would be one label, a_b; keep one.")]
    [InlineData("{ dimensions: [{ glob: 'http.*' }] }", "connectors.spanmetrics.dimensions: glob ('http.*') is not possible here; name each attribute.")]
    [InlineData("{ dimensions: [a] }", "connectors.spanmetrics.dimensions: each dimension is written as name: ATTRIBUTE, and may have a default:.")]
    [InlineData("{ events: { enabled: true } }", "connectors.spanmetrics.events: is enabled, but has no dimensions.")]
    [InlineData("{ aggregation_cardinality_limit: -1 }", "connectors.spanmetrics.aggregation_cardinality_limit: '-1' is not a number of series.")]
    [InlineData("{ dimension: [] }", "connectors.spanmetrics.dimension: is not a key of the spanmetrics connector.")]
    [InlineData("5", "connectors.spanmetrics: has keys of its own, not a value.")]
    public void What_cannot_be_as_the_connector_has_it_is_refused_in_words(string connector, string problem)
    {
        var reading = Read($"connectors:\n  spanmetrics: {connector}\n");

        Assert.EndsWith(problem, Assert.Single(reading.Problems), StringComparison.Ordinal);
        Assert.Null(reading.Settings.SpanMetrics);
    }

    [Theory]
    [InlineData("spanmetrics: { aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA }", "connectors.spanmetrics.aggregation_temporality has no effect here")]
    [InlineData("spanmetrics: { add_resource_attributes: true }", "connectors.spanmetrics.add_resource_attributes has no effect here")]
    [InlineData("spanmetrics: { enable_metrics_sampling_method: true }", "connectors.spanmetrics.enable_metrics_sampling_method has no effect here")]
    [InlineData("spanmetrics: { aggregation_cardinality_limit: 0 }", "connectors.spanmetrics.aggregation_cardinality_limit is never without limit here")]
    [InlineData("count: {}", "connectors.count has no meaning here")]
    public void What_has_no_effect_is_said(string connector, string warning)
    {
        var reading = Read($"connectors:\n  {connector}\n");

        Assert.Empty(reading.Problems);
        Assert.Contains(warning, Assert.Single(reading.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void Two_spanmetrics_connectors_are_one_too_many()
    {
        Assert.Contains("there can be one spanmetrics connector", Assert.Single(Read("connectors:\n  spanmetrics: {}\n  spanmetrics/2: {}\n").Problems), StringComparison.Ordinal);
    }

    private SettingsReading Read(string yaml)
    {
        var path = Path.Combine(_folder, "faultline.yaml");
        File.WriteAllText(path, yaml);
        var none = new Dictionary<string, string>(StringComparer.Ordinal);
        return SettingsReader.Read(path, null, none, none);
    }
}
