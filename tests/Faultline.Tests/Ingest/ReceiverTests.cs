using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Faultline.Ingest.Gateway;
using Faultline.Ingest.Pipeline;
using Faultline.Ingest.Receivers;
using Faultline.Ingest.Receivers.Grpc;
using Faultline.Ingest.Receivers.Http;
using Faultline.Store;
using Faultline.Store.Writes;
using Faultline.Telemetry.Spans;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Faultline.Tests.Ingest;

/// <summary>Both OTLP doors over a real store, fed with what should not come and what should.</summary>
public sealed class ReceiverTests : IAsyncLifetime
{
    private const int MessageBytesMax = 1 << 20;

    private static readonly HttpClient Http = new();
    private readonly IngestFigures _figures = new();
    private TelemetryStore _store = null!;
    private Door _httpDoor = null!;
    private Door _grpcDoor = null!;

    public async Task InitializeAsync()
    {
        _store = await TelemetryStore.OpenAsync(await EngineFixture.OpenDatabaseAsync(), new WriterOptions(TimeSpan.FromMilliseconds(5)), TimeProvider.System);
        var auth = new GatewayAuth(new GatewayOptions(false, ["key"], []));
        var pipeline = new IngestPipeline(_store.Writer, new IngestOptions(TimeSpan.FromDays(365)), _figures, TimeProvider.System);
        _httpDoor = await Door.OpenAsync(HttpProtocols.Http1, app =>
        {
            app.UseGateway(auth, NullLogger.Instance);
            app.MapOtlpHttp(pipeline, MessageBytesMax, TimeSpan.FromMinutes(1));
        });
        _grpcDoor = await Door.OpenAsync(HttpProtocols.Http2, app =>
        {
            app.UseGateway(auth, NullLogger.Instance);
            app.MapOtlpGrpc(pipeline, MessageBytesMax, TimeSpan.FromMinutes(1));
        });
    }

    public async Task DisposeAsync()
    {
        await _httpDoor.DisposeAsync();
        await _grpcDoor.DisposeAsync();
        await _store.Writer.StopAsync();
        await _store.Engine.DisposeAsync();
    }

    public static TheoryData<string, string, string?, int> BadRequests => new()
    {
        { "no protobuf", "application/x-protobuf", null, 400 },
        { "truncated", "application/x-protobuf", null, 400 },
        { "no JSON", "application/json", null, 400 },
        { "JSON of the wrong shape", "application/json", null, 400 },
        { "deeply nested", "application/json", null, 400 },
        { "too large", "application/x-protobuf", null, 413 },
        { "gzip bomb", "application/x-protobuf", "gzip", 413 },
        { "not gzip", "application/x-protobuf", "gzip", 400 },
        { "cut gzip", "application/json", "gzip", 400 },
        { "valid", "text/plain", null, 415 },
        { "valid", "application/json", "br", 415 },
        { "not gzip", "application/json", "zstd", Zstd.IsPresent ? 400 : 415 },
        { "wrong wire type", "application/x-protobuf", null, 400 },
        { "deeply nested protobuf", "application/x-protobuf", null, 400 },
    };

    [Theory]
    [MemberData(nameof(BadRequests))]
    public async Task A_bad_request_gets_its_status_and_harms_nothing(string what, string contentType, string? encoding, int status)
    {
        using var response = await PostAsync(Body(what), contentType, encoding);

        Assert.Equal(status, (int)response.StatusCode);
        var body = await response.Content.ReadAsByteArrayAsync();
        if (contentType is "application/json")
        {
            using var json = JsonDocument.Parse(body);
            Assert.False(string.IsNullOrEmpty(json.RootElement.GetProperty("message").GetString()));
        }
        else
        {
            // google.rpc.Status: field 1 is the code, field 2 the message.
            Assert.Equal([0x08, 0x03, 0x12], body[..3]);
        }

        using var good = await PostAsync(Valid("00000000000000000000000000000abc"), "application/json", null);
        Assert.Equal(HttpStatusCode.OK, good.StatusCode);
        Assert.Single(await SpansAsync("00000000000000000000000000000abc"));
    }

    [Theory]
    [InlineData("application/x-protobuf")]
    [InlineData("application/json")]
    public async Task Without_a_valid_key_the_answer_is_a_status_in_the_request_s_own_type(string contentType)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(_httpDoor.Address, "/v1/traces")) { Content = new ByteArrayContent([]) };
        request.Headers.Add("X-API-Key", "wrong");
        request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);
        using var response = await Http.SendAsync(request);

        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
        Assert.NotEmpty(response.Headers.WwwAuthenticate);
        Assert.Equal(contentType, response.Content.Headers.ContentType?.MediaType);
        var body = await response.Content.ReadAsByteArrayAsync();
        if (contentType is "application/json")
        {
            using var json = JsonDocument.Parse(body);
            Assert.Equal(16, json.RootElement.GetProperty("code").GetInt32());
        }
        else
        {
            // google.rpc.Status: field 1 is the code, field 2 the message.
            Assert.Equal([0x08, 0x10, 0x12], body[..3]);
        }
    }

    [Fact]
    public async Task Where_everything_is_accepted_partial_success_is_not_set()
    {
        using var response = await PostAsync(Valid("000000000000000000000000000000f7"), "application/json", null);

        Assert.Equal("{}", await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Good_and_bad_spans_in_one_request_are_a_partial_success_that_says_why()
    {
        var old = Valid("000000000000000000000000000000f1", startYear: 2001);
        using var response = await PostAsync(old, "application/json", null);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        var partial = json.RootElement.GetProperty("partialSuccess");
        Assert.Equal("1", partial.GetProperty("rejectedSpans").GetString());
        Assert.False(string.IsNullOrEmpty(partial.GetProperty("errorMessage").GetString()));
        Assert.Empty(await SpansAsync("000000000000000000000000000000f1"));
    }

    [Fact]
    public async Task The_same_bytes_sent_twice_are_stored_once()
    {
        var body = Valid("000000000000000000000000000000f2");

        using var first = await PostAsync(body, "application/json", null);
        using var second = await PostAsync(body, "application/json", null);

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (first.StatusCode, second.StatusCode));
        var answer = await _store.Engine.QueryAsync("SELECT count() AS n FROM spans WHERE trace_id = unhex('000000000000000000000000000000f2')");
        Assert.Equal(1, answer.Rows.First().Int64("n"));
    }

    [SkippableFact]
    public async Task Zstd_is_taken()
    {
        Skip.IfNot(Zstd.IsPresent, "libzstd is not installed");
        using var response = await PostAsync(ZstdPacker.Pack(Valid("000000000000000000000000000000f6")), "application/json", "zstd");

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Single(await SpansAsync("000000000000000000000000000000f6"));
    }

    [Fact]
    public async Task Gzip_is_taken()
    {
        using var response = await PostAsync(Gzip(Valid("000000000000000000000000000000f3")), "application/json", "gzip");

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Single(await SpansAsync("000000000000000000000000000000f3"));
    }

    [Theory]
    [InlineData("wrong", 16)]
    [InlineData(null, 16)]
    public async Task Over_gRPC_a_wrong_key_is_UNAUTHENTICATED(string? key, int status) => Assert.Equal(status, await CallAsync(TraceExport, Frame([]), key));

    [Fact]
    public async Task Over_gRPC_bad_calls_get_their_status_and_the_server_goes_on()
    {
        Assert.Equal(3, await CallAsync(TraceExport, Frame([0xff, 0xff, 0xff]), "key"));
        Assert.Equal(3, await CallAsync(TraceExport, [0, 0, 0, 0, 9, 1], "key"));
        Assert.Equal(3, await CallAsync(TraceExport, [], "key"));
        Assert.Equal(8, await CallAsync(TraceExport, Frame(new byte[MessageBytesMax + 1]), "key"));
        Assert.Equal(8, await CallAsync(TraceExport, Frame(Gzip(new byte[64 << 20]), compressed: true), "key", "gzip"));
        Assert.Equal(3, await CallAsync(TraceExport, Frame("plainly not gzip"u8.ToArray(), compressed: true), "key", "gzip"));
        Assert.Equal(12, await CallAsync(TraceExport, Frame([1, 2, 3], compressed: true), "key", "br"));
        Assert.Equal(Zstd.IsPresent ? 3 : 12, await CallAsync(TraceExport, Frame([1, 2, 3], compressed: true), "key", "zstd"));
        Assert.Equal(3, await CallAsync(TraceExport, Frame(WrongWireType), "key"));
        Assert.Equal(3, await CallAsync(TraceExport, Frame(DeeplyNested), "key"));
        Assert.Equal(12, await CallAsync("/opentelemetry.proto.collector.profiles.v1.ProfilesService/Export", Frame([]), "key"));
        Assert.Equal(0, await CallAsync(TraceExport, Frame([]), "key"));
    }

    private const string TraceExport = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

    private static byte[] Body(string what) => what switch
    {
        "no protobuf" => "hello, I am not protobuf at all"u8.ToArray(),
        "truncated" => [0x0a, 0x7f, 0x0a, 0x01],
        "wrong wire type" => WrongWireType,
        "deeply nested protobuf" => DeeplyNested,
        "no JSON" => "{\"resourceSpans\": ["u8.ToArray(),
        "JSON of the wrong shape" => "{\"resourceSpans\": 7}"u8.ToArray(),
        "deeply nested" => Encoding.UTF8.GetBytes("{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"k\",\"value\":" + string.Concat(Enumerable.Repeat("{\"arrayValue\":{\"values\":[", 5_000)) + string.Concat(Enumerable.Repeat("]}}", 5_000)) + "}]}}]}"),
        "too large" => new byte[MessageBytesMax + 1],
        "gzip bomb" => Gzip(new byte[64 << 20]),
        "not gzip" => "plainly not gzip"u8.ToArray(),
        "cut gzip" => Gzip(Valid("000000000000000000000000000000f4"))[..40],
        "valid" => Valid("000000000000000000000000000000f5"),
        _ => throw new ArgumentOutOfRangeException(nameof(what), what, null),
    };

    private static byte[] Valid(string traceId, int startYear = 0)
    {
        var start = startYear == 0 ? DateTimeOffset.UtcNow : new DateTimeOffset(startYear, 1, 1, 0, 0, 0, TimeSpan.Zero);
        var nanos = ((start - DateTimeOffset.UnixEpoch).Ticks * 100).ToString(System.Globalization.CultureInfo.InvariantCulture);
        return Encoding.UTF8.GetBytes(
            "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"" + traceId + "\",\"spanId\":\"00000000000000a1\",\"name\":\"s\",\"startTimeUnixNano\":\"" + nanos + "\",\"endTimeUnixNano\":\"" + nanos + "\"}]}]}]}");
    }

    private static byte[] Gzip(byte[] bytes)
    {
        using var target = new MemoryStream();
        using (var gzip = new GZipStream(target, CompressionLevel.Optimal))
        {
            gzip.Write(bytes);
        }

        return target.ToArray();
    }

    /// <summary>Field 1 of the request as a group that never ends.</summary>
    private static byte[] WrongWireType => [0x0b, 0x08, 0x01];

    /// <summary>A resource attribute with 5,000 arrays in each other.</summary>
    private static byte[] DeeplyNested
    {
        get
        {
            byte[] value = [];
            for (var depth = 0; depth < 5_000; depth++)
            {
                value = Field(5, Field(1, value));
            }

            return Field(1, Field(1, Field(1, [0x0a, 1, (byte)'k', .. Field(2, value)])));
        }
    }

    private static byte[] Field(int number, byte[] content)
    {
        var bytes = new List<byte> { (byte)((number << 3) | 2) };
        for (var length = content.Length; ; length >>= 7)
        {
            bytes.Add((byte)(length >= 0x80 ? length | 0x80 : length));
            if (length < 0x80)
            {
                return [.. bytes, .. content];
            }
        }
    }

    private static byte[] Frame(byte[] message, bool compressed = false) => [compressed ? (byte)1 : (byte)0, (byte)(message.Length >> 24), (byte)(message.Length >> 16), (byte)(message.Length >> 8), (byte)message.Length, .. message];

    private async Task<HttpResponseMessage> PostAsync(byte[] body, string contentType, string? encoding)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(_httpDoor.Address, "/v1/traces")) { Content = new ByteArrayContent(body) };
        request.Headers.Add("X-API-Key", "key");
        request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);
        if (encoding is not null)
        {
            request.Content.Headers.ContentEncoding.Add(encoding);
        }

        return await Http.SendAsync(request);
    }

    private async Task<int> CallAsync(string path, byte[] body, string? key, string? encoding = null) =>
        int.Parse((await GrpcCall.SendAsync(_grpcDoor.Address, path, body, key, encoding)).Status!, System.Globalization.CultureInfo.InvariantCulture);

    private async Task<IReadOnlyList<Faultline.Store.Traces.StoredSpan>> SpansAsync(string traceId) =>
        TraceId.TryParse(traceId, out var id) ? await _store.Traces.SpansOfAsync("default", id) : [];
}
