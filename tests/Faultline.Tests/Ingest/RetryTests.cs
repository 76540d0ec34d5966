using System.Collections.Concurrent;
using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using Faultline.Ingest.Gateway;
using Faultline.Ingest.Pipeline;
using Faultline.Ingest.Receivers;
using Faultline.Ingest.Receivers.Grpc;
using Faultline.Ingest.Receivers.Http;
using Faultline.Store;
using Faultline.Store.Writes;
using Faultline.Tests.Store;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Faultline.Tests.Ingest;

/// <summary>What a sender is told when it should send the same again, over both transports.</summary>
public sealed class RetryTests : StoreTest
{
    private const string TraceExport = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    private static readonly TimeSpan MaxAge = TimeSpan.FromDays(365);

    // One span: trace id 01…01, span id 02…02, name "s", and fixed64 times that are set below.
    private static byte[] Request
    {
        get
        {
            var now = (ulong)((DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks * 100);
            byte[] span =
            [
                0x0a, 16, .. Enumerable.Repeat((byte)1, 16), 0x12, 8, .. Enumerable.Repeat((byte)2, 8), 0x2a, 1, (byte)'s',
                0x39, .. BitConverter.GetBytes(now), 0x41, .. BitConverter.GetBytes(now),
            ];
            byte[] scope = [0x12, (byte)span.Length, .. span];
            byte[] resource = [0x12, (byte)scope.Length, .. scope];
            return [0x0a, (byte)resource.Length, .. resource];
        }
    }

    /// <summary>Who declares a request and then sends nothing holds a place for as long as is allowed, and no longer.</summary>
    [Fact]
    public async Task A_request_that_does_not_arrive_in_time_is_408_and_DEADLINE_EXCEEDED_and_counted()
    {
        var store = await OpenAsync(Engine, Soon);
        var figures = new IngestFigures();
        var pipeline = new IngestPipeline(store.Writer, new IngestOptions(MaxAge), figures, TimeProvider.System);
        using var errors = new Errors();
        await using var http = await Door.OpenAsync(
            HttpProtocols.Http1,
            app =>
            {
                app.UseGateway(Auth(), NullLogger.Instance);
                app.MapOtlpHttp(pipeline, 1 << 20, TimeSpan.FromMilliseconds(200));
            },
            errors);
        await using var grpc = await Door.OpenAsync(HttpProtocols.Http2, app =>
        {
            app.UseGateway(Auth(), NullLogger.Instance);
            app.MapOtlpGrpc(pipeline, 1 << 20, TimeSpan.FromMilliseconds(200));
        });

        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(http.Address.Host, http.Address.Port);
        await socket.SendAsync("POST /v1/traces HTTP/1.1\r\nHost: x\r\nX-API-Key: key\r\nContent-Type: application/x-protobuf\r\nContent-Length: 1000\r\n\r\nabc"u8.ToArray());
        await using var stream = new NetworkStream(socket);
        var answer = "";
        for (var part = new byte[4096]; !answer.Contains("ingest.read_timeout", StringComparison.Ordinal);)
        {
            var read = await stream.ReadAsync(part);
            Assert.True(read > 0, answer);
            answer += Encoding.ASCII.GetString(part, 0, read);
        }

        Assert.StartsWith("HTTP/1.1 408", answer, StringComparison.Ordinal);

        using var client = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(grpc.Address, TraceExport))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new StalledContent(),
        };
        request.Headers.Add("x-api-key", "key");
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal("4", response.Headers.GetValues("grpc-status").Single());

        Assert.Equal(2, figures.Refusals().Where(refusal => refusal.Reason == RefusalReason.TooSlow).Sum(refusal => refusal.Requests));
        await Eventually.TrueAsync(() => pipeline.Reading.Taken == 0);

        // A slow sender is no error of ours: nothing is logged as one, to the end of the connection.
        await http.DisposeAsync();
        Assert.Empty(errors.Said);
    }

    private sealed class Errors : ILoggerProvider, ILogger
    {
        public ConcurrentQueue<string> Said { get; } = new();

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Error;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                Said.Enqueue(formatter(state, exception));
            }
        }

        public void Dispose()
        {
        }
    }

    /// <summary>The beginning of a message, and nothing after it.</summary>
    private sealed class StalledContent : HttpContent
    {
        public StalledContent() => Headers.ContentType = new MediaTypeHeaderValue("application/grpc");

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync(new byte[] { 0, 0, 0, 3, 0, 1 });
            await stream.FlushAsync();
            await Task.Delay(TimeSpan.FromSeconds(30));
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }

    [Fact]
    public async Task A_store_that_cannot_write_is_503_with_a_delay_and_UNAVAILABLE_with_RetryInfo()
    {
        var store = await OpenAsync(new FaultyEngine(Engine) { BeforeInsert = (_, _) => throw FaultyEngine.OutOfMemory() }, Soon);
        var figures = new IngestFigures();
        var pipeline = new IngestPipeline(store.Writer, new IngestOptions(MaxAge), figures, TimeProvider.System);

        var (status, retryAfter, _) = await PostAsync(pipeline);
        var call = await CallAsync(pipeline, Frame(Request));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        Assert.Equal("2", retryAfter);
        Assert.Equal("14", call.Status);
        Assert.Contains("google.rpc.RetryInfo", Details(call), StringComparison.Ordinal);
        Assert.Equal(2, figures.ByReceiver().Sum(receiver => receiver.Refused));
        Assert.Equal(2, figures.Refusals().Where(refusal => refusal.Reason == RefusalReason.Unavailable).Sum(refusal => refusal.Requests));
    }

    [Fact]
    public async Task A_full_queue_is_429_with_a_delay_and_RESOURCE_EXHAUSTED_with_RetryInfo()
    {
        var gate = new TaskCompletionSource();
        var store = await OpenAsync(new FaultyEngine(Engine) { Gate = () => gate.Task }, Soon with { QueueBytesMax = 1 });
        var figures = new IngestFigures();
        var pipeline = new IngestPipeline(store.Writer, new IngestOptions(MaxAge), figures, TimeProvider.System);
        var waiting = store.Writer.WriteAsync(SpanSpecs.Batch(new SpanSpec(SpanSpecs.Trace(9), SpanSpecs.Span(9))));

        var (status, retryAfter, _) = await PostAsync(pipeline);
        var call = await CallAsync(pipeline, Frame(Request));
        gate.SetResult();
        await waiting;

        Assert.Equal(HttpStatusCode.TooManyRequests, status);
        Assert.Equal("1", retryAfter);
        Assert.Equal("8", call.Status);
        Assert.Contains("google.rpc.RetryInfo", Details(call), StringComparison.Ordinal);
        Assert.Equal(2, figures.Refusals().Where(refusal => refusal.Reason == RefusalReason.Overloaded).Sum(refusal => refusal.Requests));
    }

    [Fact]
    public async Task What_is_more_than_the_store_takes_at_once_is_413()
    {
        // A resource stands in every row of the store, so a request within the limit of bytes can be too many of them there.
        var now = ((DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks * 100).ToString(System.Globalization.CultureInfo.InvariantCulture);
        var spans = string.Join(',', Enumerable.Range(1, 300).Select(i => $$"""{"traceId":"{{i:x32}}","spanId":"{{i:x16}}","name":"s","startTimeUnixNano":"{{now}}","endTimeUnixNano":"{{now}}"}"""));
        var request = Encoding.UTF8.GetBytes($$$"""{"resourceSpans":[{"resource":{"attributes":[{"key":"k","value":{"stringValue":"{{{new string('x', 900_000)}}}"}}]},"scopeSpans":[{"spans":[{{{spans}}}]}]}]}""");
        var store = await OpenAsync(Engine, Soon);
        var pipeline = new IngestPipeline(store.Writer, new IngestOptions(MaxAge), new IngestFigures(), TimeProvider.System);

        var (status, retryAfter, message) = await PostAsync(pipeline, request, "application/json");

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, status);
        Assert.Null(retryAfter);
        Assert.Contains("Send fewer rows a request", message, StringComparison.Ordinal);
        Assert.Equal(0, await CountAsync("spans"));
    }

    [Fact]
    public async Task More_than_may_be_read_at_once_is_to_be_sent_again_and_leaves_the_budget_whole()
    {
        var store = await OpenAsync(Engine, Soon);
        var pipeline = new IngestPipeline(store.Writer, new IngestOptions(MaxAge, ReadingBytesMax: 64), new IngestFigures(), TimeProvider.System);

        var (status, _, message) = await PostAsync(pipeline);
        var call = await CallAsync(pipeline, Frame(Request));

        Assert.Equal(HttpStatusCode.TooManyRequests, status);
        Assert.Contains("being read", message, StringComparison.Ordinal);
        Assert.Equal("8", call.Status);
        Assert.Contains("google.rpc.RetryInfo", Details(call), StringComparison.Ordinal);
        Assert.Equal(0, pipeline.Reading.Taken);
    }

    [Fact]
    public async Task Above_the_ceiling_of_memory_a_request_is_taken_alone_and_others_are_to_be_sent_again()
    {
        var gate = new TaskCompletionSource();
        var store = await OpenAsync(new FaultyEngine(Engine) { Gate = () => gate.Task }, Soon);
        var figures = new IngestFigures();
        var ceiling = new MemoryCeiling(100 << 20, () => 120 << 20, () => Task.CompletedTask, TimeProvider.System);
        var pipeline = new IngestPipeline(store.Writer, new IngestOptions(MaxAge) { Ceiling = ceiling }, figures, TimeProvider.System);

        var alone = PostAsync(pipeline);
        await Eventually.TrueAsync(() => pipeline.Reading.Taken > 0 || alone.IsCompleted);
        var (status, retryAfter, message) = await PostAsync(pipeline);
        var call = await CallAsync(pipeline, Frame(Request));
        gate.SetResult();

        Assert.Equal(HttpStatusCode.OK, (await alone).Status);
        Assert.Equal((HttpStatusCode.TooManyRequests, "1"), (status, retryAfter));
        Assert.Contains("holds 120 MiB of memory; above 65 MiB it takes requests one at a time (memory.bytes_max is 100 MiB)", message, StringComparison.Ordinal);
        Assert.Equal("8", call.Status);
        Assert.Contains("google.rpc.RetryInfo", Details(call), StringComparison.Ordinal);
        Assert.Equal((2, 2), (ceiling.Refusals, figures.Refusals().Where(refusal => refusal.Reason == RefusalReason.Overloaded).Sum(refusal => refusal.Requests)));
    }

    [Fact]
    public async Task A_message_that_is_too_large_is_RESOURCE_EXHAUSTED_without_RetryInfo()
    {
        var store = await OpenAsync(Engine, Soon);
        var pipeline = new IngestPipeline(store.Writer, new IngestOptions(MaxAge), new IngestFigures(), TimeProvider.System);

        var call = await CallAsync(pipeline, Frame(new byte[(1 << 20) + 1]));

        Assert.Equal("8", call.Status);
        Assert.Null(call.Details);
    }

    [Fact]
    public async Task A_call_whose_deadline_passes_is_told_so_and_may_be_sent_again()
    {
        var store = await OpenAsync(Engine, new WriterOptions(TimeSpan.FromSeconds(2)));
        var pipeline = new IngestPipeline(store.Writer, new IngestOptions(MaxAge), new IngestFigures(), TimeProvider.System);
        var request = Frame(Request);

        var first = await CallAsync(pipeline, request, timeout: "1m");
        var second = await CallAsync(pipeline, request);

        Assert.Equal("4", first.Status);
        Assert.Equal("0", second.Status);
        Assert.Equal(1, await CountAsync("spans"));
    }

    [Fact]
    public async Task A_gzip_frame_is_taken_and_what_is_not_gRPC_is_not()
    {
        var store = await OpenAsync(Engine, Soon);
        var pipeline = new IngestPipeline(store.Writer, new IngestOptions(MaxAge), new IngestFigures(), TimeProvider.System);
        using var target = new MemoryStream();
        using (var gzip = new GZipStream(target, CompressionLevel.Optimal))
        {
            gzip.Write(Request);
        }

        var call = await CallAsync(pipeline, Frame(target.ToArray(), compressed: true), encoding: "gzip");
        var unknown = await CallAsync(pipeline, Frame(target.ToArray(), compressed: true), encoding: "br");
        var web = await CallAsync(pipeline, Frame(Request), contentType: "application/grpc-web");

        Assert.Equal(("0", "12"), (call.Status, unknown.Status));
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, web.Http);
        Assert.Equal(1, await CountAsync("spans"));
    }

    private static byte[] Frame(byte[] message, bool compressed = false) =>
        [compressed ? (byte)1 : (byte)0, (byte)(message.Length >> 24), (byte)(message.Length >> 16), (byte)(message.Length >> 8), (byte)message.Length, .. message];

    private static string Details(GrpcCall call) =>
        Encoding.Latin1.GetString(Convert.FromBase64String(call.Details!.PadRight((call.Details!.Length + 3) / 4 * 4, '=')));

    private static GatewayAuth Auth() => new(new GatewayOptions(false, ["key"], []));

    private static async Task<(HttpStatusCode Status, string? RetryAfter, string Message)> PostAsync(IngestPipeline pipeline, byte[]? body = null, string contentType = "application/x-protobuf")
    {
        await using var door = await Door.OpenAsync(HttpProtocols.Http1, app =>
        {
            app.UseGateway(Auth(), NullLogger.Instance);
            app.MapOtlpHttp(pipeline, 1 << 20, TimeSpan.FromMinutes(1));
        });
        using var client = new HttpClient();
        using var content = new ByteArrayContent(body ?? Request);
        content.Headers.ContentType = new MediaTypeHeaderValue(contentType);
        content.Headers.Add("X-API-Key", "key");
        using var response = await client.PostAsync(new Uri(door.Address, "/v1/traces"), content);
        return (response.StatusCode, response.Headers.RetryAfter?.ToString(), await response.Content.ReadAsStringAsync());
    }

    private static async Task<GrpcCall> CallAsync(IngestPipeline pipeline, byte[] body, string? encoding = null, string? timeout = null, string contentType = "application/grpc")
    {
        await using var door = await Door.OpenAsync(HttpProtocols.Http2, app =>
        {
            app.UseGateway(Auth(), NullLogger.Instance);
            app.MapOtlpGrpc(pipeline, 1 << 20, TimeSpan.FromMinutes(1));
        });
        return await GrpcCall.SendAsync(door.Address, TraceExport, body, "key", encoding, timeout, contentType);
    }
}
