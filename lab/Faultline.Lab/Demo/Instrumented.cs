using System.Diagnostics;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Faultline.Lab.Demo;

/// <summary>One simulated service with the real OpenTelemetry SDK in it: its resource, its tracer, its OTLP exporter.</summary>
internal sealed class Instrumented : IDisposable
{
    private const int QueueSpansMax = 8_192;

    private readonly ActivitySource _source;
    private readonly TracerProvider _provider;
    private long _spans;
    private int _sinceFlush;

    public Instrumented(string service, string version, DemoOptions options)
    {
        _source = new ActivitySource($"lab.{service}", version);
        _provider = Sdk.CreateTracerProviderBuilder()
            .SetResourceBuilder(ResourceBuilder.CreateEmpty()
                .AddService(service, serviceVersion: version, autoGenerateServiceInstanceId: false, serviceInstanceId: $"{service}-0")
                .AddTelemetrySdk()
                .AddAttributes([new("deployment.environment.name", "production")]))
            .AddSource(_source.Name)
            .SetSampler(new AlwaysOnSampler())
            .AddProcessor(new BatchActivityExportProcessor(
                new OtlpTraceExporter(new OtlpExporterOptions
                {
                    Endpoint = new Uri(options.Endpoint, "/v1/traces"),
                    Protocol = OtlpExportProtocol.HttpProtobuf,
                    Headers = $"x-api-key={options.ApiKey}",
                    TimeoutMilliseconds = 30_000,
                }),
                maxQueueSize: QueueSpansMax,
                scheduledDelayMilliseconds: 1_000,
                exporterTimeoutMilliseconds: 30_000,
                maxExportBatchSize: 2_048))
            .Build();
    }

    public long Spans => Interlocked.Read(ref _spans);

    /// <summary>Starts a span at a chosen time; <see cref="Activity.SetEndTime"/> and stop it yourself.</summary>
    public Activity Start(string name, ActivityKind kind, DateTimeOffset at, Activity? parent)
    {
        // Activity.Current would make strangers' spans our parents.
        Activity.Current = null;
        var activity = _source.StartActivity(name, kind, parent?.Context ?? default, startTime: at)
            ?? throw new InvalidOperationException($"The tracer of {_source.Name} does not listen, so no span can be made.");
        Interlocked.Increment(ref _spans);
        Interlocked.Increment(ref _sinceFlush);
        return activity;
    }

    public static void End(Activity activity, DateTimeOffset at)
    {
        activity.SetEndTime(at.UtcDateTime);
        activity.Stop();
    }

    /// <summary>Waits until the exporter has sent what it has, whenever its queue could otherwise overflow and drop.</summary>
    public void FlushBeforeOverflow()
    {
        if (Volatile.Read(ref _sinceFlush) > QueueSpansMax / 2)
        {
            Flush();
        }
    }

    public void Flush()
    {
        Interlocked.Exchange(ref _sinceFlush, 0);
        if (!_provider.ForceFlush(60_000))
        {
            throw new InvalidOperationException($"Spans of {_source.Name} could not be sent within 60 s. Is the server running, and is the key right?");
        }
    }

    public void Dispose()
    {
        _provider.Dispose();
        _source.Dispose();
    }
}
