using System.Diagnostics;
using OpenTelemetry;
using OpenTelemetry.Exporter;
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
}
