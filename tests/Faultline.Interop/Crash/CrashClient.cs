using System.Net;
using System.Net.Http.Headers;
using System.Text;

namespace Faultline.Interop.Crash;

/// <summary>What a client of the crash runs heard.</summary>
internal enum Heard
{
    /// <summary>There was nobody to connect to, so nothing was sent.</summary>
    NotConnected,

    /// <summary>No answer, though it may have arrived.</summary>
    Nothing,

    Acknowledged,

    /// <summary>The same may be sent again after a delay that the answer gave.</summary>
    TryLater,
}

/// <summary>One OTLP exporter, over HTTP or gRPC, that sends what it is told and says what it heard.</summary>
internal sealed class CrashClient(bool isGrpc, Uri door, string key = FaultlineProcess.ApiKey) : IDisposable
{
    private const string Package = "/opentelemetry.proto.collector.";

    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(60) };

    public void Dispose() => _http.Dispose();

    /// <returns>What was heard and, where it is <see cref="Heard.TryLater"/>, after how long.</returns>
    /// <exception cref="InvalidOperationException">An answer that a sender must never get for a good request.</exception>
    public async Task<(Heard Heard, TimeSpan Delay)> SendAsync(CrashRequest request)
    {
        try
        {
            return isGrpc ? await CallAsync(request) : await PostAsync(request);
        }
        catch (HttpRequestException refused) when (refused.HttpRequestError == HttpRequestError.ConnectionError)
        {
            return (Heard.NotConnected, default);
        }
        catch (Exception broken) when (broken is HttpRequestException or IOException or OperationCanceledException)
        {
            return (Heard.Nothing, default);
        }
    }

    private async Task<(Heard, TimeSpan)> PostAsync(CrashRequest request)
    {
        using var message = Message(request.IsLogs ? "/v1/logs" : "/v1/traces", request.Bytes, "application/x-protobuf");
        using var response = await _http.SendAsync(message);
        var body = await response.Content.ReadAsStringAsync();
        return response switch
        {
            { StatusCode: HttpStatusCode.OK } when body.Length == 0 => (Heard.Acknowledged, default),
            { StatusCode: HttpStatusCode.ServiceUnavailable or HttpStatusCode.TooManyRequests, Headers.RetryAfter.Delta: { } delay } => (Heard.TryLater, delay),
            _ => throw new InvalidOperationException($"HTTP {(int)response.StatusCode}, Retry-After {response.Headers.RetryAfter}: {body}"),
        };
    }

    private async Task<(Heard, TimeSpan)> CallAsync(CrashRequest request)
    {
        var path = Package + (request.IsLogs ? "logs.v1.LogsService" : "trace.v1.TraceService") + "/Export";
        var length = request.Bytes.Length;
        using var message = Message(path, [0, (byte)(length >> 24), (byte)(length >> 16), (byte)(length >> 8), (byte)length, .. request.Bytes], "application/grpc");
        (message.Version, message.VersionPolicy) = (HttpVersion.Version20, HttpVersionPolicy.RequestVersionExact);
        message.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        using var response = await _http.SendAsync(message);
        await response.Content.ReadAsByteArrayAsync();
        var details = Header(response, "grpc-status-details-bin") is { } text ? Encoding.Latin1.GetString(Convert.FromBase64String(text.PadRight((text.Length + 3) / 4 * 4, '='))) : "";
        return Header(response, "grpc-status") switch
        {
            null => (Heard.Nothing, default),
            "0" => (Heard.Acknowledged, default),
            "14" or "8" when details.Contains("google.rpc.RetryInfo", StringComparison.Ordinal) => (Heard.TryLater, TimeSpan.FromSeconds(1)),
            var status => throw new InvalidOperationException($"gRPC status {status}: {Header(response, "grpc-message")}"),
        };
    }

    private HttpRequestMessage Message(string path, byte[] bytes, string type)
    {
        var message = new HttpRequestMessage(HttpMethod.Post, new Uri(door, path)) { Content = new ByteArrayContent(bytes) };
        message.Content.Headers.ContentType = new MediaTypeHeaderValue(type);
        message.Headers.Add("X-API-Key", key);
        return message;
    }

    private static string? Header(HttpResponseMessage response, string name) =>
        response.TrailingHeaders.TryGetValues(name, out var values) || response.Headers.TryGetValues(name, out values) ? values.First() : null;
}
