using System.Net;
using System.Net.Http.Headers;

namespace Faultline.Tests.Ingest;

/// <summary>What a unary gRPC call was answered: its HTTP status, and the trailers (or headers) that gRPC speaks in.</summary>
internal sealed record GrpcCall(HttpStatusCode Http, string? Status, string? Details)
{
    /// <param name="body">With the frame's prefix.</param>
    public static async Task<GrpcCall> SendAsync(
        Uri door, string path, byte[] body, string? key = "key", string? encoding = null, string? timeout = null, string contentType = "application/grpc")
    {
        using var client = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(door, path))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(body),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue(contentType);
        request.Headers.Add("te", "trailers");
        Add("x-api-key", key);
        Add("grpc-encoding", encoding);
        Add("grpc-timeout", timeout);
        using var response = await client.SendAsync(request);
        await response.Content.ReadAsByteArrayAsync();
        var headers = response.TrailingHeaders.Contains("grpc-status") ? response.TrailingHeaders : response.Headers;
        return new GrpcCall(
            response.StatusCode,
            headers.TryGetValues("grpc-status", out var status) ? status.Single() : null,
            headers.TryGetValues("grpc-status-details-bin", out var details) ? details.Single() : null);

        void Add(string name, string? value)
        {
            if (value is not null)
            {
                request.Headers.Add(name, value);
            }
        }
    }
}
