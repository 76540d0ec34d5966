using System.Net.Http.Headers;

namespace Faultline.Load;

/// <summary>OTLP/HTTP, protobuf.</summary>
internal sealed class OtlpHttpClient : IClient
{
    private readonly HttpClient _http = new(new SocketsHttpHandler { MaxConnectionsPerServer = 1 }) { Timeout = TimeSpan.FromSeconds(60) };
    private readonly Uri _target;
    private readonly byte[] _buffer;

    public OtlpHttpClient(Uri endpoint, string apiKey, int length)
    {
        _target = new Uri(endpoint, "/v1/traces");
        _http.DefaultRequestHeaders.Add("X-API-Key", apiKey);
        _buffer = new byte[length];
    }

    public Span<byte> Message => _buffer;

    public async Task<TimeSpan?> SendAsync()
    {
        using var content = new ByteArrayContent(_buffer);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/x-protobuf");
        using var response = await _http.PostAsync(_target, content);
        return response.IsSuccessStatusCode ? null : response.Headers.RetryAfter?.Delta ?? IClient.RetryDelay;
    }

    public void Dispose() => _http.Dispose();
}
