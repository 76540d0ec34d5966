using System.Buffers.Binary;
using System.Net;
using System.Net.Http.Headers;

namespace Faultline.Load;

/// <summary>One client: sends requests one after the other, over OTLP/HTTP or, on a connection of its own, OTLP/gRPC.</summary>
/// <remarks>gRPC over HTTP/2 as its protocol describes it (PROTOCOL-HTTP2.md): five bytes in front of the message, the outcome in a trailer. No gRPC library, so that sending stays as cheap as over HTTP.</remarks>
internal sealed class Sender : IDisposable
{
    private const int GrpcPrefix = 5;

    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(200);

    private readonly HttpClient _http;
    private readonly Uri _target;
    private readonly bool _isGrpc;
    private readonly byte[] _buffer;

    public Sender(Uri endpoint, bool isGrpc, string apiKey, int length)
    {
        _isGrpc = isGrpc;
        _target = new Uri(endpoint, isGrpc ? "/opentelemetry.proto.collector.trace.v1.TraceService/Export" : "/v1/traces");
        _http = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = 1 })
        {
            Timeout = TimeSpan.FromSeconds(60),
            DefaultRequestVersion = isGrpc ? HttpVersion.Version20 : HttpVersion.Version11,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        _http.DefaultRequestHeaders.Add("X-API-Key", apiKey);
        _buffer = new byte[(isGrpc ? GrpcPrefix : 0) + length];
        if (isGrpc)
        {
            BinaryPrimitives.WriteInt32BigEndian(_buffer.AsSpan(1), length);
            _http.DefaultRequestHeaders.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        }
    }

    /// <summary>The request to send.</summary>
    public Span<byte> Message => _buffer.AsSpan(_isGrpc ? GrpcPrefix : 0);

    /// <summary>Sends <see cref="Message"/>.</summary>
    /// <returns>How long to wait before it is sent again; null when it was taken.</returns>
    /// <exception cref="HttpRequestException">The answer never came.</exception>
    public async Task<TimeSpan?> SendAsync()
    {
        using var content = new ByteArrayContent(_buffer);
        content.Headers.ContentType = new MediaTypeHeaderValue(_isGrpc ? "application/grpc" : "application/x-protobuf");
        using var response = await _http.PostAsync(_target, content);
        if (!_isGrpc)
        {
            return response.IsSuccessStatusCode ? null : response.Headers.RetryAfter?.Delta ?? RetryDelay;
        }

        // A refusal has no message, and its outcome among the headers.
        string? Outcome(HttpResponseHeaders headers) => headers.TryGetValues("grpc-status", out var values) ? values.First() : null;
        return (Outcome(response.TrailingHeaders) ?? Outcome(response.Headers)) is "0" ? null : RetryDelay;
    }

    public void Dispose() => _http.Dispose();
}
