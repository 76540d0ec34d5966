using System.Diagnostics;
using System.Diagnostics.Metrics;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using Xunit;

namespace Faultline.Interop;

/// <summary>OpenTelemetry's .NET SDK sends over gRPC and HTTP.</summary>
public sealed class DotNetSdkTests
{
    [Theory]
    [InlineData(OtlpExportProtocol.Grpc, "otlp_grpc")]
    [InlineData(OtlpExportProtocol.HttpProtobuf, "otlp_http")]
    public async Task A_span_of_the_SDK_becomes_a_trace_and_a_metric(OtlpExportProtocol protocol, string door)
    {
        await using var server = await FaultlineProcess.StartAsync();
        var service = "dotnet-" + protocol;
        using var source = new ActivitySource("interop." + protocol);
        string traceId;
        using (var provider = Sdk.CreateTracerProviderBuilder()
            .SetResourceBuilder(ResourceBuilder.CreateEmpty().AddService(service))
            .AddSource(source.Name)
            .AddOtlpExporter(options =>
            {
                options.Endpoint = protocol == OtlpExportProtocol.Grpc ? server.Door(door) : new Uri(server.Door(door), "/v1/traces");
                options.Protocol = protocol;
                options.Headers = "X-API-Key=" + FaultlineProcess.ApiKey;
            })
            .Build())
        {
            using (var activity = source.StartActivity("work", ActivityKind.Client))
            {
                traceId = activity!.TraceId.ToHexString();
                activity.SetStatus(ActivityStatusCode.Error, "on purpose");
            }

            Assert.True(provider.ForceFlush(10_000));
        }

        using var trace = await server.ApiAsync("/api/v1/traces/" + traceId);
        Assert.Equal(1, trace.RootElement.GetProperty("resourceSpans").GetArrayLength());
        await Eventually.TrueAsync(
            async () => (await server.QueryAsync($"llm_traces_span_metrics_calls_total{{service_name=\"{service}\",span_name=\"work\",span_kind=\"SPAN_KIND_CLIENT\",status_code=\"STATUS_CODE_ERROR\"}} == 1")).GetArrayLength() == 1,
            "the call is counted with its labels");
    }

    [Theory]
    [InlineData(MetricReaderTemporalityPreference.Delta)]
    [InlineData(MetricReaderTemporalityPreference.Cumulative)]
    public async Task Metrics_of_the_SDK_are_what_was_recorded_in_both_temporalities(MetricReaderTemporalityPreference temporality)
    {
        await using var server = await FaultlineProcess.StartAsync();
        using var meter = new Meter("interop.metrics." + temporality);
        var (asked, open, duration) = (meter.CreateCounter<long>("asked"), meter.CreateUpDownCounter<int>("open"), meter.CreateHistogram<double>("took", "s"));
        using var provider = Sdk.CreateMeterProviderBuilder()
            .SetResourceBuilder(ResourceBuilder.CreateEmpty().AddService("metered"))
            .AddMeter(meter.Name)
            .AddView("took", new Base2ExponentialBucketHistogramConfiguration())
            .AddOtlpExporter((options, reader) =>
            {
                options.Endpoint = server.Door("otlp_grpc");
                options.Headers = "X-API-Key=" + FaultlineProcess.ApiKey;
                reader.TemporalityPreference = temporality;
            })
            .Build();
        for (var round = 0; round < 3; round++)
        {
            asked.Add(2);
            open.Add(1);
            duration.Record(0.3);
            duration.Record(3);
            Assert.True(provider.ForceFlush(10_000));
        }

        foreach (var query in (string[])
        [
            "asked_total{service_name=\"metered\"} == 6", "open{service_name=\"metered\"} == 3", "took_seconds_count{service_name=\"metered\"} == 6",
            "abs(took_seconds_sum{service_name=\"metered\"} - 9.9) < 0.001", "histogram_quantile(0.25, took_seconds_bucket{service_name=\"metered\"}) > 0.25 < 0.36",
            "histogram_quantile(0.75, took_seconds_bucket{service_name=\"metered\"}) > 2.5 < 3.6",
        ])
        {
            await Eventually.TrueAsync(async () => (await server.QueryAsync(query)).GetArrayLength() == 1, query);
        }
    }
}
