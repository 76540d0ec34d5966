using System.Collections.Concurrent;
using System.Globalization;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Faultline.Ingest.Forwarding;
using Faultline.Ingest.Pipeline;
using Faultline.Ingest.Receivers;
using Faultline.Ingest.Receivers.Grpc;
using Faultline.Telemetry;
using Faultline.Telemetry.Otlp;
using Faultline.Telemetry.Spans;
using Faultline.Tests.Otlp;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Faultline.Tests.Ingest.Forwarding;

/// <summary>Copies towards a real server on loopback that answers as it is told.</summary>
public sealed class ForwarderTests : IDisposable
{
    private static readonly RetryOptions s_quick = new() { InitialInterval = TimeSpan.FromMilliseconds(5), MaxInterval = TimeSpan.FromMilliseconds(20) };

    private readonly string _folder = Directory.CreateTempSubdirectory("faultline-forward-").FullName;
    private readonly ConcurrentQueue<Heard> _heard = new();
    private ulong _spans;
    private volatile Exception? _broken;

    private sealed record Heard(string Path, string? Tenant, SpanBatch Spans, byte[] Body);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(ExporterProtocol.Grpc, Packing.None)]
    [InlineData(ExporterProtocol.Grpc, Packing.Gzip)]
    [InlineData(ExporterProtocol.Grpc, Packing.Zstd)]
    [InlineData(ExporterProtocol.Http, Packing.None)]
    [InlineData(ExporterProtocol.Http, Packing.Gzip)]
    [InlineData(ExporterProtocol.Http, Packing.Zstd)]
    public async Task Spans_arrive_over_both_protocols_however_they_are_packed_with_the_headers_set(ExporterProtocol protocol, Packing packing)
    {
        await using var door = await BackendAsync(protocol, _ => 0);
        await using var forwarder = Open(door, protocol, options => options with { Compression = packing, Headers = [new("X-Scope-OrgID", "team")] });
        using var run = new Running(forwarder);
        forwarder.Queue(Batch("a", "b"), [], isRepeat: false);

        var heard = await FirstAsync();
        Assert.Equal(["a", "b"], Names(heard.Spans));
        Assert.Equal("team", heard.Tenant);
        Assert.Equal(protocol == ExporterProtocol.Grpc ? "/opentelemetry.proto.collector.trace.v1.TraceService/Export" : "/v1/traces", heard.Path);
        await SentAsync(forwarder, 2);
    }

    [Theory]
    [InlineData(ExporterProtocol.Grpc, 14)]
    [InlineData(ExporterProtocol.Grpc, 16)]
    [InlineData(ExporterProtocol.Http, 503)]
    [InlineData(ExporterProtocol.Http, 429)]
    [InlineData(ExporterProtocol.Http, 401)]
    public async Task What_may_be_taken_later_is_sent_again_byte_by_byte_until_it_is_taken_and_nothing_overtakes_it(ExporterProtocol protocol, int status)
    {
        await using var door = await BackendByCountAsync(protocol, count => count <= 3 ? status : 0);
        await using var forwarder = Open(door, protocol);
        using var run = new Running(forwarder);
        forwarder.Queue(Batch("first"), [], isRepeat: false);
        await FirstAsync();
        for (var i = 0; i < 5; i++)
        {
            forwarder.Queue(Batch("later " + i), [], isRepeat: false);
        }

        await SentAsync(forwarder, 6);
        var heard = _heard.ToList();
        Assert.All(heard.Take(4), one => Assert.Equal(heard[0].Body, one.Body));
        Assert.Equal(["first", "later 0", "later 1", "later 2", "later 3", "later 4"], heard.Skip(3).SelectMany(one => Names(one.Spans)));
        Assert.Equal(3, Value(forwarder, "faultline_forward_failed_requests"));
    }

    [Theory]
    [InlineData(ExporterProtocol.Grpc, 3)]
    [InlineData(ExporterProtocol.Http, 400)]
    public async Task Of_requests_sent_together_only_the_one_that_is_never_taken_is_dropped_and_counted(ExporterProtocol protocol, int status)
    {
        await using var door = await BackendAsync(protocol, spans => Names(spans).Contains("bad") ? status : 0);
        await using var forwarder = Open(door, protocol);
        foreach (var name in (string[])["a", "b", "bad", "c"])
        {
            forwarder.Queue(Batch(name), [], isRepeat: false);
        }

        using var run = new Running(forwarder);
        await SentAsync(forwarder, 3);
        Assert.Equal(["a", "b", "c"], _heard.Where(one => one.Spans.Count == 1).SelectMany(one => Names(one.Spans)).Where(name => name != "bad"));
        await Eventually(() => Dropped(forwarder, "refused") == 1);
    }

    [Fact]
    public async Task A_partial_success_is_counted_and_not_sent_again()
    {
        var partial = new ProtoWriter().Message(1, inner => inner.Varint(1, 2).Text(2, "too old")).ToArray();
        await using var door = await BackendAsync(ExporterProtocol.Http, _ => 0, partial);
        await using var forwarder = Open(door, ExporterProtocol.Http);
        using var run = new Running(forwarder);
        forwarder.Queue(Batch("a", "b", "c"), [], isRepeat: false);

        await SentAsync(forwarder, 1);
        Assert.Equal(2, Value(forwarder, "faultline_forward_rejected_items"));
        Assert.Single(_heard);
    }

    [Fact]
    public async Task A_backend_that_never_answers_holds_up_nobody_and_is_given_up_when_it_is_set_so()
    {
        var never = new TaskCompletionSource();
        await using var door = await Door.OpenAsync(HttpProtocols.Http1, app => app.MapPost("/v1/traces", http => never.Task.WaitAsync(http.RequestAborted)));
        await using var forwarder = Open(door, ExporterProtocol.Http, options => options with
        {
            Timeout = TimeSpan.FromMilliseconds(50),
            Retry = s_quick with { MaxElapsedTime = TimeSpan.FromSeconds(2) },
        });
        using var run = new Running(forwarder);
        forwarder.Queue(Batch("a"), [], isRepeat: false);

        await Eventually(() => Dropped(forwarder, "expired") == 1);
        Assert.True(Value(forwarder, "faultline_forward_failed_requests") >= 2);
    }

    [Fact]
    public async Task A_delay_that_the_backend_asks_for_is_kept()
    {
        await using var http = await Door.OpenAsync(HttpProtocols.Http1, app => app.MapPost("/v1/traces", call =>
        {
            call.Response.StatusCode = 429;
            call.Response.Headers.RetryAfter = "17";
            return Task.CompletedTask;
        }));
        await using var grpc = await Door.OpenAsync(HttpProtocols.Http2, app => app.MapPost("/{service}/Export", call =>
        {
            GrpcReply.Refuse(call, RpcCode.ResourceExhausted, "slow down", Replies.Status(RpcCode.ResourceExhausted, "slow down", TimeSpan.FromSeconds(1.5)));
            return Task.CompletedTask;
        }));

        Assert.Equal(TimeSpan.FromSeconds(17), Assert.IsType<Delivery.Later>(await SendAsync(http, ExporterProtocol.Http)).After);
        var later = Assert.IsType<Delivery.Later>(await SendAsync(grpc, ExporterProtocol.Grpc));
        Assert.Equal((TimeSpan.FromSeconds(1.5), "gRPC 8: slow down"), (later.After, later.Why));

        async Task<Delivery> SendAsync(Door door, ExporterProtocol protocol)
        {
            using var one = new OtlpSender(Options(door.Address, protocol), TimeProvider.System);
            return await one.SendAsync(Signal.Traces, new byte[3], CancellationToken.None);
        }
    }

    [Fact]
    public async Task Only_what_the_filter_lets_through_goes_on()
    {
        await using var door = await BackendAsync(ExporterProtocol.Http, _ => 0);
        await using var forwarder = Open(door, ExporterProtocol.Http, options => options with
        {
            Filter = new ForwardFilter { OnlyErrors = true, Projects = [new NamePattern("team-*")], Services = [new NamePattern("shop")], Attributes = [new AttributeMatch("tier=gold"), new AttributeMatch("vip")] },
        });
        using var run = new Running(forwarder);
        foreach (var project in (string[])["other", "team-a"])
        {
            forwarder.Queue(BatchOf(project, "shop", ("ok", 1, "tier", "gold"), ("wrong, but silver", 2, "tier", "silver"), ("wrong and gold", 2, "tier", "gold"), ("wrong and vip", 2, "vip", "")), [], isRepeat: false);
            forwarder.Queue(BatchOf(project, "till", ("wrong elsewhere", 2, "tier", "gold")), [], isRepeat: false);
        }

        await SentAsync(forwarder, 2);
        Assert.Equal(["wrong and gold", "wrong and vip"], _heard.SelectMany(one => Names(one.Spans)));
    }

    [Fact]
    public void Waits_grow_to_their_maximum_and_are_spread()
    {
        var retry = new RetryOptions();

        Assert.Equal([5, 7.5, 11.25, 16.875, 25.3125, 30, 30], Enumerable.Range(1, 7).Select(failures => retry.Wait(failures, 0.5).TotalSeconds));
        Assert.Equal((2.5, 7.5), (retry.Wait(1, 0).TotalSeconds, retry.Wait(1, 1).TotalSeconds));
        Assert.Equal(30, retry.Wait(100_000, 0.5).TotalSeconds);
    }

    [Fact]
    public async Task A_backend_s_certificate_must_be_of_the_authority_that_is_set_and_of_its_name()
    {
        using var authority = Authority();
        using var certificate = Signed(authority, "backend.test");
        await using var app = await TlsBackendAsync(certificate);
        var ca = Path.Combine(_folder, "ca.pem");
        File.WriteAllText(ca, authority.ExportCertificatePem());
        var otherCa = Path.Combine(_folder, "other.pem");
        using var other = Authority();
        File.WriteAllText(otherCa, other.ExportCertificatePem());

        var taken = await SendAsync(new ExporterTls(CaFile: ca, ServerNameOverride: "backend.test"));
        Assert.True(taken is Delivery.Done, taken.ToString());
        Assert.IsType<Delivery.Done>(await SendAsync(new ExporterTls(InsecureSkipVerify: true)));
        Assert.IsType<Delivery.Later>(await SendAsync(new ExporterTls(CaFile: ca)));
        Assert.IsType<Delivery.Later>(await SendAsync(new ExporterTls(CaFile: otherCa, ServerNameOverride: "backend.test")));
        Assert.IsType<Delivery.Later>(await SendAsync(new ExporterTls()));

        async Task<Delivery> SendAsync(ExporterTls tls)
        {
            using var sender = new OtlpSender(Options(new Uri(app.Urls.First()), ExporterProtocol.Http) with { Tls = tls }, TimeProvider.System);
            return await sender.SendAsync(Signal.Traces, new byte[3], CancellationToken.None);
        }
    }

    private static async Task<WebApplication> TlsBackendAsync(X509Certificate2 certificate)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(System.Net.IPAddress.Loopback, 0, listen => listen.UseHttps(certificate)));
        var app = builder.Build();
        app.MapPost("/v1/traces", () => Results.Ok());
        await app.StartAsync();
        return app;
    }

    private static X509Certificate2 Authority()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=authority", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddHours(1));
    }

    private static X509Certificate2 Signed(X509Certificate2 authority, string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=" + name, key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        using var signed = request.Create(authority, new DateTimeOffset(authority.NotBefore), new DateTimeOffset(authority.NotAfter), RandomNumberGenerator.GetBytes(8));
        using var whole = signed.CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(whole.Export(X509ContentType.Pkcs12), null);
    }

    private static ExporterOptions Options(Uri address, ExporterProtocol protocol) =>
        new("otlp/test") { Endpoint = address, Protocol = protocol, Signals = [Signal.Traces], Retry = s_quick, Compression = Packing.None };

    private Forwarder Open(Door door, ExporterProtocol protocol, Func<ExporterOptions, ExporterOptions>? change = null)
    {
        var options = Options(door.Address, protocol);
        return Forwarder.Open([change is null ? options : change(options)], _folder, TimeProvider.System, NullLogger.Instance);
    }

    private Task<Door> BackendByCountAsync(ExporterProtocol protocol, Func<int, int> status)
    {
        var count = 0;
        return BackendAsync(protocol, _ => status(Interlocked.Increment(ref count)));
    }

    /// <param name="status">By the spans that came: 0 for success, else the code in the protocol's own numbers.</param>
    private Task<Door> BackendAsync(ExporterProtocol protocol, Func<SpanBatch, int> status, byte[]? answer = null) =>
        Door.OpenAsync(protocol == ExporterProtocol.Grpc ? HttpProtocols.Http2 : HttpProtocols.Http1, app => app.Run(async http =>
        {
            try
            {
                await AnswerAsync(http, protocol == ExporterProtocol.Grpc, status, answer ?? []);
            }
            catch (Exception failed)
            {
                _broken = failed;
                throw;
            }
        }));

    private async Task AnswerAsync(HttpContext http, bool isGrpc, Func<SpanBatch, int> status, byte[] answer)
    {
        var bytes = new MemoryStream();
        await http.Request.Body.CopyToAsync(bytes);
        var body = Unpacked(isGrpc ? bytes.ToArray()[5..] : bytes.ToArray(), http.Request.Headers[isGrpc ? "grpc-encoding" : "Content-Encoding"].ToString());
        var spans = new SpanBatch();
        Assert.False(OtlpDecoder.DecodeTraces(body, spans, TraceDecoderTests.Limits).Malformed);
        _heard.Enqueue(new Heard(http.Request.Path, http.Request.Headers["X-Scope-OrgID"], spans, body));
        var code = status(spans);
        if (isGrpc && code == 0)
        {
            await GrpcReply.AnswerAsync(http, answer);
        }
        else if (isGrpc)
        {
            GrpcReply.Refuse(http, (RpcCode)code, "no");
        }
        else
        {
            http.Response.StatusCode = code == 0 ? 200 : code;
            http.Response.ContentType = "application/x-protobuf";
            await http.Response.Body.WriteAsync(answer);
        }
    }

    private static byte[] Unpacked(byte[] bytes, string encoding)
    {
        switch (encoding)
        {
            case "gzip":
                using (var gzip = new GZipStream(new MemoryStream(bytes), CompressionMode.Decompress))
                {
                    var plain = new MemoryStream();
                    gzip.CopyTo(plain);
                    return plain.ToArray();
                }

            case "zstd":
                using (var body = new RequestBody(new BytesBudget(64 << 20)))
                {
                    Assert.Equal(BodyFault.None, body.Unpack(Packing.Zstd, bytes, 1 << 20));
                    return body.Bytes.ToArray();
                }

            default:
                return bytes;
        }
    }

    private TelemetryBatch Batch(params string[] names) => BatchOf("default", "shop", [.. names.Select(name => (name, 0, "k", "v"))]);

    private TelemetryBatch BatchOf(string project, string service, params (string Name, int Status, string Key, string Value)[] spans)
    {
        var request = new ProtoWriter().Message(1, resource => resource
            .Message(1, inner => inner.Attribute(1, "service.name", service))
            .Message(2, scope =>
            {
                foreach (var (name, status, key, value) in spans)
                {
                    var id = BitConverter.GetBytes(++_spans);
                    scope.Message(2, span => span.Bytes(1, [.. id, .. id]).Bytes(2, id).Text(5, name).Fixed64(7, RandomOtlp.Now).Fixed64(8, RandomOtlp.Now).Attribute(9, key, value).Message(15, one => one.Varint(3, (ulong)status)));
                }
            }));
        var batch = new TelemetryBatch { Project = project, ReceivedUnixNanos = RandomOtlp.Now, RequestHash = _spans };
        Assert.Equal(spans.Length, OtlpDecoder.DecodeTraces(request.ToArray(), batch.Spans, TraceDecoderTests.Limits).Accepted);
        return batch;
    }

    private static List<string> Names(SpanBatch spans) => [.. Enumerable.Range(0, spans.Count).Select(spans.Name.Text)];

    private static double Value(Forwarder forwarder, string family) => forwarder.Families().Single(one => one.Name == family).Samples.Sum(sample => sample.Value);

    private static double Dropped(Forwarder forwarder, string reason) =>
        forwarder.Families().Single(one => one.Name == "faultline_forward_dropped_items").Samples.Single(sample => sample.Labels["reason"] == reason).Value;

    private async Task<Heard> FirstAsync()
    {
        await Eventually(() => !_heard.IsEmpty);
        return _heard.First();
    }

    private Task SentAsync(Forwarder forwarder, int items) => Eventually(() => Value(forwarder, "faultline_forward_sent_items") == items);

    private async Task Eventually(Func<bool> condition)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!condition())
        {
            Assert.Null(_broken);
            await Task.Delay(5, patience.Token);
        }
    }

    private sealed class Running : IDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly Task _run;

        public Running(Forwarder forwarder) => _run = Task.Run(() => forwarder.RunAsync(_stop.Token));

        public void Dispose()
        {
            _stop.Cancel();
            Assert.ThrowsAny<OperationCanceledException>(() => _run.GetAwaiter().GetResult());
            _stop.Dispose();
        }
    }
}
